"""A dashboard for each application: its promises, its requests (rate, errors, duration) and how full it is.

As a ConfigMap that Grafana's side-car picks up, or for Grafana's operator, as the Platform chooses.
"""

from collections.abc import Iterator
from typing import Any

from shipway.model.quantities import format_duration
from shipway.render.context import Context
from shipway.render.panels import Panel, Row, to_json
from shipway.render.signals import Signals
from shipway.render.slo.levels import ServiceLevel
from shipway.render.slo.rules import selector, share
from shipway.render.tracing import Draft, derived, said

WINDOW = "$__rate_interval"
"""Grafana's own: four scrapes at least, more when zoomed out."""
_SHORT = "1h"
"""Window of the burn rate that is shown; the alerts have one of that length for every period."""


def objects(context: Context) -> Iterator[Draft]:
    """One dashboard, unless the monitoring profile wants none."""
    if not context.monitoring.dashboard:
        return
    rule = "promises, requests and saturation of the application, by the metrics that its alerts count"
    body = derived(_text(context), rule, "spec.slo", "spec.archetype", "platform.spec.components.mesh")
    make = _config_map if context.components.monitoring.dashboards == "sidecar" else _grafana_dashboard
    yield Draft(make(context, body), "Grafana finds it by a label")


def _text(context: Context) -> str:
    """The dashboard as Grafana's JSON model; a cluster has one Grafana, so nothing in it names the cluster."""
    team = context.application.metadata.team
    tags = (context.name, team) if team else (context.name,)
    return to_json(context.name, context.name, tags, tuple(_rows(context)))


def _config_map(context: Context, body: object) -> dict[str, Any]:
    metadata = context.metadata(f"{context.name}-dashboard")
    team = context.application.metadata.team
    folder = {"grafana_folder": said(team, "metadata.team")} if team else None
    labelled = {**context.labels(), "grafana_dashboard": "1"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "labels": labelled, "annotations": folder},
        "data": {f"{context.name}.json": body},
    }


def _grafana_dashboard(context: Context, body: object) -> dict[str, Any]:
    team = context.application.metadata.team
    spec = {
        "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
        "allowCrossNamespaceImport": True,
        "folder": said(team, "metadata.team") if team else None,
        "resyncPeriod": "10m0s",
        "json": body,
    }
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDashboard",
        "metadata": context.metadata(f"{context.name}-dashboard"),
        "spec": spec,
    }


def _rows(context: Context) -> Iterator[Row]:
    promises = context.promises
    if promises:
        yield Row("Promises", (*(_budget(level) for level in promises), _burning(promises)))
    if context.serving and context.spec.protocol != "tcp":
        yield Row("Requests", _requests(Signals(context.meters, context.name)))
    yield Row("Saturation", _saturation(context))


def _budget(level: ServiceLevel) -> Panel:
    query = f"slo:error_budget_remaining:ratio{selector(level)}"
    period = level.window.calendar or format_duration(level.window.seconds)
    about = f"{level.description} {level.objective:g} % over {period}."
    limits = ((0, "orange"), (0.25, "green"))
    return Panel(f"Budget left: {level.name}", (("left", query),), "percentunit", "stat", limits, about)


def _burning(promises: tuple[ServiceLevel, ...]) -> Panel:
    queries = tuple((level.name, f"({share(level, _SHORT)}) / {level.budget!r}") for level in promises)
    about = "Times the speed at which the budget would just last."
    return Panel("Burn rate, 1 h", queries, "short", limits=((1, "orange"), (14.4, "red")), description=about)


def _requests(signals: Signals) -> tuple[Panel, ...]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    durations = tuple((name, signals.percentile("", WINDOW, quantile)) for name, quantile in shares.items())
    return (
        Panel("Rate", (("requests", signals.total("", WINDOW)),), "reqps"),
        Panel("Errors", (("failed", signals.errors("", WINDOW)),), "percentunit"),
        Panel("Duration", durations, "s"),
    )


def _saturation(context: Context) -> tuple[Panel, ...]:
    pods = f'namespace="{context.namespace}", container="{context.name}"'
    cpu = f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{pods}}}[{WINDOW}]))"
    memory = f"sum by (pod) (container_memory_working_set_bytes{{{pods}}})"
    throttled = (
        f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{pods}}}[{WINDOW}]))"
        f" / sum by (pod) (rate(container_cpu_cfs_periods_total{{{pods}}}[{WINDOW}]))"
    )
    limit = f'sum by (pod) (kube_pod_container_resource_limits{{{pods}, resource="memory"}})'
    request = f'sum by (pod) (kube_pod_container_resource_requests{{{pods}, resource="cpu"}})'
    restarts = f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{pods}}}[1h]))"
    return (
        _by_pod("CPU of what is requested", f"{cpu} / {request}", "percentunit"),
        _by_pod("Memory of the limit", f"{memory} / {limit}", "percentunit", ((0.9, "red"),)),
        _by_pod("Throttled", throttled, "percentunit"),
        _by_pod("Restarts", restarts, "short"),
    )


def _by_pod(title: str, query: str, unit: str, limits: tuple[tuple[float, str], ...] = ()) -> Panel:
    return Panel(title, (("{{pod}}", query),), unit, limits=limits)
