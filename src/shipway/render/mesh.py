"""Istio: who may call an application, how it is called, and that nobody calls it in the clear.

Only when the Platform's mesh is ``istio``. The AuthorizationPolicy lets in exactly the callers that the NetworkPolicy lets
in; :mod:`shipway.render.truth` holds the two to it. Jobs are in the mesh as well, or nobody in it would answer them: their
side-cars are native ones, which end with the job (Istio's default since 1.27). Routes from outside stay with the Gateway API (``routes.py``).
"""

from collections.abc import Iterator
from typing import Any

from shipway.render import previewing
from shipway.render.context import Context
from shipway.render.tracing import Draft, Traced, derived, said

RETRIED = "connect-failure,refused-stream,unavailable"
"""What is tried again: only what the application has not begun to answer, so that nothing is done twice."""


def objects(context: Context) -> Iterator[Draft]:
    """Identity and rights for every pod in the mesh; routing for what is called."""
    if not context.meshed:
        return
    yield _peer_authentication(context)
    yield _authorization_policy(context)
    if context.ports:
        yield _virtual_service(context)
        yield _destination_rule(context)


def host(context: Context) -> Traced:
    """Full name of the Service; short ones mean another Service in another namespace."""
    return derived(f"{context.address}.cluster.local", "the full name of the Service", "metadata.name")


def pod_annotations(context: Context) -> dict[str, object]:
    """What the side-car must know to merge the application's metrics into its own."""
    if not context.meshed or context.metrics_port is None:
        return {}
    number = str(context.ports[context.metrics_port])
    field = context.port_field(context.metrics_port)
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": derived(number, "the port with the application's metrics", field),
        "prometheus.io/path": said(context.components.monitoring.path, "platform.spec.components.monitoring.path"),
    }


def _object(context: Context, kind: str, spec: dict[str, Any], rule: str, name: str = "") -> Draft:
    group = "security" if kind in {"PeerAuthentication", "AuthorizationPolicy"} else "networking"
    version = "networking.k8s.io/v1" if kind == "NetworkPolicy" else f"{group}.istio.io/v1"
    return Draft({"apiVersion": version, "kind": kind, "metadata": context.metadata(name), "spec": spec}, rule)


def _peer_authentication(context: Context) -> Draft:
    spec = {"selector": {"matchLabels": context.selector()}, "mtls": {"mode": "STRICT"}}
    return _object(context, "PeerAuthentication", spec, "inside the mesh nobody speaks in the clear")


def _authorization_policy(context: Context) -> Draft:
    rules = [*_callers(context), *_gateway(context)]
    spec = {"selector": {"matchLabels": context.selector()}, "action": "ALLOW", "rules": rules or None}
    return _object(context, "AuthorizationPolicy", spec, "whoever is not named is denied; without a rule, everybody")


def _callers(context: Context) -> Iterator[dict[str, Any]]:
    """One rule for each caller; the identity is that of its ServiceAccount in the default trust domain."""
    for caller, port in context.callers():
        account = f"cluster.local/ns/{caller.namespace}/sa/{caller.name}"
        rule = f"`{caller.name}` says in `dependsOn` that it calls this application"
        previews = [{"source": {"namespaces": [_previews(caller)]}}] if previewing.possible(context.place) else []
        yield {
            "from": [{"source": {"principals": [derived(account, rule, "metadata.name")]}}, *previews],
            "to": [{"operation": {"ports": [_port(context, port)]}}],
        }


def _previews(caller: Context) -> Traced:
    rule = "a preview of what calls this application calls it too"
    return derived(previewing.namespaces(caller.name), rule, "platform.spec.components.gitops.repository")


def _gateway(context: Context) -> Iterator[dict[str, Any]]:
    if context.host is None:
        return
    namespace = said(context.components.ingress.namespace, "platform.spec.components.ingress.namespace")
    yield {
        "from": [{"source": {"namespaces": [namespace]}}],
        "to": [{"operation": {"ports": [_port(context, context.main_port)]}}],
    }


def _port(context: Context, name: str) -> Traced:
    return said(str(context.ports[name]), context.port_field(name))


def _virtual_service(context: Context) -> Draft:
    """Calls from inside, port by port. The main route has a name, so that rollout controllers can split it."""
    http, tcp = [], []
    for name, number in context.ports.items():
        main, field = name == context.main_port and context.serving, context.port_field(name)
        match = [{"port": said(number, field)}]
        to = {"destination": {"host": host(context), "port": {"number": said(number, field)}}, "weight": 100}
        if main and context.spec.protocol != "tcp":
            retries = {"attempts": 2, "retryOn": RETRIED}  # no time limit: what is slow is for the callers to say
            http.append({"name": "primary", "match": match, "route": [to], "retries": retries})
        else:
            tcp.append({"match": match, "route": [to]})
    spec = {"hosts": [host(context)], "gateways": ["mesh"], "http": http or None, "tcp": tcp or None}
    return _object(context, "VirtualService", spec, "a call that was not begun is tried again, and no other")


def _destination_rule(context: Context) -> Draft:
    pool: dict[str, Any] = {"tcp": {"maxConnections": 1024, "connectTimeout": "3s"}}
    if context.spec.protocol != "tcp":
        pool["http"] = {"http1MaxPendingRequests": 1024, "http2MaxRequests": 1024, "idleTimeout": "300s"}
    policy = {
        "connectionPool": pool,
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "outlierDetection": {
            "consecutive5xxErrors": 5,
            "consecutiveGatewayErrors": 5,
            "interval": "10s",
            "baseEjectionTime": "30s",
            "maxEjectionPercent": 50,
        },
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    rule = "bounded queues instead of pile-ups, and an instance that fails five times in a row is left out for a while"
    return _object(context, "DestinationRule", {"host": host(context), "trafficPolicy": policy}, rule)
