"""A controller in a process of its own and one service on it, for the benches that measure the real thing.

Used by ``bench.exposure_live`` and ``bench.start``. Everything is ended on the way out, also on Ctrl-C.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from shipway.cli.wiring import end_orphans
from shipway.model.errors import ShipwayError
from shipway.testing import service

T = TypeVar("T")

NAME = "bench"

_SERVE = "import asyncio, pathlib; from shipway.cli.wiring import serve; asyncio.run(serve(pathlib.Path({home!r}), None, lambda: print('ready', flush=True)))"


class Controller:
    """The API of a running controller, as a client of its socket sees it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        address = (home / "controller.address").read_text(encoding="utf-8")
        transport = httpx.AsyncHTTPTransport(uds=address)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://controller/v1", timeout=30.0)

    async def deploy(self, document: Mapping[str, object]) -> str:
        """Ask for a release of one application; returns its id."""
        # JSON is YAML.
        files = [{"file": "application.yaml", "text": json.dumps(document)}]
        body = {"files": files, "directory": str(self.home), "by": "bench"}
        return str((await self._answer("POST", "/deployments", body))["applications"][0]["release"])

    async def rollout(self) -> dict[str, Any]:
        """The rollout under way, or the last."""
        found: dict[str, Any] = (await self._answer("GET", f"/applications/{NAME}"))["rollout"]
        return found

    async def abort(self) -> None:
        """End the rollout under way."""
        await self._answer("POST", f"/applications/{NAME}/abort", {"by": "bench"})

    async def ended(self, within: float, poll: float = 0.1) -> dict[str, Any]:
        """The rollout, once it has ended or ``within`` seconds are over."""
        deadline = time.monotonic() + within
        while (found := await self.rollout())["active"] and time.monotonic() < deadline:  # another process
            await asyncio.sleep(poll)
        return found

    async def _answer(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def controller() -> AsyncIterator[Controller]:
    """A controller with a new home; it and everything that it runs is ended on the way out."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        home = Path(name)
        with (home / "controller.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _SERVE.format(home=name),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end it in order
            )
        try:
            assert process.stdout is not None
            if await asyncio.wait_for(process.stdout.readline(), 30) != b"ready\n":
                raise RuntimeError(f"the controller did not start: {(home / 'controller.log').read_text()[-2000:]}")
            yield Controller(home)
        finally:
            await _end(process, home)


async def _end(process: asyncio.subprocess.Process, home: Path) -> None:
    """In order if it answers; otherwise by signal, and what it ran after it."""
    try:
        async with asyncio.timeout(30):
            await Controller(home).http.post("/controller/shutdown")
            await process.wait()
    except (OSError, TimeoutError, httpx.HTTPError):
        if process.returncode is None:
            process.kill()
            await process.wait()
        with contextlib.suppress(ShipwayError):
            await end_orphans(home)


def application(
    port: int,
    env: Mapping[str, object] | None = None,
    *,
    steps: tuple[tuple[float, float], ...] = ((5, 600),),
    slo: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The file of a light service on ``port``; ``env`` says how it misbehaves, ``steps`` are (percent, seconds)."""
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": NAME},
        "spec": {
            "archetype": "api-service",
            "command": [sys.executable, "-S", service.__file__],
            "port": port,
            "health": "/healthz",
            "env": {name: str(value) for name, value in (env or {}).items()},
            "slo": dict(slo or {}),
            "delivery": {"steps": [{"weight": f"{weight:g}%", "for": f"{seconds:g}s"} for weight, seconds in steps]},
        },
    }


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``; SIGTERM ends it as Ctrl-C does, with everything that was started."""

    async def guarded() -> T:
        task = asyncio.ensure_future(main)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    return asyncio.run(guarded())
