"""What a platform knows, as virtual resources: the languages that rule over Kubernetes objects rule over these too.

    apiVersion: facts.shipway.dev/v1
    kind: Delivery | Workload | SecretScan | PolicyException

Made here from plain data, handed to the evaluator like any object, kept whole in a finding so that a decision can be
replayed. A fact that nobody knows is absent: rules ask with ``has()``. Called by ``cli`` and ``engine``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shipway.policy.matching import selects
from shipway.policy.resources import labels, metadata, name, namespace
from shipway.policy.rules import NOTHING, Object
from shipway.policy.windows import ChangeState
from shipway.spec.policies import PolicyException, in_utc

GROUP = "facts.shipway.dev"
API_VERSION = f"{GROUP}/v1"
_CONTROLLERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout")
RELATED = frozenset({*_CONTROLLERS, "PodDisruptionBudget", "NetworkPolicy"})
"""Kinds that :func:`workloads` looks at."""


def is_fact(value: Object) -> bool:
    """Whether an object is a virtual one."""
    return str(value.get("apiVersion", "")).startswith(f"{GROUP}/")


def _fact(kind: str, called: str, spec: Mapping[str, Any], within: str = "") -> Object:
    meta = {"name": called, **({"namespace": within} if within else {})}
    known = {key: value for key, value in spec.items() if value is not None}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": known}


def delivery(
    application: Object,
    *,
    environment: str,
    at: float,
    by: str = "",
    change: ChangeState | None = None,
    cost: Mapping[str, Any] | None = None,
    traffic: Mapping[str, Any] | None = None,
    error_budget: Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
    unknown: Mapping[str, str] = NOTHING,
) -> Object:
    """One release that somebody asks for.

    ``application`` is the resolved Application. ``cost`` holds ``monthly`` and ``budget`` in the same ``currency``;
    ``traffic`` holds ``requestsPerSecond``; ``error_budget`` holds ``left`` as a ratio (below 0: overspent); ``image`` adds
    what an image says of itself (``created``, ``size``, ``labels``) to what the reference tells. ``unknown`` says why
    something is not known, by its name (``traffic``, ``cost.budget``).
    """
    spec = application.get("spec", NOTHING)
    reference = str(spec.get("image") or "")
    return _fact(
        "Delivery",
        name(application),
        {
            "environment": environment,
            "time": in_utc(at),
            "by": by or None,
            "application": dict(application),
            "cost": dict(cost) if cost else None,
            "traffic": dict(traffic) if traffic else None,
            "errorBudget": dict(error_budget) if error_budget else None,
            "image": {**image_reference(reference), **(image or {})} if reference else None,
            "change": {"allowed": change.allowed, "reason": change.reason, "until": change.until} if change else None,
            "unknown": dict(unknown) or None,
        },
    )


def image_reference(reference: str) -> dict[str, str]:
    """The parts of ``registry/repository:tag@digest``; the registry is Docker Hub's when none is named."""
    rest, _, digest = reference.partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    registry, slash, repository = path.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, repository = "docker.io", path
    return {
        "reference": reference,
        "registry": registry,
        "repository": repository,
        "tag": tag or ("" if digest else "latest"),
        "digest": digest,
    }


def exceptions(found: Iterable[PolicyException], at: float) -> list[Object]:
    """Every exception, and whether it has expired at ``at`` (seconds since the epoch)."""
    return [
        _fact(
            "PolicyException",
            one.name,
            {**one.model_dump(mode="json", exclude_none=True), "expired": one.is_expired(at)},
        )
        for one in found
    ]


def outline(value: Object) -> Object:
    """As much of an object as :func:`workloads` looks at: cheap to hand to another process."""
    spec = _map(value.get("spec"))
    template = spec.get("template")
    kept = {key: spec[key] for key in ("replicas", "selector", "podSelector") if key in spec}
    meta = {key: found for key, found in metadata(value).items() if key in ("name", "namespace")}
    pods = {"template": {"metadata": {"labels": dict(labels(template))}}} if isinstance(template, Mapping) else {}
    return {"kind": value.get("kind"), "metadata": meta, "spec": {**kept, **pods}}


def workloads(objects: Sequence[Object], environment: str = "") -> Iterator[tuple[Object, Object]]:
    """(fact, the object that it is about) of every controller of pods: what else in the set is meant for its pods."""
    around = Around(objects)
    for one in objects:
        if is_controller(one):
            yield around.workload(one, environment), one


def is_controller(value: Object) -> bool:
    """Whether an object makes pods and keeps them, so that there is a Workload about it."""
    return value.get("kind") in _CONTROLLERS


