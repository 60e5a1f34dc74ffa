"""The routes. Each reads the request, asks the facade, and encodes the answer; nothing is decided here."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shipway.engine.service import DeployRequest, Service
from shipway.engine.views import ControllerView, FieldView, LogFile, ReleaseView, RolloutView
from shipway.model.errors import BadInput, ShipwayError
from shipway.rollout.events import Event
from shipway.rollout.states import Delivery
from shipway.web.api.errors import on_bug, on_error, on_no_route

T = TypeVar("T")

WATCH_INTERVAL = 0.2
"""Shortest time between two messages of a watch, in seconds: faster than that nobody reads."""


class Undo(msgspec.Struct):
    """Body of an undo."""

    to: str | None = None
    by: str = ""


class Steer(msgspec.Struct):
    """Body of pause, resume, promote, abort and retry."""

    by: str = ""
    full: bool = False
    reason: str = ""


class Rollouts(msgspec.Struct):
    """Every rollout."""

    rollouts: tuple[RolloutView, ...]


class History(msgspec.Struct):
    """One application's past."""

    rollouts: tuple[RolloutView, ...]
    releases: tuple[ReleaseView, ...]


class Logs(msgspec.Struct):
    """Where the logs are."""

    files: tuple[LogFile, ...]


class Explanation(msgspec.Struct):
    """How it stands and where its values came from."""

    text: str
    fields: tuple[FieldView, ...]
    rollout: RolloutView | None


class Api:
    """The handlers over one service."""

    def __init__(self, service: Service, controller: Callable[[], ControllerView], stop: Callable[[], None]) -> None:
        self._service, self._controller, self._stop = service, controller, stop

    async def controller(self, _request: Request) -> Response:
        return _json(self._controller())

    async def shutdown(self, _request: Request) -> Response:
        self._stop()
        return _json({})

    async def deploy(self, request: Request) -> Response:
        asked = await _body(request, DeployRequest)
        await self._service.learn(asked)
        return _json(self._service.deploy(asked))

    async def application(self, request: Request) -> Response:
        return _json(self._service.application(_name(request)))

    async def undo(self, request: Request) -> Response:
        body = await _body(request, Undo)
        return _json(self._service.undo(_name(request), body.to, body.by))

    async def steer(self, request: Request) -> Response:
        body = await _body(request, Steer)
        verb = request.path_params["verb"]
        return _json(self._service.steer(_name(request), verb, by=body.by, full=body.full, reason=body.reason))

    async def history(self, request: Request) -> Response:
        return _json(History(*self._service.history(_name(request))))

    async def logs(self, request: Request) -> Response:
        return _json(Logs(self._service.logs(_name(request), request.query_params.get("release", ""))))

    async def explain(self, request: Request) -> Response:
        return _json(Explanation(*self._service.explain(_name(request), request.query_params.get("field", ""))))

    async def slo(self, request: Request) -> Response:
        return _json(await self._service.promises(str(request.path_params.get("app", ""))))

    async def rollouts(self, _request: Request) -> Response:
        return _json(Rollouts(self._service.rollouts()))

    async def rollout(self, request: Request) -> Response:
        return _json(self._service.rollout(request.path_params["id"]))

    async def watch(self, request: Request) -> Response:
        view = self._service.application(_name(request))
        return StreamingResponse(self._changes(view.name, request), media_type="text/event-stream")

    async def _changes(self, name: str, request: Request) -> AsyncIterator[bytes]:
        """One message at once and one after every change; changes that come faster are told together."""
        changed = asyncio.Event()
        changed.set()

        def note(state: Delivery, _event: Event | None) -> None:
            if state.app == name:
                changed.set()

        unlisten = self._service.engine.listen(note)
        try:
            while not await request.is_disconnected():
                changed.clear()
                view = self._service.application(name)
                yield b"event: application\ndata: " + msgspec.json.encode(view) + b"\n\n"
                await asyncio.sleep(WATCH_INTERVAL)
                await _either(changed, seconds=5)  # a message now and then shows a client that we are alive
        finally:
            unlisten()


def create_app(service: Service, controller: Callable[[], ControllerView], stop: Callable[[], None]) -> Starlette:
    """The ASGI application. ``stop`` asks the process to end; ``controller`` describes it."""
    api = Api(service, controller, stop)
    one = "/v1/applications/{app}"
    routes = [
        Route("/v1/controller", api.controller),
        Route("/v1/controller/shutdown", api.shutdown, methods=["POST"]),
        Route("/v1/deployments", api.deploy, methods=["POST"]),
        Route(one, api.application),
        Route(f"{one}/undo", api.undo, methods=["POST"]),
        Route(f"{one}/history", api.history),
        Route(f"{one}/watch", api.watch),
        Route(f"{one}/logs", api.logs),
        Route(f"{one}/explain", api.explain),
        Route(f"{one}/slo", api.slo),
        Route("/v1/slo", api.slo),
        Route(f"{one}/{{verb}}", api.steer, methods=["POST"]),
        Route("/v1/rollouts", api.rollouts),
        Route("/v1/rollouts/{id}", api.rollout),
    ]
    handlers: dict[Any, Any] = {ShipwayError: on_error, HTTPException: on_no_route, Exception: on_bug}
    return Starlette(routes=routes, exception_handlers=handlers)


def _name(request: Request) -> str:
    return str(request.path_params["app"])


async def _either(changed: asyncio.Event, *, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"the request body is not as expected: {error}") from error


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
