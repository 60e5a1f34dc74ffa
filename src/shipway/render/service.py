"""Service: the stable name and address of an application inside the cluster."""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, Traced, derived, said


def objects(context: Context) -> Iterator[Draft]:
    """One Service with every port; none for what opens no port."""
    if not context.ports:
        return
    yield Draft(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": context.metadata(),
            "spec": {
                "type": "ClusterIP",
                "selector": context.selector(),
                "ports": [_port(context, name, number) for name, number in context.ports.items()],
            },
        },
        "inside a cluster applications are reached by a stable name, and from outside through the gateway only",
    )


def _port(context: Context, name: str, number: int) -> dict[str, object]:
    main = name == context.main_port and context.serving
    field = "spec.port" if main else f"spec.ports.{name}"
    return {
        "name": said(name, "spec.protocol") if main else said(name, field),
        "protocol": "TCP",
        "port": said(number, field),
        "targetPort": derived(name, "ports are found by name, so that the number stands in one place", field),
        "appProtocol": _app_protocol(context) if main else None,
    }


def _app_protocol(context: Context) -> Traced | None:
    spoken = {"http": "http", "grpc": "kubernetes.io/h2c"}.get(context.spec.protocol)
    return derived(spoken, "what a mesh or gateway should speak", "spec.protocol") if spoken else None
