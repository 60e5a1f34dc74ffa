"""Figures of releases with intervals that hold the truth, and absences where there is too little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.performance import Estimate, error_rate, increases, per_request, percentile
from shipway.insight.series import Absent


def known(one: Estimate | Absent) -> tuple[float, float, float]:
    assert isinstance(one, Estimate), one
    assert one.low is not None
    assert one.high is not None
    return one.value, one.low, one.high


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    edges = np.round(np.geomspace(1, 1000, 120), 2)
    truth = float(np.exp(3 + 0.5 * 1.6448536269514722))
    held = {"p95": 0, "errors": 0, "cost": 0}
    runs = 200
    for _ in range(runs):
        times = np.exp(rng.normal(3, 0.5, 800))
        counts = np.bincount(np.searchsorted(edges, times, "right") - 1, minlength=len(edges))
        value, low, high = known(percentile(dict(zip(edges.tolist(), counts.tolist(), strict=True))))
        assert low <= value <= high
        held["p95"] += low <= truth <= high
        _, low, high = known(error_rate(int(rng.binomial(800, 0.02)), 800))
        held["errors"] += low <= 0.02 <= high
        requests = rng.poisson(500, 20)
        _, low, high = known(per_request((requests * 1e-6 * rng.normal(1, 0.2, 20)).tolist(), requests.tolist()))
        held["cost"] += low <= 1e-6 <= high
    assert {name: count / runs >= 0.90 for name, count in held.items()} == dict.fromkeys(held, True)


@pytest.mark.parametrize(
    "found",
    [
        error_rate(0, 0),
        error_rate(5, 3),
        error_rate(-1, 3),
        percentile({}),
        percentile({1.0: 19}),
        percentile({float("nan"): 100}),
        per_request([], []),
        per_request([1.0], [0.0]),
        per_request([float("nan")], [5.0]),
    ],
)
def test_too_little_is_absent(found: object) -> None:
    assert isinstance(found, Absent)


def test_one_block_has_a_cost_and_no_interval() -> None:
    assert per_request([2.0], [4.0]) == Estimate(0.5)
    assert known(per_request([1.0] * 4, [2.0] * 4)) == (0.5, 0.5, 0.5)


def test_a_restart_counts_from_nothing() -> None:
    readings = [(0.0, 10.0, {1.0: 10}), (1.0, 15.0, {1.0: 15}), (0.0, 4.0, {2.0: 4}), (1.0, 5.0, {2.0: 4, 3.0: 1})]
    assert increases(readings) == (2.0, 10.0, {1.0: 5, 2.0: 4, 3.0: 1})
    broken = [*readings[:2], (-1.0, 16.0, {}), (0.0, float("nan"), {}), (0.0, -5.0, {}), *readings[2:]]
    assert increases(broken) == increases(readings)
    assert increases([]) == increases(readings[:1]) == (0.0, 0.0, {})


@given(st.dictionaries(st.floats(0, 1e6), st.integers(-5, 1000), max_size=20), st.floats(0.01, 0.99))
def test_any_histogram_gives_an_ordered_answer(bins: dict[float, int], share: float) -> None:
    found = percentile(bins, share)
    if isinstance(found, Estimate):
        _, low, high = known(found)
        assert low <= found.value <= high
