"""Kubernetes' own ValidatingAdmissionPolicy and its Binding to rules. Called by :mod:`shipway.policy.loading`.

One rule for each binding; a policy that has none in the set is taken as bound to everything, with ``Deny``. What needs an
API server (``authorizer``, type checking, conversion between versions) is refused or left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.model.problems import Problem
from shipway.policy import shapes
from shipway.policy.blame import Expression, Scope, allowed, blame, compiled
from shipway.policy.cel import CelError, CelSyntaxError
from shipway.policy.matching import Constraints, selects
from shipway.policy.metadata import described
from shipway.policy.resources import group_version, labels, metadata, name, names_ours, namespace, plural, subject_of
from shipway.policy.rules import (
    NOTHING,
    Action,
    CompiledRule,
    Document,
    Object,
    Outcome,
    Path,
    Request,
)

GROUP = "admissionregistration.k8s.io"
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
_ACTIONS: Mapping[str, Action] = {"Deny": "deny", "Warn": "warn", "Audit": "audit"}
_STRICTEST: Sequence[Action] = ("deny", "warn", "audit")
_UNBOUND: Mapping[str, Any] = {"validationActions": ["Deny"]}


class _Validation(msgspec.Struct, frozen=True):
    expression: Expression
    source: str
    message: str
    message_expression: Expression | None
    reason: str


class _Policy(msgspec.Struct, frozen=True):
    """A policy with its expressions compiled."""

    name: str
    document: Document
    constraints: Mapping[str, Any]
    conditions: tuple[tuple[str, Expression], ...]
    validations: tuple[_Validation, ...]
    annotations: tuple[tuple[str, Expression], ...]
    variables: Mapping[str, Expression]
    param_kind: Mapping[str, Any] | None
    ignores_errors: bool
    uses_request: bool


def load(
    policies: Sequence[Document], bindings: Sequence[Document], others: Sequence[Object] = ()
) -> tuple[list[CompiledRule], list[Problem]]:
    """The rules of these documents, and what is wrong with them.

    ``others`` are objects among the documents that parameters may be taken from.
    """
    rules: list[CompiledRule] = []
    problems: list[Problem] = []
    bound: dict[str, list[Document]] = {}
    for binding in bindings:
        if _is_shaped(binding, shapes.Binding, problems):
            bound.setdefault(binding.data["spec"]["policyName"], []).append(binding)
    for document in policies:
        policy = _compiled(document, problems)
        if policy is not None:
            its = bound.pop(policy.name, [])
            wanted: list[Document | None] = [*its] or [None]
            rules += [_rule(policy, binding, len(its), others) for binding in wanted]
    for name_, left in bound.items():
        message = f"there is no {POLICY} `{name_}` in these files"
        problems += [_problem(one, ("spec", "policyName"), "unknown-policy", message) for one in left]
    return rules, problems


# -- compiling


def _compiled(document: Document, problems: list[Problem]) -> _Policy | None:
    if not _is_shaped(document, shapes.Policy, problems):
        return None
    spec = _map(document.data.get("spec"))
    made = _Compiler(document)
    variables: dict[str, Expression] = {}
    for index, one in enumerate(_maps(spec.get("variables"))):
        path: Path = ("spec", "variables", index, "expression")
        expression = made.expression(one.get("expression"), path, variables)
        if expression is not None:
            variables[str(one.get("name"))] = expression
    conditions = [
        (
            str(one.get("name", index)),
            made.expression(one.get("expression"), ("spec", "matchConditions", index, "expression"), {}),
        )
        for index, one in enumerate(_maps(spec.get("matchConditions")))
    ]
    validations = [made.validation(one, index, variables) for index, one in enumerate(_maps(spec.get("validations")))]
    annotations = [
        (
            str(one.get("key", "")),
            made.expression(
                one.get("valueExpression"), ("spec", "auditAnnotations", index, "valueExpression"), variables
            ),
        )
        for index, one in enumerate(_maps(spec.get("auditAnnotations")))
    ]
    if not validations and not annotations:
        made.report(("spec",), "missing", "expected `validations` or `auditAnnotations`")
    problems += made.problems
    if made.problems:
        return None
    return _Policy(
        name(document.data),
        document,
        spec["matchConstraints"],
        tuple((key, one) for key, one in conditions if one is not None),
        tuple(one for one in validations if one is not None),
        tuple((key, one) for key, one in annotations if one is not None),
        variables,
        spec.get("paramKind"),
        spec.get("failurePolicy", "Fail") == "Ignore",
        made.uses_request,
    )


class _Compiler:
    """Compiles the expressions of one document and keeps what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self.uses_request = False

    def report(self, path: Path, code: str, message: str) -> None:
        self.problems.append(_problem(self._document, path, code, message))

    def expression(self, source: object, path: Path, variables: Mapping[str, Expression]) -> Expression | None:
        """One expression; None, and a problem, when it cannot be used."""
        if not isinstance(source, str) or not source.strip():
            self.report(path, "missing", "expected a CEL expression")
            return None
        try:
            found = compiled(source, variables)
        except CelSyntaxError as error:
            self.report(
                path, "bad-expression", f"{error.message} (line {error.line}, column {error.column} of the expression)"
            )
            return None
        if "authorizer" in found.roots:
            self.report(path, "unsupported", "`authorizer` is not supported: its answers are in an API server")
            return None
        self.uses_request |= "request" in found.roots
        return found

    def validation(self, one: Mapping[str, Any], index: int, variables: Mapping[str, Expression]) -> _Validation | None:
        path: Path = ("spec", "validations", index)
        expression = self.expression(one.get("expression"), (*path, "expression"), variables)
        said = one.get("messageExpression")
        message_expression = self.expression(said, (*path, "messageExpression"), variables) if said else None
        if expression is None:
            return None
        message = str(one.get("message", "")).strip()
        return _Validation(
            expression, str(one["expression"]).strip(), message, message_expression, str(one.get("reason", "Invalid"))
        )


