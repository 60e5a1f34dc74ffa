"""What releases will cost, before they run: from what their objects ask for, and the prices of the place.

Called by ``shipway cost estimate`` and by whoever asks policies about money. A scaler makes a range of the sum. Traffic is
left out, since nobody knows it before it flows.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from shipway.cost.demand import Demand, demands
from shipway.cost.money import HOURS_PER_MONTH, Total, Unknown, one_currency, quantised, total
from shipway.cost.prices import UNITS, PriceList, Resource, monthly
from shipway.model.quantities import Money


class Line(msgspec.Struct, frozen=True):
    """One resource of one workload, by the hour."""

    workload: str
    resource: Resource
    unit: str
    low: Decimal | None
    """Units at the fewest instances; None when that is not known."""
    high: Decimal | None
    hourly: Total


class Estimate(msgspec.Struct, frozen=True):
    """One application on one cluster."""

    application: str
    environment: str
    cluster: str
    lines: tuple[Line, ...]
    prices: str
    """Names of the catalogues."""
    source: str
    """Where they are published."""
    date: str
    hourly: Total
    monthly: Total
    """For 730 hours."""


def estimate(
    application: str, environment: str, cluster: str, objects: Iterable[Mapping[str, Any]], prices: PriceList
) -> Estimate:
    """The cost of one application's objects on one cluster."""
    lines = tuple(_line(demand, prices) for demand in demands(objects))
    hour = total([line.hourly for line in lines] or [Total(prices.currency, Decimal(0), Decimal(0))])
    return Estimate(
        application,
        environment,
        cluster,
        lines,
        prices.name,
        prices.source,
        prices.date,
        hour,
        hour.times(HOURS_PER_MONTH),
    )


def _line(demand: Demand, prices: PriceList) -> Line:
    unit = UNITS[demand.resource]
    rate, dearest = prices.rate(demand.resource, demand.purchase), prices.rate(demand.resource)
    for found in (demand.each, rate, dearest):
        if isinstance(found, Unknown):
            nothing = Total(prices.currency, Decimal(0), Decimal(0), (found.reason,), empty=True)
            return Line(demand.workload, demand.resource, unit, None, None, nothing)
    assert isinstance(demand.each, Decimal)  # the loop has looked
    assert isinstance(rate, Decimal)
    assert isinstance(dearest, Decimal)
    low, high = (demand.each * count for count in demand.instances)
    # Machines that can be taken away are a wish and not a right: the dear end of the range is without them.
    cost = Total(prices.currency, quantised(low * min(rate, dearest)), quantised(high * max(rate, dearest)))
    return Line(demand.workload, demand.resource, unit, low, high, cost)


class Change(msgspec.Struct, frozen=True):
    """What a release adds to the bill of a month; negative when it saves."""

    application: str
    environment: str
    cluster: str
    before: Total | None
    """None: it is new there."""
    after: Total | None
    """None: it goes away."""
    low: Decimal | None
    """Difference at the fewest instances; None when either side is not wholly known."""
    high: Decimal | None


def difference(before: Sequence[Estimate], after: Sequence[Estimate]) -> tuple[Change, ...]:
    """Everything that costs another amount than before, application by application.

    Raises:
        BadInput: the two are in different currencies.
    """
    old, new = (
        {(one.application, one.environment, one.cluster): one.monthly for one in side} for side in (before, after)
    )
    changes = (_change(key, old.get(key), new.get(key)) for key in dict.fromkeys([*new, *old]))
    return tuple(one for one in changes if one.before != one.after)


def _change(key: tuple[str, str, str], before: Total | None, after: Total | None) -> Change:
    nothing = Total("", Decimal(0), Decimal(0))
    old, new = before or nothing, after or nothing
    one_currency((old.currency, new.currency))
    if old.unknown or new.unknown:
        return Change(*key, before, after, None, None)
    return Change(*key, before, after, new.low - old.low, new.high - old.high)


def cost_facts(found: Sequence[Estimate], budget: Money | None) -> dict[str, Any]:
    """The cost of a release as plain data for policies: ``monthly <= budget * 1.1``.

    ``monthly`` is what is certain, at the fewest instances, since a scaler can be kept below its most by the budget's cap
    by the hour; ``highest`` is the most, absent when parts are unknown, which ``unknown`` then names. Without any known
    part there is no ``monthly``, and without a budget in the same currency no ``budget``.
    """
    whole = total(one.monthly for one in found)
    facts: dict[str, Any] = {"currency": whole.currency}
    if not whole.empty:
        facts["monthly"] = round(float(whole.low), 2)
    if whole.unknown:
        facts["unknown"] = list(whole.unknown)
    elif not whole.empty:
        facts["highest"] = round(float(whole.high), 2)
    if budget is not None and budget.currency == whole.currency:
        facts["budget"] = round(float(monthly(budget)), 2)
    return facts