class Around:
    """Other objects, and what they mean for one: asked by rules about several objects at once."""

    def __init__(self, objects: Sequence[Object]) -> None:
        self.objects = objects
        self._budgets = _Selectors(objects, "PodDisruptionBudget", "selector")
        self._policies = _Selectors(objects, "NetworkPolicy", "podSelector")
        self._namespaces = {
            name(one): one for one in objects if one.get("kind") == "Namespace" and one.get("apiVersion") == "v1"
        }

    def namespace(self, value: Object) -> Object | None:
        """The Namespace that an object is in, if it is known."""
        return self._namespaces.get(namespace(value))

    def workload(self, value: Object, environment: str = "") -> Object:
        """The Workload about a controller of pods."""
        spec, within = _map(value.get("spec")), namespace(value)
        pods = labels(_map(spec.get("template")))
        facts = {
            "kind": value.get("kind"),
            "environment": environment or None,
            "replicas": spec.get("replicas", 1) if value.get("kind") != "DaemonSet" else None,
            "podDisruptionBudgets": self._budgets.selecting(within, pods),
            "networkPolicies": self._policies.selecting(within, pods),
        }
        return _fact("Workload", name(value), facts, str(metadata(value).get("namespace") or ""))


class _Selectors:
    """Objects of one kind that select pods, found by one of the labels that they ask for."""

    def __init__(self, objects: Iterable[Object], kind: str, field: str) -> None:
        self._found: dict[tuple[str, object], list[tuple[Mapping[str, Any], str]]] = {}
        for one in objects:
            selector = _map(one.get("spec")).get(field)
            # An absent selector selects nothing, an empty one everything.
            if one.get("kind") == kind and isinstance(selector, Mapping):
                asked = next(iter(_map(selector.get("matchLabels")).items()), None)
                self._found.setdefault((namespace(one), str(asked)), []).append((selector, name(one)))

    def selecting(self, within: str, pods: Mapping[str, Any]) -> list[str]:
        """Names of those in a namespace that select pods with these labels."""
        candidates = [found for label in (None, *pods.items()) for found in self._found.get((within, str(label)), ())]
        return [called for selector, called in candidates if selects(selector, pods)]


def secret_scan(value: Object, found: Sequence[Mapping[str, Any]]) -> Object:
    """What a secret scanner found in an object's values: each ``{"type", "path", "value"}``, the value masked."""
    spec = {"kind": value.get("kind"), "secrets": list(found)}
    return _fact("SecretScan", name(value), spec, str(metadata(value).get("namespace") or ""))


def scanned_at(scanned: Object, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path in the object that was scanned, for a path in the SecretScan: that of the n-th secret."""
    return tuple(scanned["spec"]["secrets"][path[2]]["path"]) if len(path) > 2 else ()


Scannable = tuple[tuple[str | int, ...], str, str]
"""(path, name, value) of one text that may hold a secret."""


def scannable(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Scannable]:
    """Every text of an object where people put secrets that do not belong there.

    Environment variables with a value, arguments, the data of ConfigMaps, and ``env`` and ``command`` of an Application.
    A Secret's own data is not looked at: that it is in Git at all is for the platform's rules about kinds.
    """
    if not isinstance(value, Mapping):
        return
    kind = value.get("kind")
    if not path and kind == "ConfigMap":
        yield from _texts(value.get("data"), ("data",))
    elif not path and kind == "Application":
        spec = value.get("spec", {})
        if isinstance(spec, Mapping):
            yield from _texts(spec.get("env"), ("spec", "env"))
    else:
        yield from _in_containers(value, path)


def _texts(found: Any, path: tuple[str | int, ...]) -> Iterator[Scannable]:
    if isinstance(found, Mapping):
        for key, text in found.items():
            if isinstance(text, str):
                yield (*path, key), str(key), text


def _in_containers(value: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Scannable]:
    for key, inner in value.items():
        if key in ("containers", "initContainers", "ephemeralContainers") and isinstance(inner, list):
            for index, container in enumerate(inner):
                if isinstance(container, Mapping):
                    yield from _of_container(container, (*path, key, index))
        elif key in ("spec", "template", "jobTemplate") and isinstance(inner, Mapping):
            yield from _in_containers(inner, (*path, key))


def _of_container(container: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Scannable]:
    for index, variable in enumerate(_list(container.get("env"))):
        if isinstance(variable, Mapping) and isinstance(variable.get("value"), str):
            yield (*path, "env", index, "value"), str(variable.get("name", "")), variable["value"]
    for field in ("command", "args"):
        for index, word in enumerate(_list(container.get(field))):
            if isinstance(word, str):
                yield (*path, field, index), field, word


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
