"""What every Runtime, Router and MetricSource promise together (``engine.ports``). Run on the simulation and on real processes.

An adapter's tests hand in a :class:`Stage`: how to make the adapters, services of each kind, and traffic. With pytest::

    @pytest.mark.parametrize("check", delivery.CHECKS, ids=lambda check: check.__name__)
    def test_delivery(check, tmp_path):
        asyncio.run(check(MyStage(tmp_path)))      # a new, empty stage for every check

Each check is one controller's life (or two, for adoption): it opens the runtime, acts, and closes it. What is started
keeps running after ``close``; ending it for good is the stage's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery, Clock, MetricSource, Router, Runtime, RuntimeEvent
from shipway.model.ids import AppName, CommandId, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.weights import weights
from shipway.model.workload import Workload
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped
from shipway.testing.contracts import ContractBroken, require

Kind = Literal["good", "failing", "crashing", "never-ready"]
"""good: answers 200. failing: answers 500 to every request. crashing: exits soon after each start, having written the line
``boom`` to its log. never-ready: runs, but its probes never succeed."""


class Stage(Protocol):
    """An empty place where adapters are tried. Times in seconds of the stage's clock."""

    clock: Clock
    patience: float
    """How long anything may take that must happen (say 20 for real processes)."""
    settle: float
    """How long to watch for something that must *not* happen."""

    def runtime(self) -> Runtime:
        """A new runtime over the same place: what a controller makes that was just started."""
        ...

    def router(self) -> Router:
        """A router over the same place."""
        ...

    def metrics(self) -> MetricSource:
        """A metric source over the same place."""
        ...

    def workload(self, app: AppName, release: ReleaseId, kind: Kind, replicas: int = 1) -> Workload:
        """A workload that behaves like ``kind``, with probes short enough for ``patience``."""
        ...

    def port(self, app: AppName) -> int:
        """The port that the proxy listens on for the application."""
        ...

    async def traffic(self, app: AppName, requests: int) -> None:
        """Have about ``requests`` requests made through the proxy, and return when they were answered."""
        ...


Check = Callable[[Stage], Awaitable[None]]
E = TypeVar("E", bound=RuntimeEvent)

SHOP = AppName("shop")
V1, V2 = ReleaseId("v1"), ReleaseId("v2")


class Controller:
    """A controller's view of a stage: adapters, and everything the runtime has reported."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.runtime, self.router, self.metrics = stage.runtime(), stage.router(), stage.metrics()
        self.reports: list[tuple[AppName, RuntimeEvent]] = []

    async def open(self, known: Mapping[AppName, Sequence[ReleaseId]] | None = None) -> "Controller":
        """Open the runtime."""
        await self.runtime.open(lambda app, event: self.reports.append((app, event)), known or {})
        return self

    async def start(self, release: ReleaseId, generation: int, kind: Kind = "good", replicas: int = 1) -> None:
        """Start a release of the shop."""
        workload = self.stage.workload(SHOP, release, kind, replicas)
        await self.runtime.start(
            StartRelease(CommandId(f"start-{release}-{generation}"), Generation(generation), workload)
        )

    async def stop(self, release: ReleaseId, generation: int) -> None:
        """Stop a release of the shop."""
        name = CommandId(f"stop-{release}-{generation}")
        await self.runtime.stop(StopRelease(name, Generation(generation), SHOP, release))

    async def route(self, generation: int, shares: Mapping[ReleaseId, float]) -> None:
        """Route the shop's requests."""
        routes = Routes(SHOP, self.stage.port(SHOP), weights(shares), Generation(generation))
        await self.router.set_routes(SetRoutes(CommandId(f"route-{generation}"), Generation(generation), routes))

    async def read(self, release: ReleaseId) -> ArmReading | Absent:
        """The counters of a release of the shop."""
        (answer,) = await self.metrics.read([ArmQuery(SHOP, release)])
        return answer

    async def counters(self, release: ReleaseId) -> ArmReading:
        """The same, when they must be there."""
        answer = await self.read(release)
        if isinstance(answer, Absent):
            raise ContractBroken(f"the counters of {release} can be read, but: {answer.reason}")
        return answer

    async def until(self, happened: Callable[[], bool], sentence: str) -> None:
        """Wait until ``happened``, at most the stage's patience."""
        clock = self.stage.clock
        end = clock.now() + self.stage.patience
        while not happened():
            require(clock.now() < end, f"{sentence}; within {self.stage.patience:g} s there was only {self.reports}")
            await clock.sleep(self.stage.patience / 200)

    async def until_ready(self, release: ReleaseId, ready: int = 1) -> None:
        """Wait for the report that so many instances are ready."""
        await self.until(lambda: self.ready(release) == ready, f"{ready} instances of {release} become ready")

    async def until_stopped(self, release: ReleaseId, sentence: str = "a stop is answered by ReleaseStopped") -> None:
        """Wait for the answer to a stop."""
        await self.until(lambda: bool(self.of(ReleaseStopped, release)), sentence)

    async def watch(self) -> None:
        """Give what must not happen time to happen."""
        await self.stage.clock.sleep(self.stage.settle)

    def ready(self, release: ReleaseId) -> int:
        """Ready instances by the last report."""
        changes = self.of(InstancesChanged, release)
        return changes[-1].ready if changes else 0

    def of(self, kind: type[E], release: ReleaseId) -> list[E]:
        """Reports of one kind about a release of the shop."""
        return [e for app, e in self.reports if app == SHOP and isinstance(e, kind) and e.release == release]


