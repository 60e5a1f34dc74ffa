"""`shipway explain APP` says what happens, why, what comes next and what a person can do. Golden texts, clocks and all."""

import pytest

from shipway.analysis.policy import Step
from shipway.engine.explaining import in_words, where_it_stands
from shipway.rollout.events import AbortRequested, PauseRequested, PromoteRequested, UndoRequested
from shipway.rollout.evolve import initial
from shipway.rollout.states import Delivery, Phase
from shipway.runtimes.sim.behaviour import Behaviour
from shipway.testing.journals import HostileJournal, MemoryJournal
from tests.engine.world import FAILING, GOOD, SHOP, World, simulated

TWO = (Step(weight=5.0, at_least=10.0, min_requests=20), Step(weight=50.0, at_least=10.0, approval="leads"))


def said(world: World) -> list[str]:
    state = world.engine.state(SHOP)
    assert state is not None
    return in_words(state, world.clock.now(), world.engine.trouble).splitlines()


def test_before_anything() -> None:
    assert where_it_stands(initial(SHOP), 0.0) == "shop has had no rollout yet"


@simulated
async def test_a_good_release_from_its_start_to_its_promotion() -> None:
    world = World()
    await world.live()
    assert said(world) == ["shop-1: v1 (1.1) is live, 500ms after it began: installed."]
    world.release(GOOD, steps=TWO)
    await world.clock.sleep(0.1)
    assert said(world) == [
        "shop-2: v2 (1.2) is starting (for 100ms): 0 of 1 instances are ready, and 20s are allowed for it.",
        "Live is v1 (1.1).",
    ]
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    await world.clock.sleep(3)
    first, seen, following, live = said(world)
    assert first.startswith("shop-2: v2 (1.2) is judged at 5 % of the traffic (for 3s): ")
    assert first.endswith(" canary requests and nothing against it; 7 s of the step are left.")
    assert seen.startswith("Seen so far: errorRate: canary failed 0 of ")
    assert "latency > 50ms: canary was slower than 50 ms on " in seen
    assert following == "Next is 50 %, unless something speaks against it."
    assert live == "Live is v1 (1.1)."
    await world.until(lambda state: state.phase is Phase.AWAITING)
    lines = said(world)
    assert "waits for approval at 5 % of the traffic" in lines[0]
    assert lines[0].endswith("waiting for leads to approve the next step.")
    assert "`shipway rollout promote shop` goes on to 50 %, `shipway rollout abort shop` takes it back." in lines
    world.submit(PromoteRequested(at=world.clock.now(), by="leads"))
    await world.settled()
    lines = said(world)
    assert lines[0].startswith("shop-2: v2 (1.2) is live, ")
    assert "`shipway undo shop` goes back to v1 (1.1)." in lines


@simulated
async def test_why_it_was_rolled_back() -> None:
    world = World()
    await world.live()
    world.release(FAILING)
    await world.settled()
    lines = said(world)
    assert lines[0].startswith("shop-2: v2 (1.2) was rolled back, ")
    assert "after it began: canary failed " in lines[0]
    assert lines[0].endswith(" if it were no worse.")
    assert lines[-2:] == ["`shipway rollout retry shop` tries the same release again.", "Live is v1 (1.1)."]


@simulated
async def test_a_release_that_does_not_stay_up_shows_its_last_words() -> None:
    world = World()
    await world.start()
    world.release(Behaviour(crash_loop=0.1, start_delay=9.0, log_tail=("Traceback:", "KeyError: 'DB'")))
    await world.settled()
    first, *rest = said(world)
    assert "was rolled back" in first
    assert "exited 3 times" in first
    assert rest == [
        "  | Traceback:",
        "  | KeyError: 'DB'",
        "`shipway rollout retry shop` tries the same release again.",
        "Nothing is live. Mend it and deploy again.",
    ]


@simulated
async def test_why_it_holds() -> None:
    world = World()
    await world.live()
    world.release(GOOD, steps=TWO)
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    world.faults.lose_reading = 1.0
    await world.until(lambda state: state.phase is Phase.HOLDING)
    lines = said(world)
    assert "holds at 5 % of the traffic" in lines[0]
    assert "could not be had" in lines[0]
    assert any(line.startswith("It goes on by itself when that is over.") for line in lines)


@simulated
async def test_a_failure_that_waits_for_a_person() -> None:
    world = World()
    await world.live()
    world.release(FAILING, rollback="manual")
    await world.until(lambda state: state.phase is Phase.HOLDING)
    lines = said(world)
    assert "`rollback: manual` leaves the way back to a person" in lines[0]
    assert "`shipway rollout abort shop` takes it back." in lines


@simulated
async def test_paused_and_aborted_and_undone() -> None:
    world = World()
    await world.live()
    world.release(GOOD, steps=TWO)
    await world.until(lambda state: state.phase is Phase.OBSERVING)
    world.submit(PauseRequested(at=world.clock.now(), by="ann"))
    lines = said(world)
    assert lines[0].endswith("is paused at 5 % of the traffic (for 0s): paused by ann.")
    assert "`shipway rollout resume shop` lets it go on." in lines
    world.submit(AbortRequested(at=world.clock.now(), by="ann", reason="wrong branch"))
    await world.settled()
    assert said(world)[0].endswith("after it began: wrong branch.")
    world.release(GOOD)
    await world.settled()
    world.submit(UndoRequested(at=world.clock.now(), by="ann"))
    await world.settled()
    assert "undone by ann" in said(world)[0]


@simulated
async def test_trouble_and_what_waits_are_said() -> None:
    world = World()
    await world.live()
    world.router_faults.failing_routers = 10**6
    world.release(GOOD)
    world.release(GOOD, supersede="queue")
    await world.until(lambda state: state.trouble)
    lines = said(world)
    assert "v3 (1.3) begins when this rollout has ended." in lines
    assert any(
        line.startswith("Trouble: shop/routes/") and line.endswith("It is tried again until it works.")
        for line in lines
    )
    world.engine._journal = HostileJournal(MemoryJournal(world.store), every=1, how="refuse")
    await world.clock.sleep(6)
    world.router_faults.failing_routers = 0
    await world.clock.sleep(6)
    assert any("Trouble: no space is left on the disk that holds the journal." in line for line in said(world))


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_words(phase: Phase) -> None:
    @simulated
    async def speaks() -> None:
        from msgspec.structs import replace

        world = World()
        await world.live()
        world.release(GOOD)
        state = world.engine.state(SHOP)
        assert state is not None
        assert state.rollout is not None
        other: Delivery = replace(state, rollout=replace(state.rollout, phase=phase))
        text = in_words(other, world.clock.now())
        assert "v2 (1.2)" in text
        assert "None" not in text

    speaks()
