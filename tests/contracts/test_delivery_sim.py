"""The simulation keeps the promises of Runtime, Router and MetricSource."""

import pytest

from shipway.engine.ports import MetricSource, Router, Runtime
from shipway.model.ids import AppName, ReleaseId
from shipway.model.workload import Probe, Workload
from shipway.runtimes.sim.adapters import SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.loop import run
from shipway.testing.contracts import delivery

BEHAVIOURS: dict[str, Behaviour] = {
    "good": Behaviour(error_rate=0.0),
    "failing": Behaviour(error_rate=1.0),
    "crashing": Behaviour(crash_loop=0.2, start_delay=0.3, log_tail=("boom",)),
    "never-ready": Behaviour(never_ready=True),
}


class SimStage:
    """An empty virtual cluster."""

    patience = 20.0
    settle = 10.0

    def __init__(self) -> None:
        self.cluster = Cluster(seed=7, traffic=Traffic(rate=0.0))
        self.clock = self.cluster.clock

    def runtime(self) -> Runtime:
        return SimRuntime(self.cluster)

    def router(self) -> Router:
        return SimRouter(self.cluster)

    def metrics(self) -> MetricSource:
        return SimMetrics(self.cluster)

    def workload(self, app: AppName, release: ReleaseId, kind: delivery.Kind, replicas: int = 1) -> Workload:
        self.cluster.behave(app, release, BEHAVIOURS[kind])
        return Workload(
            app, release, ("serve",), "/", replicas=replicas, startup=Probe(interval=0.5, failures=4), drain_seconds=1.0
        )

    def port(self, app: AppName) -> int:
        return 8000 + len(app)

    async def traffic(self, app: AppName, requests: int) -> None:
        self.cluster.expect(app, Traffic(rate=requests))
        await self.clock.sleep(1.0)
        self.cluster.expect(app, Traffic(rate=0.0))


@pytest.mark.parametrize("check", delivery.CHECKS, ids=lambda check: check.__name__)
def test_sim_contract(check: delivery.Check) -> None:
    async def on_a_new_stage() -> None:
        await check(SimStage())

    run(on_a_new_stage())


def test_the_suite_lists_every_check() -> None:
    written = [
        v
        for n, v in vars(delivery).items()
        if getattr(v, "__module__", "") == delivery.__name__ and "_" in n.strip("_") and n[0] != "_"
    ]
    assert set(written) == set(delivery.CHECKS)
