"""Which requests a native policy is about: resource rules, label selectors, scopes. Called by :mod:`shipway.policy.native`.

The semantics are those of ``matchConstraints`` and ``matchResources`` in ``admissionregistration.k8s.io/v1``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.resources import (
    group_version,
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
    wanted = selector.get("matchLabels") or {}
    return all(key in found and found[key] == value for key, value in wanted.items()) and all(
        _meets(requirement, found) for requirement in selector.get("matchExpressions") or ()
    )


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


def constrained(constraints: Mapping[str, Any], request: Request) -> bool:
    """Whether ``matchConstraints`` (or ``matchResources``) let the request through to the policy."""
    rules = constraints.get("resourceRules")
    exact = constraints.get("matchPolicy") == "Exact"
    return (
        (rules is None or any(resource_rule(rule, request, exact=exact) for rule in rules))
        and not any(resource_rule(rule, request, exact=exact) for rule in constraints.get("excludeResourceRules") or ())
        and _namespace_selected(constraints.get("namespaceSelector"), request)
        and _object_selected(constraints.get("objectSelector"), request)
    )


def resource_rule(rule: Mapping[str, Any], request: Request, *, exact: bool = False) -> bool:
    """Whether one of the resourceRules names the request.

    ``exact`` compares versions too. Otherwise (``matchPolicy: Equivalent``) the API server would convert the object to a
    version that the rule names, so every version of the group is meant.
    """
    subject = subject_of(request)
    group, version = group_version(subject)
    names = rule.get("resourceNames") or ()
    return (
        _listed(rule.get("apiGroups"), group)
        and (not exact or _listed(rule.get("apiVersions"), version))
        and _listed(rule.get("operations"), request.operation)
        and _resource_listed(rule.get("resources") or (), request)
        and (not names or metadata(subject).get("name") in names)
        and rule.get("scope", "*") in ("*", "Namespaced" if is_namespaced(subject) else "Cluster")
    )


def _listed(listed: Sequence[str] | None, value: str) -> bool:
    return listed is not None and ("*" in listed or value in listed)


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
