"""How requests from outside reach an application: a Gateway API route for its host, and the certificate of that host.

HTTPRoute for http, GRPCRoute for grpc; a host of a tcp service is refused in the file, since no name travels with bare
TCP. Where the Platform names an issuer, the host gets a listener of its own at the Gateway (a ListenerSet), so that its
certificate stays in the application's namespace. Defaults that the API server would fill in (group, kind, weight) are written out, so that what is
compared later is equal.
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said

GROUP = "gateway.networking.k8s.io"
_INGRESS = "platform.spec.components.ingress"
_KINDS = {"http": "HTTPRoute", "grpc": "GRPCRoute"}


def objects(context: Context) -> Iterator[Draft]:
    """One route where there is a host, and with an issuer a certificate and a listener that shows it."""
    kind = _KINDS.get(context.spec.protocol)
    if context.host is None or kind is None:
        return
    yield Draft(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": derived(kind, "the route that speaks the protocol", context.port_field(context.main_port)),
            "metadata": context.metadata(),
            "spec": {
                "parentRefs": [_listeners(context) if context.components.ingress.issuer else _gateway(context)],
                "hostnames": [context.host],
                "rules": [_rule(context)],
            },
        },
        "every request for the host goes to the main port of the application",
    )
    if context.components.ingress.issuer:
        yield _certificate(context)
        yield _listener_set(context)


def backend(service: object, port: object, weight: int = 1) -> dict[str, object]:
    """One ``backendRef`` in full."""
    return {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}


def _gateway(context: Context) -> dict[str, object]:
    ingress = context.components.ingress
    name = said(ingress.gateway, f"{_INGRESS}.gateway")
    if ingress.internal is not None and context.spec.visibility != "public":
        rule = "what is not public is behind a Gateway that the internet does not reach"
        name = derived(ingress.internal, rule, f"{_INGRESS}.internal", "spec.visibility")
    return {
        "group": GROUP,
        "kind": "Gateway",
        "name": name,
        "namespace": said(ingress.namespace, f"{_INGRESS}.namespace"),
    }


def _rule(context: Context) -> dict[str, Any]:
    to = backend(said(context.name, "metadata.name"), said(context.spec.port, context.port_field(context.main_port)))
    if context.spec.protocol == "grpc":
        return {"backendRefs": [to]}
    return {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [to]}


def _listeners(context: Context) -> dict[str, object]:
    rule = "with a certificate of its own the host has a listener of its own"
    return {
        "group": GROUP,
        "kind": derived("ListenerSet", rule, f"{_INGRESS}.issuer"),
        "name": said(context.name, "metadata.name"),
    }


def _certificate(context: Context) -> Draft:
    issuer = said(context.components.ingress.issuer, f"{_INGRESS}.issuer")
    spec = {
        "secretName": f"{context.name}-tls",
        "dnsNames": [context.host],
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
    }
    tree = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": context.metadata(), "spec": spec}
    return Draft(tree, "the host has a certificate of its own, with a new key whenever it is renewed")


def _listener_set(context: Context) -> Draft:
    secret = {"group": "", "kind": "Secret", "name": f"{context.name}-tls"}
    listener = {
        "name": "https",
        "hostname": context.host,
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [secret]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    spec = {"parentRef": _gateway(context), "listeners": [listener]}
    tree = {"apiVersion": f"{GROUP}/v1", "kind": "ListenerSet", "metadata": context.metadata(), "spec": spec}
    return Draft(tree, "the Gateway listens for the host with the host's own certificate")