# --- Runtime ------------------------------------------------------------------------------------------------------


async def readiness_is_reported(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1, replicas=2)
    await shop.until_ready(V1, 2)
    last = shop.of(InstancesChanged, V1)[-1]
    require(last.wanted == 2, "the report says how many are wanted")
    require(abs(last.at - stage.clock.now()) < stage.patience, "the report carries the clock's time")
    states = [status.state for status in shop.runtime.instances(SHOP, V1)]
    require(states == ["ready", "ready"], f"instances() shows two ready instances, not {states}")
    require(not shop.runtime.instances(SHOP, V2), "an unknown release has none")
    await shop.runtime.close()


async def starting_twice_starts_once(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    before = _identity(shop, V1)
    await shop.start(V1, 1)
    await shop.watch()
    require(_identity(shop, V1) == before, "the instance that runs is the one that ran")
    require(len(before) == 1 and shop.ready(V1) == 1, "there is one instance")
    await shop.runtime.close()


async def stopping_ends_every_instance_and_is_reported(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1, replicas=2)
    await shop.until_ready(V1, 2)
    await shop.stop(V1, 2)
    await shop.until_stopped(V1)
    require(_running(shop, V1) == 0, "nothing of the release runs any more")
    await shop.runtime.close()


async def stopping_again_is_answered_again(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    await shop.stop(V1, 2)
    await shop.until_stopped(V1)
    shop.reports.clear()
    await shop.stop(V1, 2)  # a controller that died before it wrote the answer down asks again
    await shop.until_stopped(V1, "so is the same stop, asked for again")
    shop.reports.clear()
    await shop.stop(V2, 2)
    await shop.until_stopped(V2, "so is the stop of what never ran")
    await shop.runtime.close()


async def a_stale_stop_is_ignored(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 5)
    await shop.until_ready(V1)
    before = _identity(shop, V1)
    await shop.stop(V1, 4)
    await shop.watch()
    require(_identity(shop, V1) == before, "a stop older than the newest start ends nothing")
    require(not shop.of(ReleaseStopped, V1), "and is not answered")
    await shop.runtime.close()


async def a_stale_start_is_ignored(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    await shop.stop(V1, 3)
    await shop.until_stopped(V1)
    await shop.start(V1, 2)
    await shop.watch()
    require(_running(shop, V1) == 0, "a start older than the newest stop starts nothing")
    await shop.runtime.close()


async def a_stop_that_overtakes_its_start_wins(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.stop(V1, 2)
    await shop.until_stopped(V1, "the stop of what never ran is answered by ReleaseStopped")
    await shop.start(V1, 1)
    await shop.watch()
    require(_running(shop, V1) == 0, "the start that arrives late starts nothing")
    await shop.runtime.close()


async def reports_name_the_command_that_they_answer(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    require(shop.of(InstancesChanged, V1)[-1].generation == 1, "instances are of the start that they come from")
    await shop.start(V1, 2)
    await shop.until(lambda: shop.of(InstancesChanged, V1)[-1].generation == 2, "a newer start is reported as its own")
    await shop.stop(V1, 3)
    await shop.until_stopped(V1)
    require(shop.of(ReleaseStopped, V1)[-1].generation == 3, "the answer is to this stop")
    await shop.stop(V1, 5)  # what a start and its stop come to when the start was lost
    await shop.until(lambda: shop.of(ReleaseStopped, V1)[-1].generation == 5, "a newer stop is answered as its own")
    await shop.start(V1, 4)
    await shop.watch()
    require(_running(shop, V1) == 0, "and the start that it overtook starts nothing")
    await shop.runtime.close()


async def a_stopped_release_can_be_started_again(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    await shop.stop(V1, 2)
    await shop.until_stopped(V1)
    shop.reports.clear()
    await shop.start(V1, 3)
    await shop.until_ready(V1)
    await shop.runtime.close()


async def a_start_during_the_drain_wins(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    await shop.stop(V1, 2)
    await shop.start(V1, 3)
    await shop.watch()
    await shop.until(lambda: _states(shop, V1) == ["ready"], "a start newer than the stop leaves the release running")
    await shop.runtime.close()


async def a_crash_loop_is_reported_once_with_the_log(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1, "crashing")
    await shop.until(lambda: bool(shop.of(ReleaseFailed, V1)), "a crash loop is answered by ReleaseFailed")
    await shop.watch()
    failed = shop.of(ReleaseFailed, V1)
    require(len(failed) == 1, f"once, not {len(failed)} times")
    require(bool(failed[0].reason), "it says why")
    require(
        any("boom" in line for line in failed[0].log_tail), f"its log_tail has the last lines, not {failed[0].log_tail}"
    )
    await shop.runtime.close()


async def never_becoming_ready_is_a_failure(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1, "never-ready")
    await shop.until(
        lambda: bool(shop.of(ReleaseFailed, V1)), "a release that never becomes ready is reported as failed"
    )
    require(all(change.ready == 0 for change in shop.of(InstancesChanged, V1)), "and was never reported as ready")
    await shop.runtime.close()


async def a_second_controller_adopts_what_runs(stage: Stage) -> None:
    first = await Controller(stage).open()
    await first.start(V1, 1, replicas=2)
    await first.until_ready(V1, 2)
    before = _identity(first, V1)
    await first.runtime.close()
    second = await Controller(stage).open({SHOP: [V1]})
    await second.until_ready(V1, 2)
    require(_identity(second, V1) == before, "the instances are the same, not new ones")
    await second.start(V1, 1, replicas=2)
    await second.watch()
    require(_identity(second, V1) == before, "the start that they came from, asked for again, changes nothing")
    await second.stop(V1, 2)
    await second.until_stopped(V1, "the adopted release can be stopped")
    require(not first.of(ReleaseStopped, V1), "the first controller hears nothing after close")
    await second.runtime.close()


async def a_second_controller_ends_what_nobody_knows(stage: Stage) -> None:
    first = await Controller(stage).open()
    await first.start(V1, 1)
    await first.start(V2, 1)
    await first.until_ready(V1)
    await first.until_ready(V2)
    await first.runtime.close()
    second = await Controller(stage).open({SHOP: [V1]})
    await second.until_ready(V1)
    await second.until(lambda: _running(second, V2) == 0, "a release that the controller does not know is ended")
    require(_running(second, V1) == 1, "the one it knows goes on")
    await second.runtime.close()


async def log_files_exist(stage: Stage) -> None:
    shop = await Controller(stage).open()
    await shop.start(V1, 1)
    await shop.until_ready(V1)
    paths = [Path(path) for path in shop.runtime.log_paths(SHOP, V1)]
    missing = [path for path in paths if not path.is_file()]  # nothing else runs in this loop
    require(not missing, f"every log file that is named exists, but not {missing}")
    require(len(shop.runtime.log_paths(SHOP, V2)) == 0, "an unknown release has no logs")
    await shop.runtime.close()


# --- Router and MetricSource --------------------------------------------------------------------------------------


async def requests_follow_the_weights(stage: Stage) -> None:
    shop = await _two_releases(stage)
    await shop.route(1, {V1: 100.0})
    await stage.traffic(SHOP, 200)
    one, two = await shop.counters(V1), await shop.counters(V2)
    require(150 <= one.requests <= 270 and two.requests == 0, f"all go to {V1}: {one.requests} and {two.requests}")
    await shop.route(2, {V1: 50.0, V2: 50.0})
    await stage.traffic(SHOP, 400)
    share = (await shop.counters(V2)).requests / 400
    require(0.3 < share < 0.7, f"about half go to {V2}, not {share:.0%}")
    await shop.route(3, {V2: 100.0})
    before = (await shop.counters(V1)).requests
    await stage.traffic(SHOP, 100)
    require((await shop.counters(V1)).requests == before, f"with weight 0, {V1} gets no request")
    await shop.runtime.close()


async def stale_routes_are_ignored(stage: Stage) -> None:
    shop = await _two_releases(stage)
    await shop.route(5, {V1: 100.0})
    await shop.route(4, {V2: 100.0})
    await shop.route(5, {V1: 100.0})
    await stage.traffic(SHOP, 50)
    require((await shop.counters(V2)).requests == 0, "routes of an older generation change nothing")
    require((await shop.counters(V1)).requests > 0, "the newest are in force")
    await shop.runtime.close()


async def a_fresh_release_has_zero_counters(stage: Stage) -> None:
    shop = await _two_releases(stage)
    await shop.route(1, {V1: 100.0})
    fresh = await shop.counters(V2)
    require((fresh.requests, fresh.errors, fresh.latency) == (0, 0, ()), f"nothing was served, yet there is {fresh}")
    await shop.runtime.close()


async def an_unknown_release_is_absent(stage: Stage) -> None:
    shop = await Controller(stage).open()
    answers = await shop.metrics.read([ArmQuery(SHOP, V1), ArmQuery(AppName("nobody"), V1)])
    require(
        len(answers) == 2 and all(isinstance(a, Absent) and a.reason for a in answers),
        f"absent with a reason: {answers}",
    )
    require(list(await shop.metrics.read([])) == [], "no question, no answer")
    await shop.runtime.close()


async def counters_count_requests_errors_and_latencies(stage: Stage) -> None:
    shop = await _two_releases(stage, second="failing")
    await shop.route(1, {V1: 50.0, V2: 50.0})
    await stage.traffic(SHOP, 200)
    one, two = await shop.metrics.read([ArmQuery(SHOP, V1), ArmQuery(SHOP, V2)])
    for arm in (one, two):
        if isinstance(arm, Absent):
            raise ContractBroken(f"both releases can be read, but: {arm.reason}")
        edges = [edge for edge, _ in arm.latency]
        require(edges == sorted(set(edges)) and min(edges) >= 0, f"latency bins ascend: {edges}")
        require(all(count > 0 for _, count in arm.latency), "empty bins are left out")
        counted = sum(count for _, count in arm.latency)
        require(counted == arm.requests, f"every request has a latency: {counted} of {arm.requests}")
    require(isinstance(one, ArmReading) and one.errors <= one.requests // 10, "the good release has few errors")
    require(isinstance(two, ArmReading) and two.errors >= two.requests * 0.9, "the failing release has little else")
    await shop.runtime.close()


async def counters_only_rise_and_survive_the_controller(stage: Stage) -> None:
    shop = await _two_releases(stage)
    await shop.route(1, {V1: 100.0})
    seen = []
    for _ in range(4):
        await stage.traffic(SHOP, 30)
        seen.append((await shop.counters(V1)).requests)
    require(seen == sorted(seen) and seen[0] > 0, f"cumulative counters never fall: {seen}")
    await shop.runtime.close()
    again = await Controller(stage).open({SHOP: [V1, V2]})
    await again.until_ready(V1)
    require((await again.counters(V1)).requests >= seen[-1], "the next controller reads on where the first one ended")
    await stage.traffic(SHOP, 30)
    require((await again.counters(V1)).requests > seen[-1], "traffic flows as before")
    await again.runtime.close()


async def the_age_of_the_youngest_instance_is_known(stage: Stage) -> None:
    shop = await _two_releases(stage)
    await shop.route(1, {V1: 100.0})
    await stage.traffic(SHOP, 20)
    young = (await shop.counters(V1)).youngest
    await stage.clock.sleep(1.0)
    old = (await shop.counters(V1)).youngest
    if young is None or old is None:
        raise ContractBroken(f"a running release has an age: {young} then {old}")
    require(0 <= young < 2 * stage.patience, f"a running release has an age, not {young}")
    require(0.5 < old - young < 1.0 + stage.patience, f"it grows with the clock: {young} then {old}")
    await shop.runtime.close()


CHECKS: tuple[Check, ...] = (
    readiness_is_reported,
    starting_twice_starts_once,
    stopping_ends_every_instance_and_is_reported,
    stopping_again_is_answered_again,
    a_stale_stop_is_ignored,
    a_stale_start_is_ignored,
    a_stop_that_overtakes_its_start_wins,
    reports_name_the_command_that_they_answer,
    a_stopped_release_can_be_started_again,
    a_start_during_the_drain_wins,
    a_crash_loop_is_reported_once_with_the_log,
    never_becoming_ready_is_a_failure,
    a_second_controller_adopts_what_runs,
    a_second_controller_ends_what_nobody_knows,
    log_files_exist,
    requests_follow_the_weights,
    stale_routes_are_ignored,
    a_fresh_release_has_zero_counters,
    an_unknown_release_is_absent,
    counters_count_requests_errors_and_latencies,
    counters_only_rise_and_survive_the_controller,
    the_age_of_the_youngest_instance_is_known,
)


async def _two_releases(stage: Stage, second: Kind = "good") -> Controller:
    shop = await Controller(stage).open()
    await asyncio.gather(shop.start(V1, 1), shop.start(V2, 1, second))
    await shop.until_ready(V1)
    await shop.until_ready(V2)
    return shop


def _identity(shop: Controller, release: ReleaseId) -> list[tuple[str, int, float]]:
    return sorted((i.name, i.pid, i.started_at) for i in shop.runtime.instances(SHOP, release) if i.state != "stopped")


def _states(shop: Controller, release: ReleaseId) -> list[str]:
    return [i.state for i in shop.runtime.instances(SHOP, release) if i.state != "stopped"]


def _running(shop: Controller, release: ReleaseId) -> int:
    return len(_states(shop, release))
