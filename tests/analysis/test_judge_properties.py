"""What must be true of the judge whatever the readings are."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from shipway.analysis.judge import begin, begin_step, judge, observe
from shipway.analysis.policy import Indicator, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.ruling import LEAST_LOOKS
from shipway.analysis.track import CountTrack
from shipway.analysis.verdict import Verdict
from tests.analysis.streams import ERRORS, SLOW, STEP, fold, policy, readings

ALL = policy(
    replace(ERRORS, slo=0.05),
    SLOW,
    Indicator(name="latency", kind="distribution"),
    Indicator(name="cpu", kind="continuous", measure="cpu", margin=0.1),
    Indicator(name="requestRate", kind="requests", limit=1e6),
    warm_up=2.0,
)


@st.composite
def arms(draw: st.DrawFn) -> ArmReading:
    """Any counters at all: they may jump, fall, and disagree with each other."""
    requests = draw(st.integers(0, 2000))
    bins = draw(st.dictionaries(st.sampled_from([5.0, 50.0, 200.0, 210.0, 1000.0]), st.integers(0, 900), max_size=4))
    return ArmReading(
        requests,
        draw(st.integers(0, 2000)),
        tuple(sorted(bins.items())),
        (("cpu", draw(st.floats(0, 1e3))),) if draw(st.booleans()) else (),
        draw(st.sampled_from([0.0, 1.0, 5.0, 1e9])),
    )


@st.composite
def streams(draw: st.DrawFn) -> list[Reading]:
    gaps = draw(st.lists(st.sampled_from([0.2, 1.0, 1.0, 5.0, 40.0]), min_size=1, max_size=25))
    at, stream = 0.0, []
    for gap in gaps:
        at += gap
        weight = draw(st.sampled_from([0.05, 0.05, 0.5]))
        stream.append(Reading(at, draw(st.none() | arms()), draw(st.none() | arms()), weight))
    return stream


ticks = st.lists(
    st.tuples(st.integers(0, 3), st.integers(3, 40), st.integers(0, 5), st.integers(5, 300)), min_size=1, max_size=40
)


@given(streams(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_replay_split_anywhere_ends_in_the_same_bits(stream: list[Reading], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    state = begin_step(ALL, begin(ALL, 0.0), STEP, 0.0)
    for reading in stream[:cut]:
        state = observe(ALL, state, reading)
    saved, said = state, judge(ALL, state, 1000.0)
    for reading in stream[cut:]:
        state = observe(ALL, state, reading)
    again = saved
    for reading in stream[cut:]:
        again = observe(ALL, again, reading)
    whole = begin_step(ALL, begin(ALL, 0.0), STEP, 0.0)
    for reading in stream:
        whole = observe(ALL, whole, reading)
    assert whole == state == again
    assert judge(ALL, whole, 1000.0) == judge(ALL, state, 1000.0)
    assert judge(ALL, saved, 1000.0) == said, "an old state stays valid"


@given(streams())
@settings(max_examples=60, deadline=None)
def test_no_counters_whatever_make_negative_counts(stream: list[Reading]) -> None:
    state = begin_step(ALL, begin(ALL, 0.0), STEP, 0.0)
    for reading in stream:
        state = observe(ALL, state, reading)
        assert state.sample >= 0
        for one in judge(ALL, state, reading.at).indicators:
            assert one.canary_total >= 0
            assert one.baseline_total >= 0
            if one.kind in {"errors", "latency"}:
                assert 0 <= one.canary_bad <= one.canary_total
                assert 0 <= one.baseline_bad <= one.baseline_total


@given(streams())
@settings(max_examples=60, deadline=None)
def test_a_missing_arm_changes_no_evidence(stream: list[Reading]) -> None:
    state = begin_step(ALL, begin(ALL, 0.0), STEP, 0.0)
    for reading in stream:
        after = observe(ALL, state, reading)
        if reading.baseline is None or reading.canary is None:
            assert after.tracks == state.tracks
            assert after.split == state.split
            assert after.sample == state.sample
        state = after


@given(ticks, st.data())
@settings(deadline=None)  # the machine may be busy
def test_a_lost_reading_loses_no_events(events: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    stream = list(readings(events))
    lost = data.draw(st.sets(st.integers(1, max(1, len(stream) - 2))))
    gappy = [replace(one, canary=None) if i in lost and i < len(stream) - 1 else one for i, one in enumerate(stream)]
    whole, torn = fold(policy(), stream), fold(policy(), gappy)
    if not any(one.crossed for one in (*whole.tracks, *torn.tracks)):
        a, b = whole.tracks[0], torn.tracks[0]
        assert isinstance(a, CountTrack)
        assert isinstance(b, CountTrack)
        assert a.seen == b.seen
    assert whole.sample == torn.sample


@given(ticks)
@settings(deadline=None)  # the machine may be busy
def test_fail_never_goes_away(events: list[tuple[int, int, int, int]]) -> None:
    how, state, failed = policy(alpha=0.5), None, False
    for reading in readings(events):
        state = observe(how, state or begin_step(how, begin(how, 0.0), STEP, 0.0), reading)
        now = judge(how, state, reading.at).verdict is Verdict.FAIL
        assert now or not failed
        failed = now


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 100)), min_size=1, max_size=60))
@settings(deadline=None)  # the machine may be busy
def test_two_arms_that_do_the_same_are_never_told_apart(events: list[tuple[int, int]]) -> None:
    state = fold(policy(), list(readings([(bad, n, bad, n) for bad, n in events], weight=0.5)))
    assert judge(policy(), state, 1.0).indicators[0].e_relative <= 1e-9


@given(ticks, st.integers(0, 39), st.integers(1, 3))
@settings(deadline=None)  # the machine may be busy
def test_more_failures_of_the_canary_never_make_it_look_better(
    events: list[tuple[int, int, int, int]], where: int, more: int
) -> None:
    i = where % len(events)
    bad, total, *rest = events[i]
    worse = [*events[:i], (min(total, bad + more), total, *rest), *events[i + 1 :]]
    before, after = (fold(policy(alpha=1e-300), list(readings(one))) for one in (events, worse))
    one, other = (judge(policy(alpha=1e-300), state, 1.0).indicators[0] for state in (before, after))
    assert other.e_absolute >= one.e_absolute - 1e-9


@given(st.integers(1, 300), st.integers(0, 300))
@settings(deadline=None)  # the machine may be busy
def test_a_step_passes_only_with_its_time_and_its_sample(at_least: int, wanted: int) -> None:
    step = Step(weight=5, at_least=float(at_least), min_requests=wanted)
    how, state = policy(), None
    for reading in readings([(0, 2, 0, 38)] * 150):
        state = observe(how, state or begin_step(how, begin(how, 0.0), step, 0.0), reading)
        verdict = judge(how, state, reading.at)
        ready = reading.at >= max(at_least, LEAST_LOOKS) and 2 * reading.at >= wanted
        assert verdict.verdict is (Verdict.PASS if ready else Verdict.INCONCLUSIVE)
