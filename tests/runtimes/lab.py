"""What the local runtime's end-to-end tests share: a real runtime in a directory of its own, and what it reported.

Nothing may be left behind: a lab ends every process whose command line or working directory lies in its directory, and
fails the test if shutdown had left any.
"""

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from shipway.engine.ports import InstanceStatus, RuntimeEvent
from shipway.model.ids import AppName, CommandId, Generation, ReleaseId
from shipway.model.routing import Affinity, CanaryMatch, Routes
from shipway.model.weights import weights
from shipway.model.workload import Probe, Workload
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.testing import service
from tests import leftovers
from tests.listening import app_port

SERVICE = Path(service.__file__)
T = TypeVar("T")
SHOP = AppName("shop")
QUICK = Probe("/healthz", interval=0.1, timeout=1.0, failures=3)


def real(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(**arguments: object) -> None:
        asyncio.run(test(**arguments))

    return run


def workload(release: str, *, env: dict[str, str] | None = None, **changes: Any) -> Workload:
    """The test service as one release."""
    settings: dict[str, Any] = {
        "command": (sys.executable, "-S", str(SERVICE)),
        "directory": str(SERVICE.parent),
        "startup": Probe("/healthz", interval=0.1, failures=100),
        "readiness": QUICK,
        "drain_seconds": 2.0,
    }
    return Workload(SHOP, ReleaseId(release), env=tuple((env or {}).items()), **{**settings, **changes})


class Lab:
    """A runtime, the events it has reported, and one application on one port."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.events: list[RuntimeEvent] = []
        self.generation = 0
        self.runtime = LocalRuntime(directory)

    async def open(self, *known: str) -> None:
        """A (new) controller opens the directory."""
        await self.runtime.open(lambda _app, event: self.events.append(event), {SHOP: [ReleaseId(r) for r in known]})

    async def reopen(self, *known: str) -> None:
        """The controller ends and another one comes."""
        await self.runtime.close()
        self.events.clear()
        self.runtime = LocalRuntime(self.directory)
        await self.open(*known)

    def next(self) -> Generation:
        """The generation of the next command."""
        self.generation += 1
        return Generation(self.generation)

    async def start(self, found: Workload, *, ready: bool = True) -> None:
        """Start a release and (unless told otherwise) wait until all of it is ready."""
        await self.runtime.start(StartRelease(CommandId("start"), self.next(), found))
        if ready:
            await self.until(lambda: self.states(found.release) == ["ready"] * found.replicas)

    async def stop(self, release: str) -> None:
        """Ask for the end of a release."""
        await self.runtime.stop(StopRelease(CommandId("stop"), self.next(), SHOP, ReleaseId(release)))

    async def route(self, canary: str | None = None, *, port: int = 0, **changes: Any) -> None:
        """Route; shares by release as keyword arguments: ``v1=90, v2=10``."""
        match = changes.pop("match", CanaryMatch())
        affinity = changes.pop("affinity", Affinity())
        generation = changes.pop("generation", None) or self.next()
        shares = weights({ReleaseId(name): float(share) for name, share in changes.items()})
        canary_id = ReleaseId(canary) if canary else None
        routes = Routes(SHOP, port or self.port, shares, generation, canary_id, match, affinity)
        await self.runtime.set_routes(SetRoutes(CommandId("routes"), generation, routes))

    def instances(self, release: str) -> Sequence[InstanceStatus]:
        """What runs."""
        return self.runtime.instances(SHOP, ReleaseId(release))

    def states(self, release: str) -> list[str]:
        """The instances' states."""
        return [instance.state for instance in self.instances(release)]

    def reported(self, kind: type[T]) -> list[T]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait for something that must come; far longer than it takes, so that a busy machine fails no test."""
        async with asyncio.timeout(seconds):
            while not condition():  # conditions are about other processes: nobody sets an event
                await asyncio.sleep(0.02)

    async def get(self, path: str = "/", **options: Any) -> httpx.Response:
        """One request through the proxy."""
        async with httpx.AsyncClient(trust_env=False) as web:
            return await web.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, **options)

    async def ask(self, instance: InstanceStatus, path: str) -> httpx.Response | None:
        """One request to an instance itself; None when it dies of it."""
        async with httpx.AsyncClient(trust_env=False) as web:
            with contextlib.suppress(httpx.TransportError):
                return await web.get(f"http://127.0.0.1:{instance.port}{path}", timeout=10)
        return None

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this directory."""
        inherited = filter(self._inherited, psutil.process_iter())
        return list({*leftovers.processes(self.directory), *inherited})

    def _inherited(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.environ().get("LAB") == str(self.directory)
        return False


@contextlib.asynccontextmanager
async def lab(directory: Path, *known: str) -> AsyncIterator[Lab]:
    """An open lab; shut down afterwards, and nothing may be left."""
    found = Lab(directory / "state", app_port())
    try:
        await found.open(*known)
        yield found
        await found.runtime.shutdown()
        assert [process.cmdline() for process in found.processes()] == []
    except BaseException:
        await found.runtime.close()
        raise
    finally:
        for process in found.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        leftovers.end([found.directory])
