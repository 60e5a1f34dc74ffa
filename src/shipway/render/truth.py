"""Whether the objects of a cluster agree with each other; :func:`compiled` gives out none that do not. Called by whatever compiles.

Looks at the objects alone, as a cluster would, and not at the Application they came from: what one concern got wrong, another
one's rule must not excuse. What it finds is a defect of ours, so it is words for a bug report and not a problem in a file.
Objects may be incomplete (one application of many): what points outside of them is then left alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.model.errors import ShipwayError
from shipway.model.suggestions import known
from shipway.render.compiling import Admission, Compiled, compile_organisation
from shipway.render.quotas import most, short
from shipway.render.references import References
from shipway.render.traffic import Traffic, matches
from shipway.spec.organisation import Organisation, environments

WORKLOADS = frozenset({"Deployment", "StatefulSet", "CronJob", "Job"})
SCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})
Object = Mapping[str, Any]


class Contradiction(msgspec.Struct, frozen=True, order=True):
    """Two objects (or an object and itself) that cannot both be right."""

    cluster: str
    subject: str
    """``namespace/Kind/name`` of the object that is wrong."""
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.cluster}: {self.subject}: {self.message} [{self.code}]"


def contradictions(compiled: Iterable[Compiled], *, complete: bool = True) -> tuple[Contradiction, ...]:
    """Everything that does not fit together, cluster by cluster.

    ``complete`` says that nothing was left out, so that both ends of a connection must be there.
    """
    clusters: dict[str, list[Object]] = defaultdict(list)
    for one in compiled:
        clusters[one.cluster] += [rendered.object for rendered in one.objects]
    return tuple(
        Contradiction(cluster, *found)
        for cluster, objects in clusters.items()
        for found in _Cluster(objects).check(complete)
    )


Found = tuple[str, str, str]


class _Cluster:
    """The objects of a cluster, by what one looks them up by."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self.objects = objects
        self.by_kind: dict[str, list[Object]] = defaultdict(list)
        self.here: dict[tuple[str, str], list[Object]] = defaultdict(list)
        """By namespace and kind: an organisation has as many namespaces as applications."""
        self.named: dict[tuple[str, str, str], Object] = {}
        for one in objects:
            self.by_kind[one["kind"]].append(one)
            self.here[_namespace(one), one["kind"]].append(one)
            self.named.setdefault((_namespace(one), one["kind"], one["metadata"]["name"]), one)
        self.pods = [(one, pod) for kind in sorted(WORKLOADS) for one in self.by_kind[kind] for pod in [pod_of(one)]]
        self.inside: dict[str, list[tuple[Object, Object]]] = defaultdict(list)
        for one, pod in self.pods:
            self.inside[_namespace(one)].append((one, pod))
        self.scalers: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
        for one in (scaler for kind in sorted(SCALERS) for scaler in self.by_kind[kind]):
            target = one["spec"]["scaleTargetRef"]
            self.scalers[_namespace(one), target.get("kind", "Deployment"), target["name"]].append(one)

    def check(self, complete: bool) -> Iterator[Found]:
        yield from self._unique()
        yield from self._selectors()
        yield from self._services()
        yield from self._targets()
        yield from self._scalers()
        yield from self._budgets()
        yield from self._quotas()
        yield from self._routes()
        yield from Traffic(self.objects, self.pods).check(complete=complete)
        yield from References(self.objects, self.pods).check()

    def _unique(self) -> Iterator[Found]:
        seen: set[tuple[str, str, str, str]] = set()
        for one in self.objects:
            identity = (one["apiVersion"].rpartition("/")[0], *_key(one))
            if identity in seen:
                yield subject(one), "duplicate", "there is another object of this kind and name"
            seen.add(identity)

    def _selectors(self) -> Iterator[Found]:
        """A workload finds its own pods, and what they mount and run as exists."""
        for one, pod in self.pods:
            wanted = (one["spec"].get("selector") or {}).get("matchLabels", {})
            labels = pod["metadata"]["labels"]
            if one["kind"] in {"Deployment", "StatefulSet"} and not (wanted and matches(wanted, labels)):
                yield subject(one), "selector", f"its selector {wanted} does not match its own pods"
            account = pod["spec"].get("serviceAccountName")
            if account and (_namespace(one), "ServiceAccount", account) not in self.named:
                yield subject(one), "account", f"there is no ServiceAccount {account}"
            if (
                one["kind"] == "StatefulSet"
                and (_namespace(one), "Service", one["spec"]["serviceName"]) not in self.named
            ):
                yield subject(one), "service", f"there is no Service {one['spec']['serviceName']}"
            yield from _probes(one, pod)

    def _services(self) -> Iterator[Found]:
        for service in self.by_kind["Service"]:
            selector = service["spec"].get("selector")
            if not selector:
                continue
            behind = [
                pod for one, pod in self.inside[_namespace(service)] if matches(selector, pod["metadata"]["labels"])
            ]
            if not behind:
                yield subject(service), "selector", f"its selector {selector} matches no pod"
            for port in service["spec"].get("ports") or ():
                target = port.get("targetPort", port["port"])
                if behind and not all(_opens(pod, target) for pod in behind):
                    yield subject(service), "port", f"its port leads to {target}, which no container opens"

    def _targets(self) -> Iterator[Found]:
        """What scalers point at exists."""
        fields = {
            "HorizontalPodAutoscaler": "scaleTargetRef",
            "ScaledObject": "scaleTargetRef",
            "VerticalPodAutoscaler": "targetRef",
        }
        for kind, field in fields.items():
            for one in self.by_kind[kind]:
                target = one["spec"][field]
                if (_namespace(one), target.get("kind", "Deployment"), target["name"]) not in self.named:
                    yield subject(one), "target", f"there is no {target.get('kind', 'Deployment')} {target['name']}"

    def _scalers(self) -> Iterator[Found]:
        """One scaler for a workload, no fixed number beside it, and no second hand at its signal."""
        for key, found in self.scalers.items():
            for one in found:
                if one is not found[0]:
                    yield subject(one), "scaler", f"{key[1]} {key[2]} has another scaler already"
                if "replicas" in self.named.get(key, {}).get("spec", {}):
                    yield subject(one), "replicas", f"{key[1]} {key[2]} has a fixed number of replicas beside it"
                least, most = bounds(one)
                if least > most:
                    yield subject(one), "bounds", f"its minimum {least} is above its maximum {most}"
        for one in self.by_kind["VerticalPodAutoscaler"]:
            target = one["spec"]["targetRef"]
            for other in self.scalers.get((_namespace(one), target["kind"], target["name"]), ()):
                if both := _signals(other) & _controlled(one):
                    yield subject(one), "scaler", f"it and the horizontal scaler both follow {', '.join(sorted(both))}"

    def _budgets(self) -> Iterator[Found]:
        """A disruption budget covers something, and leaves room for one to go when the scaler is at its minimum."""
        for one in self.by_kind["PodDisruptionBudget"]:
            wanted = one["spec"]["selector"]["matchLabels"]
            behind = [each for each, pod in self.inside[_namespace(one)] if matches(wanted, pod["metadata"]["labels"])]
            if not behind:
                yield subject(one), "selector", f"its selector {wanted} matches no pod"
            for workload in behind:
                least = self._least(workload)
                kept = one["spec"].get("minAvailable")
                gone = one["spec"].get("maxUnavailable")
                if (isinstance(kept, int) and kept >= least) or gone in (0, "0%") or kept == "100%":
                    yield (
                        subject(one),
                        "budget",
                        f"with {least} instances nothing may ever go, so no machine can be emptied",
                    )
                elif isinstance(gone, int) and gone >= least:
                    yield subject(one), "budget", f"with {least} instances it lets all of them go at once"

    def _quotas(self) -> Iterator[Found]:
        """What may run in a namespace is let in."""
        for quota in self.by_kind["ResourceQuota"]:
            namespace = _namespace(quota)
            running = [(pod, most(one, self._most(one))) for one, pod in self.inside[namespace]]
            sized = {kind for one in self.here[namespace, "VerticalPodAutoscaler"] for kind in _controlled(one)}
            databases = self.here[namespace, "Cluster"]
            yield from ((subject(quota), *found) for found in short(quota, running, databases, sized))

    def _most(self, workload: Object) -> int | None:
        """Most instances that a scaler may want of a workload, if it has one."""
        scalers = self.scalers.get(_key(workload))
        return bounds(scalers[0])[1] if scalers else None

    def _least(self, workload: Object) -> int:
        """Fewest instances of a workload."""
        scalers = self.scalers.get(_key(workload))
        return bounds(scalers[0])[0] if scalers else int(workload["spec"].get("replicas", 1))

    def _routes(self) -> Iterator[Found]:
        """What a route leads to exists, with that port."""
        for one in [*self.by_kind["HTTPRoute"], *self.by_kind["GRPCRoute"]]:
            for rule in one["spec"].get("rules") or ():
                for backend in rule.get("backendRefs") or ():
                    yield from self._backend(one, backend)

    def _backend(self, route: Object, backend: Mapping[str, Any]) -> Iterator[Found]:
        if backend.get("kind", "Service") != "Service":
            return
        key = (backend.get("namespace", _namespace(route)), "Service", backend["name"])
        service = self.named.get(key)
        if service is None:
            yield subject(route), "target", f"there is no Service {backend['name']}"
        elif backend.get("port") not in {port["port"] for port in service["spec"].get("ports") or ()}:
            yield subject(route), "port", f"Service {backend['name']} has no port {backend.get('port')}"


