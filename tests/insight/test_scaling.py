"""Margins cover what they promise, budgets are never exceeded, and a conflict between the two is said."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.scaling import Bounds, Margin, decide, reactive
from shipway.insight.series import Absent, Series
from shipway.insight.simulating import POLICIES, Outcome, simulate


def test_a_margin_is_at_least_a_fifth() -> None:
    margin = Margin()
    for _ in range(50):
        margin = margin.after(90, 100)
    assert margin.factor == 1.2


@pytest.mark.parametrize("spread", [0.2, 0.8, 1.5])
def test_a_margin_covers_what_it_promises(spread: float) -> None:
    rng, margin, covered = np.random.default_rng(5), Margin(), []
    for step in range(2000):
        # The forecast gets worse half way through.
        actual = 100 * math.exp(spread * (1 + (step > 1000)) * rng.standard_normal())
        covered.append(actual <= 100 * margin.factor)
        margin = margin.after(actual, 100)
    assert np.mean(covered) >= 0.94


@pytest.mark.parametrize(("actual", "forecast"), [(math.nan, 1), (1, 0), (1, -1), (math.inf, 1), (-1, 1)])
def test_a_margin_learns_nothing_from_nonsense(actual: float, forecast: float) -> None:
    assert Margin().after(actual, forecast) == Margin()


def test_the_budget_wins_and_the_conflict_is_said() -> None:
    bounds = Bounds(capacity=10, price=0.1, budget=730 * 0.35)
    decision = decide(100, 1.2, bounds)
    assert (decision.instances, decision.needed) == (3, 12)
    assert decision.conflict == "12 instances are needed, the budget pays for 3 (0.35 an hour)"
    assert decide(20, 1.2, bounds) == decide(20, 1.2, Bounds(capacity=10))
    assert decide(100, 1.2, Bounds(capacity=10, most=5)).conflict == "12 instances are needed, 5 are allowed"


@given(
    st.floats(0, 1e6),
    st.floats(1, 5),
    st.tuples(st.floats(0.1, 1e3), st.integers(0, 10)),
    st.floats(1e-4, 10),
    st.floats(0, 1e5),
)
def test_never_more_than_the_budget_pays_for(
    load: float, margin: float, instance: tuple[float, int], price: float, budget: float
) -> None:
    decision = decide(load, margin, Bounds(*instance, 10**9, price, budget))
    assert decision.instances * price <= budget / 730 * (1 + 1e-6)
    assert bool(decision.conflict) == (decision.instances < decision.needed)


def test_the_reactive_rule_is_kubernetes() -> None:
    bounds = Bounds(capacity=10, most=100)
    assert reactive(4, 28, bounds) == 4  # exactly on target
    assert reactive(4, 30, bounds) == 4  # within the tolerance of a tenth
    assert reactive(4, 40, bounds) == 6  # ceil(4 x 1.0 / 0.7)
    assert reactive(4, 7, bounds) == 1
    assert reactive(0, 0, bounds) == 1


def trace() -> Series:
    """Two weeks in steps of 15 minutes, with a steep morning every day."""
    quarters = np.arange(14 * 96)
    load = np.where((quarters % 96 > 32) & (quarters % 96 < 80), 100.0, 10.0)
    return Series(0.0, 900.0, load + np.random.default_rng(2).normal(0, 2, len(load)))


def test_predictive_scaling_is_there_before_the_load() -> None:
    bounds = Bounds(capacity=10, price=0.1, budget=730 * 0.1 * 8)
    found = {}
    for policy in POLICIES:
        outcome = simulate(trace(), 13 * 96, policy, bounds)
        assert isinstance(outcome, Outcome)
        found[policy] = outcome
    assert found["predictive"].overloaded < found["reactive"].overloaded
    assert max(found["cost-aware"].instances) <= 8
    assert found["cost-aware"].conflicts > 0
    assert found["reactive"].conflicts == 0
    assert found["reactive"].covered is None
    for outcome in found.values():
        assert outcome.cost == pytest.approx(outcome.instance_hours * 0.1)


def test_nothing_to_simulate_is_said() -> None:
    assert isinstance(simulate(trace(), 0, "reactive", Bounds(capacity=1)), Absent)
    assert isinstance(simulate(trace(), 10, "reactive", Bounds(capacity=0)), Absent)
