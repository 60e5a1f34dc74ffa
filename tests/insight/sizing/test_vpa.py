"""The VPA recommender, on figures worked out from its published algorithm."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.series import DAY, Absent
from shipway.insight.sizing.usage import MIB, Recommendation, Usage
from shipway.insight.sizing.vpa import (
    LEAST_CPU,
    Histogram,
    bumped,
    confidence,
    cpu_histogram,
    decayed,
    estimate,
    memory_histogram,
    recommend,
    widened,
)


def start(first: float, bucket: int) -> float:
    """Where a bucket begins, summed up instead of by formula."""
    return math.fsum(first * 1.05**one for one in range(bucket))


def usage(cpu: list[float], memory: list[float] | None = None, step: float = 60.0, **more: object) -> Usage:
    used = memory if memory is not None else [100 * MIB] * len(cpu)
    return Usage(step=step, cpu=np.array([cpu]), memory=np.array([used]), **more)  # type: ignore[arg-type]  # words


def test_buckets() -> None:
    cpu = Histogram.of(0.01, 1000.0, np.empty(0), np.empty(0))
    memory = Histogram.of(1e7, 1e12, np.empty(0), np.empty(0))
    assert (len(cpu.weights), len(memory.weights)) == (176, 176)
    assert cpu.percentile(0.9) == 0


@given(st.floats(0, 900))
def test_a_percentile_is_the_end_of_the_bucket_that_holds_it(value: float) -> None:
    found = Histogram.of(0.01, 1000.0, np.array([value]), np.ones(1)).percentile(0.9)
    assert found >= value
    assert found <= value * 1.05 + 0.0100001


@pytest.mark.parametrize("bucket", [1, 2, 20, 100, 170])
def test_a_value_on_an_edge_belongs_to_the_bucket_above(bucket: int) -> None:
    edge = float(Histogram.edge(0.01, np.array(bucket)))
    found = Histogram.of(0.01, 1000.0, np.array([edge]), np.ones(1))
    assert found.weights[bucket] == 1
    assert found.percentile(0.5) == pytest.approx(start(0.01, bucket + 1))


def test_percentiles_by_weight() -> None:
    values, weights = np.array([0.005, 0.5, 5.0]), np.array([10.0, 85.0, 5.0])
    found = Histogram.of(0.01, 1000.0, values, weights)
    assert found.percentile(0.05) == pytest.approx(0.01)
    assert 0.5 < found.percentile(0.9) < 0.53
    assert found.percentile(0.96) > 5


def test_weights_halve_in_a_day() -> None:
    assert decayed(np.array([0.0, DAY, 3 * DAY]), 3 * DAY).tolist() == [0.125, 0.25, 1]


def test_confidence_multipliers() -> None:
    # Nine minutes of samples: (1 + 0.1 / (9 / 1440)) ^ 2 = 17 ^ 2.
    assert widened(3.14, 0.1, 2, confidence(10 / 1440, 9)) == pytest.approx(907.46)
    for days, factor in ((0.5, 3.0), (1.0, 2.0), (7.0, 1 + 1 / 7)):
        assert widened(1.0, 1.0, 1, days) == pytest.approx(factor)
    assert widened(1.0, 0.001, -2, 5 / 1440) == pytest.approx(0.6, abs=0.01)
    assert widened(1.0, 0.001, -2, 60 / 1440) == pytest.approx(0.95, abs=0.01)
    assert widened(1.0, 1.0, 1, 0) == math.inf
    assert widened(1.0, 0.001, -2, 0) == 0


def test_target_and_bounds_of_a_steady_container() -> None:
    found = estimate(cpu_histogram(usage([0.2] * 1440)), 1.0, 0.0)
    ends = [start(0.01, bucket + 1) for bucket in range(60) if start(0.01, bucket) <= 0.2 < start(0.01, bucket + 1)]
    (end,) = ends
    assert found.target == pytest.approx(end * 1.15)
    assert found.upper == pytest.approx(end * 1.15 * 2)
    assert found.lower == pytest.approx(end * 1.15 * 1.001**-2)


def test_memory_counts_the_peak_of_each_day() -> None:
    quiet = [100 * MIB] * 1440
    peaky = quiet.copy()
    peaky[700] = 500 * MIB
    found = memory_histogram(usage([0.1] * 2880, peaky + quiet))
    assert np.count_nonzero(found.weights) == 2
    assert found.weights.sum() == pytest.approx(1.5)
    assert found.percentile(0.9) > 500 * MIB


def test_a_kill_counts_for_more_than_was_used() -> None:
    assert bumped(1000 * MIB, None) == 1200 * MIB
    assert bumped(100 * MIB, 200 * MIB) == 300 * MIB
    killed = usage([0.1] * 1440, ooms=((1000.0, 400 * MIB),))
    calm, more = recommend(usage([0.1] * 1440)), recommend(killed)
    assert isinstance(calm, Recommendation)
    assert isinstance(more, Recommendation)
    assert more.memory_request is not None
    assert more.memory_request > 500 * MIB * 1.15 > (calm.memory_request or 0)


def test_minimums_are_shared_by_the_containers_of_a_pod() -> None:
    alone, shared = recommend(usage([0.0] * 1440)), recommend(usage([0.0] * 1440, containers=2))
    assert isinstance(alone, Recommendation)
    assert isinstance(shared, Recommendation)
    assert (alone.cpu_request, alone.memory_request) == (LEAST_CPU, 250 * MIB)
    assert (shared.cpu_request, shared.memory_request) == (0.013, 125 * MIB)


def test_nothing_measured() -> None:
    assert isinstance(recommend(usage([math.nan] * 10, [math.nan] * 10)), Absent)