def pod_of(workload: Object) -> Object:
    """The pod template of a workload."""
    spec = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
    found: Object = spec["template"]
    return found


def subject(one: Object) -> str:
    """``namespace/Kind/name``."""
    return "/".join(part for part in _key(one) if part)


def bounds(scaler: Object) -> tuple[int, int]:
    """(fewest, most) instances of a horizontal scaler of either sort."""
    spec = scaler["spec"]
    if scaler["kind"] == "ScaledObject":
        return spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
    return spec.get("minReplicas", 1), spec["maxReplicas"]


def _signals(scaler: Object) -> set[str]:
    spec = scaler["spec"]
    if scaler["kind"] == "ScaledObject":
        return {trigger["type"] for trigger in spec["triggers"]} & {"cpu", "memory"}
    resources = (metric.get("resource") or metric.get("containerResource") for metric in spec["metrics"])
    return {each["name"] for each in resources if each}


def _controlled(scaler: Object) -> set[str]:
    """What a vertical scaler sets."""
    if scaler["spec"].get("updatePolicy", {}).get("updateMode", "Auto") == "Off":
        return set()
    policies = scaler["spec"].get("resourcePolicy", {}).get("containerPolicies") or [{}]
    return {
        kind
        for policy in policies
        if policy.get("mode") != "Off"
        for kind in policy.get("controlledResources", ("cpu", "memory"))
    }


