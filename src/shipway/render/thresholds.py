"""The delivery section as fixed limits on PromQL, for rollout controllers that know nothing else.

Used by :mod:`shipway.render.argo` and :mod:`shipway.render.flagger`. Mirrors the indicators that our own judge compares by
evidence (``engine.planning``). What a fixed limit cannot say is not imitated: :func:`notes` names it.
"""

from collections.abc import Iterator, Mapping
from statistics import NormalDist
from types import MappingProxyType

import msgspec

from shipway.model.quantities import Money, format_duration, format_ratio, parse_money
from shipway.render.context import Context
from shipway.render.signals import Signals
from shipway.spec.application import Application
from shipway.spec.checks import Check
from shipway.spec.delivery import Delivery

PERCENTILES: Mapping[str, float] = MappingProxyType(
    {"latencyP50": 0.5, "latencyP90": 0.9, "latencyP95": 0.95, "latencyP99": 0.99}
)

_TURNED = {">": "<", ">=": "<="}


class Sides(msgspec.Struct, frozen=True):
    """How to tell the two releases apart: label matchers, and the window over which rates are taken."""

    canary: str
    baseline: str
    window: str
    """A PromQL duration, or the controller's own placeholder for one."""


class Threshold(msgspec.Struct, frozen=True):
    """``query op limit`` must hold for the canary."""

    name: str
    """Unique within the application; letters, digits and dashes."""
    query: str
    op: str
    limit: float
    text: str
    """What it stands for, as people write it."""


def thresholds(application: Application, signals: Signals, sides: Sides, core: Money | None) -> Iterator[Threshold]:
    """Errors always, then every objective of the SLO, then every check that can be measured."""
    delivery = application.spec.delivery
    yield _errors(delivery, signals, sides)
    for number, objective in enumerate(application.spec.slo.latency, start=1):
        share = 1 - objective.share
        canary, baseline = (
            signals.slow(side, sides.window, objective.threshold) for side in (sides.canary, sides.baseline)
        )
        sure = _surely(canary, signals.count(sides.canary, sides.window), delivery.alpha)
        query = _times_allowed(sure, baseline, delivery.tolerance, max(delivery.floor, share))
        text = f"at most {format_ratio(round(share, 9))} slower than {format_duration(objective.threshold)}, or {delivery.tolerance:g} times the baseline"
        yield Threshold(f"slow-{number}", query, "<=", 1, text)
    for number, check in enumerate(delivery.check, start=1):
        if query_of := _measured(check, signals, sides, core):
            # Written as what may go wrong, so that too few requests can count as nothing wrong.
            turned = check.indicator == "availability"
            op, limit = (_TURNED[check.op], round(1 - check.limit, 9)) if turned else (check.op, check.limit)
            yield Threshold(f"check-{number}", query_of, op, limit, check.text)


def notes(context: Context) -> Iterator[str]:
    """What the delivery section says and no fixed limit can, in sentences."""
    delivery, core = context.spec.delivery, priced_core(context)
    yield f"evidence at alpha {delivery.alpha:g} becomes a margin for chance in every look: looks are not added up, and each may err"
    if delivery.advance == "evidence":
        yield "`advance: evidence` becomes time: a step lasts as long as `for` says, however early the evidence is in"
    if delivery.exposure_budget:
        yield f"`exposureBudget: {delivery.exposure_budget:g}` is left out: nothing counts the failed requests of a whole rollout"
    if delivery.supersede == "queue":
        yield "`supersede: queue` becomes replace: a newer release takes the place of the one under way"
    for check in delivery.check:
        if not _known(check):
            yield f"`{check.text}` is left out: nothing says how {check.indicator} is told apart by release"
        elif _unit_cost(check, core) is None:
            yield f"`{check.text}` is left out: the platform has no price for a core in that currency"


def signals_of(context: Context) -> Signals:
    """The application's requests."""
    return Signals(context.meters, context.name)


def own_series(context: Context) -> str:
    """Matcher of the series of the application's own namespace."""
    return f'namespace="{context.namespace}"'


def priced_core(context: Context) -> Money | None:
    """What a core costs, if the Platform says."""
    return context.place.platform.spec.prices.cpu


