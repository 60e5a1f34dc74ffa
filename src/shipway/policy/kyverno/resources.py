"""Which requests a ValidatingPolicy is about: ``matchConstraints``, and the plural names of kinds that they use.

Called by ``validating``, ``celrules`` and the library ``resource``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.kyverno import matching, wildcards
from shipway.policy.kyverno.faults import Unsupported
from shipway.policy.kyverno.matching import Subject
from shipway.policy.rules import Object, Path, Request

_IRREGULAR = {"endpoints": "endpoints", "podmetrics": "pods", "nodemetrics": "nodes"}


def plural(kind: str) -> str:
    """The resource name of a kind by the rules of English that Kubernetes follows: ``NetworkPolicy`` is ``networkpolicies``."""
    name = kind.lower()
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if name.endswith("y") and name[-2:-1] not in set("aeiou"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def check(constraints: object, path: Path) -> None:
    """Refuse what is no constraint."""
    if constraints is None:
        return
    if not isinstance(constraints, Mapping):
        raise Unsupported("expected a map with `resourceRules`", path)
    for name in ("resourceRules", "excludeResourceRules"):
        listed = constraints.get(name)
        if listed is not None and not (isinstance(listed, list) and all(isinstance(one, Mapping) for one in listed)):
            raise Unsupported("expected a list of resource rules", (*path, name))


def matches(constraints: Mapping[str, Any] | None, request: Request) -> bool:
    """Whether the request is one of those that the policy is about. No constraints select everything."""
    if not constraints:
        return True
    shown = request.object if request.object is not None else request.old_object or {}
    metadata = shown.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    subject = matching.subject_of(request)
    listed = constraints.get("resourceRules")
    return (
        (listed is None or any(_selected(one, subject, metadata, request.operation) for one in listed))
        and not any(
            _selected(one, subject, metadata, request.operation)
            for one in constraints.get("excludeResourceRules") or ()
        )
        and matching.selects(constraints.get("objectSelector"), _labels(metadata))
        and _in_namespace(constraints.get("namespaceSelector"), request, shown)
    )


def _selected(rule: Mapping[str, Any], subject: Subject, metadata: Mapping[str, Any], operation: str) -> bool:
    names = rule.get("resourceNames")
    return (
        _among(rule.get("apiGroups"), subject.group)
        and _among(rule.get("apiVersions"), subject.version)
        and _among(rule.get("operations"), operation)
        and any(_is_resource(str(one), subject) for one in rule.get("resources") or ("*",))
        and (not names or metadata.get("name") in names)
    )


def _among(wanted: Sequence[Any] | None, found: str) -> bool:
    return not wanted or "*" in wanted or found in wanted


def _is_resource(pattern: str, subject: Subject) -> bool:
    resource, _, subresource = pattern.partition("/")
    name = plural(subject.kind)
    return (resource == "*" or wildcards.matches(resource.lower(), name)) and wildcards.matches(
        subresource, subject.subresource
    )


def _labels(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    labels = metadata.get("labels")
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, Mapping) else {}


def _in_namespace(selector: Mapping[str, Any] | None, request: Request, shown: Object) -> bool:
    """Objects outside of namespaces are never left out by a namespace selector."""
    if not selector:
        return True
    namespace = shown if shown.get("kind") == "Namespace" else request.namespace_object
    if namespace is None:
        return True
    metadata = namespace.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return matching.selects(
        selector, {"kubernetes.io/metadata.name": str(metadata.get("name", "")), **_labels(metadata)}
    )


def is_param(item: Object, kind: Mapping[str, Any], reference: Mapping[str, Any], request: Request) -> bool:
    """Whether an object of the inventory is one that ``paramRef`` points to."""
    if item.get("apiVersion") != kind.get("apiVersion") or item.get("kind") != kind.get("kind"):
        return False
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    own = (request.object or request.old_object or {}).get("metadata")
    namespace = reference.get("namespace") or (own.get("namespace") if isinstance(own, Mapping) else None)
    if metadata.get("namespace") and metadata["namespace"] != (namespace or "default"):
        return False
    if reference.get("name"):
        return bool(metadata.get("name") == reference["name"])
    return matching.selects(reference.get("selector"), _labels(metadata))


_URL = re.compile(r"/(?:api|apis/([^/]+))/([^/?]+)(?:/namespaces/([^/?]+))?/([^/?]+)(?:/([^/?]+))?(?:\?.*)?")


def answer(inventory: Sequence[Object], url: str) -> Mapping[str, Any] | None:
    """What a cluster with these objects answers to GET: an object, or a list of them; None for an object not among them.

    A list is only answered when the inventory has any object of the resource: an empty one would be a guess.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    version = f"{match[1]}/{match[2]}" if match[1] else match[2]
    found = looked_up(inventory, version, match[4], match[3] or "")
    if not match[5]:
        return {"apiVersion": version, "kind": "List", "items": [dict(item) for item in found]} if found else None
    return next((dict(item) for item in found if (item.get("metadata") or {}).get("name") == match[5]), None)


def looked_up(inventory: Sequence[Object], api_version: str, resource: str, namespace: str) -> list[Object]:
    """Objects of the inventory of one resource; an empty namespace means all."""
    found = []
    for item in inventory:
        metadata = item.get("metadata")
        own = str(metadata.get("namespace") or "") if isinstance(metadata, Mapping) else ""
        same = item.get("apiVersion") == api_version and plural(str(item.get("kind", ""))) == resource.lower()
        if same and (not namespace or own in {namespace, ""}):
            found.append(item)
    return found
