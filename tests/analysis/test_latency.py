"""Latency: where a threshold is judged, what is counted, and a shift anywhere."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis.judge import judge
from shipway.analysis.latency import counted, edge, epsilon, gap, next_edge, shift
from shipway.analysis.policy import Indicator
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Verdict
from tests.analysis.streams import SLOW, fold, policy

SHIFT = Indicator(name="latency", kind="distribution")


def envoy_bin(ms: float) -> float:
    """Lower edge of the bin that holds a latency: whole milliseconds, two significant digits."""
    whole = int(ms)
    width = 10 ** max(0, len(str(whole)) - 2)
    return float(whole // width * width)


def histogram(latencies: np.ndarray) -> dict[float, int]:
    edges, counts = np.unique([envoy_bin(one) for one in latencies], return_counts=True)
    return dict(zip(edges.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize(
    ("asked", "judged"),
    [
        (200, 200),
        (205, 210),
        (201, 210),
        (1000, 1000),
        (1050, 1100),
        (99, 99),
        (99.5, 100),
        (7, 7),
        (2.5, 3),
        (0.2, 1),
        (10, 10),
        (12, 12),
    ],
)
def test_the_edge_a_threshold_is_judged_at(asked: float, judged: float) -> None:
    assert edge(asked).judged == judged
    assert edge(asked).error == pytest.approx((judged - asked) / asked)


def test_the_edge_says_how_exact_it_is() -> None:
    assert edge(200).sentence == "200 ms is a bin edge: judged exactly"
    assert edge(205).sentence == "205 ms is judged at 210 ms, the next bin edge (2.4% above)"


@given(st.floats(1, 1e6))
@settings(deadline=None)  # the machine may be busy
def test_an_edge_is_never_below_the_threshold_and_at_most_a_tenth_above(asked: float) -> None:
    one = edge(asked)
    assert one.judged >= asked * (1 - 1e-9)
    assert one.judged < asked + max(1.0, asked * 0.1) + 1e-6
    assert envoy_bin(one.judged) == one.judged


@given(st.lists(st.floats(0, 20_000), min_size=1, max_size=50), st.sampled_from([5.0, 50.0, 200.0, 205.0, 1000.0]))
@settings(deadline=None)  # the machine may be busy
def test_slow_requests_are_those_at_or_above_the_edge(latencies: list[float], threshold: float) -> None:
    arm = ArmReading(len(latencies), 0, tuple(sorted(histogram(np.array(latencies)).items())))
    slow, total = counted(Indicator(name="l", kind="latency", threshold_ms=threshold), arm)
    assert total == len(latencies)
    assert slow == sum(one >= edge(threshold).judged for one in latencies)


def test_epsilon_is_the_published_value() -> None:
    """confseq's own test: m = 100, t = 1000, alpha = 0.05; the closed form is a little wider than its optimum .08205."""
    assert epsilon(1000, 0.05) == pytest.approx(0.08285, abs=1e-5)
    assert epsilon(99, 0.05) == inf


def test_gap_looks_at_the_upper_edge_of_every_bin() -> None:
    assert gap({50.0: 100}, {10.0: 99, 1000.0: 1}) == pytest.approx(0.99)
    assert gap({10.0: 100}, {10.0: 100}) == 0
    assert gap({10.0: 100}, {50.0: 100}) == 0, "a faster canary lags nowhere"
    assert gap({11.0: 100}, {10.0: 100}, margin=0.2) == 0, "within the margin"
    assert [next_edge(one) for one in (3.0, 9.0, 10.0, 99.0, 100.0, 990.0)] == [4, 10, 11, 100, 110, 1000]


def test_shift_is_where_the_two_bands_part() -> None:
    canary, baseline = {50.0: 1500, 90.0: 500}, {50.0: 19_000, 90.0: 1000}
    alpha = float(np.exp(-shift(canary, baseline, 0.0)))
    assert epsilon(2000, alpha / 2) + epsilon(20_000, alpha / 2) == pytest.approx(0.2, abs=1e-6)
    assert shift({50.0: 50}, baseline, 0.0) == -inf


def stream(seed: int, seconds: int, slower: float) -> list[Reading]:
    rng = np.random.default_rng(seed)
    sums: tuple[dict[float, int], dict[float, int]] = ({}, {})
    totals = [0, 0]
    result = [Reading(0.0, ArmReading(0, 0), ArmReading(0, 0), 0.2)]
    for second in range(1, seconds + 1):
        for i, (mean, factor) in enumerate(((20, slower), (80, 1.0))):
            n = int(rng.poisson(mean))
            totals[i] += n
            for lower, count in histogram(rng.lognormal(4, 0.4, n) * factor).items() if n else ():
                sums[i][lower] = sums[i].get(lower, 0) + count
        canary, baseline = (ArmReading(t, 0, tuple(sorted(s.items()))) for t, s in zip(totals, sums, strict=True))
        result.append(Reading(float(second), baseline, canary, 0.2))
    return result


def test_a_release_slower_anywhere_fails_and_an_equal_one_does_not() -> None:
    how = policy(SHIFT)
    slow = judge(how, fold(how, stream(1, 60, 1.4)), 60.0)
    assert slow.verdict is Verdict.FAIL
    assert slow.sentence.startswith("latency of ")
    assert judge(how, fold(how, stream(2, 60, 1.0)), 60.0).verdict is not Verdict.FAIL
    tolerant = policy(Indicator(name="latency", kind="distribution", margin=0.5))
    assert judge(tolerant, fold(tolerant, stream(1, 60, 1.4)), 60.0).verdict is not Verdict.FAIL


def test_a_threshold_indicator_says_which_requests_were_slow() -> None:
    how = policy(SLOW)
    verdict = judge(how, fold(how, stream(3, 60, 5.0)), 60.0)
    assert verdict.verdict is Verdict.FAIL
    assert "was slower than 200 ms on" in verdict.sentence


def test_false_shifts_are_rare() -> None:
    rng = np.random.default_rng(5)
    crossed = 0
    for _ in range(60):
        canary: dict[float, int] = {}
        baseline: dict[float, int] = {}
        for _ in range(20):
            for sums, n in ((canary, 50), (baseline, 200)):
                for lower, count in histogram(rng.lognormal(4, 0.4, n)).items():
                    sums[lower] = sums.get(lower, 0) + count
            crossed += shift(canary, baseline, 0.0) > np.log(20)
    assert crossed == 0
