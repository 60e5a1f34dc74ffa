"""Service: the stable name and address of an application inside the cluster."""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.tracing import Draft, Traced, derived, said

_RULE = "inside a cluster an application is reached by its stable name, from outside only through the gateway"


def objects(context: Context) -> Iterator[Draft]:
    """One Service with every port, and a headless one for a StatefulSet; none for what opens no port."""
    if context.ports:
        yield Draft(_service(context), _RULE)
    if context.spec.disk and not context.is_job:
        yield Draft(_headless(context), "a StatefulSet names its pods through a Service without an address")


def _service(context: Context) -> dict[str, Any]:
    spec = {
        "type": "ClusterIP",
        "selector": context.selector(),
        "ports": [_port(context, name, number) for name, number in context.ports.items()],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": context.metadata(), "spec": spec}


def _headless(context: Context) -> dict[str, Any]:
    spec = {
        "type": "ClusterIP",
        "clusterIP": "None",
        "selector": context.selector(),
        "ports": [_port(context, name, number) for name, number in context.ports.items()] or None,
    }
    # Called otherwise by its label too, so that a monitor does not find the same pods by two Services.
    labels = context.labels() | {"app.kubernetes.io/name": context.headless_name}
    metadata = {**context.metadata(), "name": context.headless_name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _port(context: Context, name: str, number: int) -> dict[str, Any]:
    field = context.port_field(name)
    return {
        "name": derived(name, "the port's name", field),
        "protocol": "TCP",
        "port": said(number, field),
        "targetPort": derived(name, "ports are found by name, so that the number stands in one place", field),
        "appProtocol": _app_protocol(context) if context.serving and name == context.main_port else None,
    }


def _app_protocol(context: Context) -> Traced | None:
    spoken = {"http": "http", "grpc": "kubernetes.io/h2c"}.get(context.spec.protocol)
    rule = "what a mesh or gateway should speak"
    return derived(spoken, rule, context.port_field(context.main_port)) if spoken else None
