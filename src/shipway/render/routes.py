"""How requests from outside reach an application: a Gateway API route for its host.

HTTPRoute for http, GRPCRoute for grpc; a host of a tcp service is refused when the organisation is read, since no name
travels with bare TCP. Defaults that the API server would fill in (group, kind, weight) are written out, so that what is
compared later is equal.
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said

GROUP = "gateway.networking.k8s.io"
_KINDS = {"http": "HTTPRoute", "grpc": "GRPCRoute"}


def objects(context: Context) -> Iterator[Draft]:
    """One route where there is a host."""
    kind = _KINDS.get(context.spec.protocol)
    if context.host is None or kind is None:
        return
    yield Draft(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": derived(kind, "the route that speaks the protocol", "spec.protocol"),
            "metadata": context.metadata(),
            "spec": {
                "parentRefs": [_gateway(context)],
                "hostnames": [context.host],
                "rules": [_rule(context)],
            },
        },
        "every request for the host goes to the main port of the application",
    )


def backend(service: object, port: object, weight: int = 1) -> dict[str, object]:
    """One ``backendRef`` in full."""
    return {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}


def _gateway(context: Context) -> dict[str, object]:
    where = "platform.spec.components.ingress"
    ingress = context.components.ingress
    return {
        "group": GROUP,
        "kind": "Gateway",
        "name": said(ingress.gateway, f"{where}.gateway"),
        "namespace": said(ingress.namespace, f"{where}.namespace"),
    }


def _rule(context: Context) -> dict[str, Any]:
    to = backend(said(context.name, "metadata.name"), said(context.spec.port, "spec.port"))
    if context.spec.protocol == "grpc":
        return {"backendRefs": [to]}
    return {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [to]}
