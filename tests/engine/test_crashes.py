"""The controller dies before or after any of its writes; another one takes over. The outcome is the same."""

from typing import Literal

import pytest

from shipway.analysis.policy import Step
from shipway.engine.past import RESTART
from shipway.engine.replay import rejudge
from shipway.model.ids import RolloutId
from shipway.rollout.events import DeadlineReached, Observed, UndoRequested
from shipway.rollout.states import Phase
from shipway.runtimes.sim.behaviour import Behaviour, Traffic
from shipway.testing.journals import MemoryJournal
from tests.engine.world import GOOD, SHOP, V1, V2, V3, Mortal, World, simulated

BROKEN = Behaviour(error_rate=0.7)

FEW = tuple(Step(weight=weight, at_least=2.5, min_requests=10) for weight in (20.0, 50.0))

Outcome = tuple[Phase, str | None, dict[str, float]]


async def story(world: World, second: Behaviour) -> Outcome:
    """A first release, another one, and an undo when that was promoted; whoever dies meanwhile is replaced."""
    await world.start()
    world.cluster.behave(SHOP, "v1", GOOD)
    world.cluster.behave(SHOP, "v2", second)
    for _ in range(2):
        await ask(world, lambda: world.release(steps=FEW, keep=2.0))
        await world.settled()
        await world.clock.sleep(0.5)
    outcome = world.rollout().phase
    if outcome is Phase.PROMOTED:
        await ask(world, lambda: world.submit(UndoRequested(at=world.clock.now(), by="ann")))
        await world.settled()
    await world.clock.sleep(5)  # until what was kept for an undo is stopped
    state = await world.settled()
    return outcome, state.live, {str(release): share for release, share in world.routed().items()}


async def ask(world: World, request) -> None:  # type: ignore[no-untyped-def]  # a request, whatever it answers
    """Ask as a person would: when the controller dies of it, look whether it was heard before asking again."""
    before = requests(world)
    try:
        request()
    except BaseException as error:
        if not isinstance(world.journal, Mortal) or not world.journal.dead:
            raise
        del error
        await world.die()
        world.journal = MemoryJournal(world.store)
        await world.start()
        if requests(world) == before:
            request()


def requests(world: World) -> int:
    """How many wishes of people are in the journal."""
    return sum(recorded.kind.endswith("Requested") for recorded in world.store)


def appends_of(second: Behaviour) -> tuple[int, Outcome]:
    """How many appends an undisturbed story has, and how it ends."""
    found: list[tuple[int, Outcome]] = []

    @simulated
    async def undisturbed() -> None:
        world = World(grace=0.0)
        journal = world.journal = Mortal(MemoryJournal(world.store), every=10**9, how="refuse")
        outcome = await story(world, second)
        world.check()
        found.append((journal.appends, outcome))

    undisturbed()
    return found[0]


@pytest.mark.parametrize("how", ["crash-before", "crash-after"])
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (GOOD, (Phase.PROMOTED, V1, {"v1": 100.0})),
        (BROKEN, (Phase.ROLLED_BACK, V1, {"v1": 100.0})),
    ],
    ids=["good", "broken"],
)
def test_death_at_any_write_changes_nothing(
    second: Behaviour, expected: Outcome, how: Literal["crash-before", "crash-after"]
) -> None:
    appends, outcome = appends_of(second)
    assert outcome == expected
    assert appends > 12

    for moment in range(1, appends + 1):

        @simulated
        async def dies(moment: int = moment) -> None:
            world = World(grace=0.0)
            world.journal = Mortal(MemoryJournal(world.store), every=moment, how=how)
            found = await story(world, second)
            assert found == expected, f"after a death at append {moment}"
            assert world.controllers == 2, f"nobody died at append {moment}"
            world.check()
            assert rejudge(world.events(), RolloutId("shop-2")).identical

        dies()


@pytest.mark.parametrize("moments", [(3, 4, 5, 6, 7, 8), (2, 9, 3, 9, 2)])
def test_one_death_after_another_changes_nothing(moments: tuple[int, ...]) -> None:
    @simulated
    async def dies_again_and_again() -> None:
        world = World(grace=0.0)
        left = list(moments)

        def mortal() -> Mortal:
            return Mortal(MemoryJournal(world.store), every=left.pop(0) if left else 10**9, how="crash-after")

        world.journal = mortal()
        await world.start()
        world.cluster.behave(SHOP, "v2", GOOD)
        for _ in range(2):
            await ask(world, lambda: world.release(steps=FEW))
            while True:
                if isinstance(world.journal, Mortal) and world.journal.dead:
                    await world.die()
                    world.journal = mortal()
                    await world.start()
                state = world.engine.state(SHOP)
                if state and state.rollout and not state.rollout.is_active:
                    break
                await world.clock.sleep(0.05)
        assert world.controllers > 3
        assert (world.rollout().phase, world.routed()) == (Phase.PROMOTED, {V2: 100.0})
        world.check()

    dies_again_and_again()


