"""Whole rollouts on a virtual cluster: what becomes of good releases, bad ones, and those that never get that far."""

from typing import Any

import pytest

from shipway.analysis.policy import Step
from shipway.analysis.verdict import Verdict
from shipway.model.ids import RolloutId
from shipway.rollout.events import (
    AbortRequested,
    CommandFailed,
    Observed,
    PromoteRequested,
    ReadingMissed,
    RetryRequested,
    RoutesApplied,
    UndoRequested,
)
from shipway.rollout.states import Phase
from shipway.runtimes.sim.adapters import Faults
from shipway.runtimes.sim.behaviour import Behaviour, Outage, Traffic
from shipway.runtimes.sim.loop import EPOCH
from tests.engine.world import CLUSTERED, FAILING, GOOD, LONG, SHORT, SLOW, V1, V2, V3, World, simulated

NO_LIMITS = Faults()


@simulated
async def test_a_first_release_is_installed_without_a_trial() -> None:
    world = World()
    state = await world.live()
    assert (state.live, world.rollout().phase, world.rollout().kind) == (V1, Phase.PROMOTED, "install")
    assert world.routed() == {V1: 100.0}
    world.check()


@simulated
async def test_a_good_release_passes_every_step_of_half_an_hour() -> None:
    world = World(traffic=Traffic(rate=50.0), interval=1.0)
    await world.live()
    began = world.clock.now()
    world.release(GOOD, steps=LONG)
    seen = []
    for weight in (5.0, 25.0, 50.0):
        await world.until(lambda state, w=weight: state.rollout.weight == w and state.phase is Phase.OBSERVING)
        assert world.routed() == {V1: 100 - weight, V2: weight}
        seen.append(weight)
    state = await world.settled()
    assert (state.live, world.rollout().phase, seen) == (V2, Phase.PROMOTED, [5.0, 25.0, 50.0])
    assert 1800 <= world.clock.now() - began < 1830
    assert len(world.of(Observed)) >= 1800
    world.check()


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [(FAILING, "canary failed"), (SLOW, "was slower than 50 ms")],
    ids=["errors", "slow"],
)
def test_a_worse_release_is_back_out_within_seconds(behaviour: Behaviour, says: str) -> None:
    @simulated
    async def rolls_back() -> None:
        world = World()
        await world.live()
        world.release(behaviour)
        await world.until(lambda state: state.phase is Phase.OBSERVING)
        exposed = world.clock.now()
        await world.until(lambda state: state.phase is Phase.ROLLED_BACK)
        assert world.clock.now() - exposed < 20
        assert world.routed() == {V1: 100.0}
        assert says in world.rollout().reason
        state = await world.settled()
        assert (state.live, state.releases[V2].run, state.releases[V1].run) == (V1, "stopped", "running")
        world.check()

    rolls_back()


@pytest.mark.parametrize("seed", range(4))
def test_errors_in_clusters_are_no_reason(seed: int) -> None:
    @simulated
    async def is_promoted() -> None:
        world = World(seed=seed)
        await world.start()
        world.release(CLUSTERED)
        await world.settled()
        await world.clock.sleep(600)
        assert len(world.engine.history(world.engine.states()[0].app)) == pytest.approx(60, abs=3)
        world.release(CLUSTERED, steps=(Step(weight=20.0, at_least=120.0),))
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
        world.check()

    is_promoted()


@pytest.mark.parametrize(
    ("behaviour", "says", "tail"),
    [
        (Behaviour(crash_loop=0.2, start_delay=10.0, log_tail=("boom",)), "exited 3 times", ("boom",)),
        (Behaviour(never_ready=True, log_tail=()), "never became ready", ()),
        (Behaviour(start_delay=1e6), "not ready within 20 s", ()),
    ],
    ids=["crash-loop", "probe-fails", "too-slow"],
)
def test_what_does_not_start_gets_no_traffic(behaviour: Behaviour, says: str, tail: tuple[str, ...]) -> None:
    @simulated
    async def fails() -> None:
        world = World()
        await world.live()
        world.release(behaviour)
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V1, Phase.ROLLED_BACK)
        assert says in world.rollout().reason
        assert world.rollout().log_tail == tail
        assert [event.reading.canary for event in world.of(Observed) if isinstance(event, Observed)] == []
        world.check()

    fails()


@simulated
async def test_a_crash_loop_in_the_middle_of_a_step_takes_it_back() -> None:
    world = World(traffic=Traffic(rate=0.5))  # too few requests to convict it before its processes do
    await world.live()
    looping = Behaviour(error_rate=0.0, crash_loop=6.0, log_tail=("out of memory",))
    world.release(looping, steps=LONG)
    state = await world.settled()
    assert (state.live, world.rollout().phase, world.rollout().log_tail) == (V1, Phase.ROLLED_BACK, ("out of memory",))
    assert world.routed() == {V1: 100.0}
    world.check()


