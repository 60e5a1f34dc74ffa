"""Which requests a native policy is about: resource rules, label selectors, scopes. Called by :mod:`shipway.policy.native`.

The semantics are those of ``matchConstraints`` and ``matchResources`` in ``admissionregistration.k8s.io/v1``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.resources import (
    asked_group_version,
    is_namespaced,
    labels,
    metadata,
    namespace_labels,
    plural,
    subject_of,
)
from shipway.policy.rules import Request


def selects(selector: Mapping[str, Any] | None, found: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector selects an object with these labels; an empty one (or none) selects everything."""
    if not selector:
        return True
    for key, value in (selector.get("matchLabels") or {}).items():
        if key not in found or found[key] != value:
            return False
    return all(_meets(requirement, found) for requirement in selector.get("matchExpressions") or ())


def _meets(requirement: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    key, values = str(requirement.get("key")), requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return key in found and found[key] in values
        case "NotIn":
            return key not in found or found[key] not in values
        case "Exists":
            return key in found
        case "DoesNotExist":
            return key not in found
    return False


MAX_REMEMBERED = 1000
"""Sorts of request for which the answer is remembered. They come from outside, so there must be an end."""


class Constraints:
    """``matchConstraints`` or ``matchResources``: which requests get through to the policy."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self._rules = written.get("resourceRules")
        self._excluded = written.get("excludeResourceRules") or ()
        self._exact = written.get("matchPolicy") == "Exact"
        self._namespaces, self._objects = written.get("namespaceSelector"), written.get("objectSelector")
        named = any(rule.get("resourceNames") for rule in (*(self._rules or ()), *self._excluded))
        self._known: dict[tuple[object, ...], bool] | None = None if named else {}

    def meet(self, request: Request) -> bool:
        """Whether the request is one of those."""
        return (
            self._named(request)
            and (not self._namespaces or _namespace_selected(self._namespaces, request))
            and (not self._objects or _object_selected(self._objects, request))
        )

    def _named(self, request: Request) -> bool:
        if self._known is None:
            return self._look(request)
        about = subject_of(request)
        asked = asked_group_version(request) if "/" in request.resource else None
        sort = (about.get("apiVersion"), about.get("kind"), request.operation, request.resource, asked)
        try:
            found = self._known.get(sort)
        except TypeError:  # an apiVersion that is a map
            return self._look(request)
        if found is None:
            found = self._look(request)
            if len(self._known) < MAX_REMEMBERED:
                self._known[sort] = found
        return found

    def _look(self, request: Request) -> bool:
        allowed = self._rules is None or any(resource_rule(rule, request, exact=self._exact) for rule in self._rules)
        return allowed and not any(resource_rule(rule, request, exact=self._exact) for rule in self._excluded)


def resource_rule(rule: Mapping[str, Any], request: Request, *, exact: bool = False) -> bool:
    """Whether one of the resourceRules names the request.

    ``exact`` compares versions too. Otherwise (``matchPolicy: Equivalent``) the API server would convert the object to a
    version that the rule names, so every version of the group is meant.
    """
    subject = subject_of(request)
    group, version = asked_group_version(request)
    names = rule.get("resourceNames") or ()
    return (
        _listed(rule.get("apiGroups"), group)
        and (not exact or _listed(rule.get("apiVersions"), version))
        and _listed(rule.get("operations"), request.operation)
        and _resource_listed(rule.get("resources") or (), request)
        and (not names or (metadata(subject).get("name") or request.admission.get("name")) in names)
        and rule.get("scope", "*") in ("*", "Namespaced" if is_namespaced(subject) else "Cluster")
    )


def _listed(listed: Sequence[str] | None, value: str) -> bool:
    """What is left out, which an API server would refuse and Kyverno does not, selects everything."""
    return listed is None or "*" in listed or value in listed


def _resource_listed(listed: Sequence[str], request: Request) -> bool:
    resource = request.resource or plural(str(subject_of(request).get("kind", "")))
    base, _, sub = resource.partition("/")
    for pattern in listed:
        wanted, slash, wanted_sub = pattern.partition("/")
        if wanted in {"*", base} and (wanted_sub in {"*", sub} if slash else not sub):
            return True
        if pattern == "*/*":
            return True
    return False


def _namespace_selected(selector: Mapping[str, Any] | None, request: Request) -> bool:
    """Objects outside of namespaces are always meant, a Namespace by its own labels."""
    subject = subject_of(request)
    if not selector or (not is_namespaced(subject) and subject.get("kind") != "Namespace"):
        return True
    return selects(selector, namespace_labels(request))


def _object_selected(selector: Mapping[str, Any] | None, request: Request) -> bool:
    """The object before or after the change is enough."""
    if not selector:
        return True
    return any(selects(selector, labels(one)) for one in (request.object, request.old_object) if one is not None)
