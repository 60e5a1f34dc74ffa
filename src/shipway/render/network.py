"""NetworkPolicies: nothing may talk, then exactly what is declared, at both ends.

Whoever calls is known from ``dependsOn`` alone, so that the caller's egress and the callee's ingress come from one fact.
A pod's own node may always reach it (kubernetes.io/docs/concepts/services-networking/network-policies); where the Platform
says which networks its machines are in, the probes are let in by name as well, for clusters that do not keep to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from shipway.render import previewing
from shipway.render.context import Context
from shipway.render.environment import SHARED_PORTS, shared_engine
from shipway.render.keeping import kept
from shipway.render.tracing import Draft, Traced, derived, said
from shipway.spec.application import Dependency

NAMESPACE = "kubernetes.io/metadata.name"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
"""RFC 1918 and link-local: never "outside", and 169.254.169.254 gives away a machine's credentials."""
OTLP = (4317, 4318)
MESH_NAMESPACE, MESH_CONTROL, MESH_PROBES, MESH_METRICS = "istio-system", 15012, 15021, 15020
"""Istio's control plane, and the ports at which its sidecar answers rewritten probes and merged metrics."""
DATABASE, DATABASE_STATUS, DATABASE_METRICS, CLUSTER_API = 5432, 8000, 9187, (443, 6443)
"""PostgreSQL, CloudNativePG's instance manager, its exporter, and the cluster's API as service and as endpoint."""
IDENTITY: Mapping[str, Sequence[tuple[str, int]]] = {
    "s3": [("169.254.170.23/32", 80)],
    "gs": [("169.254.169.252/32", 988), ("169.254.169.254/32", 80)],
}
"""Where a pod gets its identity in the cloud, on its own machine: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
and https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy. That of Azure is outside, at port 443."""
Rule = dict[str, Any]


def objects(context: Context) -> Iterator[Draft]:
    """Default deny for the namespace, the application's own allows, and those of each of its databases."""
    yield Draft(_policy(context, "default-deny", {}), "what is not declared does not talk")
    allowed = _policy(context, context.name, context.selector(), list(_ingress(context)), list(_egress(context)))
    yield Draft(allowed, "exactly what dependsOn, the gateway, DNS, scraping and probes need")
    for name in context.database_names():
        yield _database(context, name)


