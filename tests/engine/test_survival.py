"""The whole thing for real: kill -9 the controller, kill -9 Envoy, fill the disk, all in the middle of a rollout under load."""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from shipway.model.errors import ShipwayError
from shipway.runtimes.local.kept import Kept
from shipway.testing import service
from shipway.testing.load import Load, Shot, failures, shares
from tests.listening import app_port

pytestmark = pytest.mark.e2e

APPLICATION = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: shop}}
spec:
  archetype: api-service
  command: [{python}, -S, {service}]
  port: {port}
  health: /healthz
  env: {{VERSION: "{version}", ERRORS: "{errors}"}}
  slo: {{availability: 99%}}
  delivery:
    steps:
      - {{weight: 20%, for: {first}s}}
      - {{weight: 50%, for: 2s}}
---
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {{name: here}}
spec:
  defaults: {{delivery: {{minRequests: 20}}}}
"""


class Site:
    """A state directory, its controller's process, and a client."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = app_port()
        self.controller: asyncio.subprocess.Process | None = None

    async def up(self) -> float:
        """Start a controller; seconds until it answers."""
        began = time.monotonic()
        self.controller = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.engine.controller", str(self.home), stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *sys.path])},
        )  # fmt: skip
        assert self.controller.stdout is not None
        async with asyncio.timeout(30):
            assert await self.controller.stdout.readline() == b"ready\n"
        return time.monotonic() - began

    async def kill(self) -> None:
        """kill -9, and nothing else."""
        assert self.controller is not None
        self.controller.kill()
        await self.controller.wait()

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """One request to the API."""
        socket = (self.home / "controller.address").read_text(encoding="utf-8")
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=socket), base_url="http://c") as web:
            return await web.request(method, path, json=body, timeout=20)

    async def deploy(self, version: str, *, errors: float = 0.0, first: int = 3) -> httpx.Response:
        """Deploy a version of the shop."""
        text = APPLICATION.format(
            python=sys.executable, service=service.__file__, port=self.port, version=version, errors=errors, first=first
        )
        body = {"files": [{"file": "shop.yaml", "text": text}], "directory": str(self.home), "by": "ann"}
        return await self.ask("POST", "/v1/deployments", body)

    async def view(self) -> Any:
        """How the shop stands."""
        return (await self.ask("GET", "/v1/applications/shop")).json()

    async def until(self, happened: Callable[[Any], object], seconds: float = 40.0) -> Any:
        """Wait for something that must come; far longer than it takes, so that a busy machine fails no test."""
        view = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not happened(view := await self.view()):
                    await asyncio.sleep(0.1)
                return view
        raise AssertionError(f"never happened: {view and view['rollout']}")

    async def live(self, version: str = "1") -> Any:
        """Deploy and wait until it is live."""
        assert (await self.deploy(version)).status_code == 200
        return await self.until(lambda view: view["live"] and view["rollout"]["phase"] == "promoted")

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this home, but for the controller."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                inside = any(str(self.home) in word for word in process.cmdline())
                inside = inside or process.environ().get("SHIPWAY_APP_HOME") == str(self.home)
                if inside and "tests.engine.controller" not in process.cmdline():
                    found.append(process)
        return found

    async def down(self) -> None:
        """End everything by the API, or by force."""
        with contextlib.suppress(httpx.HTTPError, OSError, ShipwayError, AssertionError):
            if self.controller is None or self.controller.returncode is not None:
                await self.up()
            await self.ask("POST", "/v1/controller/shutdown")
            assert self.controller is not None
            await asyncio.wait_for(self.controller.wait(), 20)
        for process in self.processes():
            process.kill()


@contextlib.asynccontextmanager
async def site(home: Path) -> AsyncIterator[Site]:
    """A site with a controller; ended afterwards."""
    found = Site(home)
    try:
        await found.up()
        yield found
    finally:
        await found.down()


