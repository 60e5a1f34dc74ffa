"""The two tests on counts: against their definition, under their nulls, and their symmetries."""

from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis import counts

shares = st.floats(0.01, 0.99)
bad_events = st.integers(0, 40)


def one_ratio(r: float, tolerance: float = 1.0) -> counts.Relative:
    return counts.Relative(tolerance, ((r - 1, log(r / tolerance)),))


@given(shares, bad_events, bad_events, st.floats(0.5, 3), st.floats(1.01, 1000), st.floats(1, 12))
@settings(deadline=None)  # the machine may be busy
def test_relative_is_the_likelihood_ratio_of_the_document(  # noqa: PLR0917  # every letter of the formula
    w: float, x_c: int, x_b: int, r0: float, factor: float, phi: float
) -> None:
    r = r0 * factor
    q0, q = w * r0 / (w * r0 + 1 - w), w * r / (w * r + 1 - w)
    expected = (x_c * log(q / q0) + x_b * log((1 - q) / (1 - q0))) / phi
    (got,) = counts.relative((0.0,), one_ratio(r, r0), counts.Events(x_c, x_c + x_b, w, phi))
    assert got == pytest.approx(expected, abs=1e-9, rel=1e-9)


@given(shares, bad_events, bad_events, st.floats(1.01, 100))
@settings(deadline=None)  # the machine may be busy
def test_relative_does_not_care_which_arm_is_called_canary(w: float, x_c: int, x_b: int, r: float) -> None:
    one = counts.relative((0.0,), one_ratio(r), counts.Events(x_c, x_c + x_b, w, 1.0))
    other = counts.relative((0.0,), one_ratio(1 / r), counts.Events(x_b, x_c + x_b, 1 - w, 1.0))
    assert one[0] == pytest.approx(other[0], abs=1e-9, rel=1e-7)


@given(shares, st.integers(0, 40), st.integers(1, 40), st.floats(1, 12))
@settings(deadline=None)  # the machine may be busy
def test_one_more_bad_event_counts_against_the_arm_that_had_it(w: float, x_c: int, x_b: int, phi: float) -> None:
    grid, start = counts.relative_grid(1.0), (0.0,) * counts.GRID

    def evidence(canary: int, baseline: int) -> float:
        return counts.mixture(counts.relative(start, grid, counts.Events(canary, canary + baseline, w, phi)))

    assert evidence(x_c + 1, x_b) > evidence(x_c, x_b) >= evidence(x_c, x_b + 1)


@given(st.integers(0, 500), st.integers(0, 5000), st.floats(1e-5, 0.9))
@settings(deadline=None)  # the machine may be busy
def test_absolute_rises_with_bad_and_falls_with_good_events(bad: int, good: int, floor: float) -> None:
    grid = counts.absolute_grid(floor)
    assert (
        counts.absolute(grid, bad + 1, good) > counts.absolute(grid, bad, good) >= counts.absolute(grid, bad, good + 1)
    )


@given(st.floats(1e-6, 0.99))
@settings(deadline=None)  # the machine may be busy
def test_every_alternative_of_the_absolute_test_lies_between_the_floor_and_one(floor: float) -> None:
    for log_bad, log_good in counts.absolute_grid(floor).alternatives:
        assert log_bad > 0 > log_good > -inf


def test_grids_are_those_of_the_document() -> None:
    ratios = [exp(log_ratio) for _, log_ratio in counts.relative_grid(1.0).alternatives]
    rates = [0.0005 * exp(log_bad) for log_bad, _ in counts.absolute_grid(0.0005).alternatives]
    assert len(ratios) == len(rates) == 20
    assert (ratios[0], ratios[-1]) == pytest.approx((1.3, 3000))
    assert (rates[0], rates[-1]) == pytest.approx((0.001, 0.9))


def test_no_evidence_is_zero_and_mixing_is_a_mean() -> None:
    assert counts.mixture((0.0,) * counts.GRID) == pytest.approx(0)
    assert exp(counts.mixture([log(i + 1.0) for i in range(counts.GRID)])) == pytest.approx(10.5)
    assert counts.mixture([2000.0] * counts.GRID) == pytest.approx(2000)


@pytest.mark.parametrize("w", [0.05, 0.5])
def test_relative_evidence_is_a_martingale_when_the_canary_is_no_worse(w: float) -> None:
    """Its expectation is 1 per alternative. Small ratios only: for large ones the mean sits in events never simulated."""
    rng = np.random.default_rng(1)
    canary = rng.binomial(20, w, 40_000)
    grid = counts.Relative(1.0, tuple((r - 1, log(r)) for r in (1.3, 2.0, 3.0)))
    values = np.array([counts.relative((0.0,) * 3, grid, counts.Events(int(x), 20, w, 1.0)) for x in canary])
    assert np.exp(values).mean(axis=0) == pytest.approx([1, 1, 1], rel=0.1)


def test_evidence_crosses_its_limit_no_more_often_than_alpha() -> None:
    """Ville's inequality on 2,000 streams of 300 bad events, looked at after every one: at most 1 % ever cross ln(100)."""
    rng = np.random.default_rng(2)
    w, grid = 0.25, counts.relative_grid(1.0)
    excess = np.array([a for a, _ in grid.alternatives])
    log_ratio = np.array([b for _, b in grid.alternatives])
    from_canary = rng.random((2000, 300, 1)) < w
    logs = np.cumsum(from_canary * log_ratio - np.log1p(w * excess), axis=1)
    evidence = np.log(np.exp(logs).mean(axis=2))
    crossed = (evidence > log(100)).any(axis=1).mean()
    assert crossed <= 0.01
    assert (evidence > log(10)).any(axis=1).mean() > 0.005, "a test that can never fire is no test"
