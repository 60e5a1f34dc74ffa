"""Whether what names something else names something that is there. Used by :mod:`.truth`; looks at objects alone.

The mesh's hosts and callers, fetched secrets, backups, traces and faults. Services behind routes, scalers' targets and
scraped ports are looked at in :mod:`.truth` and :mod:`.traffic`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipway.render import previewing
from shipway.render.traffic import NAMESPACE, OWN_NAME, matches

Object = Mapping[str, Any]
Found = tuple[str, str, str]
Peer = tuple[str, str, int]
"""(namespace, application or empty for everybody in it, port)"""

_SIDE_CAR = frozenset({15020, 15021})
"""Ports that the side-car answers before it asks anybody's identity."""
_INJECTED = "instrumentation.opentelemetry.io/inject-sdk"


class References:
    """The objects of a cluster, and its workloads with their pods."""

    def __init__(self, objects: Sequence[Object], pods: Sequence[tuple[Object, Object]]) -> None:
        self._pods = pods
        self._of: dict[str, list[Object]] = defaultdict(list)
        self._named: set[tuple[str, str, str]] = set()
        for one in objects:
            self._of[one["kind"]].append(one)
            self._named.add((_namespace(one), one["kind"], one["metadata"]["name"]))
        self._policies: dict[str, list[Object]] = defaultdict(list)
        for policy in self._of["NetworkPolicy"]:
            self._policies[_namespace(policy)].append(policy)

    def check(self) -> Iterator[Found]:
        yield from self._hosts()
        yield from self._callers()
        yield from self._secrets()
        yield from self._backups()
        yield from self._traces()
        yield from self._faults()

    def _hosts(self) -> Iterator[Found]:
        """Hosts of the mesh are Services, with the ports that calls are sent to."""
        ports = {
            f"{one['metadata']['name']}.{_namespace(one)}.svc.cluster.local": {
                port["port"] for port in one["spec"].get("ports") or ()
            }
            for one in self._of["Service"]
        }
        for one in self._of["DestinationRule"]:
            if one["spec"]["host"] not in ports:
                yield _subject(one), "target", f"there is no Service {one['spec']['host']}"
        for one in self._of["VirtualService"]:
            for to in _destinations(one):
                known = ports.get(to["host"])
                if known is None:
                    yield _subject(one), "target", f"there is no Service {to['host']}"
                elif to["port"]["number"] not in known:
                    yield _subject(one), "port", f"Service {to['host']} has no port {to['port']['number']}"

    def _callers(self) -> Iterator[Found]:
        """The mesh lets in exactly those that the network lets in."""
        for policy in self._of["AuthorizationPolicy"]:
            identities = {peer for rule in policy["spec"].get("rules") or () for peer in _authorised(rule)}
            network = self._admitted(_namespace(policy), policy["spec"]["selector"]["matchLabels"])
            for namespace, name, port in sorted(identities - network):
                yield (
                    _subject(policy),
                    "one-sided",
                    f"it lets {namespace}/{name} in at port {port}, and the network does not",
                )
            for namespace, name, port in sorted(network - identities):
                yield (
                    _subject(policy),
                    "one-sided",
                    f"the network lets {namespace}/{name} in at port {port}, and it does not",
                )

    def _admitted(self, namespace: str, wanted: Mapping[str, str]) -> set[Peer]:
        """What network policies let in to pods with these labels, networks of machines and the side-car's ports aside."""
        return {
            peer
            for policy in self._policies[namespace]
            if matches(policy["spec"]["podSelector"].get("matchLabels", {}), wanted)
            for rule in policy["spec"].get("ingress") or ()
            for peer in _admitted(rule)
            if peer[2] not in _SIDE_CAR
        }

    def _secrets(self) -> Iterator[Found]:
        """What pods read from a Secret is fetched, or made by the operator of a database."""
        made: dict[tuple[str, str], set[str] | None] = {}
        for one in self._of["Cluster"]:
            made[_namespace(one), f"{one['metadata']['name']}-app"] = None  # the operator decides on its keys
        for one in self._of["ExternalSecret"]:
            made[_namespace(one), one["spec"]["target"]["name"]] = {datum["secretKey"] for datum in one["spec"]["data"]}
        for workload, pod in self._pods:
            for name, key in _read(pod):
                place = (_namespace(workload), name)
                if place not in made:
                    yield _subject(workload), "secret", f"it reads the Secret {name}, which nothing makes"
                elif key not in (made[place] or {key}):
                    yield _subject(workload), "secret", f"it reads {key} of the Secret {name}, which has no such key"

    def _backups(self) -> Iterator[Found]:
        for one in self._of["ScheduledBackup"]:
            yield from self._exists(one, "Cluster", one["spec"]["cluster"]["name"])
        for one in self._of["Cluster"]:
            for plugin in one["spec"].get("plugins") or ():
                yield from self._exists(one, "ObjectStore", plugin["parameters"]["barmanObjectName"])

    def _traces(self) -> Iterator[Found]:
        for workload, pod in self._pods:
            name = (pod["metadata"].get("annotations") or {}).get(_INJECTED)
            if name:
                yield from self._exists(workload, "Instrumentation", name)

    def _faults(self) -> Iterator[Found]:
        """An experiment finds pods."""
        for one in self._of["Schedule"]:
            kind = one["spec"]["type"]
            wanted = one["spec"][kind[0].lower() + kind[1:]]["selector"]["labelSelectors"]
            inside = (pod for workload, pod in self._pods if _namespace(workload) == _namespace(one))
            if not any(matches(wanted, pod["metadata"]["labels"]) for pod in inside):
                yield _subject(one), "selector", f"its selector {wanted} matches no pod"

    def _exists(self, one: Object, kind: str, name: str) -> Iterator[Found]:
        if (_namespace(one), kind, name) not in self._named:
            yield _subject(one), "target", f"there is no {kind} {name}"


def _destinations(service: Object) -> Iterator[Object]:
    for route in [*(service["spec"].get("http") or ()), *(service["spec"].get("tcp") or ())]:
        yield from (to["destination"] for to in route["route"])


def _authorised(rule: Object) -> Iterator[Peer]:
    ports = [int(port) for to in rule["to"] for port in to["operation"]["ports"]]
    for one in rule["from"]:
        source = one["source"]
        names = [(parts[2], parts[4]) for parts in (text.split("/") for text in source.get("principals") or ())]
        names += [(namespace, "") for namespace in source.get("namespaces") or ()]
        yield from ((*name, port) for name in names for port in ports)


def _admitted(rule: Object) -> Iterator[Peer]:
    for peer in rule.get("from") or ():
        labels = (peer.get("namespaceSelector") or {}).get("matchLabels", {})
        if previewing.LABEL in labels:  # the mesh knows the namespaces of previews by their names alone
            for port in rule.get("ports") or ():
                yield previewing.namespaces(labels[previewing.LABEL]), "", port["port"]
            continue
        namespace = labels.get(NAMESPACE)
        name = (peer.get("podSelector") or {}).get("matchLabels", {}).get(OWN_NAME, "")
        for port in rule.get("ports") or () if namespace else ():
            yield namespace, name, port["port"]


def _read(pod: Object) -> Iterator[tuple[str, str]]:
    for container in pod["spec"]["containers"]:
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]


def _namespace(one: Object) -> str:
    return str(one["metadata"].get("namespace", ""))


def _subject(one: Object) -> str:
    return f"{_namespace(one)}/{one['kind']}/{one['metadata']['name']}"
