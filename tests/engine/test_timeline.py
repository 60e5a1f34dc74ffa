"""Timelines say what happened, no more and no less."""

from itertools import pairwise
from math import isclose

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.engine import timeline as module
from shipway.engine.replay import rejudge
from shipway.engine.sentences import increase
from shipway.engine.timeline import Timeline, timeline, timelines
from shipway.model.errors import NotFound
from shipway.model.ids import ReleaseId, RolloutId
from shipway.rollout.events import (
    AbortRequested,
    CommandFailed,
    DeadlineReached,
    Event,
    Observed,
    PauseRequested,
    PromoteRequested,
    ReadingMissed,
    ReleaseRequested,
    ResumeRequested,
    RetryRequested,
    RoutesApplied,
    UndoRequested,
)
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Phase
from shipway.runtimes.sim.behaviour import Behaviour
from shipway.testing.recordings import APP, FAILING, GOOD, POLICY, SLOW, Version, record, shop


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return shop()


@pytest.fixture(scope="module")
def demo(events: list[Event]) -> tuple[Timeline, ...]:
    return timelines(events, APP)


def test_the_demos_four_releases(demo: tuple[Timeline, ...]):
    assert [(one.label, one.kind, one.verdict) for one in demo] == [
        ("1.0", "install", "promoted"),
        ("1.1", "canary", "promoted"),
        ("1.2", "canary", "rolled_back"),
        ("1.3", "canary", "rolled_back"),
    ]
    install, good, failing, slow = demo
    assert (install.evidence, install.requests, install.points) == ("installed", 0, ())
    assert (good.baseline, good.baseline_label, slow.baseline) == ("v1", "1.0", "v2")
    assert failing.evidence.startswith(f"canary failed {failing.failed_requests} of {failing.requests} requests")
    assert "was slower than 60 ms" in slow.evidence


def test_the_series_belong_together(demo: tuple[Timeline, ...]):
    for one in demo[1:]:
        assert [series.name for series in one.indicators] == ["errorRate", "latency > 60ms"]
        assert all(len(series.points) == len(one.points) for series in one.indicators)
        assert all(a.at < b.at for a, b in pairwise(one.points))
        for point in (point for series in one.indicators for point in series.points):
            for arm in (point.canary, point.baseline):
                if arm.rate is None:
                    assert (arm.total, arm.low) == (0, None)
                else:
                    assert arm.low is not None
                    assert arm.high is not None
                    assert 0 <= arm.low <= arm.rate <= arm.high <= 1


def test_evidence_crosses_its_limit_exactly_where_the_release_fails(demo: tuple[Timeline, ...]):
    for one, indicator in ((demo[2], 0), (demo[3], 1)):
        crossed = [(p.evidence or 0) > p.limit for p in one.indicators[indicator].points]
        assert crossed.index(True) == len(crossed) - 1
        assert [point.verdict for point in one.points].index("fail") == len(crossed) - 1
    assert all((p.evidence or 0) <= p.limit for series in demo[1].indicators for p in series.points)


def test_weights_and_phases_follow_each_other(demo: tuple[Timeline, ...]):
    good, failing = demo[1], demo[2]
    assert [weight for _, weight in good.weights] == [0, 5, 25, 50, 100]
    assert [weight for _, weight in failing.weights] == [0, 5, 0]
    assert [span.phase for span in failing.phases] == [
        Phase.STARTING,
        Phase.SHIFTING,
        Phase.OBSERVING,
        Phase.REVERTING,
        Phase.ROLLED_BACK,
    ]
    assert failing.phases[-1].at == failing.ended_at


def test_seconds_run_from_the_first_canary_traffic_to_the_decision(demo: tuple[Timeline, ...]):
    failing = demo[2]
    at = {span.phase: span.at for span in failing.phases}
    assert failing.seconds_to_verdict == at[Phase.REVERTING] - at[Phase.SHIFTING]
    install = demo[0]
    assert install.ended_at is not None
    assert install.seconds_to_verdict == install.ended_at - install.started_at