@simulated
async def test_what_crashes_while_it_is_being_stopped_is_stopped_all_the_same() -> None:
    world = World()
    await world.live()
    world.release(Behaviour(error_rate=0.0, crash_loop=6.0), steps=LONG)
    state = await world.settled()
    assert (state.live, state.releases[V2].run, world.rollout().phase) == (V1, "stopped", Phase.ROLLED_BACK)
    assert "canary failed" in world.rollout().reason
    world.check()


@simulated
async def test_a_failed_install_can_be_followed_by_a_good_one() -> None:
    world = World()
    await world.start()
    world.release(Behaviour(never_ready=True))
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (None, Phase.ROLLED_BACK)
    world.release(GOOD)
    state = await world.settled()
    assert (state.live, world.rollout().kind, world.routed()) == (V2, "install", {V2: 100.0})
    world.check()


@simulated
async def test_lost_readings_hold_the_rollout_and_it_goes_on_when_they_are_back() -> None:
    world = World()
    await world.live()
    world.release(GOOD, steps=(Step(weight=10.0, at_least=20.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    world.faults.lose_reading = 1.0
    held = await world.until(lambda state: state.phase is Phase.HOLDING)
    assert held.rollout is not None
    assert held.rollout.judgement is not None
    assert held.rollout.judgement.verdict is Verdict.ERROR
    assert "could not" in held.rollout.judgement.sentence
    assert len(world.of(ReadingMissed)) >= 5
    weights = world.routed()
    await world.clock.sleep(300)
    assert world.routed() == weights == {V1: 90.0, V2: 10.0}
    world.faults.lose_reading = 0.0
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    world.check()


@simulated
async def test_one_lost_arm_is_blindness_as_well() -> None:
    world = World(seed=3)
    await world.live()
    world.faults.lose_reading = 0.8
    world.release(FAILING, steps=(Step(weight=10.0, at_least=60.0),))
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V1, Phase.ROLLED_BACK)
    world.check()


@simulated
async def test_a_router_that_refuses_is_asked_again_and_nothing_is_judged_before_it_obeys() -> None:
    world = World()
    await world.live()
    world.router_faults.failing_routers = 6
    world.release(GOOD, steps=(Step(weight=10.0, at_least=20.0),))
    state = await world.until(lambda state: state.trouble)
    assert "the proxy refuses the routes" in state.trouble
    assert state.phase is Phase.SHIFTING
    assert world.routed() == {V1: 100.0}
    state = await world.settled()
    assert (state.live, state.trouble, world.rollout().phase) == (V2, "", Phase.PROMOTED)
    assert len(world.of(CommandFailed)) == 1
    world.check()


@simulated
async def test_routes_that_were_given_up_are_not_answered() -> None:
    world = World()
    await world.live()
    applied = len(world.of(RoutesApplied))
    world.router_faults.failing_routers = 10**6
    world.release(GOOD)
    await world.until(lambda state: state.phase is Phase.SHIFTING)
    await world.clock.sleep(8)
    world.submit(AbortRequested(at=world.clock.now(), by="ann"))
    await world.clock.sleep(8)
    world.router_faults.failing_routers = 0
    state = await world.settled()
    assert world.rollout().phase is Phase.ABORTED
    generations = [event.generation for event in world.of(RoutesApplied)[applied:] if isinstance(event, RoutesApplied)]
    assert generations == [state.routes_generation]
    assert world.engine._executor.under_way() == 0
    world.check()


@pytest.mark.parametrize("seed", range(6))
def test_commands_and_events_may_come_late_twice_and_out_of_order(seed: int) -> None:
    @simulated
    async def ends_the_same() -> None:
        faults = Faults(
            duplicate_event=0.3, duplicate_command=0.3, delay_command=0.3,
            refuse_command=0.2, lose_answer=0.2, delay_reading=0.4, lose_reading=0.05,
        )  # fmt: skip
        world = World(seed=seed, faults=faults)
        await world.live()
        world.release(GOOD)
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
        world.release(FAILING)
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V2, Phase.ROLLED_BACK)
        await world.clock.sleep(30)  # until the last late command has come
        world.check()

    ends_the_same()


@simulated
async def test_trouble_that_both_have_is_nobodys_fault() -> None:
    outage = Outage(start=EPOCH + 20.0, seconds=30.0, error_rate=0.3)
    world = World(traffic=Traffic(rate=200.0, outages=(outage,)))
    await world.live()
    await world.clock.sleep(EPOCH + 12 - world.clock.now())
    world.release(GOOD, steps=(Step(weight=20.0, at_least=15.0),))
    held = await world.until(lambda state: state.phase is Phase.HOLDING)
    assert held.rollout is not None
    assert "both releases break the SLO" in held.rollout.reason
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    world.check()


@simulated
async def test_a_newer_release_takes_the_place_of_the_one_on_trial() -> None:
    world = World()
    await world.live()
    world.release(FAILING, steps=(Step(weight=1.0, at_least=600.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(1.0)
    world.release(GOOD)
    state = await world.settled()
    assert (state.live, world.rollout().id) == (V3, RolloutId("shop-3"))
    assert [past.phase for past in state.past] == [Phase.PROMOTED, Phase.ABORTED]
    assert {event.canary for event in world.of(Observed) if isinstance(event, Observed)} >= {V2, V3}
    world.check()


@simulated
async def test_readings_that_straddle_a_change_of_arms_are_dropped() -> None:
    world = World(faults=Faults(delay_reading=3.0))
    await world.live()
    world.release(GOOD, steps=LONG)
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    world.release(GOOD, steps=SHORT)
    state = await world.settled()
    assert state.live == V3
    for event in world.of(Observed):
        assert isinstance(event, Observed)
        # A reading of one trial that was counted in the next would show the older one's requests in the first of these.
        assert event.canary in {V2, V3}
    world.check()


@simulated
async def test_undo_is_immediate_while_the_old_processes_run_and_possible_when_they_do_not() -> None:
    world = World()
    await world.live()
    world.release(GOOD, keep=60.0)
    await world.settled()
    asked = world.clock.now()
    world.submit(UndoRequested(at=asked, by="ann"))
    await world.until(lambda state: state.live == V1)
    assert world.clock.now() - asked < 0.2
    await world.settled()
    await world.clock.sleep(700)
    state = await world.settled()
    assert state.releases[V2].run == "stopped"
    world.submit(UndoRequested(at=world.clock.now(), by="ann", to=V2))
    state = await world.settled()
    assert (state.live, world.routed()) == (V2, {V2: 100.0})
    world.check()


@simulated
async def test_retry_tries_the_same_release_again() -> None:
    world = World()
    await world.live()
    world.release(FAILING)
    await world.settled()
    world.cluster.behave("shop", "v2", GOOD)
    world.submit(RetryRequested(at=world.clock.now(), by="ann", history=world.engine.history(world.rollout().id)))
    state = await world.settled()
    assert (state.live, world.rollout().id, world.rollout().phase) == (V2, "shop-3", Phase.PROMOTED)
    assert world.submit(RetryRequested(at=world.clock.now(), by="ann")) == 0
    world.check()


@simulated
async def test_an_approval_is_waited_for_at_a_slower_rhythm() -> None:
    world = World()
    await world.live()
    world.release(GOOD, steps=(Step(weight=10.0, at_least=5.0), Step(weight=50.0, at_least=5.0, approval="leads")))
    await world.until(lambda state: state.phase is Phase.AWAITING)
    await world.clock.sleep(100)
    before = len(world.of(Observed))
    await world.clock.sleep(600)
    assert len(world.of(Observed)) - before == pytest.approx(300, abs=2)
    world.submit(PromoteRequested(at=world.clock.now(), by="leads"))
    state = await world.settled()
    assert state.live == V2
    world.check()


@simulated
async def test_the_past_is_kept_across_promotions() -> None:
    world = World()
    await world.live()
    await world.clock.sleep(300)
    world.release(GOOD)
    state = await world.settled()
    await world.clock.sleep(100)
    past = world.engine.history(state.app)
    moments = [at for at, _ in past]
    assert moments == sorted(moments)
    assert past[-1][0] - past[0][0] > 380
    assert sum(reading.requests == 0 for _, reading in past[1:]) == 1  # the mark between the two releases
    world.release(GOOD)
    await world.settled()
    world.check()


@pytest.mark.parametrize("wrong", [RuntimeError("a bug"), KeyError("cluster")])
def test_a_bug_in_an_adapter_ends_no_controller(wrong: Exception) -> None:
    @simulated
    async def goes_on() -> None:
        world = World()
        await world.live()
        router, metrics = world.engine._executor._router, world.engine._metrics
        calls = {"routes": 0, "reads": 0}
        set_routes, read = router.set_routes, metrics.read

        async def broken_router(command: Any) -> None:
            calls["routes"] += 1
            if calls["routes"] == 1:
                raise wrong
            await set_routes(command)

        async def broken_metrics(queries: Any) -> Any:
            calls["reads"] += 1
            if calls["reads"] % 3 == 0:
                raise wrong
            return await read(queries)

        router.set_routes, metrics.read = broken_router, broken_metrics
        world.release(GOOD)
        await world.until(lambda state: "This is a bug" in state.trouble)
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
        assert any("unexpected" in e.reason for e in world.of(ReadingMissed) if isinstance(e, ReadingMissed))
        world.check()

    goes_on()
