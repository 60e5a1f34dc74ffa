"""The API as clients see it: a real server on a UNIX socket, over a controller whose cluster is virtual but whose time is real."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import structlog
import uvicorn

from shipway.engine.views import ApplicationView, ControllerView
from shipway.rollout.states import Phase
from shipway.testing.journals import HostileJournal, MemoryJournal
from shipway.web.api.app import create_app
from shipway.web.api.errors import ErrorAnswer
from tests.engine.desk import Desk, application
from tests.engine.world import World

# A second of real time is a long time for a test.
SHOP_YAML = application().text.replace("for: 2s", "for: 400ms")
DEPLOY = {"files": [{"file": "shop.yaml", "text": SHOP_YAML}], "directory": "/srv", "by": "ann"}


class Server:
    """The API of a world, and a client of it."""

    def __init__(self, world: World, web: httpx.AsyncClient) -> None:
        self.world, self.web = world, web
        self.stopped = False

    async def get(self, path: str) -> httpx.Response:
        return await self.web.get(path)

    async def post(self, path: str, body: object = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        return await self.web.post(path, content=content)


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[Server]:
    world = World(interval=0.1)
    await world.start()
    desk = Desk(world)
    found: list[Server] = []

    def describe() -> ControllerView:
        return ControllerView(
            version="0", pid=1, home="/h", started_at=0.0, trouble=world.engine.trouble,
            applications=desk.service.applications(),
        )  # fmt: skip

    def stop() -> None:
        found[0].stopped = True

    app = create_app(desk.service, describe, stop)
    socket = str(directory / "api.sock")
    server = uvicorn.Server(
        uvicorn.Config(app, uds=socket, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    transport = httpx.AsyncHTTPTransport(uds=socket)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller", timeout=10) as web:
        found.append(Server(world, web))
        yield found[0]
    server.should_exit = True
    await serving
    await world.die()


def api(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test against a served API."""

    @wraps(test)
    def runs(tmp_path: Path, **arguments: Any) -> None:
        async def inside() -> None:
            async with served(tmp_path) as it:
                await test(it, **arguments)

        with structlog.testing.capture_logs():
            asyncio.run(inside())

    import inspect

    own = [p for name, p in inspect.signature(test).parameters.items() if name != "it"]
    tmp = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    runs.__signature__ = inspect.Signature([tmp, *own])  # type: ignore[attr-defined]  # pytest reads the arguments from it
    del runs.__wrapped__  # type: ignore[attr-defined]  # set by functools.wraps; pytest would look through it
    return runs


