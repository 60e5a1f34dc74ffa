"""What of a policy cannot be used, found when it is loaded: shape, depth, features that are not evaluated, typing errors.

Called by ``loading``. Each check raises :class:`Unsupported` with the path of what is wrong.
"""

from collections.abc import Mapping
from typing import Any

from shipway.policy.kyverno import (
    celrules,
    conditions,
    context,
    expressions,
    matching,
    patterns,
    podsecurity,
    variables,
)
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.resources import group_version
from shipway.policy.rules import Path

CLASSIC = frozenset({"ClusterPolicy", "Policy"})
VALIDATING = frozenset({"ValidatingPolicy", "NamespacedValidatingPolicy"})
REFUSED: Mapping[str, str] = {
    "MutatingPolicy": "mutation",
    "NamespacedMutatingPolicy": "mutation",
    "GeneratingPolicy": "generation",
    "NamespacedGeneratingPolicy": "generation",
    "DeletingPolicy": "cleanup",
    "NamespacedDeletingPolicy": "cleanup",
    "ImageValidatingPolicy": "verification of signatures",
    "NamespacedImageValidatingPolicy": "verification of signatures",
    "CleanupPolicy": "cleanup",
    "ClusterCleanupPolicy": "cleanup",
}
"""Kinds of policies that are known and not evaluated, with what they would do."""
TYPES: Mapping[str, str] = {
    "mutate": "mutation",
    "generate": "generation",
    "verifyImages": "verification of signatures",
}
"""Types of rules that are known and not evaluated."""
_BODIES = ("pattern", "anyPattern", "deny", "foreach", "podSecurity", "cel")
_DEEPEST = 100


def is_policy(data: Mapping[str, Any]) -> bool:
    """Whether a document is a policy of Kyverno, of a kind that is evaluated or at least known."""
    group, kind = group_version(data)[0], str(data.get("kind"))
    if group == "policies.kyverno.io":
        return kind in VALIDATING or kind in REFUSED
    return group == "kyverno.io" and kind in CLASSIC | {"CleanupPolicy", "ClusterCleanupPolicy"}


def is_evaluated(data: Mapping[str, Any]) -> bool:
    """Whether a document is a policy of a kind that is evaluated."""
    return is_policy(data) and str(data.get("kind")) not in REFUSED


def is_exception(data: Mapping[str, Any]) -> bool:
    """Whether a document is a PolicyException of either group."""
    return data.get("kind") == "PolicyException" and group_version(data)[0] in {"kyverno.io", "policies.kyverno.io"}


def exception(data: Mapping[str, Any]) -> None:
    """A PolicyException that can be used."""
    _check_depth(data, 0)
    spec = data.get("spec")
    if not isinstance(data.get("metadata"), Mapping) or not isinstance(spec, Mapping):
        raise Unsupported("expected `metadata` and `spec`")
    for key in (
        "exceptions",
        "policyRefs",
        "matchConditions",
        "podSecurity",
        "images",
        "allowedImages",
        "allowedValues",
    ):
        listed = spec.get(key)
        if listed is not None and not isinstance(listed, list):
            raise Unsupported("expected a list", ("spec", key))
    for key in ("exceptions", "policyRefs"):
        if not all(isinstance(one, Mapping) for one in spec.get(key) or ()):
            raise Unsupported("expected a list of maps", ("spec", key))
    matching.check(spec.get("match"), ("spec", "match"))
    conditions.check(spec.get("conditions"), ("spec", "conditions"))
    podsecurity.check_exclusions(spec.get("podSecurity"), ("spec", "podSecurity"))
    celrules.conditions_of(spec.get("matchConditions"), ("spec", "matchConditions"), {})


def shape(document: Mapping[str, Any]) -> bool:
    """A policy at all, not too deep, with a spec."""
    _check_depth(document, 0)
    if not is_policy(document):
        raise Unsupported(
            f"expected a policy of Kyverno, found {document.get('apiVersion')} {document.get('kind')}", ("kind",)
        )
    if feature := REFUSED.get(str(document["kind"])):
        raise Unsupported(f"{document['kind']}: {feature} is not supported, only validation is", ("kind",))
    for key in ("metadata", "spec"):
        if not isinstance(document.get(key), Mapping):
            raise Unsupported("expected a map", (key,))
    if not isinstance(document["metadata"].get("annotations"), Mapping | None):
        raise Unsupported("expected a map", ("metadata", "annotations"))
    listed = document["spec"].get("rules")
    if document["kind"] in CLASSIC and not (
        isinstance(listed, list) and all(isinstance(one, Mapping) for one in listed)
    ):
        raise Unsupported("expected a list of rules", ("spec", "rules"))
    return True