def test_requests_are_what_the_raw_counters_say(events: list[Event], demo: tuple[Timeline, ...]):
    last = [
        event.reading.canary for event in events if isinstance(event, Observed) and event.at <= (demo[1].ended_at or 0)
    ]
    assert last[-1] is not None
    assert (demo[1].requests, demo[1].failed_requests) == (last[-1].requests, last[-1].errors)


def test_a_counter_that_falls_was_restarted():
    assert increase(ArmReading(100, 3), ArmReading(130, 4)) == (30, 1)
    assert increase(ArmReading(100, 3), ArmReading(40, 2)) == (40, 2)
    assert increase(ArmReading(100, 3), ArmReading(120, 1)) == (120, 1)
    assert increase(None, ArmReading(7, 9)) == (7, 7), "read at slightly different moments: never more bad than all"


def test_a_restart_of_the_canary_loses_no_request(events: list[Event], demo: tuple[Timeline, ...]):
    good = [event for event in events if isinstance(event, Observed) and event.at <= (demo[1].ended_at or 0)]
    at, before = good[12].at, good[11].reading.canary
    assert before is not None

    def restarted(event: Event) -> Event:
        if not isinstance(event, Observed) or not at <= event.at <= good[-1].at or event.reading.canary is None:
            return event
        now = event.reading.canary
        fresh = msgspec.structs.replace(now, requests=now.requests - before.requests, errors=now.errors - before.errors)
        return msgspec.structs.replace(event, reading=msgspec.structs.replace(event.reading, canary=fresh))

    again = timelines([restarted(event) for event in events], APP)[1]
    assert (again.requests, again.failed_requests) == (demo[1].requests, demo[1].failed_requests)


def test_every_event_of_a_rollout_is_told_once(events: list[Event], demo: tuple[Timeline, ...]):
    told = [line for one in demo for line in one.events]
    assert [(line.at, line.kind) for line in told] == [(event.at, type(event).__name__) for event in events]
    assert all(line.sentence for line in told)
    sentences = [line.sentence for line in demo[1].events]
    assert sentences[0] == "ada released 1.1"
    assert "v2: 1 of 1 instances ready" in sentences
    assert "traffic follows: v1 95 %, v2 5 %" in sentences
    assert "first reading: requests are counted from here" in sentences
    assert demo[2].events[-1].sentence == "v3: its last process has ended", "what follows the end belongs to it"


def test_one_is_as_in_all_and_a_wrong_name_is_refused(events: list[Event], demo: tuple[Timeline, ...]):
    assert timeline(events, APP, RolloutId("storefront-3")) == demo[2]
    with pytest.raises(NotFound, match="storefront has no rollout storefront-9"):
        timeline(events, APP, RolloutId("storefront-9"))


def test_a_rollout_under_way_says_where_it_stands(events: list[Event]):
    until = next(i for i, event in enumerate(events) if isinstance(event, Observed)) + 4
    one = timelines(events[:until], APP)[-1]
    assert (one.verdict, one.ended_at, one.seconds_to_verdict) == ("under_way", None, None)
    assert "canary requests" in one.evidence


def test_people_speak():
    def at(second: float, event: Event) -> tuple[float, Event]:
        return second, event

    paused = (
        at(2.0, PauseRequested(at=0, by="bob")),
        at(3.0, ResumeRequested(at=0, by="bob")),
        at(4.0, PromoteRequested(at=0, by="bob")),
        at(5.0, CommandFailed(at=0, command="storefront/routes/9", reason="the proxy is away")),
        at(5.5, ReadingMissed(at=0, reason="no answer")),
        at(6.0, AbortRequested(at=0, by="bob", reason="lunch")),
    )
    one = timelines(record([Version("a"), Version("b", then=paused)]), APP)[-1]
    sentences = [line.sentence for line in one.events]
    for expected in (
        "bob paused it",
        "bob resumed it",
        "bob promoted it to the next step",
        "bob aborted it: lunch",
        "storefront/routes/9 failed and will be tried again: the proxy is away",
        "no reading: no answer",
    ):
        assert expected in sentences
    assert (one.verdict, one.evidence) == ("aborted", "lunch")
    paused_at = next(line for line in one.events if line.phase == "paused")
    assert paused_at.reason == "paused by bob"


