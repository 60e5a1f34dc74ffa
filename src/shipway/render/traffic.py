"""Whether network policies let through what must get through. Used by :mod:`.truth`; looks at objects alone.

Follows the rules of networking.k8s.io/v1: a pod that a policy selects may only do what one of the policies that select it
allows. Networks (``ipBlock``) are looked at only where the machines are named by one.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

NAMESPACE = "kubernetes.io/metadata.name"
OWN_NAME = "app.kubernetes.io/name"
"""Label of the pods of applications; those that operators make are not among the objects."""
Object = Mapping[str, Any]
Found = tuple[str, str, str]


class _Pods(NamedTuple):
    """The pods of one workload, as policies see them."""

    subject: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]
    probed: frozenset[int]


def matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a ``matchLabels``; an empty one is satisfied by everything."""
    return all(labels.get(key) == value for key, value in wanted.items())


class Traffic:
    """Policies and pods of a cluster."""

    def __init__(self, objects: Sequence[Object], pods: Sequence[tuple[Object, Object]]) -> None:
        self._pods = [_pods(workload, pod) for workload, pod in pods]
        self._in: dict[str, list[_Pods]] = defaultdict(list)
        for pod in self._pods:
            self._in[pod.namespace].append(pod)
        self._policies: dict[str, list[Object]] = defaultdict(list)
        self._labels: dict[str, Mapping[str, str]] = {}
        self._monitors = [one for one in objects if one["kind"] in {"ServiceMonitor", "PodMonitor"}]
        self._services: dict[str, list[Object]] = defaultdict(list)
        for one in objects:
            if one["kind"] == "Namespace":
                self._labels[one["metadata"]["name"]] = one["metadata"].get("labels", {})
            elif one["kind"] == "NetworkPolicy":
                self._policies[one["metadata"]["namespace"]].append(one)
            elif one["kind"] == "Service":
                self._services[one["metadata"]["namespace"]].append(one)

    def check(self, *, complete: bool) -> Iterator[Found]:
        """Probes, scrapers, and both ends of every allow."""
        for pods in self._pods:
            yield from self._probes(pods)
        yield from self._scrapers()
        for policies in self._policies.values():
            for policy in policies:
                yield from self._selected(policy)
                for direction in ("egress", "ingress"):
                    yield from self._other_end(policy, direction, complete=complete)

    def _probes(self, pods: _Pods) -> Iterator[Found]:
        """Where policies name networks of machines, the probed ports are open to them."""
        rules = self._rules(pods, "ingress")
        machines = [rule for rule in rules if any("ipBlock" in peer for peer in rule.get("from") or ())]
        closed = {port for port in pods.probed if machines and not any(_covers(rule, port) for rule in machines)}
        for port in sorted(closed):
            yield pods.subject, "probe", f"no policy lets the probe of port {port} in"

    def _scrapers(self) -> Iterator[Found]:
        """Every port that a monitor scrapes is open to some namespace as a whole."""
        for monitor in self._monitors:
            name = f"{monitor['metadata']['namespace']}/{monitor['kind']}/{monitor['metadata']['name']}"
            endpoints = monitor["spec"].get("endpoints") or monitor["spec"].get("podMetricsEndpoints") or ()
            scraped = self._scraped(monitor)
            if not scraped and OWN_NAME in monitor["spec"]["selector"].get("matchLabels", {}):
                yield name, "selector", "it selects nothing"
            for index, pods in enumerate(scraped):
                if pods in scraped[:index]:
                    yield name, "twice", f"it finds {pods.subject} by two Services, and would count it twice"
                    continue
                for endpoint in endpoints:
                    port = _scraped_port(endpoint, pods)
                    if port is None:
                        yield name, "port", f"it scrapes the port {endpoint.get('port')}, which no container opens"
                    elif not any(_admits_namespace(rule, port) for rule in self._rules(pods, "ingress")):
                        yield name, "scraper", f"no policy lets the scraper of port {port} in"

    def _scraped(self, monitor: Object) -> list[_Pods]:
        """What it finds, as often as it finds it: Prometheus asks once for every Service that leads there."""
        wanted = monitor["spec"]["selector"].get("matchLabels", {})
        namespace = monitor["metadata"]["namespace"]
        if monitor["kind"] == "PodMonitor":
            return [pods for pods in self._in[namespace] if matches(wanted, pods.labels)]
        selectors = [
            service["spec"].get("selector") or {}
            for service in self._services[namespace]
            if matches(wanted, service["metadata"].get("labels", {}))
        ]
        return [pods for pods in self._in[namespace] for each in selectors if each and matches(each, pods.labels)]

    def _selected(self, policy: Object) -> Iterator[Found]:
        """A policy for pods of an application selects some; those of operators are not among the objects."""
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        namespace = policy["metadata"]["namespace"]
        if OWN_NAME in wanted and not any(matches(wanted, pods.labels) for pods in self._in[namespace]):
            yield _subject(policy), "selector", f"its selector {wanted} matches no pod"
        for direction, side in (("ingress", "from"), ("egress", "to")):
            if not all(rule.get(side) for rule in policy["spec"].get(direction) or ()):
                yield _subject(policy), "open", f"a rule of its {direction} names nobody, which means everybody"

    def _other_end(self, policy: Object, direction: str, *, complete: bool) -> Iterator[Found]:
        """What one end allows towards pods that we know, the other end allows as well."""
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        mine = [pods for pods in self._in[policy["metadata"]["namespace"]] if matches(wanted, pods.labels)]
        side, opposite = ("to", "ingress") if direction == "egress" else ("from", "egress")
        for rule in policy["spec"].get(direction) or ():
            for peer in rule.get(side) or ():
                namespace = _names_pods(peer)
                if namespace is None or not wanted:
                    continue
                others = [p for p in self._in[namespace] if matches(peer["podSelector"]["matchLabels"], p.labels)]
                if not others and complete and namespace in self._policies:
                    yield _subject(policy), "selector", f"its {direction} names pods in {namespace} that do not exist"
                for other in others:
                    for own in mine:
                        yield from self._agreed(policy, (own, other), opposite, rule)

    def _agreed(self, policy: Object, ends: tuple[_Pods, _Pods], opposite: str, rule: Object) -> Iterator[Found]:
        own, other = ends
        side = "from" if opposite == "ingress" else "to"
        answers = [
            one for one in self._rules(other, opposite) if any(self._meets(peer, own) for peer in one.get(side) or ())
        ]
        for port in rule.get("ports") or ():
            if not any(_covers(answer, port["port"]) for answer in answers):
                what = (
                    f"it allows port {port['port']} of {other.subject}"
                    if opposite == "ingress"
                    else (f"it lets {other.subject} in at port {port['port']}")
                )
                yield _subject(policy), "one-sided", f"{what}, and the other end does not"

    def _meets(self, peer: Object, pods: _Pods) -> bool:
        """Whether a peer that names pods by the labels of their namespace and their own means these."""
        wanted = (peer.get("namespaceSelector") or {}).get("matchLabels", {})
        labels = {**self._labels.get(pods.namespace, {}), NAMESPACE: pods.namespace}
        here = bool(wanted) and "podSelector" in peer and matches(wanted, labels)
        return here and matches(peer["podSelector"].get("matchLabels", {}), pods.labels)

    def _rules(self, pods: _Pods, direction: str) -> list[Object]:
        """The rules of all policies that select the pods."""
        return [
            rule
            for policy in self._policies[pods.namespace]
            if matches(policy["spec"]["podSelector"].get("matchLabels", {}), pods.labels)
            for rule in policy["spec"].get(direction) or ()
        ]