def real(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(**arguments: object) -> None:
        asyncio.run(test(**arguments))

    return run


def between(shots: list[Shot], start: float, end: float) -> list[Shot]:
    """Requests that were due in a span of time."""
    return [shot for shot in shots if start <= shot.sent < end]


def pids(view: Any) -> set[int]:
    """Of every instance."""
    return {instance["pid"] for release in view["releases"] for instance in release["instances"]}


@real
async def test_a_killed_controller_costs_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async with site(tmp_path / "home") as it:
        await it.live()
        load = Load(it.port, rate=150, seconds=60)
        loading = asyncio.create_task(load.run())
        await it.deploy("2", first=8)
        before = await it.until(lambda view: view["rollout"]["phase"] == "observing")
        assert before["weights"] == {"v1": 80.0, "v2": 20.0}
        await asyncio.sleep(1)
        await it.kill()
        killed = time.time()
        await asyncio.sleep(2.5)
        alone = between(load.shots, killed, killed + 2.5)
        assert shares(alone)["v2"] == pytest.approx(0.2, abs=0.08)
        await it.up()
        after = await it.view()
        assert pids(after) == pids(before)
        assert (after["rollout"]["id"], after["rollout"]["active"], after["weights"]) == (
            "shop-2",
            True,
            before["weights"],
        )
        final = await it.until(lambda view: not view["rollout"]["active"])
        assert (final["live"], final["rollout"]["phase"]) == ("v2", "promoted")
        promoted = time.time()
        await asyncio.sleep(0.5)
        load.stop()
        shots = await loading
        assert failures(shots) == []
        assert set(shares(between(shots, promoted, time.time()))) == {"v2"}
        assert await replayed_identically(it.home, "shop-2")


async def replayed_identically(home: Path, rollout: str) -> bool:
    """Whether the readings in the journal give the same verdict again, to the bit."""
    from shipway.cli.wiring import open_journal
    from shipway.engine.replay import rejudge
    from shipway.model.ids import RolloutId
    from shipway.rollout.codec import decode

    journal = open_journal(home)
    events = [decode(recorded.data) for recorded in journal.read("app:shop")]
    journal.close()
    return rejudge(events, RolloutId(rollout)).identical


@real
async def test_a_killed_envoy_is_back_with_the_same_weights_and_the_rollout_goes_on(tmp_path: Path) -> None:
    async with site(tmp_path / "home") as it:
        await it.live()
        load = Load(it.port, rate=150, seconds=60)
        loading = asyncio.create_task(load.run())
        await it.deploy("2", first=5)
        await it.until(lambda view: view["rollout"]["phase"] == "observing")
        await asyncio.sleep(1)
        envoy = Kept(it.home / "proxy").child()
        assert envoy is not None
        psutil.Process(envoy.pid).kill()
        killed = time.time()
        await asyncio.sleep(2.5)
        view = await it.view()
        assert view["weights"] == {"v1": 80.0, "v2": 20.0}
        gap = [shot.sent for shot in failures(load.shots)]
        assert max(gap, default=killed) - killed < 2.0
        back = between(load.shots, max(gap, default=killed) + 0.01, killed + 2.5)
        assert failures(back) == []
        assert shares(back)["v2"] == pytest.approx(0.2, abs=0.12)
        final = await it.until(lambda view: not view["rollout"]["active"])
        assert (final["live"], final["rollout"]["phase"]) == ("v2", "promoted")
        load.stop()
        shots = await loading
        assert failures(between(shots, killed + 2.0, time.time())) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(directory)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(path: Path) -> None:
    """Until no byte is left."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass


@real
async def test_a_full_disk_holds_the_rollout_until_there_is_space(small_disk: Path) -> None:
    async with site(small_disk / "home") as it:
        await it.live()
        load = Load(it.port, rate=150, seconds=60)
        loading = asyncio.create_task(load.run())
        await it.deploy("2", first=4)
        await it.until(lambda view: view["rollout"]["phase"] == "observing")
        fill(small_disk / "ballast")
        held = await it.until(lambda view: view["trouble"])
        assert "disk" in held["trouble"]
        refused = await it.deploy("3")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "journal")
        assert "disk" in refused.json()["error"]["message"]
        await asyncio.sleep(5)
        still = await it.view()
        assert (still["rollout"]["phase"], still["weights"]) == ("observing", {"v1": 80.0, "v2": 20.0})
        (small_disk / "ballast").unlink()
        final = await it.until(lambda view: not view["rollout"]["active"])
        assert (final["live"], final["rollout"]["phase"], final["trouble"]) == ("v2", "promoted", "")
        load.stop()
        assert failures(await loading) == []
