"""A controller that says what a test tells it to, over a real UNIX socket; it notes what it is asked."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any, Self

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shipway.engine.views import ApplicationView, ControllerView, IndicatorView, ReleaseView, RolloutView
from shipway.facts.home import SOCKET
from shipway.model.errors import ShipwayError
from shipway.web.api.errors import ErrorAnswer, body_of

AT = 1_700_000_000.0


def rollout(**changes: Any) -> RolloutView:
    """A canary that has just been promoted."""
    values: dict[str, Any] = {
        "id": "shop-2",
        "app": "shop",
        "release": "v2",
        "label": "1.1",
        "baseline": "v1",
        "kind": "canary",
        "phase": "promoted",
        "active": False,
        "by": "ann",
        "started_at": AT,
        "phase_at": AT + 60,
        "ended_at": AT + 60,
        "step": 2,
        "steps": (5.0, 25.0, 50.0),
        "weight": 100.0,
        "verdict": "pass",
        "reason": "canary failed 0 of 400 requests, baseline 1 of 1,200",
        "evidence": "canary failed 0 of 400 requests, baseline 1 of 1,200",
        "more_requests": None,
        "exposure": 0.25,
        "indicators": (indicator(),),
    }
    return RolloutView(**values | changes)


def indicator(**changes: Any) -> IndicatorView:
    values: dict[str, Any] = {
        "name": "errorRate",
        "kind": "errors",
        "verdict": "pass",
        "canary_bad": 0.0,
        "canary_total": 400,
        "baseline_bad": 1.0,
        "baseline_total": 1200,
        "canary_band": (0.0, 0.021),
        "baseline_band": (0.0, 0.009),
        "evidence": -1.25,
        "limit": 5.3,
        "sentence": "canary failed 0 of 400 requests, baseline 1 of 1,200",
    }
    return IndicatorView(**values | changes)


def release(**changes: Any) -> ReleaseView:
    values: dict[str, Any] = {
        "id": "v2",
        "label": "1.1",
        "at": AT,
        "by": "ann",
        "run": "running",
        "ready": 1,
        "wanted": 1,
        "weight": 100.0,
        "live": True,
        "failure": "",
    }
    return ReleaseView(**values | changes)


def application(**changes: Any) -> ApplicationView:
    values: dict[str, Any] = {
        "name": "shop",
        "url": "http://127.0.0.1:8080",
        "live": "v2",
        "settled": True,
        "weights": {"v2": 100.0},
        "releases": (release(),),
        "rollout": rollout(),
        "pending": None,
        "trouble": "",
    }
    return ApplicationView(**values | changes)


def controller(**changes: Any) -> ControllerView:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "pid": 4711,
        "home": "/somewhere",
        "started_at": AT,
        "trouble": "",
        "applications": (application(),),
    }
    return ControllerView(**values | changes)


class Stub:
    """Answers by (method, path): a view, a dict, bytes as they are, an error to report, or a list to be streamed."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / SOCKET
        self.forget()
        methods = ["GET", "POST"]
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])
        self._server = uvicorn.Server(uvicorn.Config(app, uds=str(self.socket), log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.answers: dict[tuple[str, str], Any] = {
            ("GET", "/v1/controller"): controller(),
            ("GET", "/v1/applications/shop"): application(),
            ("GET", "/v1/rollouts/shop"): rollout(),
            ("GET", "/v1/rollouts/shop-2"): rollout(),
            ("GET", "/v1/rollouts"): {"rollouts": [rollout()]},
        }
        self.asked: list[tuple[str, str, Any]] = []
        """(method, path with query, body)."""

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        query = f"?{request.url.query}" if request.url.query else ""
        self.asked.append((request.method, request.url.path + query, json.loads(body) if body else None))
        found = self.answers.get((request.method, request.url.path), ShipwayError(f"no answer for {request.url.path}"))
        if isinstance(found, ShipwayError):
            return Response(msgspec.json.encode(ErrorAnswer(body_of(found))), 502)
        if isinstance(found, list):
            return StreamingResponse(_events(found), media_type="text/event-stream")
        return Response(found if isinstance(found, bytes) else msgspec.json.encode(found))


async def _events(views: list[ApplicationView]) -> Any:
    for view in views:
        yield b": a comment\n\nevent: application\ndata: " + msgspec.json.encode(view) + b"\n\n"
