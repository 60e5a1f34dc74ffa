"""A small world that executes commands as real adapters do: by generation, twice or late without harm. For the stateful test.

It also watches itself: no command may ever end processes that get requests, or send requests to what does not run.
"""

from dataclasses import dataclass

from shipway.analysis.readings import Reading
from shipway.model.ids import Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.rollout.commands import Command, SetRoutes, StartRelease, StopRelease
from shipway.rollout.decide import Watch
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped, RoutesApplied
from tests.rollout.samples import Counters

Answer = InstancesChanged | ReleaseFailed | ReleaseStopped | RoutesApplied


@dataclass
class Processes:
    """One release's."""

    replicas: int
    generation: Generation
    running: bool = True
    ready: int = 0
    failed: bool = False


class World:
    """Processes, routes and counters. ``at`` is handed in."""

    def __init__(self) -> None:
        self.processes: dict[ReleaseId, Processes] = {}
        self.routes: Routes | None = None
        self.counters = Counters()

    def execute(self, command: Command, at: float, *, deserted: bool) -> list[Answer]:
        """What is reported. ``deserted``: nobody is live, so that a release that fails may be ended with its routes."""
        match command:
            case StartRelease():
                return self._start(command, at)
            case StopRelease():
                return self._stop(command, at, deserted)
            case SetRoutes():
                return self._route(command, at)

    def change(self, release: ReleaseId, ready: int, at: float) -> list[Answer]:
        """So many instances are ready now."""
        its = self.processes[release]
        if not its.running or its.failed:
            return []
        its.ready = min(ready, its.replicas)
        return [self.status(release, at)]

    def fail(self, release: ReleaseId, at: float) -> list[Answer]:
        """The processes do not stay up."""
        its = self.processes[release]
        if not its.running or its.failed:
            return []
        its.failed, its.ready = True, 0
        return [self.status(release, at), self._failure(release, at)]

    def status(self, release: ReleaseId, at: float) -> InstancesChanged:
        """What is ready."""
        its = self.processes[release]
        return InstancesChanged(at=at, release=release, ready=its.ready, wanted=its.replicas, generation=its.generation)

    def adopt(self, at: float) -> list[Answer]:
        """What a controller that has just started is told."""
        return [self.status(release, at) for release, its in self.processes.items() if its.running]

    def read(self, told: Watch, at: float, mood: str) -> Reading:
        """Both arms, after one more interval under the routes that are really in force."""
        share = self.routes.weights.of(told.canary) / 100 if self.routes else 0.0
        return self.counters.reading(at, told, share, mood)

    def _start(self, command: StartRelease, at: float) -> list[Answer]:
        release, generation = command.workload.release, command.generation
        its = self.processes.get(release)
        if its is None:
            self.processes[release] = Processes(command.workload.replicas, generation)
        elif generation < its.generation or (generation == its.generation and not its.running):
            return []
        elif generation > its.generation:
            ready = its.ready if its.running and not its.failed else 0
            self.processes[release] = Processes(its.replicas, generation, ready=ready)
        elif its.failed:
            return [self._failure(release, at)]
        return [self.status(release, at)]

    def _stop(self, command: StopRelease, at: float, deserted: bool) -> list[Answer]:
        release, generation = command.release, command.generation
        its = self.processes.setdefault(release, Processes(1, generation, running=False))
        if generation < its.generation:
            return []
        served = self.routes is not None and self.routes.weights.of(release) > 0
        assert deserted or not (its.running and served), f"{release} is ended although it gets requests"
        self.processes[release] = Processes(its.replicas, generation, running=False)
        return [ReleaseStopped(at=at, release=release, generation=generation)]

    def _route(self, command: SetRoutes, at: float) -> list[Answer]:
        if self.routes is None or command.generation > self.routes.generation:
            for release, _ in command.routes.weights:
                its = self.processes.get(release)
                assert its is not None, f"requests are sent to {release}, which was never started"
                assert its.running, f"requests are sent to {release}, which was ended"
            self.routes = command.routes
        return [RoutesApplied(at=at, generation=command.generation)]

    def _failure(self, release: ReleaseId, at: float) -> ReleaseFailed:
        generation = self.processes[release].generation
        return ReleaseFailed(at=at, release=release, reason="it does not stay up", generation=generation)
