"""HorizontalPodAutoscaler or KEDA ScaledObject, by the Platform's choice: never both, never replicas beside them."""

from collections.abc import Iterator
from math import ceil
from typing import Any

from shipway.model.quantities import format_number
from shipway.render.context import Context
from shipway.render.queues import waiting
from shipway.render.tracing import Draft, Traced, derived, said
from shipway.spec.application import Scale

TARGETS = {"cpu": 70.0, "memory": 80.0, "requests": 50.0, "queue": 100.0}
"""What one instance should carry when nobody says it: percent, percent, requests per second, messages."""
_BEHAVIOUR: dict[str, Any] = {
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}],
        "selectPolicy": "Max",
    },
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 30},
            {"type": "Pods", "value": 4, "periodSeconds": 30},
        ],
        "selectPolicy": "Max",
    },
}
_QUEUE = ("spec.scale.signal", "spec.dependsOn")
_RULE = "up at once, by doubling; down slowly, by a quarter a minute after five quiet minutes"


def objects(context: Context) -> Iterator[Draft]:
    """One scaler where the application has a scale."""
    scale = context.spec.scale
    if scale is not None and not context.is_job:
        keda = context.components.autoscaler == "keda"
        yield Draft(_scaled_object(context, scale) if keda else _autoscaler(context, scale), _RULE)


def _autoscaler(context: Context, scale: Scale) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": context.workload_reference,
        "minReplicas": said(scale.min, "spec.scale.min"),
        "maxReplicas": said(scale.max, "spec.scale.max"),
        "metrics": list(_metrics(context, scale)),
        "behavior": _BEHAVIOUR,
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": context.metadata(),
        "spec": spec,
    }


def _metrics(context: Context, scale: Scale) -> Iterator[dict[str, Any]]:
    target: dict[str, Any]
    if scale.signal in {"cpu", "memory"}:
        target = {"type": "Utilization", "averageUtilization": _target(scale, whole=True)}
        found = {"name": said(scale.signal, "spec.scale.signal"), "target": target}
        if context.meshed:  # of the application alone: an idle side-car would hide that it is busy
            yield {"type": "ContainerResource", "containerResource": {**found, "container": _container(context)}}
        else:
            yield {"type": "Resource", "resource": found}
        return
    target = {"type": "AverageValue", "averageValue": _target(scale)}
    if scale.signal == "requests":
        rule = "requests per second and pod, as the metrics adapter serves them"
        metric = {"name": derived("http_requests_per_second", rule, "spec.scale.signal")}
        yield {"type": "Pods", "pods": {"metric": metric, "target": target}}
    for one in waiting(context) if scale.signal == "queue" else ():
        rule = "messages that wait, as the queue's exporter counts them and the metrics adapter serves them"
        name, labels = (derived(value, rule, *_QUEUE) for value in (one.metric, one.labels))
        yield {
            "type": "External",
            "external": {"metric": {"name": name, "selector": {"matchLabels": labels}}, "target": target},
        }


def _scaled_object(context: Context, scale: Scale) -> dict[str, Any]:
    spec = {
        "scaleTargetRef": context.workload_reference,
        "minReplicaCount": said(scale.min, "spec.scale.min"),
        "maxReplicaCount": said(scale.max, "spec.scale.max"),
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _BEHAVIOUR}},
        "triggers": [_trigger(context, scale)],
    }
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": context.metadata(), "spec": spec}


def _trigger(context: Context, scale: Scale) -> dict[str, Any]:
    if scale.signal in {"cpu", "memory"}:
        kind = said(scale.signal, "spec.scale.signal")
        wanted = _target(scale, whole=True)
        value = Traced(str(wanted.value), wanted.rule, wanted.fields)
        alone = {"containerName": _container(context)} if context.meshed else {}
        return {"type": kind, "metricType": "Utilization", "metadata": {"value": value, **alone}}
    server = _prometheus(context)
    query = _requests(context) if scale.signal == "requests" else _waiting(context)
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {"serverAddress": server, "query": query, "threshold": _target(scale)},
    }


def _prometheus(context: Context) -> Traced:
    monitoring, fields = context.components.monitoring, "platform.spec.components.monitoring"
    if monitoring.server is not None:
        return said(monitoring.server, f"{fields}.server")
    return derived(monitoring.address, "what its operator calls Prometheus in its namespace", f"{fields}.namespace")


def _container(context: Context) -> Traced:
    return said(context.name, "metadata.name")


def _requests(context: Context) -> Traced:
    query = f"sum(rate({context.request_series}[2m]))"
    return derived(query, "all requests per second, shared by the instances", "spec.scale.signal")


def _waiting(context: Context) -> Traced:
    query = f"sum({' or '.join(one.selector for one in waiting(context))})"
    rule = "all messages that wait, as the queue's exporter counts them, shared by the instances"
    return derived(query, rule, *_QUEUE)


def _target(scale: Scale, *, whole: bool = False) -> Traced:
    """What one instance should carry; a percentage is a whole number, and KEDA's numbers are texts."""
    target = TARGETS[scale.signal] if scale.target is None else scale.target
    value = ceil(target) if whole else format_number(target)
    if scale.target is not None:
        return said(value, "spec.scale.signal")
    return derived(value, f"what one instance carries by {scale.signal} when nobody says", "spec.scale.signal")
