"""Whether a workload should run on machines that can be taken away, or on ones that are reserved. Small on purpose.

Called by ``shipway cost estimate --advise``. Savings are for a month, at the fewest instances: those run all the time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from shipway.cost.demand import SPOT, Demand, Object, demands
from shipway.cost.money import HOURS_PER_MONTH, Unknown, quantised
from shipway.cost.prices import PriceList, Purchase

WORTH = Decimal("0.3")
"""Spot below this saving is not worth its interruptions: they cost restarts, and on-demand machines in between."""
STEADY = 1
"""Instances from which on a reservation is always used."""


class Advice(msgspec.Struct, frozen=True):
    """One way of buying, for one workload."""

    workload: str
    purchase: Purchase
    verdict: Literal["advised", "not advised", "unknown", "done"]
    saving: Decimal | None
    """Of a month; None when a price is missing."""
    ratio: Decimal | None
    """Share of the on-demand price that is saved."""
    reasons: tuple[str, ...]


def advice(objects: Iterable[Object], prices: PriceList) -> Iterator[Advice]:
    """Spot and reserved, for every workload with pods."""
    found = list(objects)
    wanted: dict[str, list[Demand]] = {}
    for demand in demands(found):
        if demand.resource in {"cpu", "memory", "gpu"}:
            wanted.setdefault(demand.workload, []).append(demand)
    for workload, needs in wanted.items():
        one = next(one for one in found if f"{one.get('kind')}/{_map(one.get('metadata')).get('name', '')}" == workload)
        yield _spot(workload, one, found, needs, prices)
        yield _reserved(workload, needs, prices)


def _spot(workload: str, one: Object, objects: Sequence[Object], needs: Sequence[Demand], prices: PriceList) -> Advice:
    saving = _saving(needs, prices, "spot")
    if isinstance(saving, Unknown):
        return Advice(workload, "spot", "unknown", None, None, (saving.reason,))
    vetoes = tuple(_vetoes(one, objects, needs))
    amount, ratio = saving
    if needs[0].purchase == "spot":
        return Advice(workload, "spot", "done", amount, ratio, vetoes or ("it may run there already",))
    if ratio < WORTH:
        vetoes += (f"it saves {ratio:.0%}, which is less than {WORTH:.0%}",)
    return Advice(workload, "spot", "not advised" if vetoes else "advised", amount, ratio, vetoes)


def _vetoes(one: Object, objects: Sequence[Object], needs: Sequence[Demand]) -> Iterator[str]:
    """Why an instance must not be taken away with two minutes' notice."""
    if one.get("kind") == "Cluster":
        yield "it is a database"
    elif one.get("kind") == "StatefulSet":
        yield "it keeps state on its disk"
    if needs[0].instances.low < 2 and one.get("kind") not in {"Job", "CronJob"}:
        yield "a single instance that is taken away is an outage"
    elif one.get("kind") == "Deployment" and not any(_protects(budget, one) for budget in objects):
        yield "no PodDisruptionBudget keeps all instances from going at once"


def _protects(budget: Object, one: Object) -> bool:
    selector = _map(_map(_map(budget.get("spec")).get("selector")).get("matchLabels"))
    labels = _map(_map(_map(_map(one.get("spec")).get("template")).get("metadata")).get("labels"))
    same = all(labels.get(key) == value for key, value in selector.items())
    return budget.get("kind") == "PodDisruptionBudget" and bool(selector) and same


def _reserved(workload: str, needs: Sequence[Demand], prices: PriceList) -> Advice:
    saving = _saving(needs, prices, "reserved")
    if isinstance(saving, Unknown):
        return Advice(workload, "reserved", "unknown", None, None, (saving.reason,))
    vetoes = []
    if workload.startswith("CronJob/"):
        vetoes.append("it runs only at times")
    elif needs[0].instances.low < STEADY:
        vetoes.append("it may run no instance at all")
    if needs[0].purchase == "spot":
        vetoes.append(f"it tolerates {SPOT}, which is cheaper still")
    return Advice(workload, "reserved", "not advised" if vetoes else "advised", *saving, tuple(vetoes))


def _saving(needs: Sequence[Demand], prices: PriceList, purchase: Purchase) -> tuple[Decimal, Decimal] | Unknown:
    """(amount of a month, share of the on-demand price)."""
    usual, other = Decimal(0), Decimal(0)
    for need in needs:
        rate = prices.rate(need.resource)
        cheaper = prices.rates.get((need.resource, purchase))
        if isinstance(need.each, Unknown):
            return need.each
        if isinstance(rate, Unknown):
            return rate
        if cheaper is None:
            return Unknown(f"no {purchase} price for {need.resource} in {prices.name}")
        # At one instance where the fewest are none: the share is the same, and the amount is what an instance saves.
        hours = need.each * max(need.instances.low, 1) * HOURS_PER_MONTH
        usual, other = usual + hours * rate, other + hours * cheaper
    return quantised(usual - other), (usual - other) / usual if usual else Decimal(0)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
