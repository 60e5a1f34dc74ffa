"""From a resolved Application to a DeliveryPlan: everything about a release decided before it starts.

Called by ``service`` when a release is asked for. What only the machine knows (ports, secret digests, addresses of other
applications) comes in as :class:`Surroundings`; nothing is looked up here.
"""

from collections.abc import Mapping

import msgspec

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.model.errors import Refused
from shipway.model.ids import AppName, ReleaseId
from shipway.model.quantities import Money
from shipway.model.workload import Probe, Workload
from shipway.plan.indicators import CPU_SECONDS, FAIR_WEIGHT, indicators
from shipway.rollout.plan import DeliveryPlan
from shipway.spec.application import Application
from shipway.spec.platform import Local

LOCAL_WARM_UP = 5.0
"""Seconds after the start of a process that do not count for latency, when the Platform does not say (evidence.md, 5)."""

LAST_WORD = 2.0
"""Seconds that a runtime is given, beyond the time to become ready, to say itself what went wrong."""


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
