"""What Prometheus scrapes: a ServiceMonitor for what has a Service, a PodMonitor for what has none or a side-car.

The ``job`` of every series is the application's name, by which rules, dashboards and analyses know it.
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.network import MESH_METRICS
from shipway.render.tracing import Draft, derived, said
from shipway.render.versions import VERSION

_MONITORING = "platform.spec.components.monitoring"
_SIDE_CAR: dict[str, Any] = {"port": "http-envoy-prom", "path": "/stats/prometheus"}
"""The one port that Istio's side-car declares, by which Prometheus finds it. There it answers without the application's
own metrics, so that the merged ones are asked for at another, which no container declares."""
_MERGED = {
    "action": "replace",
    "sourceLabels": ["__address__"],
    "regex": "(.+):[0-9]+",
    "targetLabel": "__address__",
    "replacement": f"$1:{MESH_METRICS}",
}


def objects(context: Context) -> Iterator[Draft]:
    """One monitor, where there is something to scrape. A job is over before the second scrape."""
    if context.is_job:
        return
    if context.meshed:
        yield _monitor(context, "PodMonitor", _SIDE_CAR)
    elif context.metrics_port is not None:
        rule = "the port called `metrics`, else the main one"
        port = derived(context.metrics_port, rule, context.port_field(context.metrics_port))
        yield _monitor(context, "ServiceMonitor", {"port": port, "path": said(_path(context), f"{_MONITORING}.path")})


def labels(context: Context) -> dict[str, object]:
    """Labels by which the Platform's Prometheus finds monitors and rules, besides those of every object."""
    chosen = context.components.monitoring.labels
    return context.labels() | {key: said(value, f"{_MONITORING}.labels") for key, value in chosen.items()}


def _path(context: Context) -> object:
    return context.components.monitoring.path


def _monitor(context: Context, kind: str, where: dict[str, Any]) -> Draft:
    interval = max(1, round(context.monitoring.interval))
    chosen = ("spec.profiles.monitoring",)
    endpoint = {
        **where,
        "scheme": "http",
        "interval": derived(f"{interval}s", "what the monitoring profile says", *chosen),
        # Set, not taken from a label: a rollout controller may rename the Service or the pods, and rules know the job.
        "relabelings": [
            {"action": "replace", "targetLabel": "job", "replacement": said(context.name, "metadata.name")},
            *([_MERGED] if where is _SIDE_CAR else []),
        ],
        # An answer that takes longer than the next question would be counted with it.
        "scrapeTimeout": derived(f"{min(10, interval)}s", "ten seconds, or the interval when it is shorter", *chosen),
    }
    return Draft(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": kind,
            "metadata": {**context.metadata(), "labels": labels(context)},
            "spec": {
                "selector": {"matchLabels": context.selector()},
                "podTargetLabels": [VERSION],
                "podMetricsEndpoints" if kind == "PodMonitor" else "endpoints": [endpoint],
            },
        },
        "every series carries the application's name as its job, and its release",
    )