def _policy(
    context: Context, name: str, selector: dict[str, Any], ingress: Sequence[Rule] = (), egress: Sequence[Rule] = ()
) -> dict[str, Any]:
    spec = {
        "podSelector": {"matchLabels": selector} if selector else {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress or None,
        "egress": egress or None,
    }
    metadata = {**context.metadata(), "name": name}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _ingress(context: Context) -> Iterator[Rule]:
    for caller, port in context.callers():
        rule = f"{caller.name} declares that it depends on this application"
        previews = [_previews(caller)] if previewing.possible(context.place) else []
        yield {"from": [_application(caller, rule), *previews], "ports": [_port(context, port)]}
    if context.host is not None:
        namespace = said(context.components.ingress.namespace, "platform.spec.components.ingress.namespace")
        yield {"from": [_namespace(namespace)], "ports": [_port(context, context.main_port)]}
    if context.metrics_port is not None or context.meshed:
        namespace = said(context.components.monitoring.namespace, "platform.spec.components.monitoring.namespace")
        own = [_port(context, context.metrics_port)] if context.metrics_port is not None and not context.meshed else []
        merged = [_number(MESH_METRICS)] if context.meshed else []
        yield {"from": [_namespace(namespace)], "ports": [*own, *merged]}
    nodes = context.components.network.nodes
    if nodes and context.health_port is not None and not context.is_job:
        machines = [_network(cidr, "nodes") for cidr in nodes]
        rewritten = [_number(MESH_METRICS), _number(MESH_PROBES)] if context.meshed else []
        yield {"from": machines, "ports": [_port(context, context.health_port), *rewritten]}


def _egress(context: Context) -> Iterator[Rule]:
    yield _dns(context)
    for callee in context.callees():
        rule = "this application declares that it depends on it"
        port = {"protocol": "TCP", "port": derived(callee.port, rule, "spec.dependsOn")}
        yield {"to": [_application(callee.context, rule)], "ports": [port]}
    for name in context.database_names():
        yield {"to": [_database_pods(name)], "ports": [_number(DATABASE)]}
    for dependency in context.resources("database", "cache", "queue"):
        if not dependency.postgres:
            yield _shared(context, dependency)
    outside = _outside(context) if any(True for _ in context.resources("host", "bucket")) else []
    if outside:  # a rule without a peer would let everything through
        yield {"to": outside, "ports": [_number(443)]}
    for dependency in list(context.resources("bucket"))[:1]:
        assert dependency.resource is not None
        yield from _identity(dependency.resource.engine)
    if context.components.tracing.endpoint is not None:
        yield {"to": [_namespace(_tracing(context))], "ports": list(_collector(context.components.tracing.endpoint))}
    if context.meshed:
        yield {"to": [_namespace(MESH_NAMESPACE)], "ports": [_number(MESH_CONTROL)]}


def _database(context: Context, name: str) -> Draft:
    """The pods of a database: their application, their operator and each other; the cluster's API, DNS and backups."""
    databases, monitoring = context.components.databases, context.components.monitoring
    operator = said(databases.namespace, "platform.spec.components.databases.namespace")
    scraper = said(monitoring.namespace, "platform.spec.components.monitoring.namespace")
    own = {"podSelector": {"matchLabels": context.selector()}}
    among = [_number(DATABASE), _number(DATABASE_STATUS)]
    ingress: list[Rule] = [
        {"from": [own], "ports": [_number(DATABASE)]},
        {"from": [_database_pods(name)], "ports": among},
        {"from": [_namespace(operator)], "ports": among},
        {"from": [_namespace(scraper)], "ports": [_number(DATABASE_METRICS)]},
    ]
    machines = context.components.network.nodes
    if machines:
        ingress.append({"from": [_network(cidr, "nodes") for cidr in machines], "ports": [_number(DATABASE_STATUS)]})
    backups: list[Rule] = []
    if databases.backups is not None:
        scheme = databases.backups.partition("://")[0]
        backups = [{"to": _anywhere(), "ports": [_number(443)]}, *_identity(scheme)]
    api = [_network(cidr, "nodes") for cidr in machines] or [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
    egress = [
        _dns(context),
        {"to": [_database_pods(name)], "ports": among},
        {"to": api, "ports": [_number(port) for port in CLUSTER_API]},
        *backups,
    ]
    rule = "a database talks to its application, its operator, its other instances, the cluster's API and its backups"
    policy = _policy(context, name, {"cnpg.io/cluster": name}, ingress, egress)
    return Draft({**policy, "metadata": {**policy["metadata"], "annotations": kept(context)}}, rule)


def _tracing(context: Context) -> Traced:
    tracing, fields = context.components.tracing, "platform.spec.components.tracing"
    if tracing.namespace is not None:
        return said(tracing.namespace, f"{fields}.namespace")
    return derived(tracing.where, "the namespace in the collector's address", f"{fields}.endpoint")


def _collector(endpoint: str) -> Iterator[Rule]:
    """The usual ports, and that of the address where it is another."""
    yield from map(_number, OTLP)
    try:
        port = urlsplit(endpoint).port
    except ValueError:  # no port that a collector could have
        return
    if port is not None and port not in OTLP:
        yield {"protocol": "TCP", "port": said(port, "platform.spec.components.tracing.endpoint")}


def _identity(scheme: str) -> Iterator[Rule]:
    for network, port in IDENTITY.get(scheme, ()):
        yield {"to": [{"ipBlock": {"cidr": network}}], "ports": [_number(port)]}


def _dns(context: Context) -> Rule:
    namespace = _namespace(said(context.components.network.dns, "platform.spec.components.network.dns"))
    peer = {**namespace, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return {"to": [peer], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


def _shared(context: Context, dependency: Dependency) -> Rule:
    _, engine = shared_engine(dependency)
    rule = "what the platform team runs for everybody is labelled with its engine"
    labelled = {"matchLabels": {"app.kubernetes.io/name": derived(engine, rule, "spec.dependsOn")}}
    namespace = _namespace(said(context.components.network.data, "platform.spec.components.network.data"))
    return {"to": [{**namespace, "podSelector": labelled}], "ports": [_number(SHARED_PORTS[engine])]}


def _outside(context: Context) -> list[Rule]:
    """Network policies know no host names: anything but our own networks, or the networks that the Platform lists."""
    if context.security.network == "strict":
        return [_network(cidr, "egress") for cidr in context.components.network.egress]
    return _anywhere()


def _anywhere() -> list[Rule]:
    return [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}]


def _application(context: Context, rule: str) -> Rule:
    namespace = derived(context.namespace, rule, "spec.dependsOn")
    return {**_namespace(namespace), "podSelector": {"matchLabels": _own_label(context, rule)}}


def _own_label(context: Context, rule: str) -> dict[str, Traced]:
    return {"app.kubernetes.io/name": derived(context.name, rule, "spec.dependsOn")}


def _previews(caller: Context) -> Rule:
    rule = "a preview of what calls this application calls it too"
    labels = {previewing.LABEL: derived(caller.name, rule, "platform.spec.components.gitops.repository")}
    return {"namespaceSelector": {"matchLabels": labels}, "podSelector": {"matchLabels": _own_label(caller, rule)}}


def _database_pods(name: str) -> Rule:
    return {"podSelector": {"matchLabels": {"cnpg.io/cluster": derived(name, "its own database", "spec.dependsOn")}}}


def _namespace(name: Traced | str) -> Rule:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE: name}}}


def _network(cidr: str, which: str) -> Rule:
    return {"ipBlock": {"cidr": said(cidr, f"platform.spec.components.network.{which}")}}


def _port(context: Context, name: str) -> Rule:
    """By number: a policy is enforced where names may not be known yet."""
    return {"protocol": "TCP", "port": said(context.ports[name], context.port_field(name))}


def _number(port: int) -> Rule:
    return {"protocol": "TCP", "port": port}
