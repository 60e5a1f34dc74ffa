"""The delivery section for Flagger: a Canary beside the Deployment, and the MetricTemplates that judge it.

Called for ``--format flagger`` with the direct render; returns the objects to write instead, and in sentences what the
controller cannot do. docs/delivery-translations.md has the whole table.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from shipway.model.quantities import Money, format_duration
from shipway.render.argo import NEVER, whole
from shipway.render.signals import Signals
from shipway.render.thresholds import Sides, Threshold, guarded, thresholds
from shipway.spec.application import Application
from shipway.spec.delivery import Delivery

LEAST_INTERVAL = 60.0
"""Seconds; Flagger looks once per step, and needs a few scrapes to have something to look at."""


def sides(name: str, where: str) -> Sides:
    """Flagger keeps the live release in a Deployment of its own, ``<name>-primary``."""
    pod = "[0-9a-z]+-[0-9a-z]+"
    return Sides(f'{where},pod=~"{name}-{pod}"', f'{where},pod=~"{name}-primary-{pod}"', "{{ interval }}")


def interval(delivery: Delivery) -> str:
    """Time between two steps: the longest ``for``, since Flagger knows one time for all and shorter would promise more."""
    return f"{ceil(max([LEAST_INTERVAL, *(step.at_least for step in delivery.steps)]))}s"


def analysis(delivery: Delivery, found: list[Threshold], namespace: str, name: str, gate: str) -> dict[str, Any]:
    """``spec.analysis`` of the Canary."""
    weights = list(dict.fromkeys(whole(step.weight) for step in delivery.steps))
    each = interval(delivery)
    metrics = [
        {
            "name": threshold.name,
            "interval": each,
            "templateRef": {"name": template(name, threshold), "namespace": namespace},
            "thresholdRange": {"min" if threshold.op[0] == ">" else "max": threshold.limit},
        }
        for threshold in found
    ]
    return {
        "interval": each,
        # One look sees a whole step, so one that fails is enough; `manual` waits for a person for ever.
        "threshold": NEVER if delivery.rollback == "manual" else 1,
        "maxWeight": weights[-1],
        "stepWeights": weights,
        "metrics": metrics,
        **_affinity(delivery),
        **_gate(delivery, gate),
    }


def template(name: str, threshold: Threshold) -> str:
    """Name of the MetricTemplate of one threshold."""
    return f"{name}-{threshold.name}"


def metric_template(threshold: Threshold, signals: Signals, apart: Sides, least: int, address: str) -> dict[str, Any]:
    """``spec`` of a MetricTemplate."""
    return {
        "provider": {"type": "prometheus", "address": address},
        "query": guarded(threshold, signals, apart, least),
    }


def judged(application: Application, signals: Signals, apart: Sides, core: Money | None) -> list[Threshold]:
    """What Flagger looks at."""
    return list(thresholds(application, signals, apart, core))


def untranslatable(delivery: Delivery, gate: str) -> Iterator[str]:
    """What this controller in particular cannot do."""
    times = {step.at_least for step in delivery.steps}
    if len(times) > 1 or min(times) < LEAST_INTERVAL:
        yield f"every step lasts {interval(delivery)}: there is one time for all steps"
    if any(step.weight != whole(step.weight) for step in delivery.steps):
        yield "weights are rounded to whole percents"
    if any(step.approval for step in delivery.steps) and not gate:
        yield "`approval` is left out: the platform names no gate (spec.components.flagger.gate) that Flagger could ask"
    elif any(step.approval for step in delivery.steps):
        yield "`approval` is asked before every step: the gate must know at which weight the canary stands"
    if any(step.min_requests for step in delivery.steps):
        yield "`minRequests` guards the checks: with fewer requests a step passes, as with `onInconclusive: advance`"
    if delivery.match.header or delivery.match.cookie:
        yield "`match` is left out: a canary by weight has no matches"
    if delivery.affinity.header:
        yield f"`affinity` by the header {delivery.affinity.header} is left out: only a cookie can keep a client"
    if delivery.keep:
        yield f"`keep: {format_duration(delivery.keep)}` is left out: the canary's instances end with the rollout"


def _affinity(delivery: Delivery) -> dict[str, Any]:
    cookie = delivery.affinity.cookie
    return {"sessionAffinity": {"cookieName": cookie}} if cookie else {}


def _gate(delivery: Delivery, gate: str) -> dict[str, Any]:
    people = sorted({step.approval for step in delivery.steps if step.approval})
    if not people or not gate:
        return {}
    asked = {"name": "approval", "type": "confirm-traffic-increase", "url": gate, "metadata": {"by": ", ".join(people)}}
    return {"webhooks": [asked]}
