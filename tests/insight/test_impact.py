"""Effects are found when they are there, and not found by looking often when they are not."""

import math

import numpy as np
import pytest

from shipway.insight.impact import Correlation, Effect, against_arm, against_weeks, correlation
from shipway.insight.series import Absent, Floats, Series

HOUR, WEEK = 3600.0, 168


def shared(length: int, seed: int) -> tuple[Floats, Floats]:
    """Two arms with the same ups and downs, and noise of their own."""
    rng = np.random.default_rng(seed)
    common = 100 + 20 * np.sin(np.arange(length) / 4) + np.cumsum(rng.normal(0, 1, length))
    return common + rng.normal(0, 2, length), common + 5 + rng.normal(0, 2, length)


def effect(metric: Floats, control: Floats, begin: int, alpha: float = 0.05) -> Effect:
    found = against_arm(Series(0, HOUR, metric), Series(0, HOUR, control), begin * HOUR, alpha)
    assert isinstance(found, Effect)
    return found


def test_an_effect_is_measured_against_the_other_arm() -> None:
    metric, control = shared(300, 1)
    metric[150:] -= 6
    found = effect(metric, control, 150)
    assert found.low < -6 < found.high
    assert found.is_certain
    assert found.relative == pytest.approx(-6 / np.mean(metric[150:] + 6), abs=0.02)


def test_looking_at_every_hour_finds_nothing_where_nothing_is() -> None:
    """200 histories, each looked at after every point: at most alpha of them may ever seem certain."""
    wrong = 0
    for seed in range(200):
        metric, control = shared(160, seed)
        wrong += any(effect(metric[:end], control[:end], 60).is_certain for end in range(70, 160, 5))
    assert wrong <= 0.05 * 200


def test_against_the_weeks_before() -> None:
    rng = np.random.default_rng(4)
    hours = np.arange(5 * WEEK)
    values = 100 + 30 * np.sin(2 * np.pi * hours / 24) - 40 * (hours % WEEK >= 120) + rng.normal(0, 3, len(hours))
    values[4 * WEEK :] += 10
    found = against_weeks(Series(0, HOUR, values), 4 * WEEK * HOUR)
    assert isinstance(found, Effect)
    assert found.low < 10 < found.high
    assert found.is_certain
    quiet = against_weeks(Series(0, HOUR, np.where(hours >= 4 * WEEK, values - 10, values)), 4 * WEEK * HOUR)
    assert isinstance(quiet, Effect)
    assert not quiet.is_certain


@pytest.mark.parametrize(
    ("metric", "control", "at", "reason"),
    [
        (Series(0, 60, np.ones(20)), Series(60, 60, np.ones(20)), 600, "same times"),
        (Series(0, 60, np.ones(20)), Series(0, 60, np.ones(20)), 60, "1 points before"),
        (Series(0, 60, np.full(20, math.nan)), Series(0, 60, np.ones(20)), 600, "0 points before"),
    ],
)
def test_too_little_is_said(metric: Series, control: Series, at: float, reason: str) -> None:
    found = against_arm(metric, control, at)
    assert isinstance(found, Absent)
    assert reason in str(found)


def test_a_constant_has_no_effect() -> None:
    found = effect(np.ones(40), np.ones(40), 20)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)
    assert not found.is_certain


def test_correlation_of_ranks() -> None:
    found = correlation([1, 2, 3, 4, 500], [10, 20, 30, 40, 50])
    assert isinstance(found, Correlation)
    assert found.value == pytest.approx(1)
    noisy = correlation([1, 2, 3, 4, 5, math.nan], [2, 1, 4, 3, 5, 6])
    assert isinstance(noisy, Correlation)
    assert noisy.value == pytest.approx(0.8)
    assert noisy.low < 0.8 < noisy.high
    assert noisy.releases == 5
    assert isinstance(correlation([1, 2, 3], [1, 2, 3]), Absent)
    assert isinstance(correlation([1, 1, 1, 1], [1, 2, 3, 4]), Absent)


def test_a_perfect_order_of_few_releases_proves_little() -> None:
    few, many = (correlation(range(n), range(n)) for n in (4, 30))
    assert isinstance(few, Correlation)
    assert isinstance(many, Correlation)
    assert (few.value, few.high, many.value, many.high) == (1, 1, 1, 1)
    assert few.low < 0
    assert many.low > 0.9


def test_figures_that_have_nothing_to_do_with_each_other_seldom_seem_to() -> None:
    rng = np.random.default_rng(5)
    for count in (4, 6, 12):
        found = [correlation(rng.normal(size=count).tolist(), rng.normal(size=count).tolist()) for _ in range(400)]
        wrong = sum(isinstance(one, Correlation) and (one.low > 0 or one.high < 0) for one in found)
        assert wrong <= 0.08 * len(found)
