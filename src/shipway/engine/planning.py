"""From a resolved Application to a DeliveryPlan: everything about a release decided before it starts.

Called by ``service`` when a release is asked for. What only the machine knows (ports, secret digests, addresses of other
applications) comes in as :class:`Surroundings`; nothing is looked up here.
"""

from collections.abc import Iterator, Mapping

import msgspec

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.model.errors import Refused
from shipway.model.ids import AppName, ReleaseId
from shipway.model.quantities import Money, parse_money
from shipway.model.workload import Probe, Workload
from shipway.rollout.plan import DeliveryPlan
from shipway.spec.application import Application
from shipway.spec.checks import Check
from shipway.spec.platform import Local

LOCAL_WARM_UP = 5.0
"""Seconds after the start of a process that do not count for latency, when the Platform does not say (evidence.md, 5)."""

LAST_WORD = 2.0
"""Seconds that a runtime is given, beyond the time to become ready, to say itself what went wrong."""

CPU_SECONDS = "cpuSeconds"
"""Measure that the local runtime reports. With one price per core, cost per request rises as CPU per request does."""

MEASURED = frozenset({CPU_SECONDS})
"""Continuous measures that are read here. A check of another one would never see anything, and pass for that."""


FAIR_WEIGHT = 40.0
"""Percent for the canary from which costs are compared. An instance costs something without any request: one of the test
service used 1.3 ms of CPU a second for its probes, as much as 6 requests, so that at 5 % of 100 requests a second the same
release seemed to cost 2.1 times as much as itself. At 50 % both sides were equal within 0.1 %."""

FAIR_TIME = 130.0
"""Seconds for which a step of such a weight must last: the burn-in of the test (12 blocks of 10 s) and one block."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine adds to the file."""

    port: int
    directory: str
    addresses: Mapping[str, int]
    """Port of every application deployed here."""
    secrets: Mapping[str, str]
    """Digest of the value of each logical secret name."""
    local: Local
    core: Money | None = None
    """What a core costs."""


def plan_of(application: Application, around: Surroundings) -> DeliveryPlan:
    """The plan of a release; its id is filled in when the release is recorded.

    Raises:
        Refused: a check asks for what is not measured, or has no price, on this machine.
    """
    delivery = application.spec.delivery
    return DeliveryPlan(
        app=AppName(application.metadata.name),
        port=around.port,
        workload=_workload(application, around),
        strategy=delivery.strategy,
        steps=tuple(
            Step(
                weight=step.weight,
                at_least=step.at_least,
                at_most=delivery.patience * step.at_least,
                min_requests=delivery.min_requests,
                approval=step.approval or "",
            )
            for step in delivery.steps
        ),
        judge=JudgePolicy(
            indicators=_judged(application, around.core),
            alpha=delivery.alpha,
            warm_up=LOCAL_WARM_UP if delivery.warm_up is None else delivery.warm_up,
            advance=delivery.advance,
            exposure_budget=delivery.exposure_budget,
            # With affinity a few clients decide the split, so a test that counts requests would cry wolf.
            check_exposure=delivery.affinity.routing.by == "none",
        ),
        rollback=delivery.rollback,
        inconclusive=delivery.on_inconclusive,
        supersede=delivery.supersede,
        keep=delivery.keep,
        # The runtime knows first, and knows why; this is for a runtime that says nothing.
        ready_within=application.spec.health.startup + LAST_WORD,
        affinity=delivery.affinity.routing,
        match=delivery.match.routing,
    )


def _judged(application: Application, core: Money | None) -> tuple[Indicator, ...]:
    delivery = application.spec.delivery
    found = tuple(indicators(application, core))
    unseen = [one for one in found if one.measure == CPU_SECONDS]
    fair = any(step.weight >= FAIR_WEIGHT and step.at_least >= FAIR_TIME for step in delivery.steps)
    if unseen and delivery.strategy == "canary" and not fair:
        raise Refused(
            f"`{unseen[0].name}` could never fail: no step compares costs long enough at {FAIR_WEIGHT:g} % or more",
            hint="What a process costs without requests weighs too much below. Add a step such as {weight: 50%, for: 3m}.",
        )
    return found


def indicators(application: Application, core: Money | None = None) -> Iterator[Indicator]:
    """Errors are always judged, then every objective of the SLO, then every check. One that says the same is left out.

    ``errorRate increase < 50%`` says how much more than the baseline is still fine, so it takes the place of the tolerance.

    Raises:
        Refused: as :func:`plan_of` says.
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


_PERCENTILES = {"latencyP50": 0.5, "latencyP90": 0.1, "latencyP95": 0.05, "latencyP99": 0.01}


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


def _workload(application: Application, around: Surroundings) -> Workload:
    spec, local = application.spec, around.local
    health, path = spec.health, spec.health_path or ""
    asked = Probe(path, health.interval, health.timeout, health.failures)
    # Startup asks often, so that a release is up as soon as it can be; it is given all the time that the Platform allows.
    starting = Probe(path, 0.1, health.timeout, max(1, int(health.startup / 0.1)))
    return Workload(
        app=AppName(application.metadata.name),
        release=ReleaseId(""),
        command=tuple(spec.command or ()),
        directory=around.directory,
        env=tuple(sorted({**_addresses(application, around), **spec.env}.items())),
        secrets=tuple(sorted((name, around.secrets[logical]) for name, logical in spec.secrets.items())),
        replicas=max(application.replicas, 1),
        startup=starting,
        readiness=asked,
        liveness=asked if path else None,
        memory_limit=spec.resources.memory or 0,
        drain_seconds=local.drain,
        crash_limit=local.crash_limit,
        crash_window=local.crash_window,
        log_bytes=local.log_size,
        log_files=local.log_files,
    )


def _addresses(application: Application, around: Surroundings) -> dict[str, str]:
    """``INVENTORY_URL`` for ``dependsOn: [inventory]``: through the proxy, so that the callee can be rolled out too."""
    names = [dependency.application for dependency in application.spec.depends_on if dependency.application]
    return {
        f"{name.upper().replace('-', '_')}_URL": f"http://127.0.0.1:{around.addresses[name]}"
        for name in names
        if name in around.addresses
    }
