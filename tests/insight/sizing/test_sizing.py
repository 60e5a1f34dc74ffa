"""Recommenders on traces of known kinds: what they promise, what they cost, and what they do with bad data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.insight.series import DAY, Absent, Floats
from shipway.insight.sizing import krr, vpa
from shipway.insight.sizing import shipway as ours
from shipway.insight.sizing.pooling import Need, Pool, pack, pool
from shipway.insight.sizing.usage import MIB, Recommendation, Usage
from shipway.testing.sizing import judge, mean, rolled
from shipway.testing.traces import KINDS, trace, traces


def advice(found: Recommendation | Absent) -> Recommendation:
    assert isinstance(found, Recommendation)
    return found


def usage(cpu: Floats, memory: Floats | None = None, step: float = 300.0, **more: object) -> Usage:
    used = memory if memory is not None else np.full_like(cpu, 100 * MIB)
    return Usage(step=step, cpu=np.atleast_2d(cpu), memory=np.atleast_2d(used), **more)  # type: ignore[arg-type]  # words


def test_krr_is_the_highest_of_the_pods_own_percentiles() -> None:
    calm, busy = np.linspace(0, 0.1, 1000), np.linspace(0, 1, 1000)
    found = advice(krr.recommend(usage(np.array([calm, busy]), np.array([calm, busy]) * 1000 * MIB)))
    assert found.cpu_request == 0.95
    assert found.memory_request == found.memory_limit == 1150 * MIB
    assert found.cpu_limit is None
    killed = advice(krr.recommend(usage(busy, busy * 100 * MIB, ooms=((0.0, 2000 * MIB),))))
    assert killed.memory_limit == 2500 * MIB


@pytest.mark.parametrize("recommend", [krr.recommend, ours.recommend])
def test_too_little_history_is_said(recommend: object) -> None:
    assert callable(recommend)
    assert isinstance(recommend(usage(np.ones(50))), Absent)
    assert isinstance(recommend(usage(np.full(5000, math.nan), np.full(5000, math.nan))), Absent)
    assert isinstance(recommend(usage(np.ones(200), step=10.0)), Absent)


def test_hours_are_told_apart_when_it_pays() -> None:
    diurnal = trace("diurnal", 1, weeks=2, step=300.0)
    found = advice(ours.recommend(usage(diurnal.cpu, diurnal.memory)))
    assert len(found.cpu_by_hour) == 24
    assert found.cpu_request == max(found.cpu_by_hour)
    steady = advice(ours.recommend(usage(np.random.default_rng(1).normal(1, 0.05, 4032))))
    assert steady.cpu_by_hour == ()
    assert steady.cpu_request == pytest.approx(1.15, abs=0.05)  # dearer than 1.08 at 5 %, for almost no throttling
    assert steady.throttling is not None
    assert steady.throttling < 0.01


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "releases"])  # nobody foresees those
def test_what_was_promised_holds_on_the_weeks_after(kind: str) -> None:
    one = trace(kind, 3, step=300.0)  # type: ignore[arg-type]  # one of KINDS
    half = len(one.cpu) // 2
    found = advice(ours.recommend(usage(one.cpu[:half], one.memory[:half])))
    judged = judge(found, one, half)
    assert judged.throttling < 0.1
    assert judged.oom == 0
    assert found.throttling is not None
    assert found.throttling <= ours.ALLOWED * ours.Aim().throttling


def test_less_waste_than_both_at_no_more_risk() -> None:
    """Each kind three times, advised every week; ``bench.sizing`` measures more, and every day."""
    asked = {"vpa": vpa.recommend, "krr": krr.recommend, "ours": ours.recommend}
    every = list(traces(3, seed=5, step=300.0))
    totals = {name: mean([one for t in every if (one := rolled(ask, t, 7 * DAY))]) for name, ask in asked.items()}
    mine = totals.pop("ours")
    for other in totals.values():
        assert mine.throttling + mine.oom <= other.throttling + other.oom
        assert mine.waste <= 0.8 * other.waste


def steps(*levels: tuple[float, float], seed: int = 1) -> Floats:
    """(days, level): a day that repeats at every level, with noise."""
    parts = [np.full(round(length * 288), level) for length, level in levels]
    noise = np.random.default_rng(seed).normal(1, 0.03, sum(map(len, parts)))
    return np.concatenate(parts) * noise


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (((13, 1.0), (1, 3.0)), 3.2),  # a day of more: it counts alone
        (((13.6, 1.0), (0.4, 3.0)), 3.3),  # some hours: the old history counts, raised
        (((10, 2.0), (4, 1.0)), 1.1),  # longer than a weekend: it is believed
        (((12, 2.0), (2, 1.0)), 2.2),  # as long as a weekend: not yet
        (((5, 2.0), (2, 1.0), (5, 2.0), (2, 1.0)), 2.2),
        (((1, 2.0), (2, 1.0), (5, 2.0), (2, 1.0), (4, 2.0)), 2.2),  # Monday is no rise
        (((14, 1.0),), 1.07),
    ],
)
def test_use_at_another_level_does_not_count(levels: tuple[tuple[float, float], ...], expected: float) -> None:
    found = advice(ours.recommend(usage(steps(*levels))))
    assert found.cpu_request == pytest.approx(expected, rel=0.05)
    assert ("changed its level" in found.note) == (expected in {3.2, 3.3, 1.1})


def test_an_hour_that_was_never_seen_may_be_as_busy_as_any() -> None:
    hour = np.arange(4032) // 12 % 24
    cpu = np.where(hour < 8, math.nan, np.where(hour < 16, 1.0, 0.1))
    found = advice(ours.recommend(usage(cpu)))
    assert found.cpu_by_hour == (*[1.0] * 16, *[0.1] * 8)


def test_an_idle_history_is_not_raised_beyond_reason() -> None:
    idle = np.full(4032, 0.001)
    idle[::7] = 0.02
    idle[-100:] = 1.0
    assert advice(ours.recommend(usage(idle))).cpu_request == pytest.approx(1.0, rel=1.1)


def test_a_request_that_a_scaler_divides_by_is_never_shrunk() -> None:
    small = usage(np.full(4032, 0.1), cpu_request=2.0, memory_request=4e9, scaled_on=frozenset({"cpu", "memory"}))
    found = advice(ours.recommend(small))
    assert (found.cpu_request, found.memory_request, found.throttling) == (2.0, 4e9, 0.0)
    assert "cpu is never shrunk: a scaler divides by it" in found.note
    assert "not beside a scaler" in advice(vpa.recommend(small)).note
    unknown = usage(np.full(4032, 0.1), scaled_on=frozenset({"cpu"}))
    assert "do not request less" in advice(ours.recommend(unknown)).note
    assert advice(krr.recommend(small)).cpu_request is None


def test_a_leak_gets_room_for_the_week_to_come() -> None:
    leak = np.linspace(100, 240, 4032) * MIB  # 10 MiB a day, for 14 days
    found = advice(ours.recommend(usage(np.full(4032, 0.1), leak)))
    assert found.memory_limit is not None
    assert found.memory_limit > 310 * MIB
    assert found.oom is not None
    assert found.oom <= 0.011


@settings(max_examples=40)
@given(
    st.lists(st.floats(0, 64) | st.just(math.nan), min_size=120, max_size=300),
    st.lists(st.floats(0, 1e12) | st.just(math.nan), min_size=120, max_size=120),
    st.sampled_from([60.0, 300.0, 3600.0]),
)
def test_any_data_gives_finite_advice_or_a_reason(cpu: list[float], memory: list[float], step: float) -> None:
    samples = usage(np.array(cpu), np.resize(np.array(memory), len(cpu)), step)
    for recommend in (vpa.recommend, krr.recommend, ours.recommend):
        found = recommend(samples)
        if isinstance(found, Recommendation):
            assert found.cpu_request is None or 0 < found.cpu_request < 1e3
            assert found.memory_request is None or 0 < found.memory_request < 1e14


def test_sharing_saves_when_peaks_do_not_meet() -> None:
    hours = np.arange(14 * 24)
    day, night = (hours % 24 < 12).astype(float), (hours % 24 >= 12).astype(float)
    found = pool({"day": day, "night": night})
    assert isinstance(found, Pool)
    assert (found.together, found.apart, found.saving) == (1, 2, 1)
    assert isinstance(pool({"day": day}), Absent)
    same = pool({"a": day, "b": day})
    assert isinstance(same, Pool)
    assert same.saving == 0


def test_packing() -> None:
    needs = [Need(f"n{n}", 0.6 if n < 2 else 0.4, 1) for n in range(4)]
    assert pack(needs, Need("node", 1, 4)) == [["n0", "n2"], ["n1", "n3"]]
    assert isinstance(pack(needs, Need("node", 0.5, 4)), Absent)
    assert pack([], Need("node", 1, 1)) == []


def test_a_trace_follows_from_its_seed() -> None:
    assert np.array_equal(trace("bursty", 4, 1).cpu, trace("bursty", 4, 1).cpu)
    assert len(trace("leak", 1, 1).cpu) == 7 * DAY / 60


def test_an_idle_container_gets_the_least() -> None:
    found = advice(ours.recommend(usage(np.zeros(400), np.zeros(400))))
    assert (found.cpu_request, found.memory_request) == (0.01, 16 * MIB)
    restless = np.zeros(400)
    restless[350:] = 5e-324
    assert advice(ours.recommend(usage(restless, np.zeros(400)))).cpu_request == 0.01
