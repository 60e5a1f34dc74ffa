"""What a release is judged by: indicators from the SLO and the checks of an Application.

Called by ``engine.planning`` before a release starts, and by ``shipway plan`` for what a rollout could detect.
"""

from collections.abc import Iterator

from shipway.analysis.policy import Indicator
from shipway.model.errors import Refused
from shipway.model.quantities import Money, parse_money
from shipway.spec.application import Application
from shipway.spec.checks import Check

CPU_SECONDS = "cpuSeconds"
"""Measure that the local runtime reports. With one price per core, cost per request rises as CPU per request does."""
MEASURED = frozenset({CPU_SECONDS})
"""Continuous measures that are read here. A check of another one would never see anything, and pass for that."""
FAIR_WEIGHT = 40.0
"""Percent for the canary from which costs are compared. An instance costs something without any request: one of the test
service used 1.3 ms of CPU a second for its probes, as much as 6 requests, so that at 5 % of 100 requests a second the same
release seemed to cost 2.1 times as much as itself. At 50 % both sides were equal within 0.1 %."""
_PERCENTILES = {"latencyP50": 0.5, "latencyP90": 0.1, "latencyP95": 0.05, "latencyP99": 0.01}


def indicators(application: Application, core: Money | None = None) -> Iterator[Indicator]:
    """Errors are always judged, then every objective of the SLO, then every check. One that says the same is left out.

    ``errorRate increase < 50%`` says how much more than the baseline is still fine, so it takes the place of the tolerance.

    Raises:
        Refused: a check that could never fail, or whose money has no price here.
    """
    slo, delivery = application.spec.slo, application.spec.delivery
    seen: set[tuple[object, ...]] = set()
    share = 1 - slo.availability if slo.availability is not None else None
    allowed = [check.limit for check in delivery.check if check.increase and check.indicator == "errorRate"]
    tolerance = 1 + min(allowed) if allowed else delivery.tolerance
    found = [_errors(tolerance, delivery.floor, share)]
    found += [_latency(1 - o.share, o.threshold, delivery.tolerance, delivery.floor) for o in slo.latency]
    found += [_checked(check, delivery.floor, core) for check in delivery.check]
    for indicator in found:
        key = (indicator.kind, indicator.threshold_ms, indicator.measure, indicator.limit, indicator.margin)
        if key not in seen:
            seen.add(key)
            yield indicator


def _errors(tolerance: float, floor: float, slo: float | None) -> Indicator:
    return Indicator(name="errorRate", kind="errors", slo=slo, tolerance=tolerance, floor=floor)


def _latency(share: float, seconds: float, tolerance: float, floor: float) -> Indicator:
    milliseconds = round(seconds * 1000, 6)
    return Indicator(
        name=f"latency > {milliseconds:g}ms",
        kind="latency",
        threshold_ms=milliseconds,
        slo=share,
        tolerance=tolerance,
        floor=max(floor, share),  # slower than the baseline but within the objective is no harm
    )


def _checked(check: Check, floor: float, core: Money | None) -> Indicator:
    """One ``check`` line; see the grammar in :mod:`shipway.spec.checks`."""
    return _increase(check, floor) if check.increase else _limit(check, core)


def _increase(check: Check, floor: float) -> Indicator:
    """No more than so much above the baseline."""
    if check.indicator == "errorRate":
        return Indicator(name=check.text, kind="errors", tolerance=1 + check.limit, floor=floor)
    if check.indicator in _PERCENTILES:
        return Indicator(name=check.text, kind="distribution", margin=check.limit, floor=floor)
    fair = FAIR_WEIGHT / 100
    return Indicator(name=check.text, kind="continuous", measure=_measure(check), margin=check.limit, least_weight=fair)


def _limit(check: Check, core: Money | None) -> Indicator:
    """A limit of its own, whatever the baseline does."""
    limit, milliseconds = check.limit, round(check.limit * 1000, 6)
    if check.indicator in {"errorRate", "availability"}:
        limit = limit if check.indicator == "errorRate" else 1 - limit
        return Indicator(name=check.text, kind="errors", relative=False, limit=limit)
    if check.indicator in _PERCENTILES:
        share = _PERCENTILES[check.indicator]
        return Indicator(name=check.text, kind="latency", threshold_ms=milliseconds, relative=False, limit=share)
    if check.indicator == "requestRate":
        return Indicator(name=check.text, kind="requests", relative=False, limit=limit)
    if check.indicator == "costPerRequest":
        limit = _core_seconds(check, core)
    return Indicator(
        name=check.text,
        kind="continuous",
        measure=_measure(check),
        relative=False,
        limit=limit,
        least_weight=FAIR_WEIGHT / 100,
    )


def _measure(check: Check) -> str:
    measure = CPU_SECONDS if check.indicator == "costPerRequest" else check.indicator
    if measure not in MEASURED:
        raise Refused(
            f"`{check.text}`: nothing on this machine measures {check.indicator}, so the check could never fail",
            hint="Leave the check out for this machine: give it to the environments that measure it.",
        )
    return measure


def _core_seconds(check: Check, core: Money | None) -> float:
    """The core seconds that the money of the check buys."""
    money = parse_money(check.text.split()[-1])
    if core is None or core.currency != money.currency or not core.per or not core.amount:
        priced = f"a price in {core.currency}" if core else "no price"
        raise Refused(
            f"`{check.text}` is in {money.currency}, and the platform has {priced} for a core",
            hint="Set `prices: {cpu: $25/month}` in the Platform, or check the increase: costPerRequest increase < 10%.",
        )
    return money.amount / core.per_second()
