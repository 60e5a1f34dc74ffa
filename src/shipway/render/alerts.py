"""The SLOs of an application as a PrometheusRule: records and burn-rate alerts come from :mod:`shipway.render.slo`."""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.monitors import labels
from shipway.render.slo.rules import groups
from shipway.render.tracing import Draft, derived


def objects(context: Context) -> Iterator[Draft]:
    """One PrometheusRule with the groups of every promise; without alerts where the monitoring profile wants none."""
    found = [_labelled(group, context) for level in context.promises for group in groups(level)]
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


def _labelled(group: dict[str, Any], context: Context) -> dict[str, Any]:
    """With the place on the group (Prometheus 3), not on each rule: the rules are then the same everywhere."""
    named = {"name": group["name"], "labels": {"environment": context.environment, "cluster": context.cluster}}
    return {**named, **group}
