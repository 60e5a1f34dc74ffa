"""The local runtime keeps the promises of Runtime, Router and MetricSource, on real processes behind a real Envoy."""

import asyncio
import sys
from pathlib import Path

import pytest

from shipway.engine.ports import MetricSource, Router, Runtime
from shipway.metrics.envoy import EnvoyMetrics
from shipway.model.ids import AppName, ReleaseId
from shipway.model.workload import Probe, Workload
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.testing import service
from shipway.testing.contracts import delivery
from shipway.testing.load import Load
from tests import leftovers
from tests.listening import app_port

pytestmark = [pytest.mark.e2e]

SERVICE = Path(service.__file__)

LONG = {
    # Each waits for what must not happen, or for several lives of a process.
    delivery.a_crash_loop_is_reported_once_with_the_log,
    delivery.never_becoming_ready_is_a_failure,
    delivery.a_start_during_the_drain_wins,
    delivery.stopping_again_is_answered_again,
    delivery.a_stale_start_is_ignored,
    delivery.a_stopped_release_can_be_started_again,
}
"""Run by `make test-all` only; the runtime's own tests cover the same ground in `make test`."""


class Wall:
    """The Clock port on this machine's clock."""

    def now(self) -> float:
        import time

        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LocalStage:
    """An empty state directory."""

    patience = 20.0
    settle = 1.5

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Wall()
        self._current = LocalRuntime(directory)
        self._fresh = True
        self._sources: list[EnvoyMetrics] = []
        self._ports: dict[AppName, int] = {}

    def runtime(self) -> Runtime:
        """The router and the metrics of a controller are those of its runtime, so it is made first."""
        if not self._fresh:
            self._current = LocalRuntime(self.directory)
        self._fresh = False
        return self._current

    def router(self) -> Router:
        return self._current

    def metrics(self) -> MetricSource:
        source = EnvoyMetrics(self._current.admin_socket, self._current.vitals)
        self._sources.append(source)
        return source

    def workload(self, app: AppName, release: ReleaseId, kind: delivery.Kind, replicas: int = 1) -> Workload:
        env = {"good": {}, "failing": {"ERRORS": "1"}, "crashing": {}, "never-ready": {"UNHEALTHY_IF": "/"}}[kind]
        command = (sys.executable, "-S", str(SERVICE))
        if kind == "crashing":
            command = (sys.executable, "-S", "-c", "import time; print('boom', flush=True); time.sleep(0.2)")
        return Workload(
            app,
            release,
            command,
            str(SERVICE.parent),
            env=tuple(env.items()),
            replicas=replicas,
            startup=Probe("/healthz", interval=0.1, failures=20 if kind == "never-ready" else 100),
            readiness=Probe("/healthz", interval=0.1),
            drain_seconds=1.0,
        )

    def port(self, app: AppName) -> int:
        return self._ports.setdefault(app, app_port())

    async def traffic(self, app: AppName, requests: int) -> None:
        await Load(self.port(app), rate=200, seconds=requests / 200).run()

    async def end(self) -> None:
        """End whatever a check has left running."""
        for source in self._sources:
            await source.close()
        await self._current.close()
        last = LocalRuntime(self.directory)
        try:
            await last.open(lambda _app, _event: None, {})
            await last.shutdown()
            assert leftovers.processes(self.directory) == []
        finally:
            leftovers.end([self.directory])


@pytest.mark.parametrize(
    "check",
    [pytest.param(check, marks=[pytest.mark.slow] if check in LONG else []) for check in delivery.CHECKS],
    ids=lambda check: check.__name__,
)
def test_local_contract(check: delivery.Check, tmp_path: Path) -> None:
    async def on_a_new_stage() -> None:
        stage = LocalStage(tmp_path / "state")
        try:
            await check(stage)
        finally:
            await stage.end()

    asyncio.run(on_a_new_stage())