def _rule(policy: _Policy, document: Document | None, count: int, others: Sequence[Object]) -> CompiledRule:
    binding = _map(document.data.get("spec")) if document else _UNBOUND
    about = described(policy.document)
    actions = [_ACTIONS[one] for one in binding.get("validationActions") or () if one in _ACTIONS]
    action = about.action or _strictest(actions)
    return CompiledRule(
        policy=policy.name,
        name=name(document.data) if document is not None and count > 1 else policy.name,
        engine="cel",
        evaluate=_evaluating(policy, binding, others),
        resources=_resources(policy.constraints),
        subresources=frozenset(one for one in _written(policy.constraints) if "/" in one),
        action=action,
        sees_facts=names_ours(policy.constraints),
        ignores_errors=policy.ignores_errors,
        place=policy.document.locate(()),
        **about.fields(),
    )


def _strictest(actions: Sequence[Action]) -> Action:
    return next((one for one in _STRICTEST if one in actions), "audit")


def _resources(constraints: Mapping[str, Any]) -> frozenset[str] | None:
    if constraints.get("resourceRules") is None:
        return None
    return frozenset(one.partition("/")[0] for one in _written(constraints))


def _written(constraints: Mapping[str, Any]) -> Iterator[str]:
    return (str(one) for rule in _maps(constraints.get("resourceRules")) for one in rule.get("resources") or ())


# -- evaluating


def _evaluating(
    policy: _Policy, binding: Mapping[str, Any], others: Sequence[Object]
) -> Callable[[Request], Sequence[Outcome]]:
    applies = Constraints(policy.constraints)
    bound = Constraints(_map(binding.get("matchResources")))

    def evaluate(request: Request) -> Sequence[Outcome]:
        if not applies.meet(request) or not bound.meet(request):
            return ()
        bindings: dict[str, Any] = {
            "object": request.object,
            "oldObject": request.old_object,
            "namespaceObject": request.namespace_object,
            "request": _admission(request) if policy.uses_request else None,
            "params": None,
        }
        if policy.param_kind is None:
            return _judged(policy, bindings)
        reference = _map(binding.get("paramRef"))
        if not reference and binding is not _UNBOUND:
            return _judged(policy, bindings)
        found = _params(policy.param_kind, reference, request, others)
        if not found:
            return _without_params(reference, ignores_errors=policy.ignores_errors)
        return [one for params in found for one in _judged(policy, {**bindings, "params": params})]

    return evaluate


def _without_params(ref: Mapping[str, Any], *, ignores_errors: bool) -> Sequence[Outcome]:
    """``parameterNotFoundAction: Deny`` leaves it to the policy's ``failurePolicy``."""
    if ref.get("parameterNotFoundAction") == "Deny":
        message = "no params found for the policy, and its binding says to deny then"
        return (Outcome("error" if ignores_errors else "fail", message, reason="Forbidden"),)
    return (Outcome("skip", "no params found for the policy"),)


