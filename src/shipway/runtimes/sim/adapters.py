"""The ports over a :class:`~shipway.runtimes.sim.cluster.Cluster`, with the faults that real adapters have.

Make new ones over the same cluster to play a controller that died and came back.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery, InstanceStatus, RuntimeEvent, Sink
from shipway.model.errors import RuntimeFault
from shipway.model.ids import AppName, ReleaseId
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.runtimes.sim.cluster import Cluster


class Faults(msgspec.Struct, kw_only=True):
    """What goes wrong between a controller and the cluster. Chances are 0..1 each time; delays are the longest, in seconds.

    May be changed while the simulation runs.
    """

    lose_reading: float = 0.0
    """A release's counters cannot be read."""
    delay_reading: float = 0.0
    """The answer comes late (and is of the moment of asking)."""
    duplicate_event: float = 0.0
    delay_event: float = 0.0
    refuse_command: float = 0.0
    """RuntimeFault, and nothing was done."""
    lose_answer: float = 0.0
    """RuntimeFault, though it was done."""
    duplicate_command: float = 0.0
    """Executed again, up to ``delay_command`` later."""
    delay_command: float = 0.0
    """Executed up to this much after the call has returned, so that commands overtake each other."""
    failing_routers: int = 0
    """So many of the next changes of routes are refused; counts down."""


class _Unreliable:
    """Executes commands as well as the faults allow."""

    def __init__(self, cluster: Cluster, faults: Faults, chance: np.random.Generator) -> None:
        self._cluster, self._faults, self._chance = cluster, faults, chance

    def _happens(self, probability: float) -> bool:
        return probability > 0 and bool(self._chance.random() < probability)

    def _delayed(self, longest: float, action: Callable[[], None]) -> None:
        if longest <= 0:
            action()
            return
        moment = self._cluster.clock.now() + longest * float(self._chance.random())
        self._cluster.timeline.at(moment, lambda _now: action())

    def _execute(self, what: str, action: Callable[[], None]) -> None:
        faults = self._faults
        if self._happens(faults.refuse_command):
            raise RuntimeFault(f"{what}: refused by the simulation")
        self._delayed(faults.delay_command, action)
        if self._happens(faults.duplicate_command):
            self._delayed(faults.delay_command, action)
        if self._happens(faults.lose_answer):
            raise RuntimeFault(f"{what}: the simulation lost the answer")


class SimRuntime(_Unreliable):
    """The Runtime port."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None) -> None:
        super().__init__(cluster, faults or Faults(), cluster.chance("faults", "runtime"))
        self._sink: Sink | None = None

    async def open(self, sink: Sink, known: Mapping[AppName, Sequence[ReleaseId]]) -> None:
        """Adopt what runs, end what nobody knows; reports go to ``sink`` instead of whoever had them before."""
        self._sink = sink
        self._cluster.report = self._report
        self._cluster.timeline.advance()
        for release in self._cluster.releases():
            if release.state not in {"running", "stopping"}:
                continue
            if release.id in known.get(release.app, ()):
                self._report(release.app, self._cluster.status(release))
            else:
                self._cluster.kill(release)

    async def start(self, command: StartRelease) -> None:
        """See the port. Raises RuntimeFault only when told to by the faults."""
        self._execute(
            f"start {command.workload.release}", lambda: self._cluster.start(command.workload, command.generation)
        )

    async def stop(self, command: StopRelease) -> None:
        """See the port. Raises RuntimeFault only when told to by the faults."""
        action = lambda: self._cluster.stop(command.app, command.release, command.generation)  # noqa: E731  # one statement
        self._execute(f"stop {command.release}", action)

    def instances(self, app: AppName, release: ReleaseId) -> Sequence[InstanceStatus]:
        """What is there now."""
        return self._cluster.instances(app, release)

    def log_paths(self, app: AppName, release: ReleaseId) -> Sequence[str]:  # noqa: ARG002  # the port's signature
        """Virtual services write no files."""
        return ()

    async def close(self) -> None:
        """Stop reporting. Releases keep running."""
        self._sink = None

    def _report(self, app: AppName, event: RuntimeEvent) -> None:
        self._delayed(self._faults.delay_event, lambda: self._tell(app, event))
        if self._happens(self._faults.duplicate_event):
            self._delayed(self._faults.delay_event, lambda: self._tell(app, event))

    def _tell(self, app: AppName, event: RuntimeEvent) -> None:
        if self._sink:
            self._sink(app, event)


class SimRouter(_Unreliable):
    """The Router port."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None) -> None:
        super().__init__(cluster, faults or Faults(), cluster.chance("faults", "router"))

    async def set_routes(self, command: SetRoutes) -> None:
        """See the port."""
        if self._faults.failing_routers > 0:
            self._faults.failing_routers -= 1
            raise RuntimeFault("the proxy refuses the routes: told to by the simulation")
        self._execute(f"routes of {command.routes.app}", lambda: self._cluster.route(command.routes))


class SimMetrics(_Unreliable):
    """The MetricSource port."""

    def __init__(self, cluster: Cluster, faults: Faults | None = None) -> None:
        super().__init__(cluster, faults or Faults(), cluster.chance("faults", "metrics"))

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """See the port."""
        found = zip(queries, self._cluster.read(queries), strict=True)
        answers = [self._answer(query, reading) for query, reading in found]
        if self._faults.delay_reading > 0:
            await self._cluster.clock.sleep(self._faults.delay_reading * float(self._chance.random()))
        return answers

    def _answer(self, query: ArmQuery, reading: ArmReading | None) -> ArmReading | Absent:
        if self._happens(self._faults.lose_reading):
            return Absent("the simulation lost the reading")
        return reading or Absent(f"{query.app} has no release {query.release}")
