"""The SLOs of an application as a PrometheusRule: records and burn-rate alerts come from :mod:`shipway.render.slo`."""

from collections.abc import Iterator
from typing import Any

import msgspec

from shipway.render.context import Context
from shipway.render.monitors import labels
from shipway.render.signals import METERS
from shipway.render.slo.levels import ServiceLevel
from shipway.render.slo.promises import of_application
from shipway.render.slo.rules import groups
from shipway.render.tracing import Draft, derived


def objects(context: Context) -> Iterator[Draft]:
    """One PrometheusRule with the groups of every promise; without alerts where the monitoring profile wants none."""
    found = [_labelled(group, context) for level in levels(context) for group in groups(level)]
    if not found:
        return
    rule = "events are counted, and an alert fires when two windows burn the budget too fast"
    traced = derived(found, rule, "spec.slo", "spec.profiles.monitoring")
    metadata = {**context.metadata(), "labels": labels(context)}
    yield Draft(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata,
            "spec": {"groups": traced},
        },
        rule,
    )


def levels(context: Context) -> tuple[ServiceLevel, ...]:
    """Every promise of the application here."""
    runbooks = context.components.monitoring.runbooks
    metrics = context.place.platform.spec.metrics
    runbook = f"{runbooks.rstrip('/')}/{{app}}#{{slo}}" if runbooks else ""
    found = of_application(context.application, METERS[context.components.mesh], metrics=metrics, runbook=runbook)
    if context.monitoring.alerts:
        return found
    return tuple(_silent(level) for level in found)


def _labelled(group: dict[str, Any], context: Context) -> dict[str, Any]:
    """With the place on the group (Prometheus 3), not on each rule: the rules are then the same everywhere."""
    named = {"name": group["name"], "labels": {"environment": context.environment, "cluster": context.cluster}}
    return {**named, **group}


def _silent(level: ServiceLevel) -> ServiceLevel:
    return msgspec.structs.replace(level, page=None, ticket=None)
