"""Facts about what runs: numbers where something was measured, reasons where nothing was."""

import pytest

from shipway.analysis.readings import ArmReading
from shipway.engine import knowing
from shipway.engine.past import RESTART
from shipway.render.slo.levels import BadEvents, ServiceLevel
from shipway.slo.budget import Status, judge, unmeasured
from shipway.slo.counters import Sample


def test_traffic_is_the_rate_of_the_last_minutes() -> None:
    readings = [(10.0 * step, ArmReading(50 * step, 0)) for step in range(100)]
    assert knowing.traffic(readings, 990.0) == {"requestsPerSecond": 5.0, "seconds": 600.0}


def test_counters_that_begin_anew_lose_no_requests() -> None:
    readings = [(0.0, ArmReading(900, 0)), (10.0, ArmReading(1000, 0)), (10.0, RESTART), (20.0, ArmReading(100, 0))]
    assert knowing.traffic(readings, 20.0) == {"requestsPerSecond": 10.0, "seconds": 20.0}


@pytest.mark.parametrize(
    "readings",
    [[], [(0.0, ArmReading(1, 0))], [(0.0, ArmReading(1, 0)), (10.0, ArmReading(9, 0))]],
    ids=["nothing", "one", "old"],
)
def test_without_readings_of_now_there_is_no_rate_and_never_zero(readings: list[tuple[float, ArmReading]]) -> None:
    assert knowing.traffic(readings, 5000.0) == knowing.NO_TRAFFIC


def test_no_requests_are_a_rate_of_zero() -> None:
    found = knowing.traffic([(0.0, ArmReading(7, 0)), (10.0, ArmReading(7, 0))], 10.0)
    assert found == {"requestsPerSecond": 0.0, "seconds": 10.0}


def _level(name: str, target: float) -> ServiceLevel:
    return ServiceLevel(service="shop", name=name, objective=100 * target, indicator=BadEvents("b", "t"))


def _status(name: str, target: float, bad: int) -> Status:
    return judge(_level(name, target), [[Sample(0.0, 0, 0), Sample(100.0, bad, 10_000)]], 100.0)


def test_the_promise_that_stands_worst_is_the_budget() -> None:
    found = knowing.error_budget([_status("availability", 0.99, 20), _status("latency", 0.9, 900)])
    assert found == {
        "left": 0.1,
        "objective": "latency 90% over 30d",
        "promises": {"availability": 0.8, "latency": 0.1},
    }


def test_where_nothing_may_fail_and_did_all_is_overspent() -> None:
    found = knowing.error_budget([_status("availability", 1.0, 1)])
    assert not isinstance(found, str)
    assert found["left"] == -1.0


def test_what_nobody_measures_is_a_reason() -> None:
    assert knowing.error_budget([]) == knowing.NO_PROMISE
    assert "nobody" in knowing.error_budget([unmeasured(_level("carts", 0.9), 0.0, "nobody counts")])
    found = knowing.known("no traffic", {"left": 1.0})
    assert (found.facts, found.unknown) == ({"errorBudget": {"left": 1.0}}, {"traffic": "no traffic"})
