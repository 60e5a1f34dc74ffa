"""Istio: who may call an application, how it is called, and that nobody calls it in the clear.

Only when the Platform's mesh is ``istio``. The AuthorizationPolicy lets in exactly the callers that the NetworkPolicy lets
in; :mod:`shipway.render.truth` holds the two to it. Routes from outside stay with the Gateway API (``routes.py``).
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.tracing import Draft, Traced, derived, said

TELEMETRY_PORT = 15020
"""Where the side-car serves its own metrics merged with the application's, outside of mutual TLS, for the scraper."""
CONTROL_PLANE = "istio-system"
CONTROL_PORT = 15012
"""Certificates and routes for the side-car, over mutual TLS."""
RETRIED = "connect-failure,refused-stream,unavailable"
"""What is tried again: only what the application has not begun to answer, so that nothing is done twice."""

_MESH = "platform.spec.components.mesh"


def meshed(context: Context) -> bool:
    """Whether its pods have a side-car. A job would never end beside one that is not native, and nobody calls it."""
    return context.components.mesh == "istio" and not context.is_job


def objects(context: Context) -> Iterator[Draft]:
    """Identity and rights for every pod in the mesh; routing for what is called."""
    if not meshed(context):
        return
    yield _peer_authentication(context)
    yield _authorization_policy(context)
    yield _network_policy(context)
    if context.ports:
        yield _virtual_service(context)
        yield _destination_rule(context)


def host(context: Context) -> Traced:
    """Full name of the Service; short ones mean another Service in another namespace."""
    name = f"{context.name}.{context.namespace}.svc.cluster.local"
    return derived(name, "the full name of the Service", "metadata.name")


def pod_annotations(context: Context) -> dict[str, object]:
    """What the side-car must know to merge the application's metrics into its own."""
    if not meshed(context) or context.metrics_port is None:
        return {}
    number = str(context.ports[context.metrics_port])
    field = "spec.port" if context.metrics_port == context.main_port else "spec.ports"
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
        yield {
            "from": [{"source": {"principals": [derived(account, rule, "metadata.name")]}}],
            "to": [{"operation": {"ports": [_port(context, port)]}}],
        }


def _gateway(context: Context) -> Iterator[dict[str, Any]]:
    if context.host is None:
        return
    namespace = said(context.components.ingress.namespace, "platform.spec.components.ingress.namespace")
    yield {
        "from": [{"source": {"namespaces": [namespace]}}],
        "to": [{"operation": {"ports": [_port(context, context.main_port)]}}],
    }


def _port(context: Context, name: str) -> Traced:
    field = "spec.port" if name == context.main_port and context.serving else f"spec.ports.{name}"
    return said(str(context.ports[name]), field)


def _network_policy(context: Context) -> Draft:
    """On top of what the application needs: what its side-car needs."""
    control = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": CONTROL_PLANE}}}],
        "ports": [{"protocol": "TCP", "port": CONTROL_PORT}],
    }
    where = context.components.monitoring.namespace
    scraper = {"kubernetes.io/metadata.name": said(where, "platform.spec.components.monitoring.namespace")}
    scraped = {
        "from": [{"namespaceSelector": {"matchLabels": scraper}}],
        "ports": [{"protocol": "TCP", "port": TELEMETRY_PORT}],
    }
    spec = {
        "podSelector": {"matchLabels": context.selector()},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [scraped],
        "egress": [control],
    }
    rule = "the side-car asks its control plane, and the scraper asks the side-car"
    return _object(context, "NetworkPolicy", spec, rule, f"{context.name}-mesh")


def _virtual_service(context: Context) -> Draft:
    """Calls from inside, port by port. The main route has a name, so that rollout controllers can split it."""
    http, tcp = [], []
    for name, number in context.ports.items():
        main = name == context.main_port and context.serving
        field = "spec.port" if main else f"spec.ports.{name}"
        match = [{"port": said(number, field)}]
        to = {"destination": {"host": host(context), "port": {"number": said(number, field)}}, "weight": 100}
        if main and context.spec.protocol != "tcp":
            retries = {"attempts": 2, "perTryTimeout": "10s", "retryOn": RETRIED}
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
