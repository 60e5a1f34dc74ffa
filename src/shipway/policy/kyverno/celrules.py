"""Validations written in CEL: ``validate.cel`` of a ClusterPolicy and everything of a ValidatingPolicy.

Compiled by ``loading``, judged through ``validation`` and ``validating``. Variables are evaluated when an expression needs
them, each once for a request. An expression without a value, or whose value is no bool, is a failure unless
``failurePolicy`` is ``Ignore``, as in Kubernetes; where data of a cluster is missing it is an ``error``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.cel import CelError, CelSyntaxError, Environment, Program, compile_
from shipway.policy.kyverno import images, libraries, pods, resources
from shipway.policy.kyverno.faults import NoData, RuleFault, Unsupported
from shipway.policy.rules import Outcome, Path, Request

_NAMES = (
    "object oldObject request params namespaceObject variables authorizer images exceptions resource image globalContext http"
).split()
ENVIRONMENT = Environment(variables=_NAMES, functions=libraries.FUNCTIONS, lenient_or_value=True)
_MESSAGE_LENGTH = 5000


class Validation(msgspec.Struct, frozen=True):
    """One expression that must be true."""

    program: Program
    message: str = ""
    message_program: Program | None = None


class Expressions(msgspec.Struct, frozen=True):
    """What is evaluated for one rule, compiled."""

    validations: tuple[Validation, ...]
    variables: Mapping[str, Program] = msgspec.field(default_factory=dict)
    conditions: tuple[tuple[str, Program], ...] = ()
    """Name and expression; all must be true, or the rule is skipped."""
    param_kind: Mapping[str, Any] | None = None
    param_ref: Mapping[str, Any] | None = None
    exceptions: Mapping[str, Any] = msgspec.field(default_factory=dict)
    lenient: bool = False
    """``failurePolicy: Ignore``: an expression without a value is an error instead of a failure."""
    whole: bool = False
    """The payload is any JSON, not an object of Kubernetes."""


def program(source: object, path: Path) -> Program:
    """The compiled expression; raises :class:`Unsupported` with the place in the policy."""
    if not isinstance(source, str):
        raise Unsupported("expected a CEL expression", path)
    try:
        return compile_(source, ENVIRONMENT)
    except CelSyntaxError as error:
        raise Unsupported(f"this CEL expression cannot be compiled: {error}", path) from None


def conditions_of(listed: object, path: Path) -> tuple[tuple[str, Program], ...]:
    """``matchConditions`` and ``celPreconditions``."""
    return tuple(
        (str(one.get("name", "")), program(one.get("expression"), (*path, index, "expression")))
        for index, one in _maps(listed, path)
    )


def variables_of(listed: object, path: Path) -> dict[str, Program]:
    """``variables``, in the order in which they are declared."""
    return {
        str(one.get("name", "")): program(one.get("expression"), (*path, index, "expression"))
        for index, one in _maps(listed, path)
    }


def validations_of(listed: object, path: Path) -> tuple[Validation, ...]:
    """``validations`` or ``cel.expressions``."""
    made = []
    for index, one in _maps(listed, path):
        text = one.get("messageExpression")
        told = program(text, (*path, index, "messageExpression")) if text else None
        made.append(
            Validation(
                program(one.get("expression"), (*path, index, "expression")),
                str(one.get("message") or "").strip(),
                told,
            )
        )
    return tuple(made)


def _maps(listed: object, path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise Unsupported("expected a list of maps with `expression`", path)
    return list(enumerate(listed))


def judge(expressions: Expressions, request: Request) -> Outcome:
    """The first validation that is not true decides; with several parameters, the first of them that fails."""
    with libraries.serving(request):
        outcomes = [
            _judge(expressions, _Bindings(expressions, request, params)) for params in _params(expressions, request)
        ]
    return min(
        outcomes,
        key=lambda one: ("error", "fail", "pass", "skip").index(one.status),
        default=Outcome("skip", "no parameters"),
    )


def all_hold(wanted: Sequence[tuple[str, Program]], request: Request) -> bool:
    """Whether all conditions of an exception are true; one without a value raises :class:`RuleFault`."""
    bindings = _Bindings(Expressions(()), request, None)
    with libraries.serving(request):
        return all(_truth(condition, bindings, f"the condition `{name}`") for name, condition in wanted)


def _judge(expressions: Expressions, bindings: "_Bindings") -> Outcome:
    try:
        for name, condition in expressions.conditions:
            if not _truth(condition, bindings, f"the condition `{name}`"):
                return Outcome("skip", f"the condition `{name}` is not met")
        for validation in expressions.validations:
            if not _truth(validation.program, bindings, "the validation"):
                return Outcome("fail", _message(validation, bindings))
    except NoData as fault:
        return Outcome("error", str(fault))
    except RuleFault as fault:
        return Outcome("error" if expressions.lenient else "fail", str(fault))
    return Outcome("pass")


def _truth(wanted: Program, bindings: "_Bindings", what: str) -> bool:
    try:
        found = bindings.evaluate(wanted)
    except CelError as error:
        fault = NoData if isinstance(error, libraries.NotGiven) else RuleFault
        raise fault(f"{what} `{_short(wanted.source)}` has no value: {error.message}") from None
    if not isinstance(found, bool):
        raise RuleFault(f"{what} `{_short(wanted.source)}` is no bool")
    return found


def _message(validation: Validation, bindings: "_Bindings") -> str:
    """As documented: the expression's text, unless it fails or is empty or has more than one line."""
    if validation.message_program is not None:
        try:
            found = bindings.evaluate(validation.message_program)
        except CelError:
            found = None
        if isinstance(found, str) and found.strip() and "\n" not in found.strip():
            return found.strip()[:_MESSAGE_LENGTH]
    return validation.message or f"failed expression: {_short(validation.program.source)}"


