"""The delivery section for Argo Rollouts: a Rollout in the place of the Deployment, and the AnalysisTemplates that judge it.

Called for ``--format argo-rollouts`` with the direct render; returns the objects to write instead, and in sentences what
the controller cannot do. docs/delivery-translations.md has the whole table.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from shipway.model.quantities import Money
from shipway.render.signals import Signals
from shipway.render.thresholds import Sides, Threshold, guarded, thresholds
from shipway.spec.application import Application
from shipway.spec.delivery import Delivery, Step

INTERVAL = 30.0
"""Seconds between two measurements: two scrapes at the usual 15 s, so that every measurement sees new data."""
FAILED_MEASUREMENTS = 2
"""Bad measurements that are forgiven; the third ends the rollout. One may be a scrape that fell between two releases."""
NEVER = 2**31 - 1
"""The largest limit the controller reads."""
WARM_UP = 30.0
"""Seconds, when the file does not say."""
PATIENCE = 10
"""A step waits for evidence at most so many times its ``for``, when the file does not say (as ``atMost`` documents)."""

_CANARY, _STABLE = "{{args.canary-hash}}", "{{args.stable-hash}}"


def sides(name: str, where: str, delivery: Delivery) -> Sides:
    """Pods of a ReplicaSet carry its hash in their names; ``where`` are the matchers of the application's series."""
    canary, stable = (f'{where},pod=~"{name}-{hash_}-[a-z0-9]+"' for hash_ in (_CANARY, _STABLE))
    return Sides(canary, stable, seconds(window(delivery)))


def window(delivery: Delivery) -> float:
    """Seconds over which rates are taken: the longest step, between two and ten minutes.

    Shorter sees too few requests, longer would dilute a failure that begins late.
    """
    return min(max([120.0, *(step.at_least for step in delivery.steps)]), 600.0)


def steps(name: str, delivery: Delivery) -> Iterator[dict[str, Any]]:
    """Approval, weight, time and enough requests, step by step."""
    for step in delivery.steps:
        if step.approval:
            yield {"pause": {}}
        yield {"setWeight": whole(step.weight)}
        if step.at_least:
            yield {"pause": {"duration": seconds(step.at_least)}}
        if step.min_requests and delivery.on_inconclusive != "advance":
            yield {"analysis": {"templates": [{"templateName": f"{name}-requests"}], "args": _evidence(step, delivery)}}


def whole(weight: float) -> int:
    """A weight as the routers take it: whole percent, at least one."""
    return max(1, round(weight))


def seconds(value: float) -> str:
    """A duration as Go reads it, in whole seconds."""
    return f"{ceil(value)}s"


def strategy(name: str, delivery: Delivery, routing: dict[str, Any] | None, surge: dict[str, Any]) -> dict[str, Any]:
    """``spec.strategy`` of the Rollout."""
    judged = {
        "templates": [{"templateName": f"{name}-judgement"}],
        "startingStep": 1 + bool(delivery.steps[0].approval),  # when the first weight is set
        "args": [*_hashes()],
    }
    canary = {**surge, "steps": list(steps(name, delivery)), "analysis": judged}
    if routing:
        services = {"stableService": f"{name}-stable", "canaryService": f"{name}-canary"}
        keep = {"scaleDownDelaySeconds": ceil(delivery.keep)}
        canary = {**services, **keep, "trafficRouting": routing, **canary}
    return {"canary": canary}


def judgement(
    application: Application, signals: Signals, apart: Sides, core: Money | None, address: str
) -> dict[str, Any]:
    """``spec`` of the AnalysisTemplate that runs beside the steps."""
    delivery = application.spec.delivery
    least = min(step.min_requests for step in delivery.steps)
    found = [
        _metric(delivery, threshold, guarded(threshold, signals, apart, least), address)
        for threshold in thresholds(application, signals, apart, core)
    ]
    return {"args": [{"name": "canary-hash"}, {"name": "stable-hash"}], "metrics": found}


def requests(name: str, where: str, signals: Signals, address: str) -> dict[str, Any]:
    """``spec`` of the AnalysisTemplate that waits until the canary has answered enough requests; then the step is over.

    The measurement is never bad, only not yet good, so that running out of time leaves the rollout paused, not aborted.
    """
    query = signals.count(f'{where},pod=~"{name}-{_CANARY}-[a-z0-9]+"', "{{args.window}}")
    metric = {
        "name": "enough-requests",
        "interval": seconds(INTERVAL),
        "consecutiveSuccessLimit": 1,
        "inconclusiveLimit": "{{args.patience}}",
        "consecutiveErrorLimit": NEVER,
        "successCondition": "len(result) > 0 && result[0] >= {{args.least}}",
        "failureCondition": "false",
        "provider": {"prometheus": {"address": address, "query": query}},
    }
    names = ("canary-hash", "least", "window", "patience")
    return {"args": [{"name": argument} for argument in names], "metrics": [metric]}


def _metric(delivery: Delivery, threshold: Threshold, query: str, address: str) -> dict[str, Any]:
    manual = delivery.rollback == "manual"
    # Not measured is not bad: an empty answer, no requests, or a Prometheus that is away ends no rollout.
    holds = f"len(result) == 0 || isNaN(result[0]) || result[0] {threshold.op} {threshold.limit:.9g}"
    return {
        "name": threshold.name,
        "interval": seconds(INTERVAL),
        "initialDelay": seconds(WARM_UP if delivery.warm_up is None else delivery.warm_up),
        "successCondition": holds,
        **({"failureCondition": "false"} if manual else {}),
        "inconclusiveLimit" if manual else "failureLimit": FAILED_MEASUREMENTS,
        "consecutiveErrorLimit": NEVER,
        "provider": {"prometheus": {"address": address, "query": query}},
    }


def _hashes() -> Iterator[dict[str, Any]]:
    yield {"name": "canary-hash", "valueFrom": {"podTemplateHashValue": "Latest"}}
    yield {"name": "stable-hash", "valueFrom": {"podTemplateHashValue": "Stable"}}


def _evidence(step: Step, delivery: Delivery) -> list[dict[str, Any]]:
    most = step.at_most or PATIENCE * max(step.at_least, INTERVAL)
    patience = NEVER if delivery.on_inconclusive == "extend" else ceil(max(most - step.at_least, 0) / INTERVAL)
    return [
        {"name": "canary-hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "least", "value": str(step.min_requests)},
        {"name": "window", "value": seconds(most)},
        {"name": "patience", "value": str(patience)},
    ]
