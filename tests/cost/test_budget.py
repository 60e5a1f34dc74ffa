"""Budgets: the day they are exceeded, and an interval that holds what it promises."""

import random
from decimal import Decimal

import pytest

from shipway.cost.allocation import Charge, Owner
from shipway.cost.budget import DAY, Day, Outlook, daily, hourly_cap, run_rate, state
from shipway.cost.money import Unknown

NOVEMBER, DECEMBER = 1793491200.0, 1796083200.0
"""First moments of two months of 2026, UTC."""


def days(*costs: float, start: float = NOVEMBER) -> list[Day]:
    return [Day(start + place * DAY, cost) for place, cost in enumerate(costs)]


def test_a_steady_rate_exceeds_on_the_day_that_arithmetic_says() -> None:
    at = NOVEMBER + 10 * DAY
    found = run_rate(days(*[10.0] * 10), at, DECEMBER)
    assert not isinstance(found, Unknown)
    assert (len(found), found[-1].mean, found[-1].end) == (20, pytest.approx(200), DECEMBER)
    ruling = state(245.0, days(*[10.0] * 10), at, found)
    assert (ruling.spent, ruling.start, ruling.end) == (100, NOVEMBER, DECEMBER)
    assert ruling.exceeded == NOVEMBER + 25 * DAY
    assert ruling.earliest == ruling.latest == ruling.exceeded
    assert ruling.state == "will exceed"
    assert ruling.hourly_cap == pytest.approx(245 / 730)
    assert hourly_cap(Decimal(730)) == 1


@pytest.mark.parametrize(
    ("budget", "word"), [(50.0, "exceeded"), (290.0, "will exceed"), (310.0, "at risk"), (900.0, "within")]
)
def test_states(budget: float, word: str) -> None:
    at, spent = NOVEMBER + 10 * DAY, days(*[5.0, 15.0] * 5)
    found = state(budget, spent, at, run_rate(spent, at, DECEMBER))
    assert found.state == word
    assert (found.exceeded is None) == (word in {"at risk", "within"})
    assert found.earliest is None or found.exceeded is None or found.earliest <= found.exceeded


def test_weekdays_count_from_three_weeks_on() -> None:
    weekly = [10.0, 0.0, 10.0, 10.0, 10.0, 10.0, 10.0] * 3  # 2026-11-01 is a Sunday
    at = NOVEMBER + 21 * DAY
    found = run_rate(days(*weekly), at, at + 7 * DAY)
    assert not isinstance(found, Unknown)
    assert [one.mean for one in found] == [10, 10, 20, 30, 40, 50, 60]
    short = run_rate(days(*weekly[:20]), at - DAY, at + DAY)
    assert not isinstance(short, Unknown)
    assert short[0].mean == pytest.approx(sum(weekly[:20]) / 20)


def test_part_of_a_day_counts_as_part() -> None:
    at = NOVEMBER + 5.5 * DAY
    found = run_rate(days(*[10.0] * 5, 4.0), at, NOVEMBER + 7 * DAY)
    assert not isinstance(found, Unknown)
    assert [one.mean for one in found] == [pytest.approx(5), pytest.approx(15)]


@pytest.mark.parametrize(("costs", "said"), [((1.0, 2.0), "2 whole days"), ((1.0, float("nan"), 2.0, 3.0), "number")])
def test_too_little_to_say_anything(costs: tuple[float, ...], said: str) -> None:
    at = NOVEMBER + len(costs) * DAY
    found = run_rate(days(*costs), at, DECEMBER)
    assert isinstance(found, Unknown)
    assert said in found.reason
    ruling = state(1000.0, days(1.0, 2.0), at, found)
    assert (ruling.state, ruling.exceeded, ruling.outlook) == ("unknown", None, found)


def test_forecasts_of_others_come_in_as_plain_numbers() -> None:
    at = NOVEMBER + DAY
    ruling = state(10.0, days(4.0), at, [Outlook(at + DAY, 3, 1, 7), Outlook(at + 2 * DAY, 8, 2, 12)])
    assert (ruling.earliest, ruling.exceeded, ruling.latest) == (at + DAY, at + 2 * DAY, None)


@pytest.mark.parametrize("measured", [4, 10, 25])
def test_the_interval_holds_nine_months_in_ten(measured: int) -> None:
    chance = random.Random(7)
    inside, tries = 0, 2000
    for _ in range(tries):
        costs = [max(0.0, chance.gauss(100, 30)) for _ in range(measured + 10)]
        at = NOVEMBER + measured * DAY
        found = run_rate(days(*costs[:measured]), at, at + 10 * DAY)
        assert not isinstance(found, Unknown)
        inside += found[-1].low <= sum(costs[measured:]) <= found[-1].high
    assert 0.87 <= inside / tries <= 0.93


def test_charges_by_day_are_what_the_charges_come_to() -> None:
    one = Charge(Owner("a"), NOVEMBER + DAY / 2, NOVEMBER + 2.5 * DAY, "USD", {"cpu": Decimal(8)})
    two = Charge(Owner("b"), NOVEMBER + 4 * DAY, NOVEMBER + 4 * DAY, "USD", {"cpu": Decimal(1)})
    assert daily([one, two]) == tuple(days(2.0, 4.0, 2.0, 0.0, 1.0))
    assert daily([]) == ()