@simulated
async def test_the_verdict_after_a_crash_is_the_verdict_without_one_to_the_bit() -> None:
    world = World()
    await world.live()
    await world.clock.sleep(200)
    world.release(GOOD, steps=(Step(weight=20.0, at_least=60.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(20)
    before = world.engine.state(SHOP)
    await world.die()
    await world.start()
    after = world.engine.state(SHOP)
    assert before is not None
    assert after is not None
    assert after is not before
    assert after.rollout == before.rollout
    assert repr(after.rollout) == repr(before.rollout)  # bits, not approximations: repr of a float is exact
    await world.settled()
    world.check()
    assert rejudge(world.events(), RolloutId("shop-2")).identical


@simulated
async def test_a_rollout_sleeps_while_nobody_controls_it_and_goes_on_after() -> None:
    world = World()
    await world.live()
    world.release(GOOD, steps=(Step(weight=20.0, at_least=30.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(5)
    weights = world.routed()
    await world.die()
    await world.clock.sleep(3600)
    assert world.routed() == weights == {V1: 80.0, V2: 20.0}
    await world.start()
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    world.check()


@simulated
async def test_what_became_ready_while_nobody_listened_is_heard_before_its_deadline() -> None:
    world = World()
    await world.live()
    world.release(Behaviour(start_delay=10.0), ready_within=15.0)
    await world.clock.sleep(1.0)
    await world.die()
    world.faults.delay_event = 1.0
    await world.clock.sleep(100)
    await world.start()
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    assert not any(event.at < world.rollout().started_at + 100 for event in world.of(DeadlineReached))
    world.check()


@simulated
async def test_the_next_controller_remembers_how_the_service_behaved() -> None:
    world = World()
    await world.live()
    await world.clock.sleep(400)
    known = world.engine.history(SHOP)
    assert len(known) == pytest.approx(40, abs=2)
    world.release(GOOD, steps=(Step(weight=20.0, at_least=60.0),))
    await world.settled()
    await world.die()
    await world.start()
    recalled = world.engine.history(SHOP)
    assert recalled[: len(known)] == known
    assert len(recalled) >= len(known) + 6
    await world.clock.sleep(100)
    assert RESTART in [reading for _, reading in world.engine.history(SHOP)]  # v2's counters are not v1's
    world.check()


@simulated
async def test_a_queued_release_survives_and_takes_its_turn() -> None:
    world = World()
    await world.live()
    world.release(GOOD)
    world.release(GOOD, supersede="queue")
    await world.die()
    await world.start()
    state = await world.settled()
    assert (state.live, [past.phase for past in state.past]) == (V3, [Phase.PROMOTED, Phase.PROMOTED])
    world.check()


@simulated
async def test_commands_are_taken_up_only_when_the_runtime_has_adopted_everything() -> None:
    world = World()
    await world.live()
    await world.die()
    order: list[str] = []
    world.cluster.report = lambda _app, _event: None
    start = world.cluster.start

    def noting(*arguments: object) -> None:
        order.append("start")
        start(*arguments)

    world.cluster.start = noting  # type: ignore[method-assign]  # to see when it is called
    original = type(world._runtime).open

    async def slow_open(self, sink, known):
        await original(self, sink, known)
        await world.clock.sleep(5)
        order.append("open")

    type(world._runtime).open = slow_open
    try:
        await world.start()
        await world.clock.sleep(1)
    finally:
        type(world._runtime).open = original
    assert order == ["open", "start"]
    world.check()


@simulated
async def test_readings_before_and_after_a_restart_of_the_proxy_are_judged_as_one() -> None:
    world = World(traffic=Traffic(rate=300.0))
    await world.live()
    world.release(GOOD, steps=(Step(weight=20.0, at_least=20.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(8)
    world.cluster.restart_proxy()
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    judgement = world.rollout().judgement
    assert judgement is not None
    assert judgement.indicators[0].canary_total == pytest.approx(300 * 0.2 * 20, rel=0.2)
    assert len(world.of(Observed)) > 30
    world.check()
