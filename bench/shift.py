"""How fast and how safely traffic follows a change of weights, on the local runtime: ``python -m bench.shift --json``.

Two releases behind the real proxy, an open-loop load on loopback, and a prober that asks back to back. Each change sends
all traffic to the other release, so that the first request on the new weights is known by its answer. Beside us, in the
same run and on the same proxy: the weights as runtime keys, set through Envoy's admin interface (nothing is written, so
they are lost when Envoy restarts). A control period without changes shows what the load itself costs.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import numpy as np

from shipway.model.ids import AppName, CommandId, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.weights import weights
from shipway.model.workload import Probe, Workload
from shipway.render import envoy
from shipway.rollout.commands import SetRoutes, StartRelease
from shipway.runtimes.local.ports import free_port
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.testing import service
from shipway.testing.load import Load, Shot, failures

SHOP = AppName("shop")
RELEASES = (ReleaseId("v1"), ReleaseId("v2"))
CONTROL_SECONDS = 5.0

Change = Callable[[int], Awaitable[None]]
"""Send all traffic to the release of this index."""


class Times(msgspec.Struct):
    """Quantiles in milliseconds."""

    median: float
    p95: float
    max: float


class Result(msgspec.Struct):
    """One method's figures."""

    changes: int
    requests: int
    """Of the load."""
    failed: int
    probes: int
    """Of the prober; one that fails ends the run."""
    follow_ms: Times
    """From asking for the change until the end of the first answer by the new release."""
    applied_ms: Times
    """Until the call returned."""
    stale_after_return: int
    """Requests sent after the call had returned that the old release answered."""


class Prober:
    """Asks back to back on one connection who answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.count = 0

    async def ask(self) -> str:
        """The release that answers now."""
        self.count += 1
        self._writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        await self._reader.readexactly(int(fields[b"content-length"]))
        return fields[b"x-release"].decode()

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


@contextlib.asynccontextmanager
async def shop(directory: Path) -> AsyncIterator[LocalRuntime]:
    """Two ready releases."""
    runtime = LocalRuntime(directory)
    await runtime.open(lambda _app, _event: None, {})
    try:
        for number, release in enumerate(RELEASES, start=1):
            command = (sys.executable, "-S", service.__file__)
            probe = Probe("/healthz")
            workload = Workload(SHOP, release, command, str(directory), startup=probe, readiness=probe)
            await runtime.start(StartRelease(CommandId(release), Generation(number), workload))
        async with asyncio.timeout(30):
            while any(i.state != "ready" for r in RELEASES for i in runtime.instances(SHOP, r)):  # other processes
                await asyncio.sleep(0.05)
        yield runtime
    finally:
        await runtime.shutdown()


async def measure(port: int, rate: float, changes: int, change: Change) -> Result:
    """``changes`` times all traffic to the other release, under ``rate`` requests per second."""
    load = Load(port, rate=rate, seconds=120)
    running = asyncio.create_task(load.run())
    prober = Prober(*await asyncio.open_connection("127.0.0.1", port))
    follow, applied, stale = [], [], 0
    for number in range(changes):
        target = (number + 1) % 2
        began = time.perf_counter()
        asked = asyncio.ensure_future(_timed(change(target)))
        while await prober.ask() != RELEASES[target]:
            pass
        follow.append(time.perf_counter() - began)
        applied.append(await asked)
        stale += await prober.ask() != RELEASES[target]
    load.stop()
    shots = await running
    prober.close()
    return Result(changes, len(shots), len(failures(shots)), prober.count, _times(follow), _times(applied), stale)


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _times(seconds: list[float]) -> Times:
    median, p95, top = np.quantile(np.array(seconds) * 1000, (0.5, 0.95, 1.0)).round(2).tolist()
    return Times(median, p95, top)


def by_files(runtime: LocalRuntime, port: int) -> Change:
    """Our way: :meth:`LocalRuntime.set_routes`, which returns when requests follow."""
    generation = 0

    async def change(target: int) -> None:
        nonlocal generation
        generation += 1
        routes = Routes(SHOP, port, weights({RELEASES[target]: 100.0}), Generation(generation))
        await runtime.set_routes(SetRoutes(CommandId("shift"), Generation(generation), routes))

    return change


async def by_runtime_keys(runtime: LocalRuntime, port: int, web: httpx.AsyncClient) -> Change:
    """The rival: one route with runtime keys for weights, changed through the admin socket."""
    proxy = runtime.proxy.directory
    _rewrite(proxy / "bootstrap.json", '"dynamic_resources"', '"layered_runtime": ADMIN, "dynamic_resources"')
    before = runtime.proxy.kept.child()
    runtime.proxy.kept.restart("the rival needs an admin layer")
    async with asyncio.timeout(30):
        while runtime.proxy.kept.child() in (None, before):  # another process
            await asyncio.sleep(0.05)
    routes = Routes(SHOP, port, weights({RELEASES[0]: 50.0, RELEASES[1]: 50.0}), Generation(10**6))
    await runtime.set_routes(SetRoutes(CommandId("rival"), routes.generation, routes))
    path = Path(envoy.Files(str(proxy)).routes(SHOP))
    _rewrite(path, '"weighted_clusters": {', '"weighted_clusters": {"runtime_key_prefix": "split",')
    await asyncio.sleep(0.5)

    async def change(target: int) -> None:
        shares = {f"split.{envoy.cluster_name(SHOP, r)}": str(10_000 * (r == RELEASES[target])) for r in RELEASES}
        response = await web.post("http://envoy/runtime_modify", params=shares)
        response.raise_for_status()

    return change


def _rewrite(path: Path, old: str, new: str) -> None:
    admin_layer = json.dumps({"layers": [{"name": "admin", "admin_layer": {}}]})
    temporary = path.with_suffix(".rival")
    temporary.write_text(path.read_text().replace(old, new.replace("ADMIN", admin_layer)))
    temporary.replace(path)


async def control(port: int, rate: float) -> list[Shot]:
    """The same load without any change."""
    return await Load(port, rate=rate, seconds=CONTROL_SECONDS).run()


async def run(changes: int, rate: float) -> dict[str, object]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        async with shop(Path(name)) as runtime:
            port = free_port(())
            change = by_files(runtime, port)
            await change(0)
            quiet = await control(port, rate)
            ours = await measure(port, rate, changes, change)
            transport = httpx.AsyncHTTPTransport(uds=runtime.admin_socket)
            async with httpx.AsyncClient(transport=transport) as web:
                rival_change = await by_runtime_keys(runtime, port, web)
                await rival_change(0)
                rival = await measure(port, rate, changes, rival_change)
    return {
        "rate": rate,
        "control": {"requests": len(quiet), "failed": len(failures(quiet))},
        "shipway": msgspec.to_builtins(ours),
        "admin_runtime_keys": msgspec.to_builtins(rival),
    }


def main() -> int:
    """0: no request failed while weights changed; 1: some did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second beside the prober's")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args()
    found = asyncio.run(run(options.changes, options.rate))
    sys.stdout.write(json.dumps(found, indent=None if options.json else 2) + "\n")
    ours = found["shipway"]
    assert isinstance(ours, dict)
    return int(ours["failed"] > 0 or ours["stale_after_return"] > 0)


if __name__ == "__main__":
    sys.exit(main())
