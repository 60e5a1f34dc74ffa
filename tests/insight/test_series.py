"""Samples as they come, on a grid: order, gaps, duplicates and broken clocks change nothing but what they must."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.series import DAY, Absent, Series, filled, regular


def series(times: list[float], values: list[float], step: float = 0.0) -> Series:
    found = regular(times, values, step)
    assert isinstance(found, Series)
    return found


def test_an_even_series_is_itself() -> None:
    found = series([100, 160, 220], [1, 2, 3])
    assert (found.start, found.step, found.end, found.values.tolist()) == (100, 60, 280, [1, 2, 3])


def test_duplicates_are_averaged_and_gaps_are_gaps() -> None:
    found = series([0, 60, 60, 240, 300], [1, 2, 4, 5, 6], 60)
    assert np.array_equal(found.values, [1, 3, math.nan, math.nan, 5, 6], equal_nan=True)


@given(st.permutations(range(20)))
def test_order_does_not_matter(order: list[int]) -> None:
    found = series([60.0 * index for index in order], [float(index) for index in order], 60)
    assert found.values.tolist() == list(range(20))


@pytest.mark.parametrize(
    ("times", "values", "reason"),
    [
        ([], [], "0 usable samples"),
        ([1], [1], "1 usable samples"),
        ([1, 2], [math.nan, 3], "1 usable samples"),
        ([5, 5, 5], [1, 2, 3], "the same time"),
        ([0, 1], [1], "do not belong together"),
        ([0, 60, 120, 3e9], [1, 2, 3, 4], "has a clock jumped?"),
        ([0, 60, 120, 6000], [1, 2, 3, 4], "without a sample"),
    ],
)
def test_what_is_no_series_says_why(times: list[float], values: list[float], reason: str) -> None:
    found = regular(times, values)
    assert isinstance(found, Absent)
    assert reason in str(found)


def test_a_gap_is_filled_from_the_day_before() -> None:
    values = np.tile(np.arange(24.0), 3)
    values[30:33] = math.nan
    assert filled(Series(0, 3600, values)).tolist() == np.tile(np.arange(24.0), 3).tolist()


def test_a_gap_without_a_day_before_is_a_line() -> None:
    assert filled(Series(0, 7 * DAY, np.array([math.nan, 1, math.nan, 3, math.nan]))).tolist() == [1, 1, 2, 3, 3]


@given(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=2, max_size=60), st.integers(1, 5))
def test_coarser_keeps_the_sum_of_what_is_known(values: list[float], factor: int) -> None:
    fine = Series(0, 60, np.array(values))
    coarse = fine.coarser(factor)
    kept = fine.last(len(coarse.values) * factor).values.reshape(-1, factor)
    for group, mean in zip(kept, coarse.values, strict=True):
        known = group[np.isfinite(group)]
        assert (not len(known) and math.isnan(mean)) or mean == pytest.approx(known.mean(), rel=1e-9, abs=1e-6)
    assert coarse.end == fine.end