def _pods(workload: Object, pod: Object) -> _Pods:
    containers = pod["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for one in containers for each in one.get("ports") or ()}
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    return _Pods(
        f"{namespace}/{workload['kind']}/{name}",
        namespace,
        pod["metadata"]["labels"],
        ports,
        _probed(containers, ports),
    )


def _probed(containers: Sequence[Object], ports: Mapping[str, int]) -> frozenset[int]:
    found = set()
    for container in containers:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            for handler in (container.get(name) or {}).values():
                if isinstance(handler, Mapping) and "port" in handler:
                    port = handler["port"]
                    found.add(ports.get(port, 0) if isinstance(port, str) else port)
    return frozenset(found - {0})


def _scraped_port(endpoint: Object, pods: _Pods) -> int | None:
    """The port that is asked: that of the address where it is rewritten (a side-car's), else the named one of a container."""
    for rule in endpoint.get("relabelings") or ():
        if rule.get("targetLabel") == "__address__":
            return int(rule["replacement"].rpartition(":")[2])
    return pods.ports.get(endpoint.get("port", ""))


def _names_pods(peer: Object) -> str | None:
    """Namespace of a peer that names pods in one namespace by labels."""
    namespace = (peer.get("namespaceSelector") or {}).get("matchLabels", {}).get(NAMESPACE)
    return str(namespace) if namespace and "podSelector" in peer else None


def _admits_namespace(rule: Object, port: int) -> bool:
    whole = any("namespaceSelector" in peer and "podSelector" not in peer for peer in rule.get("from") or ())
    return whole and _covers(rule, port)


def _covers(rule: Object, port: int) -> bool:
    return "ports" not in rule or any(each["port"] == port for each in rule["ports"])


def _subject(policy: Object) -> str:
    return f"{policy['metadata']['namespace']}/NetworkPolicy/{policy['metadata']['name']}"
