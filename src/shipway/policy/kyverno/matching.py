"""Which requests a rule is about: ``match``, ``exclude`` and the same blocks of exceptions.

Called by ``validation`` and ``exceptions``. Kinds are parsed when a policy is loaded. What a request does not say about its
user is ignored in ``match`` (a manifest in a file has no user) and counts as no match in ``exclude``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from shipway.policy.kyverno import wildcards
from shipway.policy.kyverno.faults import Unsupported
from shipway.policy.resources import asked_group_version, asked_namespace, plural
from shipway.policy.rules import Object, Path, Request

_VERSION = re.compile(r"\*|v\d+(?:(?:alpha|beta)\d+)?")
_RESOURCES = frozenset(
    {"kinds", "name", "names", "namespaces", "annotations", "selector", "namespaceSelector", "operations"}
)
_FILTER = frozenset({"resources", "subjects", "roles", "clusterRoles"})


class Kind(msgspec.Struct, frozen=True):
    """One entry of ``kinds``; every part may hold wildcards."""

    group: str = "*"
    version: str = "*"
    kind: str = "*"
    subresource: str = ""


class Subject(msgspec.Struct, frozen=True):
    """What a request is about, as ``kinds`` sees it."""

    group: str
    version: str
    kind: str
    subresource: str = ""
    resource: str = ""
    """Plural name of what a subresource belongs to: the object is a Scale, and the policy says ``Deployment/scale``."""


@lru_cache(maxsize=4096)
def parse_kind(text: str) -> Kind:
    """``Kind``, ``version/Kind``, ``group/version/Kind``, each with ``/subresource`` or ``.subresource`` behind."""
    *front, last = text.split("/")
    kind, dot, subresource = last.partition(".")
    if dot:
        return _with_group(front, kind, subresource)
    if text in {"*", "*/*"}:
        return Kind(subresource="*" if text == "*/*" else "")
    if len(front) == 3:
        return Kind(front[0], front[1], front[2], last)
    if len(front) == 2 and _VERSION.fullmatch(front[0]) and not _VERSION.fullmatch(front[1]):
        return Kind("*", front[0], front[1], last)
    if len(front) == 1 and not _VERSION.fullmatch(front[0]):
        return Kind(kind=front[0], subresource=last)
    return _with_group(front, last, "")


def _with_group(front: Sequence[str], kind: str, subresource: str) -> Kind:
    if len(front) > 2:
        return Kind(front[0], front[1], kind, subresource)
    group, version = ("*", "*", *front)[-2:] if len(front) == 2 else ("*", front[0] if front else "*")
    return Kind(group, version, kind, subresource)


def kinds_of(block: object) -> list[str]:
    """Every entry of ``kinds`` in a ``match`` or ``exclude``."""
    return [str(kind) for one in filters(block) for kind in (one.get("resources") or {}).get("kinds") or ()]


def subresources_of(block: object) -> Iterator[str]:
    """``Pod/exec`` as a webhook's rules write it: ``pods/exec``."""
    for one in map(parse_kind, kinds_of(block)):
        if one.subresource:
            yield f"{'*' if wildcards.has_wildcard(one.kind) else plural(one.kind)}/{one.subresource}"


def filters(block: object) -> list[Mapping[str, Any]]:
    """The resource filters of a block: under ``any``, ``all``, or directly in it."""
    if not isinstance(block, Mapping):
        return []
    listed = [*(block.get("any") or ()), *(block.get("all") or ())]
    return [one for one in ([block] if _direct(block) else listed) if isinstance(one, Mapping)]


def _direct(block: Mapping[str, Any]) -> bool:
    return not block.get("any") and not block.get("all") and bool(_FILTER & set(block))


def check(block: Mapping[str, Any] | None, path: Path) -> None:
    """Refuse a block, of the right shape, that selects by something unknown."""
    for name in ("any", "all"):
        for index, one in enumerate((block or {}).get(name) or ()):
            _check_filter(one, (*path, name, index))
    if block and _direct(block):
        _check_filter(block, path)


def _check_filter(one: Mapping[str, Any], path: Path) -> None:
    for key in one:
        if key not in _FILTER | {"any", "all"}:
            raise Unsupported(f"unknown filter `{key}`", (*path, key))
    for key in one.get("resources") or ():
        if key not in _RESOURCES:
            raise Unsupported(f"unknown filter `{key}`", (*path, "resources", key))


def subject_of(request: Request) -> Subject:
    """Group, version and kind of what the request is about, and its subresource when the values say so."""
    shown = _shown(request)
    group, _, version = str(shown.get("apiVersion", "")).rpartition("/")
    kind = str(shown.get("kind", ""))
    if "/" in request.resource:
        resource, _, subresource = request.resource.partition("/")
        return Subject(*asked_group_version(request), kind, subresource, resource)
    for one in request.values.get("subresources") or ():
        child, parent = one.get("subresource") or {}, one.get("parentResource") or {}
        if (
            child.get("kind") == kind
            and child.get("version", version) == version
            and child.get("group", group) == group
        ):
            name = str(child.get("name", "")).rpartition("/")[2]
            return Subject(
                str(parent.get("group", "")), str(parent.get("version", "")), str(parent.get("kind", "")), name
            )
    return Subject(group, version, kind)


