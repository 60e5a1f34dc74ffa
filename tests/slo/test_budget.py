"""Error budgets from counters: equal to PromQL's arithmetic, and honest about what nobody knows."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.render.slo.burning import alert_windows
from shipway.render.slo.levels import DAY, MONTH, WEEK, BadEvents, ServiceLevel, Window
from shipway.slo.budget import Spending, Status, Unknown, begin, gate, judge, unmeasured
from shipway.slo.counters import Sample, usable
from shipway.slo.journeys import Composite, composite

HOUR = 3600.0
NOW = 1_700_000_000.0
LEVEL = ServiceLevel(
    service="shop", name="up", objective=99.0, indicator=BadEvents("b", "t"), alert="A", min_events=100
)


def steady(bad: float, total: float, *, hours: float = 2, step: float = 60, start: float = 5000) -> list[Sample]:
    """Counters that rise by as many events a step until :data:`NOW`."""
    count = int(hours * HOUR / step)
    return [Sample(NOW - (count - i) * step, start + bad * i, start + total * i) for i in range(count + 1)]


def spending(status: Status) -> Spending:
    assert isinstance(status.spending, Spending)
    return status.spending


def reason(status: Status) -> str:
    assert isinstance(status.spending, Unknown)
    assert status.state == "unknown"
    return status.spending.reason


def test_the_budget_weighs_events_and_not_minutes() -> None:
    quiet_and_failing = steady(1, 1, hours=1)
    end = quiet_and_failing[-1]
    busy = [Sample(end.at - 3600 * 2 + i * 60, 0, i * 1000.0) for i in range(60)]
    status = judge(LEVEL, [busy, quiet_and_failing], NOW)
    assert spending(status).events == 59_000 + 60
    assert spending(status).remaining == pytest.approx(1 - (60 / 59_060) / 0.01)


def test_alerts_need_both_windows_and_events() -> None:
    assert [one.severity for one in judge(LEVEL, [steady(20, 100)], NOW).firing] == ["page", "page", "ticket", "ticket"]
    assert judge(LEVEL, [steady(20, 100)], NOW).state == "exhausted"
    over = [*steady(20, 100)[:-10]]
    later = [Sample(one.at + 600, over[-1].bad, over[-1].total + i * 100) for i, one in enumerate(steady(0, 100)[-10:])]
    assert "5m" not in {one.short for one in judge(LEVEL, [over + later], NOW + 600).firing}
    assert not judge(LEVEL, [steady(0.1, 0.4)], NOW).firing


@given(st.data())
def test_shares_equal_those_of_promql(data: st.DataObject) -> None:
    """Against an implementation of ``increase`` with Prometheus' extrapolation, which cancels in the ratio."""
    steps = data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 50)), min_size=3, max_size=60))
    samples = _rising(steps, data.draw(st.sets(st.integers(1, 59))))
    at = samples[-1].at
    for burn, length in zip(judge(LEVEL, [samples], at).burns, alert_windows(LEVEL.window).lengths(), strict=True):
        bad, total = (_increase(points, at - length, at) for points in _points(samples))
        assert burn.rate == pytest.approx(bad / total / LEVEL.budget)


def _points(samples: Sequence[Sample]) -> Sequence[Sequence[tuple[float, float]]]:
    return [(one.at, one.bad) for one in samples], [(one.at, one.total) for one in samples]


def _rising(steps: Sequence[tuple[int, int]], resets: set[int]) -> list[Sample]:
    bad = total = 1e6  # far from nothing, where Prometheus would not extrapolate both counters alike
    found = [Sample(NOW, bad, total)]
    for index, (failed, every) in enumerate(steps, 1):
        bad, total = (0.0, 0.0) if index in resets else (bad, total)
        bad, total = bad + failed, total + every
        found.append(Sample(NOW + 60 * index, bad, total))
    return found