def promoting(events: list[Event]) -> int:
    """Where the routes of the second release's promotion are applied: before it, the promotion waits for them."""
    ended = timelines(events, APP)[1].ended_at
    return next(i for i, event in enumerate(events) if isinstance(event, RoutesApplied) and event.at == ended)


def test_a_promotion_that_is_taken_back_was_decided_when_it_was_taken_back(events: list[Event]):
    i = promoting(events)
    last = events[i - 1]
    assert isinstance(last, Observed)
    assert last.reading.canary is not None
    assert timelines(events[:i], APP)[-1].phase is Phase.PROMOTING
    taken_back, counters, others = list(events[:i]), last.reading.canary, last.reading.baseline
    assert others is not None
    for at in (last.at + 0.1 * n for n in range(1, 40)):
        counters = replace(counters, requests=counters.requests + 20, errors=counters.errors + 6)
        others = replace(others, requests=others.requests + 20)
        taken_back.append(Observed(at=at, reading=Reading(at, others, counters, 0.5)))
        if timelines(taken_back, APP)[-1].phase is Phase.REVERTING:
            break
    one = timelines(taken_back, APP)[-1]
    assert (one.phase, one.failed_requests) == (Phase.REVERTING, counters.errors)
    shifted = next(span.at for span in one.phases if span.phase is Phase.SHIFTING)
    assert one.seconds_to_verdict == taken_back[-1].at - shifted
    again = rejudge(taken_back, one.rollout)
    assert again.identical
    assert (again.original.verdict, again.original.seconds) == ("rolled_back", one.seconds_to_verdict)


def test_readings_while_a_promotion_waits_for_its_routes_do_not_move_the_verdict(events: list[Event]):
    i = promoting(events)
    last = events[i - 1]
    assert isinstance(last, Observed)
    late = Observed(at=last.at + 0.1, reading=replace(last.reading, at=last.at + 0.1))
    longer = [*events[:i], late, *events[i:]]
    one, again = timelines(longer, APP)[1], rejudge(longer, RolloutId("storefront-2"))
    assert again.identical
    assert (one.verdict, again.replayed.verdict) == ("promoted", "promoted")
    assert again.replayed.seconds == one.seconds_to_verdict == timelines(events, APP)[1].seconds_to_verdict


def test_a_reading_of_another_rollouts_canary_costs_nothing(events: list[Event]):
    i = next(i for i, event in enumerate(events) if isinstance(event, Observed)) + 2
    found = events[i]
    assert isinstance(found, Observed)
    other = replace(found, at=found.at + 0.1, reading=replace(found.reading, at=found.at + 0.1), canary=ReleaseId("v9"))
    before, after = timelines(events, APP)[1], timelines([*events[: i + 1], other, *events[i + 1 :]], APP)[1]
    assert (after.requests, after.points) == (before.requests, before.points)


def test_undo_and_retry_are_told_too():
    events = record([Version("a"), Version("b", FAILING)])
    state = initial(APP)
    for event in events:
        state = evolve(state, event)
    events.append(RetryRequested(at=events[-1].at + 1, by="eve"))
    retried = timelines(events, APP)[-1]
    assert (retried.rollout, retried.release, retried.verdict) == ("storefront-3", "v2", "under_way")
    assert retried.events[-1].sentence == "eve asked to try it again"
    undone = timelines(record([Version("a"), Version("b", then=((3.0, UndoRequested(at=0, by="eve")),))]), APP)[1]
    assert "eve asked to go back to the release before" in [line.sentence for line in undone.events]
    assert (undone.verdict, undone.evidence) == ("aborted", "undone by eve")


