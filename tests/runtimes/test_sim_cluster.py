"""The virtual cluster: its chance is seeded per entity and has the moments it says, and its services do as programmed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery, RuntimeEvent
from shipway.model.errors import RuntimeFault
from shipway.model.ids import AppName, CommandId, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.weights import weights
from shipway.model.workload import Probe, Workload
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped
from shipway.runtimes.sim.adapters import Faults, SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Latency, Outage, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.histogram import LOWER, bins
from shipway.runtimes.sim.loop import EPOCH, run


class World:
    """A cluster with its three ports and everything reported."""

    def __init__(self, seed: int = 1, behaviour: Behaviour | None = None, traffic: Traffic | None = None) -> None:
        self.faults = Faults()
        self.cluster = Cluster(seed, behaviour=behaviour, traffic=traffic)
        self.runtime = SimRuntime(self.cluster, self.faults)
        self.router = SimRouter(self.cluster, self.faults)
        self.metrics = SimMetrics(self.cluster, self.faults)
        self.events: list[tuple[float, RuntimeEvent]] = []

    async def open(self) -> "World":
        await self.runtime.open(lambda _app, event: self.events.append((self.now, event)), {})
        return self

    @property
    def now(self) -> float:
        return round(self.cluster.clock.now() - EPOCH, 6)

    async def start(self, release: str, generation: int = 1, app: str = "shop", replicas: int = 1) -> None:
        probe = Probe(interval=1.0, failures=3)
        workload = Workload(
            AppName(app), ReleaseId(release), (), "/", replicas=replicas, startup=probe, drain_seconds=2.0
        )
        await self.runtime.start(StartRelease(CommandId("start"), Generation(generation), workload))

    async def stop(self, release: str, generation: int) -> None:
        await self.runtime.stop(
            StopRelease(CommandId("stop"), Generation(generation), AppName("shop"), ReleaseId(release))
        )

    async def route(self, generation: int = 1, app: str = "shop", **shares: float) -> None:
        split = weights({ReleaseId(release): share for release, share in shares.items()})
        await self.router.set_routes(
            SetRoutes(
                CommandId("route"), Generation(generation), Routes(AppName(app), 8000, split, Generation(generation))
            )
        )

    async def read(self, release: str, app: str = "shop") -> ArmReading:
        (answer,) = await self.metrics.read([ArmQuery(AppName(app), ReleaseId(release))])
        assert isinstance(answer, ArmReading)
        return answer

    async def serving(self, app: str = "shop", **shares: float) -> "World":
        """Releases started and ready, and traffic split between them from second 1 on."""
        for release in shares:
            await self.start(release, app=app)
        await self.sleep(1.0)
        await self.route(app=app, **shares)
        return self

    async def sleep(self, seconds: float) -> None:
        await self.cluster.clock.sleep(seconds)

    def ready_at(self) -> list[tuple[float, int]]:
        return [(at, event.ready) for at, event in self.events if isinstance(event, InstancesChanged)]


def after(
    seconds: float, *, releases: Sequence[str] = ("v1", "v2"), share: float = 50.0, **world: object
) -> list[ArmReading]:
    """The counters after so many seconds of traffic."""

    async def main() -> list[ArmReading]:
        shop = await World(**world).open()  # type: ignore[arg-type]  # test helper
        await shop.serving(v1=100 - share, v2=share)
        await shop.sleep(seconds)
        return [await shop.read(release) for release in releases]

    return run(main())


# --- chance -------------------------------------------------------------------------------------------------------


async def _readings(seed: int, others: int) -> list[ArmReading]:
    shop = await World(seed).open()
    for number in range(others):
        await shop.serving(app=f"other-{number}", v1=90, v2=10)
    await shop.sleep(5.0 - shop.now)
    await shop.serving(v1=90, v2=10)
    seen = []
    for _ in range(10):
        await shop.sleep(1.0)
        seen += [await shop.read("v1"), await shop.read("v2")]
    return seen


def test_a_seed_decides_everything_and_other_applications_shift_nothing() -> None:
    assert run(_readings(1, 0)) == run(_readings(1, 0)) == run(_readings(1, 3))
    assert run(_readings(1, 0)) != run(_readings(2, 0))


def within(observed: float, expected: float, deviation: float) -> bool:
    """Five standard deviations: with fixed seeds this is exact, and with others it would fail once in two million."""
    return abs(observed - expected) < 5 * deviation


def test_traffic_is_poisson_and_split_by_the_weights() -> None:
    one, two = after(1_000, share=5.0, traffic=Traffic(rate=100))
    total = one.requests + two.requests
    assert within(total, 100_000, 100_000**0.5)
    assert within(two.requests, 0.05 * total, (total * 0.05 * 0.95) ** 0.5)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.5, 1.0])
def test_errors_have_their_rate(rate: float) -> None:
    (arm,) = after(1_000, releases=["v1"], share=0.0, traffic=Traffic(rate=100), behaviour=Behaviour(error_rate=rate))
    assert within(arm.errors, rate * arm.requests, (arm.requests * rate * (1 - rate)) ** 0.5 + 1e-9)


def test_clustered_errors_have_the_same_rate_and_a_larger_dispersion() -> None:
    async def dispersion(size: float) -> tuple[float, float]:
        shop = await World(behaviour=Behaviour(error_rate=0.02, cluster_size=size), traffic=Traffic(rate=200)).open()
        await shop.serving(v1=100)
        seen = []
        for _ in range(2_000):
            await shop.sleep(1.0)
            seen.append((await shop.read("v1")).errors)
        blocks = np.diff([0, *seen])
        return seen[-1] / (await shop.read("v1")).requests, float(blocks.var() / blocks.mean())

    rate, independent = run(dispersion(1.0))
    assert rate == pytest.approx(0.02, rel=0.1)
    assert independent == pytest.approx(1.0, abs=0.25)
    rate, clustered = run(dispersion(5.0))
    assert rate == pytest.approx(0.02, rel=0.15)
    assert clustered == pytest.approx(2 * 5 - 1, rel=0.25), "variance to mean of geometric clusters is 2m - 1"


LATENCIES = st.builds(
    Latency,
    median=st.floats(0.3, 3_000),
    spread=st.floats(0.05, 1.5),
    slow_share=st.floats(0, 1),
    slow_factor=st.floats(1, 20),
)


@given(latency=LATENCIES)
def test_bins_hold_the_whole_distribution(latency: Latency) -> None:
    found = bins(latency)
    assert found.probabilities.sum() == pytest.approx(1.0)
    for edge in (1.0, 20.0, 200.0, 1_000.0):  # bin edges, where exceedance is exact
        above = sum(p for number, p in zip(found.numbers, found.probabilities, strict=True) if LOWER[number] >= edge)
        assert above == pytest.approx(latency.share_from(edge), abs=1e-5)


@pytest.mark.parametrize("rate", [20, 2_000])  # drawn one by one, and bin by bin
def test_latencies_exceed_a_threshold_as_often_as_they_should(rate: int) -> None:
    latency = Latency(median=30, spread=0.6, slow_share=0.05, slow_factor=8)
    seconds = 40_000 // rate
    (arm,) = after(
        seconds, releases=["v1"], share=0.0, traffic=Traffic(rate=rate), behaviour=Behaviour(latency=latency)
    )
    assert sum(count for _, count in arm.latency) == arm.requests
    for ms in (30.0, 100.0, 200.0):
        slow, share = sum(count for edge, count in arm.latency if edge >= ms), latency.share_from(ms)
        assert within(slow, share * arm.requests, (arm.requests * share * (1 - share)) ** 0.5)


def test_bins_are_those_of_the_proxy() -> None:
    assert LOWER[:3] == [0, 1, 2]
    assert LOWER[98:102] == [98, 99, 100, 110]
    assert LOWER[189:192] == [990, 1_000, 1_100]
    assert all(low < high for low, high in pairwise(LOWER))


@given(
    wave=st.floats(0, 1),
    period=st.floats(1, 10_000),
    cut=st.floats(0, 1),
    start=st.floats(0, 1e5),
    length=st.floats(0.01, 1e4),
)
def test_expected_traffic_adds_up(wave: float, period: float, cut: float, start: float, length: float) -> None:
    traffic = Traffic(rate=80, wave=wave, period=period)
    middle, end = start + cut * length, start + length
    whole = traffic.expected(start, end)
    assert traffic.expected(start, middle) + traffic.expected(middle, end) == pytest.approx(whole, rel=1e-6, abs=1e-3)
    assert 0 <= whole <= 80 * (1 + wave) * (end - start) + 1e-3


def test_a_wave_is_felt() -> None:
    traffic = Traffic(rate=100, wave=0.8, period=720)
    assert traffic.expected(EPOCH + 179.5, EPOCH + 180.5) == pytest.approx(180, rel=1e-3)
    assert traffic.expected(EPOCH + 539.5, EPOCH + 540.5) == pytest.approx(20, rel=1e-3)


def test_an_outage_hits_both_arms_for_its_time_however_seldom_one_looks() -> None:
    outage = Outage(start=EPOCH + 100, seconds=60, error_factor=30, error_rate=0.1, latency_factor=4)
    world = {"traffic": Traffic(rate=200, outages=(outage,)), "behaviour": Behaviour(error_rate=0.01)}
    for arm in after(599, **world):  # one look at the end
        served = arm.requests / 599
        expected = 60 * served * (0.3 + 0.7 * 0.1) + 539 * served * 0.01
        assert arm.errors == pytest.approx(expected, rel=0.1)
        slow = sum(count for edge, count in arm.latency if edge >= 60)
        assert slow == pytest.approx(
            60 * served * Latency().scaled(4).share_from(60) + 539 * served * Latency().share_from(60), rel=0.1
        )


def test_values_add_up_per_request() -> None:
    (arm,) = after(
        100, releases=["v1"], share=0.0, traffic=Traffic(rate=500), behaviour=Behaviour(values=(("cost", 0.002),))
    )
    assert dict(arm.values)["cost"] == pytest.approx(0.002 * arm.requests, rel=0.05)


# --- services -----------------------------------------------------------------------------------------------------


def scenario(main: Callable[[World], Awaitable[None]], behaviour: Behaviour | None = None, **world: object) -> World:
    async def play() -> World:
        shop = await World(behaviour=behaviour, **world).open()  # type: ignore[arg-type]  # test helper
        await main(shop)
        return shop

    return run(play())


def test_a_release_is_ready_after_its_delay_and_behaves_differently_later() -> None:
    async def main(shop: World) -> None:
        await shop.start("v1")
        await shop.route(v1=100)
        await shop.sleep(2.0)
        assert (await shop.read("v1")).errors == (await shop.read("v1")).requests > 0, "503 until it is ready"
        waiting = (await shop.read("v1")).errors
        await shop.sleep(8.0)
        assert (await shop.read("v1")).errors == waiting
        await shop.sleep(30.0)
        arm = await shop.read("v1")
        assert arm.errors - waiting == pytest.approx(30 * 50, rel=0.2), "all requests after the change"
        assert arm.youngest == pytest.approx(38.0)

    good = Behaviour(start_delay=2.0, error_rate=0.0, then=(10.0, Behaviour(error_rate=1.0)))
    assert scenario(main, good).ready_at() == [(0, 0), (2, 1)]


def test_a_warm_up_is_slow() -> None:
    async def main(shop: World) -> None:
        await shop.serving(v1=100)
        await shop.sleep(9.5)  # ten seconds after it became ready
        slow = (await shop.read("v1")).latency
        await shop.sleep(100)
        usual = (await shop.read("v1")).latency
        assert min(edge for edge, _ in slow) > 100 > min(edge for edge, _ in usual)

    scenario(main, Behaviour(warm_up=10, warm_up_factor=100, latency=Latency(median=10, spread=0.3)))


def test_a_crashed_instance_comes_back() -> None:
    async def main(shop: World) -> None:
        await shop.start("v1", replicas=2)
        await shop.sleep(20.0)
        (first, _) = shop.runtime.instances(AppName("shop"), ReleaseId("v1"))
        assert first.restarts == 2

    crashing = Behaviour(start_delay=1.0, crashes=(5.0, 8.0), restart_delay=1.5)
    assert scenario(main, crashing).ready_at() == [(0, 0), (1, 2), (5, 1), (6.5, 2), (8, 1), (9.5, 2)]


def test_a_crash_loop_fails_once_and_may_be_started_anew() -> None:
    async def main(shop: World) -> None:
        await shop.start("v1")
        await shop.sleep(30.0)
        await shop.start("v1")  # the same command again
        await shop.sleep(30.0)
        assert [at for at, event in shop.events if isinstance(event, ReleaseFailed)] == [12.0]
        assert shop.runtime.instances(AppName("shop"), ReleaseId("v1")) == []
        shop.cluster.behave("shop", "v1", Behaviour())
        await shop.start("v1", generation=2)
        await shop.sleep(5.0)
        assert shop.ready_at()[-1] == (60.5, 1)

    scenario(main, Behaviour(crash_loop=10.0))


def test_never_ready_fails_when_the_startup_probe_gives_up() -> None:
    async def main(shop: World) -> None:
        await shop.start("v1")
        await shop.sleep(30.0)

    events = scenario(main, Behaviour(never_ready=True)).events
    (at, failed) = events[-1]
    assert at == 3.0
    assert isinstance(failed, ReleaseFailed)
    assert "never became ready" in failed.reason


def test_counters_begin_again_when_the_proxy_restarts() -> None:
    async def main(shop: World) -> None:
        await shop.serving(v1=100)
        await shop.sleep(10)
        before = (await shop.read("v1")).requests
        shop.cluster.restart_proxy()
        assert (await shop.read("v1")).requests == 0
        await shop.sleep(1)
        assert 0 < (await shop.read("v1")).requests < before

    scenario(main)


# --- faults -------------------------------------------------------------------------------------------------------


def test_readings_are_lost_and_late() -> None:
    async def main(shop: World) -> None:
        await shop.serving(v1=50, v2=50)
        queries = [ArmQuery(AppName("shop"), ReleaseId(release)) for release in ("v1", "v2")]
        shop.faults.lose_reading = 0.5
        answers = [answer for _ in range(100) for answer in await shop.metrics.read(queries)]
        lost = [answer for answer in answers if isinstance(answer, Absent)]
        assert 60 < len(lost) < 140
        assert {absent.reason for absent in lost} == {"the simulation lost the reading"}
        shop.faults.lose_reading, shop.faults.delay_reading = 0.0, 4.0
        before, asked = (await shop.read("v1")).requests, shop.now
        (late,) = await shop.metrics.read(queries[:1])
        assert asked < shop.now <= asked + 4
        assert isinstance(late, ArmReading)
        assert before <= late.requests < (await shop.read("v1")).requests

    scenario(main)


def test_events_are_doubled_and_late() -> None:
    async def main(shop: World) -> None:
        shop.faults.duplicate_event, shop.faults.delay_event = 1.0, 3.0
        await shop.start("v1")
        await shop.sleep(10)

    shop = scenario(main)
    events = [event for _, event in shop.events]
    assert len(events) == 4
    assert all(events.count(event) == 2 for event in events)
    assert len({at for at, _ in shop.events}) == 4, "each comes at a time of its own"


def test_commands_are_refused_or_their_answer_is_lost() -> None:
    async def main(shop: World) -> None:
        shop.faults.refuse_command = 1.0
        with pytest.raises(RuntimeFault, match="refused"):
            await shop.start("v1")
        await shop.sleep(5)
        assert not shop.events
        shop.faults.refuse_command, shop.faults.lose_answer = 0.0, 1.0
        with pytest.raises(RuntimeFault, match="lost the answer"):
            await shop.start("v1")
        await shop.sleep(5)
        assert shop.ready_at()[-1] == (5.5, 1), "it was done all the same"

    scenario(main)


def test_a_router_fails_as_often_as_told() -> None:
    async def main(shop: World) -> None:
        await shop.serving(v1=100)
        shop.faults.failing_routers = 2
        for _ in range(2):
            with pytest.raises(RuntimeFault, match="refuses the routes"):
                await shop.route(2, v2=100)
        await shop.sleep(5)
        assert (await shop.read("v1")).requests > 0, "the old routes stay in force"
        await shop.route(2, v2=100)

    scenario(main)


@settings(max_examples=40, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from(["start", "stop", "route"]), st.sampled_from(["v1", "v2"]), st.floats(0, 3)),
        max_size=25,
    ),
    seed=st.integers(0, 1_000),
)
def test_late_doubled_and_lost_commands_end_where_the_newest_say(plan: list[tuple[str, str, float]], seed: int) -> None:
    async def main() -> None:
        shop = await World(seed).open()
        shop.faults.delay_command = shop.faults.delay_event = 5.0
        shop.faults.duplicate_command = shop.faults.duplicate_event = 0.5
        wanted: dict[str, str] = {}
        for generation, (verb, release, pause) in enumerate(plan, 1):
            if verb == "route":
                await shop.route(generation, **{release: 100.0})
            else:
                await (shop.start if verb == "start" else shop.stop)(release, generation)
                wanted[release] = verb
            await shop.sleep(pause)
        await shop.sleep(30)
        for release, verb in wanted.items():
            states = [instance.state for instance in shop.runtime.instances(AppName("shop"), ReleaseId(release))]
            assert states == (["ready"] if verb == "start" else [])
            kind = InstancesChanged if verb == "start" else ReleaseStopped
            assert any(isinstance(event, kind) and event.release == release for _, event in shop.events)
        await _check_counters(shop, [release for release, verb in wanted.items() if verb == "start"])

    run(main())


async def _check_counters(shop: World, releases: list[str]) -> None:
    for release in releases:
        arm = await shop.read(release)
        assert 0 <= arm.errors <= arm.requests == sum(count for _, count in arm.latency)


# --- speed --------------------------------------------------------------------------------------------------------


def test_half_an_hour_is_simulated_at_once() -> None:
    async def main() -> int:
        shop = await (await World(traffic=Traffic(rate=1_000)).open()).serving(v1=95, v2=5)
        for _ in range(1_800):
            await shop.sleep(1.0)
            await shop.read("v1")
            await shop.read("v2")
        return (await shop.read("v1")).requests

    began = time.process_time()
    assert run(main()) > 1_000_000
    assert time.process_time() - began < 5  # about 0.2 s; generous for a busy machine


def test_thousands_of_applications_are_read_in_one_call() -> None:
    async def main() -> None:
        shop = await World(traffic=Traffic(rate=20)).open()
        names = [f"app-{number}" for number in range(2_000)]
        await asyncio.gather(*(shop.start(release, app=name) for name in names for release in ("v1", "v2")))
        await shop.sleep(1.0)
        for name in names:
            await shop.route(app=name, v1=95, v2=5)
        await shop.sleep(5.0)
        answers = await shop.metrics.read(
            [ArmQuery(AppName(name), ReleaseId(r)) for name in names for r in ("v1", "v2")]
        )
        counts = np.array([answer.requests for answer in answers if isinstance(answer, ArmReading)]).reshape(-1, 2)
        assert counts.shape == (2_000, 2)
        assert within(counts.sum(), 2_000 * 100, (2_000 * 100) ** 0.5)
        assert within(counts[:, 1].sum(), 10_000, 100)

    run(main())
