"""A controller in a process of its own and one light service on it, for the benches that measure the real thing.

Used by ``bench.exposure_live`` and ``bench.start``. Everything is ended on the way out, also on Ctrl-C.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from shipway.engine.views import RolloutView
from shipway.testing import service
from shipway.web.api.client import Client

T = TypeVar("T")

NAME = "bench"

PATIENCE = 150.0
"""Seconds for one command; `down` waits two minutes at most for what runs to drain."""


def shipway(*arguments: str) -> None:
    """Run the command line as the installed ``shipway`` does.

    Raises:
        RuntimeError: it failed; its output is in the message.
    """
    command = [sys.executable, "-m", "shipway.cli.main", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        start_new_session=True,  # Ctrl-C is for the bench, which then ends everything in order
    )
    if done.returncode:
        raise RuntimeError(f"shipway {' '.join(arguments)} failed: {(done.stderr or done.stdout).decode()}")


class Controller:
    """What the benches ask of a running controller, through its API. Not from the event loop's thread: the load runs there."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def deploy(self, document: Mapping[str, object]) -> str:
        """Ask for a release of one application; returns its id."""
        files = [{"file": "application.yaml", "text": json.dumps(document)}]  # JSON is YAML
        deployed = await asyncio.to_thread(self._client.deploy, files, directory="/", by=NAME)
        return deployed.applications[0].release

    async def abort(self) -> None:
        """End the rollout under way."""
        await asyncio.to_thread(self._client.act, NAME, "abort", by=NAME)

    async def ended(self, within: float, poll: float = 0.1) -> RolloutView:
        """The last rollout, once it has ended or ``within`` seconds are over."""
        deadline = time.monotonic() + within
        while (found := await asyncio.to_thread(self._client.rollout, NAME)).active and time.monotonic() < deadline:
            await asyncio.sleep(poll)
        return found


@contextlib.asynccontextmanager
async def controller() -> AsyncIterator[Controller]:
    """A controller as ``shipway up`` starts it, with a new home; it and everything that it runs is ended on the way out."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        starting = asyncio.ensure_future(asyncio.to_thread(shipway, "up", "--detach", "--home", name))
        try:
            await asyncio.shield(starting)
            with Client(Path(name)) as client:
                yield Controller(client)
        finally:
            await asyncio.gather(starting, return_exceptions=True)  # an interrupted start is over before its end begins
            await asyncio.to_thread(shipway, "down", "--home", name)


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

    try:
        return asyncio.run(guarded())
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("interrupted; everything that was started has been ended")