def test_a_release_that_never_starts_has_a_verdict_and_its_log():
    broken = Behaviour(never_ready=True, log_tail=("boom",))
    one = timelines(record([Version("a"), Version("b", broken)]), APP)[-1]
    assert (one.verdict, one.requests, one.points, one.log_tail) == ("rolled_back", 0, (), ("boom",))
    assert one.seconds_to_verdict == (one.ended_at or 0) - one.started_at
    assert one.evidence.startswith("never became ready")


def test_a_deadline_is_told():
    never = Behaviour(start_delay=1000.0)
    one = timelines(record([Version("a"), Version("b", never)]), APP)[-1]
    assert "the time allowed is over" in [line.sentence for line in one.events]
    assert one.evidence.startswith("not ready within 60 s")
    assert DeadlineReached.__name__ in [line.kind for line in one.events]


def test_a_long_rollout_is_thinned_and_keeps_its_edges(monkeypatch: pytest.MonkeyPatch, events: list[Event]):
    whole = timelines(events, APP)[1]
    monkeypatch.setattr(module, "MOST_POINTS", 5)
    thin = timelines(events, APP)[1]
    assert len(thin.points) < len(whole.points)
    assert thin.points[0] == whole.points[0]
    assert thin.points[-1] == whole.points[-1]
    assert {p.weight for p in thin.points} == {p.weight for p in whole.points}
    assert thin.requests == whole.requests


def test_indicators_that_are_no_shares_have_no_band():
    policy = JudgePolicy(
        indicators=(
            Indicator(name="costPerRequest", kind="continuous", measure="cost", margin=0.1),
            Indicator(name="latency", kind="distribution"),
            Indicator(name="requestRate", kind="requests", relative=False, limit=1000.0),
        ),
        warm_up=0.0,
    )
    priced = msgspec.structs.replace(GOOD, values=(("cost", 0.002),))
    one = timelines(record([Version("a", priced), Version("b", priced, policy)]), APP)[-1]
    cost, shift, rate = (series.points[-1] for series in one.indicators)
    assert cost.canary.rate is not None
    assert isclose(cost.canary.rate, 0.002, rel_tol=0.5)
    assert (cost.canary.low, shift.canary.low, rate.canary.rate) == (None, None, None)
    assert one.indicators[2].allowed == 1000.0


def test_without_a_label_a_release_goes_by_its_id():
    nameless = timelines(record([Version(""), Version("")]), APP)
    assert [(one.name, one.against) for one in nameless] == [("v1", ""), ("v2", "v1")]
    assert nameless[0].events[0].sentence == "ada released a new version"


def test_it_survives_json(demo: tuple[Timeline, ...]):
    assert msgspec.json.decode(msgspec.json.encode(demo[2]), type=Timeline) == demo[2]


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    rate=st.sampled_from([3.0, 40.0, 300.0]),
    behaviour=st.sampled_from([GOOD, FAILING, SLOW]),
)
def test_whatever_happens_the_numbers_agree(seed: int, rate: float, behaviour: Behaviour):
    steps = (Step(weight=20.0, at_least=2.0, min_requests=5),)
    events = record([Version("a"), Version("b", behaviour, POLICY, steps)], seed, rate)
    one = timelines(events, APP)[-1]
    errors = one.indicators[0].points[-1].canary
    assert 0 <= one.failed_requests <= one.requests
    assert one.requests == errors.total, "of errors every request counts"
    assert one.failed_requests == errors.bad
    assert one.verdict == ("promoted" if one.weights[-1][1] == 100 else "rolled_back")
    assert sum(isinstance(event, ReleaseRequested) for event in events) == 2