def _probes(workload: Object, pod: Object) -> Iterator[Found]:
    for container in pod["spec"]["containers"]:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = probe_port(container.get(name) or {})
            if port is not None and not _opens(pod, port):
                yield subject(workload), "port", f"its {name} asks port {port}, which no container opens"


def probe_port(probe: Mapping[str, Any]) -> int | str | None:
    """The port that a probe asks, by name or number."""
    for handler in ("httpGet", "tcpSocket", "grpc"):
        if handler in probe:
            port: int | str = probe[handler]["port"]
            return port
    return None


def _opens(pod: Object, port: int | str) -> bool:
    return any(
        port in {each["containerPort"], each.get("name")}
        for container in pod["spec"]["containers"]
        for each in container.get("ports") or ()
    )


def _namespace(one: Object) -> str:
    return str(one["metadata"].get("namespace", ""))


def _key(one: Object) -> tuple[str, str, str]:
    return _namespace(one), one["kind"], one["metadata"]["name"]


def compiled(
    organisation: Organisation,
    apps: list[str] | None,
    env: list[str] | None,
    admission: Admission | None = None,
) -> Iterator[Compiled]:
    """What is asked for, one application on one cluster at a time, each environment checked before anything of it is given.

    ``admission`` gives the policies that a cluster enforces; they come with all applications alone.

    Raises:
        NotFound: there is no such application or environment.
        ShipwayError: objects contradict each other, which is a mistake of ours and not of the files.
    """
    only = frozenset(known(app, tuple(organisation.declared), "application") for app in apps) if apps else None
    for environment in environments(organisation, env):
        found = list(compile_organisation(organisation, environment, only, admission))
        wrong = contradictions(found, complete=only is None)
        if wrong:
            hint = "This is a defect of shipway; nothing was written."
            raise ShipwayError("\n".join(["compiled objects contradict each other:", *map(str, wrong)]), hint=hint)
        yield from found
