"""``spec.match`` of a Constraint: which requests it is about. Called by ``loading``.

Semantics are those of Gatekeeper's documentation ("How to use Gatekeeper", the match field); every criterion must hold,
and one that is missing holds.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from shipway.policy.matching import selects
from shipway.policy.resources import group_version, is_namespaced, labels, metadata, namespace_labels, subject_of
from shipway.policy.rules import Object, Request

FIELDS = frozenset({
    "kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name", "source",
})  # fmt: skip


def matches(match: Mapping[str, Any], request: Request) -> bool:
    """Whether the constraint is about the request."""
    subject = subject_of(request)
    return (
        _kinds(match.get("kinds"), subject)
        and _scope(match.get("scope"), subject)
        and _names(match.get("name"), subject)
        and match.get("source", "All") != "Generated"
        and _namespaces(match, subject)
        and _labels(match.get("labelSelector"), request)
        and _namespace_labels(match.get("namespaceSelector"), request)
    )


def _kinds(kinds: Sequence[Mapping[str, Any]] | None, subject: Object) -> bool:
    group, _ = group_version(subject)
    return not kinds or any(
        _listed(one.get("apiGroups"), group) and _listed(one.get("kinds"), str(subject.get("kind", "")))
        for one in kinds
    )


def _listed(wanted: Sequence[str] | None, found: str) -> bool:
    return not wanted or "*" in wanted or found in wanted


def _scope(scope: str | None, subject: Object) -> bool:
    if scope == "Cluster":
        return not _namespaced(subject)
    return scope != "Namespaced" or _namespaced(subject)


def _namespaced(subject: Object) -> bool:
    return bool(metadata(subject).get("namespace")) or is_namespaced(subject)


def _names(wanted: str | None, subject: Object) -> bool:
    if not wanted:
        return True
    meta = metadata(subject)
    if meta.get("name"):
        return like(wanted, str(meta["name"]))
    return wanted.endswith("*") and like(wanted, str(meta.get("generateName", "")))


def like(pattern: str, found: str) -> bool:
    """Gatekeeper's wildcards: a ``*`` at the beginning, at the end or both; nothing else is special."""
    return fnmatchcase(found, pattern.replace("[", "[[]").replace("?", "[?]"))


def _namespaces(match: Mapping[str, Any], subject: Object) -> bool:
    """Objects outside of any namespace are neither included nor excluded by one."""
    if subject.get("kind") == "Namespace":
        found = str(metadata(subject).get("name", ""))
    elif is_namespaced(subject):
        found = str(metadata(subject).get("namespace") or "")
    else:
        return True
    wanted, unwanted = match.get("namespaces"), match.get("excludedNamespaces") or ()
    if not found:
        return True
    return (not wanted or any(like(one, found) for one in wanted)) and not any(like(one, found) for one in unwanted)


def _labels(selector: Mapping[str, Any] | None, request: Request) -> bool:
    """Of the object as it is or as it was: either counts."""
    return not selector or any(
        selects(selector, labels(one)) for one in (request.object, request.old_object) if one is not None
    )


def _namespace_labels(selector: Mapping[str, Any] | None, request: Request) -> bool:
    subject = subject_of(request)
    if not selector or (subject.get("kind") != "Namespace" and not is_namespaced(subject)):
        return True
    return selects(selector, namespace_labels(request))


def problems(match: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields of a ``match`` that cannot be used, each with a sentence."""
    found = [
        (name, f"`{name}` is not supported; known are {', '.join(sorted(FIELDS))}")
        for name in match
        if name not in FIELDS
    ]
    if match.get("scope", "*") not in ("*", "Cluster", "Namespaced"):
        found.append(("scope", "expected `*`, `Cluster` or `Namespaced`"))
    for name in ("kinds", "namespaces", "excludedNamespaces"):
        wanted = Mapping if name == "kinds" else str
        value = match.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(one, wanted) for one in value)):
            found.append((name, f"expected a list of {'maps' if name == 'kinds' else 'names'}"))
    found += [
        (name, "expected a label selector")
        for name in ("labelSelector", "namespaceSelector")
        if not isinstance(match.get(name, {}), Mapping | None)
    ]
    return found
