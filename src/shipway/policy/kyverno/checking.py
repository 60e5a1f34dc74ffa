"""What of a policy cannot be used, found when it is loaded: shape, depth, features that are not evaluated, typing errors.

Called by ``loading``. Each check raises :class:`Unsupported` with the path of what is wrong.
"""

from collections.abc import Mapping
from typing import Any

from shipway.policy.blame import Expression
from shipway.policy.kyverno import (
    celrules,
    conditions,
    context,
    expressions,
    matching,
    patterns,
    podsecurity,
    shapes,
    variables,
)
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.resources import group_version
from shipway.policy.rules import Object, Path

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
_SPEC = frozenset({
    "rules", "applyRules", "failurePolicy", "validationFailureAction", "validationFailureActionOverrides", "emitWarning",
    "admission", "background", "schemaValidation", "webhookTimeoutSeconds", "webhookConfiguration", "useServerSideApply",
    "mutateExistingOnPolicyUpdate", "generateExisting", "generateExistingOnPolicyUpdate",
})  # fmt: skip
_RULE = frozenset({
    "name", "context", "match", "exclude", "preconditions", "celPreconditions", "validate", "mutate", "generate",
    "verifyImages", "skipBackgroundRequests", "reportProperties", "imageExtractors",
})  # fmt: skip
_VALIDATE = frozenset({
    "message", "failureAction", "failureActionOverrides", "allowExistingViolations", "manifests", "assert", *_BODIES,
})  # fmt: skip
_LOOP = frozenset({
    "list", "context", "preconditions", "elementScope", "pattern", "anyPattern", "deny", "foreach", "order",
})  # fmt: skip


def is_policy(data: Mapping[str, Any]) -> bool:
    """Whether a document is a policy of Kyverno, of a kind that is evaluated or at least known."""
    group, kind = group_version(data)[0], str(data.get("kind"))
    if group == "policies.kyverno.io":
        return kind in VALIDATING or kind in REFUSED
    return group == "kyverno.io" and kind in CLASSIC | {"CleanupPolicy", "ClusterCleanupPolicy"}


def is_exception(data: Mapping[str, Any]) -> bool:
    """Whether a document is a PolicyException of either group."""
    return data.get("kind") == "PolicyException" and group_version(data)[0] in {"kyverno.io", "policies.kyverno.io"}


def exception(data: Object) -> None:
    """A PolicyException that can be used."""
    _check_depth(data, 0)
    shapes.check(data, shapes.ExceptionSpec)
    spec = data["spec"]
    matching.check(spec.get("match"), ("spec", "match"))
    conditions.check(spec.get("conditions"), ("spec", "conditions"))
    podsecurity.check_exclusions(spec.get("podSecurity"), ("spec", "podSecurity"))
    celrules.conditions_of(spec.get("matchConditions"), ("spec", "matchConditions"), {})


def shape(data: Object) -> bool:
    """A policy of a kind that is evaluated, not too deep, with lists and maps where they must be."""
    _check_depth(data, 0)
    if feature := REFUSED.get(str(data["kind"])):
        raise Unsupported(f"{data['kind']}: {feature} is not supported, only validation is", ("kind",))
    classic = data["kind"] in CLASSIC
    shapes.check(data, shapes.ClassicSpec if classic else shapes.ValidatingSpec)
    if classic:
        _check_settings(data["spec"])
    return True


def _check_settings(spec: Mapping[str, Any]) -> None:
    """Settings that are unknown are refused; those that only concern a cluster are let be."""
    _check_known(spec, _SPEC, ("spec",))
    if (wanted := spec.get("applyRules")) not in {None, "", "All", "One"}:
        raise Unsupported(f"expected All or One, found `{wanted}`", ("spec", "applyRules"))


def _check_known(found: Mapping[str, Any], known: frozenset[str], path: Path) -> None:
    unknown = next((key for key in found if key not in known), None)
    if unknown is not None:
        raise Unsupported(f"unknown field `{unknown}`", (*path, unknown))


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


def webhook_conditions(spec: Mapping[str, Any]) -> tuple[tuple[str, Expression], ...]:
    """``webhookConfiguration.matchConditions``, compiled: requests that do not meet them never reach the policy."""
    path = ("spec", "webhookConfiguration", "matchConditions")
    return celrules.conditions_of((spec.get("webhookConfiguration") or {}).get("matchConditions"), path, {})


def rule(body: Mapping[str, Any], path: Path, failure_policy: object = None) -> celrules.Expressions | None:
    """Refuse what the engine does not evaluate; the compiled expressions of a CEL rule."""
    _check_known(body, _RULE, path)
    if body.get("imageExtractors"):
        raise Unsupported("`imageExtractors` are not supported", (*path, "imageExtractors"))
    for block in ("match", "exclude"):
        matching.check(body.get(block), (*path, block))
    conditions.check(body.get("preconditions"), (*path, "preconditions"))
    _check_context(body.get("context"), (*path, "context"))
    validate = body["validate"]
    path = (*path, "validate")
    _check_known(validate, _VALIDATE, path)
    found = [name for name in _BODIES if name in validate]
    if len(found) != 1:
        other = next((name for name in ("manifests", "assert") if name in validate), "")
        raise Unsupported(
            f"`validate.{other}` is not supported" if other else f"expected one of {', '.join(_BODIES)}",
            (*path, other) if other else path,
        )
    if body.get("celPreconditions") and found[0] != "cel":
        raise Unsupported(
            "`celPreconditions` need `validate.cel`; use `preconditions`", (*path[:-1], "celPreconditions")
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
        for index, one in enumerate(body["foreach"] or ()):
            _check_loop(one, (*path, "foreach", index))
    elif "pattern" in body:
        patterns.check(body["pattern"], (*path, "pattern"))
    elif "anyPattern" in body:
        if not body["anyPattern"]:
            raise Unsupported("expected a list of patterns", (*path, "anyPattern"))
        for index, one in enumerate(body["anyPattern"]):
            patterns.check(one, (*path, "anyPattern", index))
    elif "deny" in body:
        conditions.check((body["deny"] or {}).get("conditions"), (*path, "deny", "conditions"))
    else:
        raise Unsupported("expected pattern, anyPattern, deny or foreach", path)


def _check_loop(loop: Mapping[str, Any], path: Path) -> None:
    _check_known(loop, _LOOP, path)
    conditions.check(loop.get("preconditions"), (*path, "preconditions"))
    _check_context(loop.get("context"), (*path, "context"))
    _check_body(
        {key: value for key, value in loop.items() if key in {"pattern", "anyPattern", "deny", "foreach"}}, path
    )


def _check_context(entries: Any, path: Path) -> None:
    for index, one in enumerate(entries or ()):
        kinds = [key for key in one if key != "name"]
        if len(kinds) != 1 or kinds[0] not in context.KINDS or one[kinds[0]] is None:
            raise Unsupported(f"expected a name and one of {', '.join(sorted(context.KINDS))}", (*path, index))


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
    for key in ("paramKind", "paramRef"):
        if not isinstance(cel.get(key), Mapping | None):
            raise Unsupported("expected a map", (*path, key))
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
