"""Who pays for what ran: every workload for the more of what it requested and what it used, and all together for the bill.

    total = own + shared + idle + adjustment         and the totals of all add up to the bill, exactly

After OpenCost's specification: a workload costs max(request, usage) x rate for every hour; idle is what was paid for and
given to nobody; shared and idle costs are shared out evenly, in proportion, or by weights of one's own. Where workloads
cost more by the price list than the bill says (discounts), the difference is an adjustment, in proportion.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Literal

import msgspec

from shipway.cost.demand import GIB
from shipway.cost.money import HOURS_PER_MONTH, Rule, Unknown, exact, one_currency, quantised, share_out
from shipway.cost.prices import PriceList
from shipway.cost.usage import Measured, Performance, Requested, UsageRow, kept
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
    estimate: Decimal | None = None
    """What was requested alone comes to in that time, as an estimate says before; None when it is not known."""

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
    rows = zip(usage.rows, kept(usage.rows, requested), strict=True)
    groups = groupby(rows, key=lambda pair: (pair[0].app, pair[0].release, _day(pair[0].at - pair[0].seconds)))
    return tuple(_charge(list(inside), prices, owner(app, release)) for (app, release, _), inside in groups)


def _day(at: float) -> int:
    """Of the epoch, UTC."""
    return math.floor(at / 86_400)


def _charge(pairs: Sequence[tuple[UsageRow, Requested]], prices: PriceList, owner: Owner) -> Charge:
    """Of one release in one day."""
    units: tuple[tuple[Literal["cpu", "memory"], Decimal], ...] = (("cpu", Decimal(1)), ("memory", GIB))
    parts: dict[Part, Decimal] = {}
    hours: dict[Part, Decimal] = {}
    unknown: list[str] = []
    estimate: Decimal | None = Decimal(0)
    for resource, unit in units:
        rate = prices.rate(resource)
        amounts = [(getattr(row, resource), getattr(free, resource), row.seconds) for row, free in pairs]
        hours[resource] = _hours(((max(used, free), seconds) for used, free, seconds in amounts), unit)
        asked = _hours(((free, seconds) for _, free, seconds in amounts), unit)
        if isinstance(rate, Unknown):
            unknown.append(rate.reason)
            estimate = None
        else:
            parts[resource] = quantised(hours[resource] * rate)
            estimate = quantised(asked * rate) + estimate if asked and estimate is not None else None
    rows = [row for row, _ in pairs]
    return Charge(
        owner,
        rows[0].at - rows[0].seconds,
        rows[-1].at,
        prices.currency,
        parts,
        {resource: quantised(amount) for resource, amount in hours.items()},
        sum(row.requests for row in rows),
        tuple(unknown),
        estimate,
    )


def _hours(amounts: Iterable[tuple[float, float]], unit: Decimal) -> Decimal:
    """Of (amount, seconds). Measurements are no decimals, so they are added up as they are, without rounding in between."""
    return exact(math.fsum(amount * seconds for amount, seconds in amounts)) / 3600 / unit


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
    seconds: float = 0.0
    """Of time that is charged; what ran at once counts once."""
    estimate: Decimal | None = None
    """What its requests alone come to; None when a part is not known."""

    @property
    def month(self) -> Decimal | None:
        """The total of 730 hours that cost as much; None when there is no time."""
        return self.total * HOURS_PER_MONTH * 3600 / exact(self.seconds) if self.seconds > 0 else None


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
    estimates = [one.estimate for one in inside if one.estimate is not None]
    return Row(
        name=name,
        currency=inside[0].currency,
        parts=parts,
        total=whole,
        requests=requests,
        per_request=each,
        unknown=unknown,
        p95=served.p95,
        error_rate=served.error_rate,
        seconds=_covered((one.start, one.end) for one in inside),
        estimate=sum(estimates, Decimal(0)) if len(estimates) == len(inside) else None,
    )


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of all together."""
    covered, reached = 0.0, -math.inf
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def reconciled_by_cluster(
    found: Sequence[Charge],
    idle: Mapping[str, Decimal],
    *,
    bill: Decimal | None = None,
    shared: Decimal = Decimal(0),
    sharing: Sharing = Sharing(),  # noqa: B008  # frozen
    currency: str = "",
) -> tuple[Charge, ...]:
    """First every cluster's idle cost to who runs in it (in proportion where nobody there has a weight), then the bill."""
    done: list[Charge] = []
    for cluster in dict.fromkeys([*(one.owner.cluster for one in found), *idle]):
        inside = [one for one in found if one.owner.cluster == cluster]
        paid = sum((one.total for one in inside), idle.get(cluster, Decimal(0)))
        weighted = sharing.rule != "custom" or any(sharing.weights.get(one.owner.app) for one in inside)
        done += reconciled(inside, paid, sharing=sharing if weighted else Sharing(), currency=currency)
    return reconciled(done, bill, shared, sharing, currency)