def _short(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= 200 else f"{text[:197]}..."


class _Bindings:
    """The data of one request, and its variables as they are needed."""

    def __init__(self, expressions: Expressions, request: Request, params: object) -> None:
        self._programs = expressions.variables
        self._known: dict[str, Any] = {}
        self._tried: set[str] = set()
        self._missing: list[libraries.NotGiven] = []
        self.data = {
            **_facts(request, expressions),
            "params": params,
            "variables": self._known,
            "exceptions": expressions.exceptions,
        }

    def evaluate(self, wanted: Program) -> Any:
        """The value of an expression; a variable without a value is absent, which ``||`` may absorb."""
        self._prepare(wanted)
        try:
            return wanted.evaluate(self.data)
        except CelError:
            if self._missing:
                raise self._missing[0] from None
            raise

    def _prepare(self, wanted: Program) -> None:
        for reference in wanted.references:
            if reference[0] == "variables":
                for name in reference[1:2] or self._programs:
                    self._compute(name)

    def _compute(self, name: str) -> None:
        if name in self._tried or name not in self._programs:
            return
        self._tried.add(name)
        try:
            self._known[name] = self.evaluate(self._programs[name])
        except libraries.NotGiven as error:
            self._missing.append(error)
        except CelError:
            # The expression that reads it fails in its turn, with the name of the variable.
            return


def _facts(request: Request, expressions: Expressions) -> dict[str, Any]:
    shown = request.object if request.object is not None else request.old_object or {}
    data: dict[str, Any] = {
        "object": None if request.object is None else dict(request.object),
        "oldObject": None if request.old_object is None else dict(request.old_object),
        "namespaceObject": None if request.namespace_object is None else dict(request.namespace_object),
    }
    if expressions.whole:
        return data
    return {**data, "request": _admission(request, shown), "images": _images(shown)}


def _admission(request: Request, shown: Mapping[str, Any]) -> dict[str, Any]:
    group, _, version = str(shown.get("apiVersion", "")).rpartition("/")
    kind = str(shown.get("kind", ""))
    metadata = shown.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    typed = {"group": group, "version": version, "kind": kind}
    named = {"group": group, "version": version, "resource": resources.plural(kind)}
    found = {
        "uid": "",
        "kind": typed,
        "requestKind": typed,
        "resource": named,
        "requestResource": named,
        "subResource": "",
        "name": metadata.get("name", ""),
        "namespace": metadata.get("name", "") if kind == "Namespace" else metadata.get("namespace", ""),
        "operation": request.operation,
        "userInfo": {"username": "", "uid": "", "groups": [], **dict(request.user_info)},
        "dryRun": request.dry_run,
        "options": {},
    }
    given = request.values.get("variables")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if str(name).startswith("request.") and str(name).count(".") == 1:
            found[str(name).removeprefix("request.")] = value
    return found


def _images(shown: Mapping[str, Any]) -> dict[str, list[str]]:
    found = pods.spec_of(shown)
    spec = found[1] if found else {}
    return {
        group: [
            one["image"]
            for one in spec.get(group) or ()
            if isinstance(one, Mapping) and isinstance(one.get("image"), str)
        ]
        if isinstance(spec.get(group), list)
        else []
        for group in images.GROUPS
    }


def _params(expressions: Expressions, request: Request) -> list[Any]:
    """The objects that ``params`` stands for, one after the other; just null without a parameter kind."""
    if not expressions.param_kind or not expressions.param_ref:
        return [None]
    reference = expressions.param_ref
    found = [
        dict(item) for item in request.inventory if resources.is_param(item, expressions.param_kind, reference, request)
    ]
    if not found and reference.get("parameterNotFoundAction") != "Allow":
        return [None] if request.inventory else _missing(reference)
    return found


def _missing(reference: Mapping[str, Any]) -> list[Any]:
    raise RuleFault(f"the parameters `{reference.get('name', '')}` of the policy are not given")
