"""Budgets: how much of the month's is spent, on which day it will be exceeded, and what may be spent in an hour.

Called by ``shipway cost forecast``. Forecasts come in as plain numbers, from :func:`run_rate` or from anybody better.
Months are calendar months in UTC; a day is 86,400 seconds from midnight on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import NormalDist, fmean
from typing import Literal, NamedTuple

import msgspec

from shipway.cost.allocation import Charge
from shipway.cost.money import HOURS_PER_MONTH, Unknown, one_currency
from shipway.cost.prices import monthly
from shipway.model.quantities import Money

DAY = 86_400.0
LEVEL = 0.9
"""Share of months whose cost should lie in the interval."""
LEAST = 3
"""Whole days without which no spread is worth having."""
WEEKS = 3
"""Weeks from which weekdays have means of their own: with less, one odd Sunday would be a rule."""


class Day(NamedTuple):
    """The cost of one day."""

    start: float
    """Midnight UTC, seconds since the epoch."""
    cost: float


class Outlook(NamedTuple):
    """All that is spent from now to the end of a day to come."""

    end: float
    """Seconds since the epoch: the midnight that ends the day."""
    mean: float
    low: float
    high: float


class BudgetState(msgspec.Struct, frozen=True):
    """A budget at one moment."""

    budget: float
    """Of the month."""
    spent: float
    """Since its first moment."""
    start: float
    """First moment of the month."""
    end: float
    hourly_cap: float
    """``budget / 730``: who never spends more in an hour never spends more in a month."""
    outlook: Outlook | Unknown
    """Of the whole month, with what is spent already."""
    exceeded: float | None
    """End of the day on which the budget is exceeded, as things go; None: not this month, or unknown."""
    earliest: float | None
    """The same at the upper end of the interval."""
    latest: float | None
    """The same at the lower end."""
    state: Literal["within", "at risk", "will exceed", "exceeded", "unknown"]
    """``at risk``: only the upper end of the interval exceeds it."""


def hourly_cap(budget: Decimal) -> Decimal:
    """What a month's budget allows for an hour."""
    return budget / HOURS_PER_MONTH


def daily(found: Sequence[Charge]) -> tuple[Day, ...]:
    """Cost by day (UTC), from the first to the last; a charge over several days counts for each by its share of time.

    Days in between without any charge cost nothing: they are gaps only where nobody measured, which charges cannot tell.

    Raises:
        BadInput: they are in several currencies.
    """
    one_currency(one.currency for one in found)
    costs: dict[int, float] = {}
    for one in found:
        length, first = one.end - one.start, math.floor(one.start / DAY)
        for day in range(first, max(first + 1, math.ceil(one.end / DAY))):
            inside = min(one.end, (day + 1) * DAY) - max(one.start, day * DAY)
            costs[day] = costs.get(day, 0.0) + float(one.total) * (inside / length if length > 0 else 1.0)
    span = range(min(costs), max(costs) + 1) if costs else ()
    return tuple(Day(day * DAY, costs.get(day, 0.0)) for day in span)


def run_rate(days: Sequence[Day], at: float, until: float, level: float = LEVEL) -> tuple[Outlook, ...] | Unknown:
    """What is spent from ``at`` to the end of every day up to ``until``, if things go on as on the whole days before.

    A day costs the mean of the days before, from three weeks on the mean of its weekday. The sum of k days has the
    standard error s * sqrt(k + k * k / n), of n days measured with the standard deviation s (of the rests): days vary, and
    the mean is not known exactly. The interval is Student's.
    """
    whole = [day for day in days if day.start + DAY <= at]
    if len(whole) < LEAST:
        return Unknown(f"{len(whole)} whole days are measured: at least {LEAST} are needed")
    if any(not math.isfinite(day.cost) for day in whole):
        return Unknown("a day's cost is not a number")
    means = _means(whole)
    n, found, mean, ahead = len(whole), [], 0.0, 0.0
    freedom = n - (7 if n >= 7 * WEEKS else 1)
    spread = math.sqrt(sum((day.cost - means[_weekday(day.start)]) ** 2 for day in whole) / freedom)
    factor = _student(0.5 + level / 2, freedom)
    start = math.floor(at / DAY) * DAY
    while start < until:
        part = (min(start + DAY, until) - max(start, at)) / DAY
        mean, ahead = mean + means[_weekday(start)] * part, ahead + part
        half = factor * spread * math.sqrt(ahead + ahead * ahead / n)
        start += DAY
        found.append(Outlook(min(start, until), mean, max(0.0, mean - half), mean + half))
    return tuple(found)