def error_of(answer: httpx.Response) -> ErrorAnswer:
    """The one shape, decoded strictly."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert set(answer.json()["error"]) == {"code", "message", "hint", "exit_code", "problems"}
    assert "Traceback" not in answer.text
    return msgspec.json.decode(answer.content, type=ErrorAnswer)


class TestOneErrorShape:
    """Whatever goes wrong wherever, a client reads the same five fields."""

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/v1/applications/nobody", 404, "not-found"),
            ("GET", "/v1/applications/nobody/history", 404, "not-found"),
            ("GET", "/v1/applications/nobody/watch", 404, "not-found"),
            ("GET", "/v1/applications/nobody/logs", 404, "not-found"),
            ("GET", "/v1/applications/nobody/explain", 404, "not-found"),
            ("GET", "/v1/rollouts/nobody-1", 404, "not-found"),
            ("POST", "/v1/applications/nobody/undo", 404, "not-found"),
            ("POST", "/v1/applications/nobody/pause", 404, "not-found"),
            ("POST", "/v1/applications/nobody/resume", 404, "not-found"),
            ("POST", "/v1/applications/nobody/promote", 404, "not-found"),
            ("POST", "/v1/applications/nobody/abort", 404, "not-found"),
            ("POST", "/v1/applications/nobody/retry", 404, "not-found"),
            ("POST", "/v1/deployments", 422, "bad-input"),
            ("GET", "/", 404, "not-found"),
            ("GET", "/v2/controller", 404, "not-found"),
            ("GET", "/v1/applications", 404, "not-found"),
            ("POST", "/v1/controller", 405, "refused"),
            ("GET", "/v1/deployments", 405, "refused"),
            ("DELETE", "/v1/applications/shop", 405, "refused"),
            ("GET", "/v1/controller/shutdown", 405, "refused"),
        ],
    )
    def test_shape(self, tmp_path: Path, method: str, path: str, status: int, code: str) -> None:
        async def asks() -> None:
            async with served(tmp_path) as it:
                answer = await it.web.request(method, path, content=b"{}" if method == "POST" else None)
                assert (answer.status_code, error_of(answer).error.code) == (status, code)
                assert error_of(answer).error.message
                assert not it.stopped

        asyncio.run(asks())

    @pytest.mark.parametrize(
        "name",
        [
            "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "%0d%0aset-cookie:%20a=b", "a" * 5000, "%ff%fe", "<script>",
            "{app}", "%F0%9F%9A%A2", "'%20or%201=1--", "$(id)", "shop%2Fundo", "%20", "-1", "__class__",
        ],
    )  # fmt: skip
    def test_hostile_names(self, tmp_path: Path, name: str) -> None:
        async def asks() -> None:
            async with served(tmp_path) as it:
                assert (await it.post("/v1/deployments", DEPLOY)).status_code == 200
                for path in (f"/v1/applications/{name}", f"/v1/rollouts/{name}", f"/v1/applications/{name}/logs"):
                    answer = await it.get(path)
                    assert error_of(answer).error.code in {"not-found", "refused"}, path
                answer = await it.post(f"/v1/applications/{name}/pause")
                assert error_of(answer).error.code in {"not-found", "refused"}

        asyncio.run(asks())

    @pytest.mark.parametrize("path", ["/v1/deployments", "/v1/applications/shop/undo", "/v1/applications/shop/pause"])
    @pytest.mark.parametrize(
        "body",
        [
            b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b'{"by": 7}', b'{"files": 7, "to": 7, "full": 7}', b"[" * 100_000,
            b'{"by": "\\ud800"}',
        ],
        ids=["cut", "list", "null", "binary", "text", "number", "wrong-types", "deep", "surrogate"],
    )  # fmt: skip
    def test_bad_bodies(self, tmp_path: Path, path: str, body: bytes) -> None:
        async def asks() -> None:
            async with served(tmp_path) as it:
                await it.post("/v1/deployments", DEPLOY)
                answer = await it.post(path, body)
                assert (answer.status_code, error_of(answer).error.code) == (422, "bad-input")
                assert error_of(answer).error.exit_code == 2

        asyncio.run(asks())


@api
async def test_problems_travel_with_their_place(it: Server) -> None:
    text = SHOP_YAML.replace("archetype: api-service", "archetype: api-servce").replace("8080", "99999")
    answer = await it.post("/v1/deployments", {**DEPLOY, "files": [{"file": "shop.yaml", "text": text}]})
    error = error_of(answer).error
    assert error.message == "2 problems found"
    assert [(p.file, p.line, p.path) for p in error.problems] == [
        ("shop.yaml", 5, "spec.archetype"),
        ("shop.yaml", 7, "spec.port"),
    ]


@api
async def test_a_refusal_of_the_journal_is_503(it: Server) -> None:
    it.world.engine._journal = HostileJournal(MemoryJournal(it.world.store), every=1, how="refuse")
    answer = await it.post("/v1/deployments", DEPLOY)
    assert (answer.status_code, error_of(answer).error.code) == (503, "journal")
    controller = (await it.get("/v1/controller")).json()
    assert controller["trouble"].startswith("no space is left on the disk")


@api
async def test_a_bug_is_500_and_no_traceback(it: Server) -> None:
    def broken() -> object:
        raise ZeroDivisionError("secret detail?")

    it.world.engine.states = broken  # type: ignore[method-assign, assignment]  # a bug of ours, put in on purpose
    answer = await it.get("/v1/rollouts")
    assert (answer.status_code, error_of(answer).error.code) == (500, "failed")
    assert error_of(answer).error.message == "unexpected ZeroDivisionError: secret detail?"


@api
async def test_a_rollout_from_deployment_to_undo(it: Server) -> None:
    deployed = (await it.post("/v1/deployments", DEPLOY)).json()
    assert deployed["applications"][0]["rollout"] == "shop-1"
    await it.world.settled()
    view = msgspec.json.decode((await it.get("/v1/applications/shop")).content, type=ApplicationView)
    assert (view.live, view.settled) == ("v1", True)
    text = SHOP_YAML.replace('VERSION: "1"', 'VERSION: "2"')
    await it.post("/v1/deployments", {**DEPLOY, "files": [{"file": "shop.yaml", "text": text}]})
    paused = (await it.post("/v1/applications/shop/pause", {"by": "ann"})).json()
    assert paused["rollout"]["phase"] == "paused"
    refused = await it.post("/v1/applications/shop/pause", {"by": "ann"})
    assert refused.status_code == 409
    await it.post("/v1/applications/shop/resume")
    await it.post("/v1/applications/shop/abort", {"reason": "enough"})
    await it.world.until(lambda state: state.phase is Phase.ABORTED)
    rollout = (await it.get("/v1/rollouts/shop-2")).json()
    assert (rollout["phase"], rollout["reason"], rollout["active"]) == ("aborted", "enough", False)
    assert len((await it.get("/v1/rollouts")).json()["rollouts"]) == 2
    history = (await it.get("/v1/applications/shop/history")).json()
    assert [release["label"] for release in history["releases"]] == ["1", "2"]
    explained = (await it.get("/v1/applications/shop/explain?field=port")).json()
    assert explained["fields"][0]["value"] == 8080
    assert "was aborted" in explained["text"]
    assert (await it.get("/v1/applications/shop/logs")).json() == {"files": []}
    assert (await it.post("/v1/applications/shop/undo")).status_code == 409
    assert (await it.get("/v1/controller")).json()["applications"][0]["name"] == "shop"
    assert (await it.post("/v1/controller/shutdown")).json() == {}
    assert it.stopped


@api
async def test_a_watch_tells_every_stage_until_the_client_leaves(it: Server) -> None:
    await it.post("/v1/deployments", DEPLOY)
    await it.world.settled()
    text = SHOP_YAML.replace('VERSION: "1"', 'VERSION: "2"')
    phases: list[str] = []
    async with it.web.stream("GET", "/v1/applications/shop/watch") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: application"
        first = msgspec.json.decode((await anext(lines)).removeprefix("data: "), type=ApplicationView)
        assert first.settled
        assert first.live == "v1"
        await it.post("/v1/deployments", {**DEPLOY, "files": [{"file": "shop.yaml", "text": text}]})
        async for line in lines:
            if line.startswith("data: "):
                view = msgspec.json.decode(line.removeprefix("data: "), type=ApplicationView)
                assert view.rollout is not None
                phases.append(f"{view.rollout.phase} {view.rollout.weight:g}")
                if not view.rollout.active:
                    break
    stages = list(dict.fromkeys(phases))
    assert [stage for stage in stages if stage.startswith("observing")] == ["observing 5", "observing 50"]
    assert stages[-1] == "promoted 100"
    assert len(it.world.engine._listeners) <= 1
    async with asyncio.timeout(5):
        while it.world.engine._listeners:  # the server notices that the client has left
            it.world.engine._follow(it.world.engine._apps[next(iter(it.world.engine._apps))], None)
            await asyncio.sleep(0.05)
