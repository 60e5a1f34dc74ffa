"""Time-uniform bands of a ratio."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis.bands import lower, rate_band, upper


@given(st.floats(0, 1), st.floats(0.1, 1e6), st.floats(1e-6, 0.2))
@settings(deadline=None)  # the machine may be busy
def test_a_band_contains_the_estimate_and_widens_with_confidence(share: float, total: float, alpha: float) -> None:
    low, high = rate_band(share * total, total, alpha)
    assert 0 <= low <= share + 1e-7
    assert share - 1e-7 <= high <= 1
    wider = rate_band(share * total, total, alpha / 10)
    assert wider[0] <= low
    assert wider[1] >= high


@given(st.integers(0, 100), st.integers(100, 1000))
@settings(deadline=None)  # the machine may be busy
def test_the_band_of_failures_mirrors_that_of_successes(bad: int, total: int) -> None:
    assert lower(bad, total, 0.01) == pytest.approx(1 - upper(total - bad, total, 0.01), abs=1e-6)


def test_no_requests_say_nothing() -> None:
    assert rate_band(0, 0, 0.01) == (0.0, 1.0)


def test_the_true_rate_stays_inside_at_all_times() -> None:
    rng = np.random.default_rng(1)
    p, misses = 0.05, 0
    for _ in range(300):
        bad = np.cumsum(rng.random(1000) < p)
        misses += any(
            not lower(float(bad[n - 1]), n, 0.1) <= p <= upper(float(bad[n - 1]), n, 0.1) for n in range(20, 1001, 20)
        )
    assert misses / 300 <= 0.1