def state(budget: float, days: Sequence[Day], at: float, outlook: Sequence[Outlook] | Unknown) -> BudgetState:
    """The budget of the month that holds ``at``. ``outlook`` begins at ``at`` and reaches the end of the month."""
    start, end = _month(at)
    spent = sum(day.cost for day in days if start <= day.start < end)
    known = [] if isinstance(outlook, Unknown) else [_with(spent, one) for one in outlook if one.end <= end]
    exceeded, earliest, latest = (
        next((one.end for one in known if getattr(one, name) > budget), None) for name in ("mean", "high", "low")
    )
    month = outlook if isinstance(outlook, Unknown) else known[-1] if known else Outlook(end, spent, spent, spent)
    if spent > budget:
        word: Literal["within", "at risk", "will exceed", "exceeded", "unknown"] = "exceeded"
    elif isinstance(month, Unknown):
        word = "unknown"
    else:
        word = "will exceed" if month.mean > budget else "at risk" if month.high > budget else "within"
    cap = budget / float(HOURS_PER_MONTH)
    return BudgetState(budget, spent, start, end, cap, month, exceeded, earliest, latest, word)


def _with(spent: float, one: Outlook) -> Outlook:
    return Outlook(one.end, spent + one.mean, spent + one.low, spent + one.high)


def _means(whole: Sequence[Day]) -> Mapping[int, float]:
    if len(whole) < 7 * WEEKS:
        return dict.fromkeys(range(7), fmean(day.cost for day in whole))
    by_day: dict[int, list[float]] = {weekday: [] for weekday in range(7)}
    for day in whole:
        by_day[_weekday(day.start)].append(day.cost)
    return {weekday: fmean(costs) for weekday, costs in by_day.items()}


def _weekday(at: float) -> int:
    return datetime.fromtimestamp(at, UTC).weekday()


def _month(at: float) -> tuple[float, float]:
    when = datetime.fromtimestamp(at, UTC)
    end = datetime(when.year + when.month // 12, when.month % 12 + 1, 1, tzinfo=UTC)
    return datetime(when.year, when.month, 1, tzinfo=UTC).timestamp(), end.timestamp()


def _student(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).

    Off by 0.3 % at 2 degrees of freedom, by less from there on.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


class Lasting(msgspec.Struct, frozen=True):
    """One budget, and how long it lasts."""

    name: str
    """The application; empty for all together."""
    currency: str
    budget: BudgetState
    unknown: tuple[str, ...] = ()
    """Reasons of costs that nobody can say: at least so much is spent, and there is no outlook."""


class Forecast(msgspec.Struct, frozen=True):
    """The answer of ``cost forecast``."""

    budgets: tuple[Lasting, ...]
    problems: tuple[str, ...]


def lasting(name: str, money: Money, inside: Sequence[Charge], at: float) -> Lasting:
    """How long the budget ``money`` lasts with the charges ``inside``, at a time of its month.

    Raises:
        BadInput: they are in several currencies.
    """
    currency = one_currency([money.currency, *(one.currency for one in inside)])
    days, limit = daily(inside), float(monthly(money))
    unknown = tuple(dict.fromkeys(reason for one in inside for reason in one.unknown))
    end = state(limit, days, at, ()).end
    blind = [*unknown, *_coarse(inside)]
    outlook = Unknown("; ".join(blind)) if blind else run_rate(days, at, end)
    return Lasting(name, currency, state(limit, days, at, outlook), unknown)


def _coarse(inside: Sequence[Charge]) -> Iterator[str]:
    """How much days differ cannot be told from costs of several days in one."""
    longest = max((one.end - one.start for one in inside), default=0.0)
    if longest > 1.01 * DAY:
        yield f"costs of {longest / DAY:.1f} days are given in one: ask OpenCost with `step=1d`"