def guarded(threshold: Threshold, signals: Signals, sides: Sides, least: int) -> str:
    """The query with an answer in any case: zero when the canary answered fewer than ``least`` requests.

    Too few to judge are no failure, and neither is no answer; both controllers would take the latter for one.
    """
    if threshold.op[0] == ">":
        return f"{threshold.query} or vector(0)"
    enough = f"{signals.count(sides.canary, sides.window)} >= {max(least, 1)}"
    return f"({threshold.query}) and on() ({enough}) or vector(0)"


def _errors(delivery: Delivery, signals: Signals, sides: Sides) -> Threshold:
    allowed = [check.limit for check in delivery.check if check.increase and check.indicator == "errorRate"]
    tolerance = 1 + min(allowed) if allowed else delivery.tolerance
    canary, baseline = (signals.errors(side, sides.window) for side in (sides.canary, sides.baseline))
    sure = _surely(canary, signals.count(sides.canary, sides.window), delivery.alpha)
    query = _times_allowed(sure, baseline, tolerance, delivery.floor)
    text = f"errorRate at most {tolerance:g} times the baseline's; below {format_ratio(delivery.floor)} stops nobody"
    return Threshold("errors", query, "<=", 1, text)


def _surely(share: str, count: str, alpha: float) -> str:
    """The share that the canary has at least, but for chance with probability ``alpha`` in a look.

    Without it a release that is as good as its baseline would break the limit in half of all looks, and one failure among
    few requests would be a rate. Lower bound of a Poisson rate by the score method, with a continuity correction of one
    event; twice the variance, since the baseline's share is measured as well and it is asked at least as often.
    """
    variance = f"{2 * NormalDist().inv_cdf(1 - alpha) ** 2:.6g} / {count}"
    return f"((sqrt(4 * clamp_min({share} - 1 / {count}, 0) + {variance}) - sqrt({variance})) ^ 2 / 4)"


def _times_allowed(canary: str, baseline: str, tolerance: float, floor: float) -> str:
    """How many times the canary's sure share is what it may be: the tolerated multiple of the baseline, at least the floor."""
    return f"{canary} / clamp_min({tolerance:g} * ({baseline} >= 0 or vector(0)), {round(floor, 9):g})"


def _known(check: Check) -> bool:
    return check.indicator in {"errorRate", "availability", "requestRate", "costPerRequest", *PERCENTILES}


def _measured(check: Check, signals: Signals, sides: Sides, core: Money | None) -> str:
    """PromQL of what the check limits; empty when there is none, or when the tolerance says it already."""
    if not _known(check) or (check.increase and check.indicator == "errorRate"):
        return ""
    price = _unit_cost(check, core)
    if price is None:
        return ""
    canary, baseline = (_value(check, signals, side, sides.window, price) for side in (sides.canary, sides.baseline))
    return f"{canary} / ({baseline}) - 1" if check.increase else canary


def _value(check: Check, signals: Signals, side: str, window: str, price: float) -> str:
    match check.indicator:
        case "errorRate" | "availability":
            return signals.errors(side, window)
        case "requestRate":
            return signals.total(side, window)
        case "costPerRequest":
            cpu = f"sum(rate(container_cpu_usage_seconds_total{{{_pods(side)}}}[{window}]))"
            return f"{price:.9g} * {cpu} / {signals.total(side, window)}"
    return signals.percentile(side, window, PERCENTILES[check.indicator])


def _pods(side: str) -> str:
    """The matchers that cAdvisor's series know, which have no job of the application; and its containers only."""
    known = [matcher for matcher in side.split(",") if matcher.startswith(("namespace=", "pod=~"))]
    return ",".join([*known, 'container!=""'])


def _unit_cost(check: Check, core: Money | None) -> float | None:
    """Money for a second of a core; 1 where only the ratio of two costs counts, None without a price."""
    if check.indicator != "costPerRequest" or check.increase:
        return 1.0
    money = parse_money(check.text.split()[-1])
    if core is None or core.currency != money.currency or not core.per:
        return None
    return core.per_second()