def matches(block: object, request: Request, *, excluding: bool = False) -> bool:
    """Whether the block selects the request. An empty ``exclude`` selects nothing, an empty ``match`` everything."""
    found = filters(block)
    if not found:
        return not excluding
    results = (_matches_filter(one, request, excluding) for one in found)
    return all(results) if isinstance(block, Mapping) and block.get("all") else any(results)


def _matches_filter(one: Mapping[str, Any], request: Request, excluding: bool) -> bool:
    resources = one.get("resources") or {}
    if not resources and not any(one.get(key) for key in ("subjects", "roles", "clusterRoles")):
        return not excluding
    return _matches_resources(resources, request) and _matches_user(one, request, excluding)


def _matches_resources(wanted: Mapping[str, Any], request: Request) -> bool:
    shown = _shown(request)
    metadata = shown.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return (
        _matches_kinds(wanted.get("kinds"), subject_of(request))
        and (not wanted.get("operations") or request.operation in wanted["operations"])
        and _named([wanted["name"]] if wanted.get("name") else None, _name(metadata))
        and _named(wanted.get("names"), _name(metadata))
        and _named(wanted.get("namespaces"), _namespace(request, shown, metadata))
        and _all_present(wanted.get("annotations") or {}, _strings(metadata.get("annotations")))
        and selects(wanted.get("selector"), _strings(metadata.get("labels")))
        and _selects_namespace(wanted.get("namespaceSelector"), request, shown)
    )


def _shown(request: Request) -> Object:
    return request.object if request.object is not None else request.old_object or {}


def _name(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _namespace(request: Request, shown: Object, metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("name") or "") if shown.get("kind") == "Namespace" else asked_namespace(request)


def _strings(value: object) -> Mapping[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


def _matches_kinds(kinds: Sequence[Any] | None, subject: Subject) -> bool:
    return not kinds or any(_matches_kind(parse_kind(str(kind)), subject) for kind in kinds)


def _matches_kind(wanted: Kind, subject: Subject) -> bool:
    return (
        (wildcards.matches(wanted.kind, subject.kind) or plural(wanted.kind) == subject.resource)
        and wildcards.matches(wanted.group, subject.group)
        and wildcards.matches(wanted.version, subject.version)
        and wildcards.matches(wanted.subresource, subject.subresource)
    )


def _named(patterns: Sequence[Any] | None, name: str) -> bool:
    return not patterns or any(wildcards.matches(str(pattern), name) for pattern in patterns)


def _all_present(wanted: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """Keys and values may hold wildcards."""
    return all(
        any(wildcards.matches(str(key), name) and wildcards.matches(str(value), text) for name, text in found.items())
        for key, value in wanted.items()
    )


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A label selector, with wildcards in keys and values. An absent one selects everything."""
    if not selector:
        return True
    return _all_present(selector.get("matchLabels") or {}, labels) and all(
        _expression(one, labels) for one in selector.get("matchExpressions") or () if isinstance(one, Mapping)
    )


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    found = [value for name, value in labels.items() if wildcards.matches(str(one.get("key", "")), name)]
    among = any(wildcards.matches(str(pattern), value) for pattern in one.get("values") or () for value in found)
    match one.get("operator"):
        case "In":
            return among
        case "NotIn":
            return not among
        case "Exists":
            return bool(found)
        case "DoesNotExist":
            return not found
        case _:
            return False


def _selects_namespace(selector: Mapping[str, Any] | None, request: Request, shown: Object) -> bool:
    if not selector:
        return True
    namespace = shown if shown.get("kind") == "Namespace" else request.namespace_object
    metadata = (namespace or {}).get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    labels = dict(_strings(metadata.get("labels")))
    if metadata.get("name"):
        labels.setdefault("kubernetes.io/metadata.name", str(metadata["name"]))
    return selects(selector, labels)


def _matches_user(one: Mapping[str, Any], request: Request, excluding: bool) -> bool:
    user = request.user_info
    if not user and not excluding:
        return True
    groups: Iterator[bool] = (
        check
        for wanted, check in (
            (one.get("roles"), _overlaps(one.get("roles"), user.get("roles"))),
            (one.get("clusterRoles"), _overlaps(one.get("clusterRoles"), user.get("clusterRoles"))),
            (one.get("subjects"), any(_is_subject(each, user) for each in one.get("subjects") or ())),
        )
        if wanted
    )
    return all(groups)


def _overlaps(patterns: Sequence[Any] | None, found: Sequence[Any] | None) -> bool:
    return any(wildcards.matches(str(pattern), str(each)) for pattern in patterns or () for each in found or ())


def _is_subject(subject: Mapping[str, Any], user: Object) -> bool:
    name, username = str(subject.get("name", "")), str(user.get("username") or "")
    match subject.get("kind"):
        case "ServiceAccount":
            account = f"system:serviceaccount:{subject.get('namespace') or '*'}:{name}"
            return wildcards.matches(account, username)
        case "User":
            return wildcards.matches(name, username)
        case "Group":
            return any(wildcards.matches(name, str(group)) for group in user.get("groups") or ())
        case _:
            return False