def _increase(points: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """``extrapolatedRate`` of Prometheus (promql/functions.go) without its limit at zero."""
    inside = [(at, value) for at, value in points if start <= at <= end]
    if len(inside) < 2:
        return 0.0
    raw = inside[-1][1] - inside[0][1]
    raw += sum(before for (_, before), (_, after) in pairwise(inside) if after < before)
    sampled = inside[-1][0] - inside[0][0]
    average = sampled / (len(inside) - 1)
    reach = sampled
    for gap in (inside[0][0] - start, end - inside[-1][0]):
        reach += gap if gap < average * 1.1 else average / 2
    return raw * reach / sampled


@given(st.lists(st.tuples(st.floats(), st.floats(), st.floats()), max_size=40))
def test_any_readings_give_a_status(rows: list[tuple[float, float, float]]) -> None:
    status = judge(LEVEL, [[Sample(*row) for row in rows]], NOW)
    if isinstance(status.spending, Spending):
        assert status.spending.events >= LEVEL.min_events
        assert math.isfinite(status.spending.share)
    assert status.sentence


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(1, 0, 1), (1, 0, 2), (2, 0, 3)], [1, 2]),
        ([(5, 0, 1), (3, 0, 2), (6, 0, 3)], [5, 6]),
        ([(1, -1, 1), (2, 0, -5), (3, math.nan, 1), (4, 0, math.inf), (math.nan, 0, 1), (6, 0, 1)], [6]),
        ([(1, 0, 1), (NOW + 1, 0, 2), (2, 0, 3)], [1, 2]),
    ],
    ids=["duplicate", "clock-jumps", "impossible", "from-the-future"],
)
def test_what_is_no_reading_is_left_out(rows: list[tuple[float, float, float]], kept: list[float]) -> None:
    assert [one.at for one in usable([Sample(*row) for row in rows], NOW)] == kept


def test_what_is_unknown_says_why() -> None:
    assert "nothing was measured" in reason(judge(LEVEL, [], NOW))
    assert "one reading" in reason(judge(LEVEL, [steady(0, 1)[:1]], NOW))
    assert "no events" in reason(judge(LEVEL, [steady(0, 0)], NOW))
    assert "fewer than 100" in reason(judge(LEVEL, [steady(1, 1)[:50]], NOW))
    assert reason(unmeasured(LEVEL, NOW, "nobody looks")) == "nobody looks"


def test_a_restart_and_a_gap_lose_nothing() -> None:
    before, after = steady(1, 100, hours=1), steady(1, 100, hours=0.5)
    restarted = [one._replace(at=one.at - 1800) for one in before] + [
        Sample(one.at, one.bad - 5000, one.total - 5000) for one in after[1:]
    ]
    assert spending(judge(LEVEL, [restarted], NOW)).events == 90 * 100
    gap = [one for one in steady(1, 100) if not NOW - 5000 < one.at < NOW - 1000]
    assert spending(judge(LEVEL, [gap], NOW)).events == 120 * 100


def test_a_promise_of_everything_has_no_budget() -> None:
    perfect = ServiceLevel(service="s", name="n", objective=100, indicator=BadEvents("b", "t"), alert="A")
    assert judge(perfect, [steady(0, 100)], NOW).state == "healthy"
    broken = judge(perfect, [steady(1, 100)], NOW)
    assert (broken.state, spending(broken).remaining) == ("exhausted", None)


def test_windows_of_the_calendar_begin_where_it_says() -> None:
    monday = 1_699_833_600.0  # 2023-11-13 00:00 UTC
    assert begin(WEEK, monday + 5 * DAY) == begin(WEEK, monday) == monday
    assert begin(MONTH, monday) == 1_698_796_800.0
    assert begin(Window(7 * DAY), NOW) == NOW - 7 * DAY


def test_a_gate_lets_the_policy_say_what_unknown_means() -> None:
    unknown = judge(LEVEL, [], NOW)
    assert (gate(unknown, "allow"), gate(unknown, "hold")) == ("allow", "hold")
    assert gate(judge(LEVEL, [steady(0, 100)], NOW), "hold") == "allow"
    assert gate(judge(LEVEL, [steady(20, 100)], NOW), "allow") == "hold"


def test_a_journey_lies_between_its_bounds() -> None:
    members = [judge(LEVEL, [steady(bad, 100)], NOW) for bad in (1, 2)]
    found = composite(members, 0.95)
    assert isinstance(found, Composite)
    assert found.least == pytest.approx(0.02)
    assert found.most == pytest.approx(0.03)
    assert found.share == pytest.approx(1 - 0.99 * 0.98)
    assert found.remaining == pytest.approx(1 - found.share / 0.05)
    unknown = composite([*members, judge(LEVEL, [], NOW)], 0.95)
    assert isinstance(unknown, Unknown)
    assert "nothing was measured" in unknown.reason
