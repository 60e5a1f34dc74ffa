"""The journal refuses: nothing moves, it is said why, and what happened meanwhile is recorded when there is space again."""

import pytest

from shipway.analysis.policy import Step
from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.model.errors import JournalError, VersionConflict
from shipway.rollout.codec import encode
from shipway.rollout.events import Event, InstancesChanged, Observed, PauseRequested, RoutesApplied
from shipway.rollout.states import Phase
from shipway.runtimes.sim.behaviour import Behaviour
from shipway.testing.journals import HostileJournal, MemoryJournal
from tests.engine.world import FAILING, GOOD, SHOP, V1, V2, World, simulated


class Disk:
    """A journal's disk that can be full."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.full()
        self.space()

    def full(self) -> None:
        self.world.engine._journal = HostileJournal(MemoryJournal(self.world.store), every=1, how="refuse")

    def space(self) -> None:
        self.world.engine._journal = MemoryJournal(self.world.store)


async def on_trial(world: World, behaviour: Behaviour = GOOD, seconds: float = 20.0) -> Disk:
    await world.live()
    world.release(behaviour, steps=(Step(weight=20.0, at_least=seconds),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    return Disk(world)


@simulated
async def test_a_full_disk_holds_the_rollout_and_says_so() -> None:
    world = World()
    disk = await on_trial(world)
    disk.full()
    recorded, weights = len(world.store), world.routed()
    await world.clock.sleep(300)
    assert (len(world.store), world.routed()) == (recorded, weights)
    assert world.rollout().phase is Phase.OBSERVING
    assert world.engine.trouble == "no space is left on the disk that holds the journal. Free some space."
    disk.space()
    await world.clock.sleep(1)
    assert world.engine.trouble == ""
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    world.check()


@simulated
async def test_a_bad_release_is_judged_on_everything_when_there_is_space_again() -> None:
    world = World()
    await world.live()
    disk = Disk(world)
    world.release(FAILING, steps=(Step(weight=20.0, at_least=600.0),))
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(0.6)
    disk.full()
    await world.clock.sleep(30)
    disk.space()
    await world.until(lambda state: state.phase is Phase.ROLLED_BACK, 5)
    assert world.rollout().judgement is not None
    assert world.rollout().judgement.indicators[0].canary_total > 30 * 200 * 0.2 * 0.8
    world.check()


@simulated
async def test_people_are_told_and_nothing_is_done() -> None:
    world = World()
    disk = await on_trial(world)
    disk.full()
    before = world.engine.state(SHOP)
    with pytest.raises(JournalError, match="no space is left"):
        world.submit(PauseRequested(at=world.clock.now(), by="ann"))
    with pytest.raises(JournalError, match="no space is left"):
        world.release(GOOD)
    assert world.engine.state(SHOP) is before
    disk.space()
    assert world.submit(PauseRequested(at=world.clock.now(), by="ann")) == 1
    assert world.rollout().phase is Phase.PAUSED


@simulated
async def test_facts_wait_in_order_and_people_wait_behind_them() -> None:
    world = World()
    disk = await on_trial(world)
    disk.full()
    recorded = len(world.store)
    for ready in (0, 1, 0, 1):
        event = InstancesChanged(at=world.clock.now(), release=V1, ready=ready, wanted=1)
        world.engine.report(SHOP, event)
    with pytest.raises(JournalError):
        world.submit(PauseRequested(at=world.clock.now(), by="ann"))
    await world.clock.sleep(10)
    assert len(world.store) == recorded
    disk.space()
    await world.clock.sleep(0.6)
    facts = [e for e in world.events()[recorded:] if isinstance(e, InstancesChanged)]
    assert [e.ready for e in facts] == [0, 1, 0, 1]
    assert world.engine.trouble == ""
    world.check()


@simulated
async def test_the_answer_of_a_router_waits_as_well() -> None:
    world = World()
    await world.live()
    disk = Disk(world)
    world.router_faults.failing_routers = 1
    world.release(GOOD)
    await world.until(lambda state: state.phase is Phase.SHIFTING)
    disk.full()
    await world.clock.sleep(60)
    assert world.routed() == {V1: 95.0, V2: 5.0}  # it was asked for before the disk was full, and done
    assert world.rollout().phase is Phase.SHIFTING
    disk.space()
    state = await world.settled()
    assert state.live == V2
    world.check()


@simulated
async def test_trouble_that_nobody_waits_for_is_forgotten() -> None:
    world = World()
    await world.live()
    disk = Disk(world)
    disk.full()
    with pytest.raises(JournalError):
        world.release(GOOD)
    assert world.engine.trouble != ""
    await world.clock.sleep(40)
    assert world.engine.trouble == ""
    disk.space()


@pytest.mark.parametrize("every", [2, 3])
def test_a_disk_that_is_full_now_and_then_only_costs_time(every: int) -> None:
    @simulated
    async def ends_the_same() -> None:
        world = World()
        await world.live()
        world.engine._journal = HostileJournal(MemoryJournal(world.store), every=every, how="refuse")
        while True:
            try:
                world.release(GOOD)
                break
            except JournalError:
                await world.clock.sleep(0.1)
        state = await world.settled()
        assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
        world.check()

    ends_the_same()


class Forgetful(MemoryJournal):
    """Writes, and then says that it could not: the answer was lost."""

    forgets = False

    def append(self, appends) -> None:
        super().append(appends)
        if self.forgets:
            self.forgets = False
            raise JournalError("disk I/O error")


@simulated
async def test_a_write_whose_answer_was_lost_is_found_again() -> None:
    world = World()
    disk = await on_trial(world, seconds=30.0)
    journal = world.engine._journal = Forgetful(world.store)
    for _ in range(20):
        journal.forgets = True
        await world.clock.sleep(1.0)
    assert world.rollout().phase is Phase.OBSERVING
    disk.space()
    state = await world.settled()
    assert (state.live, world.rollout().phase) == (V2, Phase.PROMOTED)
    moments = [event.at for event in world.of(Observed)]
    assert moments == sorted(set(moments))
    world.check()


@simulated
async def test_what_somebody_else_has_written_is_read_and_acted_upon() -> None:
    world = World()
    await on_trial(world, seconds=60.0)
    await world.clock.sleep(3)
    past = world.engine.history(SHOP)
    version = world.engine._apps[SHOP].version
    event = PauseRequested(at=world.clock.now(), by="somebody else")
    MemoryJournal(world.store).append([Append(STREAM + SHOP, version, event.at, "PauseRequested", encode(event))])
    with pytest.raises(VersionConflict):
        world.submit(PauseRequested(at=world.clock.now(), by="ann"))
    assert world.rollout().phase is Phase.PAUSED
    assert world.engine.history(SHOP) == past
    read = len(world.of(Observed))
    await world.clock.sleep(5)
    assert len(world.of(Observed)) >= read + 9  # it goes on reading
    world.check()


@simulated
async def test_news_told_while_news_are_recorded_comes_after_it() -> None:
    world = World()
    await world.live()
    told: list[Event | None] = []

    def listener(state: object, event: Event | None) -> None:
        told.append(event)
        if isinstance(event, RoutesApplied):
            world.engine.report(SHOP, InstancesChanged(at=world.clock.now(), release=V1, ready=0, wanted=1))

    unlisten = world.engine.listen(listener)
    world.release(GOOD)
    await world.clock.sleep(2)
    unlisten()
    await world.settled()
    names = [type(event).__name__ for event in told]
    applied = names.index("RoutesApplied")
    assert names[0] == "ReleaseRequested"
    assert names[applied + 1] == "InstancesChanged"
    assert len(world.of(InstancesChanged)) >= 3
    world.check()