def _params(
    kind: Mapping[str, Any], ref: Mapping[str, Any], request: Request, others: Sequence[Object]
) -> list[Object]:
    wanted = (kind.get("apiVersion"), kind.get("kind"))
    within = ref.get("namespace") or namespace(subject_of(request))
    return [
        one
        for one in (*others, *request.inventory)
        if (one.get("apiVersion"), one.get("kind")) == wanted
        and metadata(one).get("namespace", within) == within
        and (metadata(one).get("name") == ref["name"] if "name" in ref else selects(ref.get("selector"), labels(one)))
    ]


def _judged(policy: _Policy, bindings: Mapping[str, Any]) -> Sequence[Outcome]:
    scope = Scope(bindings, policy.variables)
    applies = _applies(policy, scope)
    if applies is not None:
        return applies
    found = [one for validation in policy.validations if (one := _outcome(validation, scope)) is not None]
    notes = _notes(policy, scope, found) if policy.annotations else NOTHING
    if not found or notes:
        found.append(Outcome("pass", annotations=notes))
    return found


def _applies(policy: _Policy, scope: Scope) -> Sequence[Outcome] | None:
    """None when every condition holds. A condition that is false beats one that cannot be judged."""
    error: Outcome | None = None
    for key, condition in policy.conditions:
        try:
            if condition.evaluate(scope) is not True:
                return (Outcome("skip", f"matchCondition {key} does not hold"),)
        except CelError as problem:
            error = error or Outcome("error", f"matchCondition {key}: {problem.message}")
    return (error,) if error else None


def _outcome(validation: _Validation, scope: Scope) -> Outcome | None:
    """None when it holds."""
    try:
        value = validation.expression.evaluate(scope)
    except CelError as problem:
        return Outcome("error", f"{validation.source}: {problem.message}", blame(validation.expression, scope))
    if value is True:
        return None
    if value is not False:
        return Outcome("error", f"{validation.source}: expected true or false, got {type(value).__name__}")
    path = blame(validation.expression, scope)
    return Outcome("fail", _message(validation, scope), path, validation.reason, allowed=allowed(validation.source))


def _message(validation: _Validation, scope: Scope) -> str:
    """What ``messageExpression`` says; ``message`` when that fails, is empty or has several lines."""
    if validation.message_expression is not None:
        try:
            said = validation.message_expression.evaluate(scope)
        except CelError:
            said = ""
        if isinstance(said, str) and said.strip() and "\n" not in said:
            return said.strip()
    return validation.message or f"failed expression: {validation.source}"


def _notes(policy: _Policy, scope: Scope, found: list[Outcome]) -> Mapping[str, str]:
    """Audit annotations; those that are null or empty are left out."""
    notes: dict[str, str] = {}
    for key, expression in policy.annotations:
        try:
            value = expression.evaluate(scope)
        except CelError as problem:
            found.append(Outcome("error", f"auditAnnotation {key}: {problem.message}"))
            continue
        if isinstance(value, str) and value:
            notes[key] = value
    return notes


def _admission(request: Request) -> Mapping[str, Any]:
    """``request`` as expressions see it: as the API server sent it, or made of what is known."""
    if request.admission:
        return request.admission
    about = subject_of(request)
    group, version = group_version(about)
    kind = str(about.get("kind", ""))
    resource, _, sub = (request.resource or plural(kind)).partition("/")
    typed = {"group": group, "version": version, "kind": kind}
    named = {"group": group, "version": version, "resource": resource}
    return {
        "uid": "",
        "kind": typed,
        "requestKind": typed,
        "resource": named,
        "requestResource": named,
        "subResource": sub,
        "requestSubResource": sub,
        "options": {},
        "name": name(about),
        "namespace": namespace(about),
        "operation": request.operation,
        "userInfo": dict(request.user_info),
        "dryRun": request.dry_run,
    }


# -- reading


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [_map(one) for one in value] if isinstance(value, list) else []


def _is_shaped(document: Document, shape: type[shapes.Shape], problems: list[Problem]) -> bool:
    try:
        shapes.check(document.data, shape)
    except shapes.Misshapen as error:
        problems.append(
            _problem(
                document, error.path, "unsupported" if "unknown field" in error.message else "wrong-type", error.message
            )
        )
        return False
    return True


def _problem(document: Document, path: Path, code: str, message: str) -> Problem:
    place = document.locate(path)
    dotted = ".".join(map(str, path))
    return Problem(place.file or document.file, place.line, place.column, dotted, code, message)
