"""Validations written in CEL: ``validate.cel`` of a ClusterPolicy and everything of a ValidatingPolicy.

Compiled by ``loading``, judged through ``validation`` and ``validating``. An expression without a value, or whose value is
no bool, is a failure unless ``failurePolicy`` is ``Ignore``, as in Kubernetes; where data of a cluster is missing it is an
``error``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.blame import Expression, Scope, allowed, blame, compiled
from shipway.policy.cel import CelError, CelSyntaxError, Environment
from shipway.policy.kyverno import images, libraries, pods, resources
from shipway.policy.kyverno.faults import NoData, RuleFault, Unsupported
from shipway.policy.resources import group_version, metadata, name, namespace, plural, subject_of
from shipway.policy.rules import Outcome, Path, Request

_NAMES = (
    *("object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer"),
    *("images", "exceptions", "resource", "image", "globalContext", "http"),
)
ENVIRONMENT = Environment(variables=_NAMES, functions=libraries.FUNCTIONS, lenient_or_value=True)
_MESSAGE_LENGTH = 5000
_IMAGES = "\0images"


class Validation(msgspec.Struct, frozen=True):
    """One expression that must be true."""

    expression: Expression
    message: str = ""
    message_expression: Expression | None = None


class Expressions(msgspec.Struct, frozen=True):
    """What is evaluated for one rule, compiled."""

    validations: tuple[Validation, ...]
    variables: Mapping[str, Expression] = msgspec.field(default_factory=dict)
    conditions: tuple[tuple[str, Expression], ...] = ()
    """Name and expression; all must be true, or the rule is skipped."""
    param_kind: Mapping[str, Any] | None = None
    param_ref: Mapping[str, Any] | None = None
    exceptions: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"allowedImages": [], "allowedValues": []})
    lenient: bool = False
    """``failurePolicy: Ignore``: an expression without a value is an error instead of a failure."""
    whole: bool = False
    """The payload is any JSON, not an object of Kubernetes."""


def expression(source: object, path: Path, variables: Mapping[str, Expression]) -> Expression:
    """The compiled expression; raises :class:`Unsupported` with the place in the policy."""
    if not isinstance(source, str):
        raise Unsupported("expected a CEL expression", path)
    try:
        found = compiled(source, variables, ENVIRONMENT)
    except CelSyntaxError as error:
        raise Unsupported(f"this CEL expression cannot be compiled: {error}", path) from None
    if "authorizer" in found.roots:
        raise Unsupported("`authorizer` is not supported: its answers are in an API server", path)
    return found


def conditions_of(
    listed: object, path: Path, variables: Mapping[str, Expression]
) -> tuple[tuple[str, Expression], ...]:
    """``matchConditions`` and ``celPreconditions``."""
    return tuple(
        (_name(one, (*path, index)), expression(one.get("expression"), (*path, index, "expression"), variables))
        for index, one in _maps(listed, path)
    )


def variables_of(listed: object, path: Path) -> dict[str, Expression]:
    """``variables``; each may use those before it."""
    made: dict[str, Expression] = {}
    for index, one in _maps(listed, path):
        made[_name(one, (*path, index))] = expression(one.get("expression"), (*path, index, "expression"), made)
    return made


def _name(one: Mapping[str, Any], path: Path) -> str:
    found = one.get("name", "")
    if isinstance(found, bool):
        raise Unsupported(
            "expected a name, got true or false: YAML reads `y`, `n`, `yes` and `no` so; quote it", (*path, "name")
        )
    return str(found)


def validations_of(listed: object, path: Path, variables: Mapping[str, Expression]) -> tuple[Validation, ...]:
    """``validations`` or ``cel.expressions``."""
    made = []
    for index, one in _maps(listed, path):
        text = one.get("messageExpression")
        told = expression(text, (*path, index, "messageExpression"), variables) if text else None
        wanted = expression(one.get("expression"), (*path, index, "expression"), variables)
        made.append(Validation(wanted, str(one.get("message") or "").strip(), told))
    return tuple(made)


def check_annotations(listed: object, path: Path, variables: Mapping[str, Expression]) -> None:
    """``auditAnnotations`` are compiled to find mistakes; they decide nothing."""
    for index, one in _maps(listed, path):
        expression(one.get("valueExpression"), (*path, index, "valueExpression"), variables)


def _maps(listed: object, path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise Unsupported("expected a list of maps with `expression`", path)
    return list(enumerate(listed))


def judge(expressions: Expressions, request: Request) -> Outcome:
    """The first validation that is not true decides; with several parameters, the first of them that fails."""
    facts = _facts(request, expressions)
    outcomes = [_judge(expressions, {**facts, "params": params}, request) for params in _params(expressions, request)]
    order = ("error", "fail", "pass", "skip")
    return min(outcomes, key=lambda one: order.index(one.status), default=Outcome("skip", "no parameters"))


def all_hold(wanted: Sequence[tuple[str, Expression]], request: Request) -> bool:
    """Whether all conditions of an exception are true; one without a value raises :class:`RuleFault`."""
    scope = Scope({**_facts(request, Expressions(())), "params": None}, {})
    with libraries.serving(request) as missed:
        return all(_truth(condition, scope, f"the condition `{name_}`", missed) for name_, condition in wanted)


def _judge(expressions: Expressions, bindings: Mapping[str, Any], request: Request) -> Outcome:
    scope = Scope(bindings, expressions.variables)
    with libraries.serving(request) as missed:
        try:
            return _validated(expressions, scope, missed)
        except NoData as fault:
            return Outcome("error", str(fault))
        except RuleFault as fault:
            return Outcome("error" if expressions.lenient else "fail", str(fault))


def _validated(expressions: Expressions, scope: Scope, missed: Sequence[str]) -> Outcome:
    for name_, condition in expressions.conditions:
        if not _truth(condition, scope, f"the condition `{name_}`", missed):
            return Outcome("skip", f"the condition `{name_}` is not met")
    for validation in expressions.validations:
        try:
            holds = _truth(validation.expression, scope, "the validation", missed)
        except NoData:
            raise
        except RuleFault as fault:
            return Outcome("error" if expressions.lenient else "fail", str(fault), _blame(validation, scope))
        if not holds:
            may = allowed(validation.expression.program.source)
            return Outcome("fail", _message(validation, scope), _blame(validation, scope), allowed=may)
    return Outcome("pass")


def _blame(validation: Validation, scope: Scope) -> Path:
    """The value that decided; a reference among ``images`` is that of a container."""
    path = blame(validation.expression, scope, {"images": (_IMAGES,)})
    if path[:1] != (_IMAGES,):
        return path
    found = pods.spec_of(scope.bindings.get("object") or {})
    if found is None or len(path) == 1:
        return ()
    group, *rest = path[1:]
    if not rest:
        return (*found[0], group)
    listed = found[1].get(str(group))
    with_image = [index for index, one in enumerate(listed if isinstance(listed, list) else ()) if _has_image(one)]
    index = rest[0]
    return (*found[0], group, with_image[index], "image") if isinstance(index, int) and index < len(with_image) else ()


def _has_image(container: object) -> bool:
    return isinstance(container, Mapping) and isinstance(container.get("image"), str)


def _truth(wanted: Expression, scope: Scope, what: str, missed: Sequence[str]) -> bool:
    source = _short(wanted.program.source)
    try:
        found = wanted.evaluate(scope)
    except CelError as error:
        fault = NoData if missed else RuleFault
        raise fault(f"{what} `{source}` has no value: {missed[0] if missed else error.message}") from None
    if not isinstance(found, bool):
        raise RuleFault(f"{what} `{source}` is no bool")
    return found


def _message(validation: Validation, scope: Scope) -> str:
    """As documented: the expression's text, unless it fails or is empty or has more than one line."""
    if validation.message_expression is not None:
        try:
            found = validation.message_expression.evaluate(scope)
        except CelError:
            found = None
        if isinstance(found, str) and found.strip() and "\n" not in found.strip():
            return found.strip()[:_MESSAGE_LENGTH]
    return validation.message or f"failed expression: {_short(validation.expression.program.source)}"


