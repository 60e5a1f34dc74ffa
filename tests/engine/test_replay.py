"""A past rollout judged again: the same to the bit, or otherwise for a stated reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.engine.replay import rejudge
from shipway.engine.timeline import timelines
from shipway.model.errors import BadInput, NotFound, Refused
from shipway.model.ids import RolloutId
from shipway.rollout.events import AbortRequested, Event, PauseRequested, ResumeRequested
from shipway.runtimes.sim.behaviour import Behaviour
from shipway.testing.recordings import APP, FAILING, GOOD, SLOW, Version, record, shop

GOOD_ONE, FAILING_ONE, SLOW_ONE = (RolloutId(f"storefront-{n}") for n in (2, 3, 4))


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return shop()


@pytest.mark.parametrize("rollout", [GOOD_ONE, FAILING_ONE, SLOW_ONE])
def test_without_overrides_it_is_the_original_to_the_bit(events: list[Event], rollout: RolloutId):
    replay = rejudge(events, rollout)
    assert replay.identical
    assert replay.replayed == replay.original
    story = next(one for one in timelines(events, APP) if one.rollout == rollout)
    assert replay.original.verdict == story.verdict
    assert replay.original.seconds == story.seconds_to_verdict
    assert (replay.original.requests, replay.original.failed_requests) == (story.requests, story.failed_requests)
    assert replay.original.sentence == story.evidence


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    behaviour=st.sampled_from([GOOD, FAILING, SLOW]),
    pause=st.booleans(),
)
def test_nor_do_pauses_and_chance_change_a_bit(seed: int, behaviour: Behaviour, pause: bool):
    then = ((2.0, PauseRequested(at=0, by="bob")), (4.0, ResumeRequested(at=0, by="bob"))) if pause else ()
    replay = rejudge(record([Version("a"), Version("b", behaviour, then=then)], seed), GOOD_ONE)
    assert replay.identical


def test_a_laxer_alpha_decides_no_later(events: list[Event]):
    replay = rejudge(events, FAILING_ONE, alpha=0.3)
    assert (replay.original.verdict, replay.replayed.verdict) == ("rolled_back", "rolled_back")
    assert replay.replayed.seconds < replay.original.seconds
    assert replay.replayed.requests < replay.original.requests
    assert replay.replayed.alpha == 0.3
    assert not replay.identical


def test_a_stricter_alpha_finds_the_readings_too_few(events: list[Event]):
    replay = rejudge(events, FAILING_ONE, alpha=1e-9)
    assert replay.replayed.verdict == "undecided"
    assert replay.replayed.requests == replay.original.requests
    assert replay.replayed.sentence.startswith("not shown by the 33 canary requests there are: canary failed 7 of 33")


def test_a_tolerance_that_forgives_everything(events: list[Event]):
    replay = rejudge(events, SLOW_ONE, tolerance=1000.0)
    assert replay.replayed.verdict == "undecided"
    assert replay.replayed.tolerance == (1000.0, 1000.0)
    assert replay.original.tolerance == (1.0, 1.0)


def test_a_good_release_stays_promoted_and_what_people_did_stays_done(events: list[Event]):
    assert rejudge(events, GOOD_ONE, alpha=0.001).replayed.verdict == "promoted"
    then = ((4.0, AbortRequested(at=0, by="bob")),)
    aborted = rejudge(record([Version("a"), Version("b", then=then)]), GOOD_ONE, tolerance=2.0)
    assert aborted.replayed.verdict == "aborted"


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_an_alpha_out_of_range_is_refused(events: list[Event], alpha: float):
    with pytest.raises(BadInput, match="alpha is") as caught:
        rejudge(events, GOOD_ONE, alpha=alpha)
    assert "above 0 and below 1" in caught.value.hint


@pytest.mark.parametrize("tolerance", [0.5, float("inf"), float("nan")])
def test_a_tolerance_out_of_range_is_refused(events: list[Event], tolerance: float):
    with pytest.raises(BadInput, match="tolerance is"):
        rejudge(events, GOOD_ONE, tolerance=tolerance)


def test_what_was_never_tried_cannot_be_judged(events: list[Event]):
    with pytest.raises(Refused, match="storefront-1 never came to a trial"):
        rejudge(events, RolloutId("storefront-1"))
    with pytest.raises(NotFound, match="no rollout other-1"):
        rejudge(events, RolloutId("other-1"))
    with pytest.raises(NotFound):
        rejudge([], GOOD_ONE)
