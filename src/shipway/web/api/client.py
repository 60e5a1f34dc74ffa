"""The controller as the verbs see it: one method per request of its API, over the UNIX socket in the home.

Everything that can go wrong on the way becomes an error of :mod:`shipway.model.errors`; an error that the controller
reports arrives as the same class that was raised there.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from shipway.engine.views import (
    ApplicationView,
    ControllerView,
    Deployment,
    FieldView,
    LogFile,
    PromisesView,
    RolloutView,
)
from shipway.facts.home import socket_path
from shipway.model.errors import BadInput, ControllerUnreachable, Denied, ShipwayError
from shipway.model.problems import Problem

T = TypeVar("T")
Action = Literal["pause", "resume", "promote", "abort", "retry"]

_PATIENCE = 30.0
"""Seconds for an answer: the controller answers within milliseconds unless its disk or its machine stalls."""


class _Rollouts(msgspec.Struct, frozen=True):
    rollouts: tuple[RolloutView, ...]


class _Logs(msgspec.Struct, frozen=True):
    files: tuple[LogFile, ...]


class Explanation(msgspec.Struct, frozen=True):
    """Why an application is as it is."""

    text: str
    fields: tuple[FieldView, ...] = ()
    rollout: RolloutView | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str
    code: str = ""
    hint: str = ""
    problems: tuple[Problem, ...] = ()


class _ErrorShape(msgspec.Struct, frozen=True):
    error: _Error


class Client:
    """Talks to the controller of ``home``. Use as a context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._socket = socket_path(home)
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._socket)),
            base_url="http://controller/v1",
            timeout=httpx.Timeout(_PATIENCE, connect=5.0),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # -- the controller

    def controller(self) -> ControllerView:
        """The controller and all its applications."""
        return self._get("/controller", ControllerView)

    def shut_down(self) -> None:
        """Have everything drained and ended. Returns when the controller has begun to."""
        self._post("/controller/shutdown", {}, dict[str, Any])

    # -- applications

    def deploy(self, files: list[dict[str, str]], **request: object) -> Deployment:
        """Have the applications in ``files`` (``file``, ``text``) released."""
        return self._post("/deployments", {"files": files, **request}, Deployment)

    def application(self, app: str) -> ApplicationView:
        """One application."""
        return self._get(_app(app), ApplicationView)

    def undo(self, app: str, to: str | None, by: str) -> ApplicationView:
        """Traffic back to an earlier release."""
        return self._post(f"{_app(app)}/undo", {"to": to, "by": by}, ApplicationView)

    def act(self, app: str, action: Action, *, by: str, full: bool = False, reason: str = "") -> ApplicationView:
        """One of the things a person may do to a rollout."""
        return self._post(f"{_app(app)}/{action}", {"by": by, "full": full, "reason": reason}, ApplicationView)

    def logs(self, app: str, release: str | None) -> tuple[LogFile, ...]:
        """Its log files, each instance's oldest first."""
        return self._get(f"{_app(app)}/logs", _Logs, {"release": release} if release else {}).files

    def explain(self, app: str, field: str | None) -> Explanation:
        """Where its values come from."""
        return self._get(f"{_app(app)}/explain", Explanation, {"field": field} if field else {})

    def slo(self, app: str | None) -> PromisesView:
        """How the promises of one application, or of all, stand."""
        return self._get(f"{_app(app)}/slo" if app else "/slo", PromisesView)

    def watch(self, app: str) -> Iterator[ApplicationView]:
        """The application now and after every change, until the caller stops."""
        with (
            self._translated(),
            self._http.stream("GET", f"{_app(app)}/watch", timeout=httpx.Timeout(_PATIENCE, read=None)) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise _reported(answer)
            for data in _events(answer.iter_lines()):
                yield _decoded(data, ApplicationView)
        raise ControllerUnreachable(
            f"the controller in {self.home} has gone away; what runs goes on without it",
            hint="`shipway up --detach` starts it again, and the rollout goes on where it stood.",
        )

    # -- rollouts

    def rollouts(self) -> tuple[RolloutView, ...]:
        """All rollouts, oldest first."""
        return self._get("/rollouts", _Rollouts).rollouts

    def rollout(self, name: str) -> RolloutView:
        """By id, or the current one of the application called ``name``."""
        return self._get(f"/rollouts/{quote(name, safe='')}", RolloutView)

    # -- inside

    def _get(self, path: str, kind: type[T], parameters: dict[str, str] | None = None) -> T:
        with self._translated():
            return self._answer(self._http.get(path, params=parameters or {}), kind)

    def _post(self, path: str, body: dict[str, object], kind: type[T]) -> T:
        with self._translated():
            return self._answer(self._http.post(path, json=body), kind)

    def _answer(self, answer: httpx.Response, kind: type[T]) -> T:
        if answer.is_error:
            raise _reported(answer)
        return _decoded(answer.content, kind)

    def _knock(self) -> None:
        """Fail at once if nobody listens: httpcore would leave a socket open behind every refused connection."""
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(5.0)
            door.connect(str(self._socket))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            self._knock()
            yield
        except (OSError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ControllerUnreachable(
                f"no controller answers for {self.home}",
                hint="Start it with `shipway up --detach`; if it runs elsewhere, name its directory with --home.",
            ) from error
        except httpx.TimeoutException as error:
            raise ControllerUnreachable(
                f"the controller in {self.home} did not answer within {_PATIENCE:g} s",
                hint="Is the machine overloaded or the disk stuck? Its log is controller.log in that directory.",
            ) from error
        except httpx.TransportError as error:
            raise ControllerUnreachable(
                f"the connection to the controller in {self.home} broke: {error}",
                hint="`shipway status` shows whether it is still there, and what was done.",
            ) from error


def _app(name: str) -> str:
    return f"/applications/{quote(name, safe='')}"


def _events(lines: Iterator[str]) -> Iterator[bytes]:
    """Data of the ``application`` events in a stream of server-sent events (WHATWG HTML, 9.2.6)."""
    kind, data = "message", list[str]()
    for line in lines:
        if not line:
            if kind == "application" and data:
                yield "\n".join(data).encode()
            kind, data = "message", []
        field, _, value = line.partition(":")
        if field == "event":
            kind = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ShipwayError(
            f"the controller's answer makes no sense to this version: {error}",
            hint="Controller and command are probably different versions: `shipway down`, then `shipway up --detach`.",
        ) from error


def _reported(answer: httpx.Response) -> ShipwayError:
    """The error that the controller tells of, as it was raised there."""
    try:
        error = msgspec.json.decode(answer.content, type=_ErrorShape).error
    except msgspec.MsgspecError:
        return ShipwayError(f"the controller answered {answer.status_code} {answer.reason_phrase}")
    if error.code == BadInput.code:
        return BadInput(error.message, problems=error.problems, hint=error.hint)
    if error.code == Denied.code:
        return Denied(error.message, problems=error.problems, hint=error.hint)
    return _named(error.code)(error.message, hint=error.hint)


def _named(code: str, root: type[ShipwayError] = ShipwayError) -> type[ShipwayError]:
    if root.code == code:
        return root
    found = (_named(code, kind) for kind in root.__subclasses__())
    return next((kind for kind in found if kind.code == code), ShipwayError)