def _short(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def _facts(request: Request, expressions: Expressions) -> dict[str, Any]:
    data: dict[str, Any] = {
        "object": request.object,
        "oldObject": request.old_object,
        "namespaceObject": request.namespace_object,
        "exceptions": expressions.exceptions,
    }
    if expressions.whole:
        return data
    return {**data, "request": _admission(request), "images": _images(subject_of(request))}


def _admission(request: Request) -> Mapping[str, Any]:
    """The AdmissionRequest: as an API server sent it, else what is known of it."""
    if request.admission:
        return request.admission
    subject = subject_of(request)
    group, version = group_version(subject)
    kind = str(subject.get("kind", ""))
    resource, _, subresource = request.resource.partition("/")
    typed = {"group": group, "version": version, "kind": kind}
    named = {"group": group, "version": version, "resource": resource or plural(kind)}
    found = {
        "uid": "",
        "kind": typed,
        "requestKind": typed,
        "resource": named,
        "requestResource": named,
        "subResource": subresource,
        "name": name(subject),
        "namespace": str(metadata(subject).get("name", "")) if kind == "Namespace" else namespace(subject),
        "operation": request.operation,
        "userInfo": {"username": "", "uid": "", "groups": [], **request.user_info},
        "dryRun": request.dry_run,
        "options": {},
    }
    given = request.values.get("variables")
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if str(key).startswith("request.") and str(key).count(".") == 1:
            found[str(key).removeprefix("request.")] = value
    return found


def _images(subject: Mapping[str, Any]) -> dict[str, list[str]]:
    """References of images by group of containers."""
    found = pods.spec_of(subject)
    spec = found[1] if found else {}
    return {
        group: [one["image"] for one in pods.containers(spec, group) if isinstance(one.get("image"), str)]
        for group in images.GROUPS
    }


def _params(expressions: Expressions, request: Request) -> list[Any]:
    """The objects that ``params`` stands for, one after the other; just null without a parameter kind."""
    if not expressions.param_kind or not expressions.param_ref:
        return [None]
    reference = expressions.param_ref
    found = [item for item in request.inventory if resources.is_param(item, expressions.param_kind, reference, request)]
    if not found and reference.get("parameterNotFoundAction") != "Allow":
        raise RuleFault(f"the parameters `{reference.get('name', '')}` of the policy are not given")
    return found
