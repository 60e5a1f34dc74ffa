"""Who pays for what ran: every workload for the more of what it requested and what it used, and all together for the bill.

    total = own + shared + idle + adjustment         and the totals of all add up to the bill, exactly

After OpenCost's specification: a workload costs max(request, usage) x rate for every hour; idle is what was paid for and
given to nobody; shared and idle costs are shared out evenly, in proportion, or by weights of one's own. Where workloads
cost more by the price list than the bill says (discounts), the difference is an adjustment, in proportion.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Literal

import msgspec

from shipway.cost.demand import GIB
from shipway.cost.money import Rule, Unknown, exact, one_currency, quantised, share_out
from shipway.cost.prices import PriceList
from shipway.cost.usage import Measured, Performance, Requested, UsageRow
from shipway.model.errors import BadInput

Part = Literal[
    "cpu", "memory", "gpu", "storage", "network", "load balancer", "external", "shared", "idle", "adjustment"
]
By = Literal["team", "app", "env", "release"]
NOBODY = "(nobody)"
"""Whoever pays for what was given to nobody when there is nobody else."""


class Owner(msgspec.Struct, frozen=True, order=True):
    """Whose cost it is; what is not known is empty."""

    app: str
    release: str = ""
    team: str = ""
    environment: str = ""
    cluster: str = ""

    def named(self, by: By) -> str:
        """The name under which ``by`` puts it."""
        return {"team": self.team, "app": self.app, "env": self.environment, "release": f"{self.app} {self.release}"}[
            by
        ].strip() or "(none)"


class Charge(msgspec.Struct, frozen=True):
    """The cost of one owner in one period; at most a day, unless whoever measured it says nothing finer."""

    owner: Owner
    start: float
    """Seconds since the epoch."""
    end: float
    currency: str
    parts: Mapping[Part, Decimal]
    quantities: Mapping[Part, Decimal] = {}
    """Hours of cores, GiB and so on that were charged, where they are known."""
    requests: int | None = None
    """Answered in the period; None when nobody counted."""
    unknown: tuple[str, ...] = ()
    """Reasons of parts that nobody can say: the total is then too low."""

    @property
    def own(self) -> Decimal:
        """Without what is shared out."""
        return sum((cost for part, cost in self.parts.items() if part not in SHARED), Decimal(0))

    @property
    def total(self) -> Decimal:
        """All parts."""
        return sum(self.parts.values(), Decimal(0))


SHARED: frozenset[Part] = frozenset({"shared", "idle", "adjustment"})


def charges(
    usage: Measured,
    prices: PriceList,
    requested: Mapping[tuple[str, str], Requested],
    owner: Callable[[str, str], Owner] = Owner,
) -> tuple[Charge, ...]:
    """The own cost of every release on every day (UTC), from what it requested and what it used.

    ``requested`` is by (application, release); without an entry usage alone counts. ``owner`` makes the owner of both.
    """
    groups = groupby(usage.rows, key=lambda row: (row.app, row.release, _day(row.at - row.seconds)))
    return tuple(
        _charge(list(rows), prices, requested.get((app, release), Requested()), owner(app, release))
        for (app, release, _), rows in groups
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _charge(rows: Sequence[UsageRow], prices: PriceList, kept: Requested, owner: Owner) -> Charge:
    """Of one release in one day."""
    hours = {
        "cpu": _hours(rows, lambda row: max(row.cpu, kept.cpu), Decimal(1)),
        "memory": _hours(rows, lambda row: max(row.memory, kept.memory), GIB),
    }
    parts: dict[Part, Decimal] = {}
    unknown: list[str] = []
    resources: tuple[Literal["cpu", "memory"], ...] = ("cpu", "memory")
    for resource in resources:
        rate = prices.rate(resource)
        if isinstance(rate, Unknown):
            unknown.append(rate.reason)
        else:
            parts[resource] = quantised(hours[resource] * rate)
    return Charge(
        owner,
        rows[0].at - rows[0].seconds,
        rows[-1].at,
        prices.currency,
        parts,
        {resource: quantised(hours[resource]) for resource in resources},
        sum(row.requests for row in rows),
        tuple(unknown),
    )


def _hours(rows: Iterable[UsageRow], amount: Callable[[UsageRow], float], unit: Decimal) -> Decimal:
    return sum((exact(amount(row)) * exact(row.seconds) / 3600 for row in rows), Decimal(0)) / unit


class Sharing(msgspec.Struct, frozen=True):
    """How what belongs to nobody is shared out."""

    rule: Rule = "proportional"
    weights: Mapping[str, float] = {}
    """By application, for the rule ``custom``; who is not named gets nothing."""


def reconciled(
    own: Sequence[Charge],
    bill: Decimal | None = None,
    shared: Decimal = Decimal(0),
    sharing: Sharing = Sharing(),  # noqa: B008  # frozen
    currency: str = "",
) -> tuple[Charge, ...]:
    """The charges with their shares; their totals add up to ``bill`` exactly.

    ``bill`` is everything that was paid, ``shared`` the part of it that all use together; without a bill, it is what the
    charges and ``shared`` come to, and nothing is idle. ``currency`` is that of the bill.

    Raises:
        BadInput: several currencies, or no weight for any of the applications.
    """
    paid_in = one_currency([currency, *(one.currency for one in own)])
    direct = sum((one.total for one in own), Decimal(0)) + shared
    rest = (direct if bill is None else bill) - direct
    pools: tuple[tuple[Part, Decimal, Sharing], ...] = (
        ("shared", shared, sharing),
        ("idle", max(rest, Decimal(0)), sharing),
        ("adjustment", min(rest, Decimal(0)), Sharing()),
    )
    if not own:
        left = {part: amount for part, amount, _ in pools if amount}
        return (Charge(Owner(NOBODY), 0.0, 0.0, paid_in, left),) if left else ()
    found = list(own)
    for part, amount, how in pools:
        if amount:
            found = list(_with(part, amount, found, how))
    return tuple(found)


def _with(part: Part, amount: Decimal, found: Sequence[Charge], sharing: Sharing) -> Iterator[Charge]:
    """Shared out to applications by the rule, and to the charges of each in proportion."""
    costs: dict[str, Decimal] = {}
    for one in found:
        costs[one.owner.app] = costs.get(one.owner.app, Decimal(0)) + max(one.own, Decimal(0))
    by_app = share_out(amount, _weights(costs, sharing))
    places: dict[str, dict[int, Decimal]] = {}
    for index, one in enumerate(found):
        places.setdefault(one.owner.app, {})[index] = max(one.own, Decimal(0))
    shares = {index: cost for app, inside in places.items() for index, cost in share_out(by_app[app], inside).items()}
    for index, one in enumerate(found):
        parts = {**one.parts, part: one.parts.get(part, Decimal(0)) + shares[index]}
        yield msgspec.structs.replace(one, parts=parts)


def _weights(costs: Mapping[str, Decimal], sharing: Sharing) -> dict[str, Decimal | float]:
    if sharing.rule == "even":
        return dict.fromkeys(costs, Decimal(1))
    if sharing.rule == "proportional":
        return dict(costs)
    weights: dict[str, Decimal | float] = {app: sharing.weights.get(app, 0.0) for app in costs}
    if not any(weights.values()):
        hint = f"Give a weight above 0 to one of {', '.join(sorted(costs))}."
        raise BadInput("no application that ran has a weight, so nobody would pay what is shared", hint=hint)
    return weights


class Row(msgspec.Struct, frozen=True):
    """One line of a report."""

    name: str
    currency: str
    parts: Mapping[Part, Decimal]
    total: Decimal
    requests: int | None
    per_request: Decimal | None
    """Cost of one request; None when nobody counted, or there was none."""
    unknown: tuple[str, ...]
    p95: float | None = None
    """Seconds; None when it was not measured."""
    error_rate: float | None = None
    """0..1."""


def report(found: Sequence[Charge], by: By, performance: Mapping[str, Performance] | None = None) -> tuple[Row, ...]:
    """The charges put together; the totals of the rows add up to those of the charges.

    ``performance`` is by the name of the row, such as ``shop v2`` for releases.

    Raises:
        BadInput: they are in several currencies.
    """
    one_currency(one.currency for one in found)
    groups: dict[str, list[Charge]] = {}
    for one in found:
        groups.setdefault(one.owner.named(by), []).append(one)
    measured = performance or {}
    return tuple(
        _row(name, inside, measured.get(name, Performance(None, None))) for name, inside in sorted(groups.items())
    )


def _row(name: str, inside: Sequence[Charge], served: Performance) -> Row:
    parts: dict[Part, Decimal] = {}
    for one in inside:
        for part, cost in one.parts.items():
            parts[part] = parts.get(part, Decimal(0)) + cost
    counted = [one.requests for one in inside if one.requests is not None]
    requests = sum(counted) if len(counted) == len(inside) else None
    unknown = tuple(dict.fromkeys(reason for one in inside for reason in one.unknown))
    whole = sum(parts.values(), Decimal(0))
    each = whole / requests if requests and not unknown else None
    return Row(name, inside[0].currency, parts, whole, requests, each, unknown, served.p95, served.error_rate)