def _check_depth(value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unsupported(f"expected at most {_DEEPEST} levels")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Unsupported("expected names as keys")
        for below in value.values():
            _check_depth(below, depth + 1)
    elif isinstance(value, list):
        for below in value:
            _check_depth(below, depth + 1)


def rule(body: Mapping[str, Any], path: Path, failure_policy: object = None) -> celrules.Expressions | None:
    """Refuse what the engine does not evaluate; the compiled expressions of a CEL rule."""
    for block in ("match", "exclude"):
        matching.check(body.get(block), (*path, block))
    conditions.check(body.get("preconditions"), (*path, "preconditions"))
    _check_context(body.get("context"), (*path, "context"))
    validate = body["validate"]
    path = (*path, "validate")
    if not isinstance(validate, Mapping):
        raise Unsupported("expected a map", path)
    found = [name for name in _BODIES if name in validate]
    if len(found) != 1:
        other = next((name for name in ("manifests", "assert") if name in validate), "")
        raise Unsupported(
            f"`validate.{other}` is not supported" if other else f"expected one of {', '.join(_BODIES)}",
            (*path, other) if other else path,
        )
    if found[0] == "cel":
        return _cel(body, validate["cel"], (*path, "cel"), failure_policy)
    if found[0] == "podSecurity":
        podsecurity.check(validate["podSecurity"], (*path, "podSecurity"))
    else:
        _check_body(validate, path)
    _check_expressions(body, path)
    return None


def _check_body(body: Mapping[str, Any], path: Path) -> None:
    if "foreach" in body:
        listed = body["foreach"]
        if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
            raise Unsupported("expected a list of loops", (*path, "foreach"))
        for index, one in enumerate(listed):
            _check_loop(one, (*path, "foreach", index))
    elif "pattern" in body:
        patterns.check(body["pattern"], (*path, "pattern"))
    elif "anyPattern" in body:
        if not isinstance(body["anyPattern"], list) or not body["anyPattern"]:
            raise Unsupported("expected a list of patterns", (*path, "anyPattern"))
        for index, one in enumerate(body["anyPattern"]):
            patterns.check(one, (*path, "anyPattern", index))
    elif "deny" in body:
        if not isinstance(body["deny"], Mapping | None):
            raise Unsupported("expected a map with `conditions`", (*path, "deny"))
        conditions.check((body["deny"] or {}).get("conditions"), (*path, "deny", "conditions"))
    else:
        raise Unsupported("expected pattern, anyPattern, deny or foreach", path)


def _check_loop(loop: Mapping[str, Any], path: Path) -> None:
    if not isinstance(loop.get("list"), str):
        raise Unsupported("expected a JMESPath expression", (*path, "list"))
    conditions.check(loop.get("preconditions"), (*path, "preconditions"))
    _check_context(loop.get("context"), (*path, "context"))
    _check_body(
        {key: value for key, value in loop.items() if key in {"pattern", "anyPattern", "deny", "foreach"}}, path
    )


def _check_context(entries: object, path: Path) -> None:
    if entries is None:
        return
    if not isinstance(entries, list) or not all(isinstance(one, Mapping) for one in entries):
        raise Unsupported("expected a list of context entries", path)
    for index, one in enumerate(entries):
        kinds = [key for key in one if key != "name"]
        if not isinstance(one.get("name"), str) or len(kinds) != 1 or kinds[0] not in context.KINDS:
            raise Unsupported(f"expected a name and one of {', '.join(sorted(context.KINDS))}", (*path, index))
        if not isinstance(one[kinds[0]], Mapping):
            raise Unsupported("expected a map", (*path, index, kinds[0]))


def _check_expressions(body: Mapping[str, Any], path: Path) -> None:
    """Expressions that hold no others are parsed now, so that a typing error is found at load."""
    for text in variables.expressions(
        {key: body[key] for key in ("context", "preconditions", "validate") if key in body}
    ):
        if "{{" not in text and text not in {"", "@"}:
            try:
                expressions.parse(text)
            except RuleFault as fault:
                raise Unsupported(str(fault), path) from None


def _cel(body: Mapping[str, Any], cel: object, path: Path, failure_policy: object) -> celrules.Expressions:
    if not isinstance(cel, Mapping):
        raise Unsupported("expected a map with `expressions`", path)
    found = celrules.variables_of(cel.get("variables"), (*path, "variables"))
    celrules.check_annotations(cel.get("auditAnnotations"), (*path, "auditAnnotations"), found)
    return celrules.Expressions(
        validations=celrules.validations_of(cel.get("expressions"), (*path, "expressions"), found),
        variables=found,
        conditions=celrules.conditions_of(body.get("celPreconditions"), (*path[:-2], "celPreconditions"), {}),
        lenient=failure_policy == "Ignore",
        param_kind=cel.get("paramKind"),
        param_ref=cel.get("paramRef"),
    )
