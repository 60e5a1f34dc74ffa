"""The code of a ConstraintTemplate, in Rego or in CEL, as a function from a request and parameters to outcomes.

Called by ``loading``. A template that has both is judged in CEL, as Gatekeeper does; the Rego form must agree with it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from shipway.policy.blame import Expression, Scope, blame, compiled
from shipway.policy.blame import allowed as shown_allowed
from shipway.policy.cel import CelError, CelSyntaxError
from shipway.policy.gatekeeper.reviews import Reviews
from shipway.policy.rego.blame import Blame, Blaming
from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED, Set, ordered, plain, to_json
from shipway.policy.rules import Outcome, Path, Request

Engine = Literal["cel", "rego"]
Judge = Callable[[Request, Mapping[str, Any]], Sequence[Outcome]]
Report = Callable[[Path, str, str, int], None]
"""Takes a path in the template, a code, a sentence, and the line within the text at that path (0: none)."""
TARGET: Final = "admission.k8s.gatekeeper.sh"
ENGINES: Final[Mapping[str, Engine]] = {"K8sNativeValidation": "cel", "Rego": "rego"}


def judges(spec: Mapping[str, Any], reviews: Reviews, report: Report) -> dict[Engine, Judge]:
    """The template's code, compiled, by engine. What cannot be used is reported."""
    targets = spec.get("targets")
    if not isinstance(targets, list) or len(targets) != 1 or not isinstance(targets[0], Mapping):
        report(("spec", "targets"), "missing", "expected exactly one target", 0)
        return {}
    target, path = targets[0], ("spec", "targets", 0)
    if target.get("target") != TARGET:
        report((*path, "target"), "unsupported", f"expected {TARGET}", 0)
    found: dict[Engine, Judge] = {}
    if isinstance(target.get("rego"), str):
        _rego(target, path, reviews, report, found)
    codes = target["code"] if isinstance(target.get("code"), list) else []
    for number, code in enumerate(codes):
        at: Path = (*path, "code", number)
        source = code.get("source") if isinstance(code, Mapping) else None
        engine = ENGINES.get(str(code.get("engine"))) if isinstance(code, Mapping) else None
        if engine is None or not isinstance(source, Mapping):
            report((*at, "engine"), "unsupported", f"expected a source for one of {', '.join(ENGINES)}", 0)
        elif engine == "rego":
            _rego(source, (*at, "source"), reviews, report, found)
        else:
            judge = Native(source, (*at, "source"), reviews, report)
            found["cel"] = judge.judge
    if not isinstance(target.get("rego"), str) and not codes:
        report(path, "missing", "expected `rego`, or `code` for an engine", 0)
    return found


# Rego


def _rego(source: Mapping[str, Any], path: Path, reviews: Reviews, report: Report, found: dict[Engine, Judge]) -> None:
    """Compile the Rego of a template, its libraries beside it; the version is 0 unless the source says ``v1``."""
    paths: dict[str, Path] = {"template": (*path, "rego")}
    texts = {"template": str(source.get("rego", ""))}
    for number, library in enumerate(source["libs"] if isinstance(source.get("libs"), list) else ()):
        texts[f"lib{number}"] = str(library)
        paths[f"lib{number}"] = (*path, "libs", number)
    try:
        rules = load(texts, version=1 if source.get("version") == "v1" else 0)
    except RegoError as error:
        for fault in error.faults:
            where = paths.get(fault.place.file, path)
            detail = f"{fault.message} (line {fault.place.line}, column {fault.place.column} of the Rego)"
            report(where, "bad-rego", detail, fault.place.line)
        return
    package = tuple(rules.modules["template"].package)
    if "violation" not in rules.rules(package):
        report((*path, "rego"), "missing", "expected a rule `violation` in the template's package", 0)
        return
    entry, blaming = (*package, "violation"), Blaming(rules)

    def judge(request: Request, parameters: Mapping[str, Any]) -> Sequence[Outcome]:
        review, data = reviews.review(request), reviews.data(request)
        input_ = {"review": review, "parameters": parameters}
        try:
            value = rules.value(entry, input_, data, request.at)
        except EvaluationError as error:
            return (Outcome("error", str(error)),)
        if value is UNDEFINED or not value:
            return (Outcome("pass"),)
        blame = blaming.blame(entry, input_, data, request.at, about=review["object"], parameters=parameters)
        return violations(value, blame)

    found["rego"] = judge


def violations(value: object, blame: Blame) -> Sequence[Outcome]:
    """One outcome for each element of a set of violations; each is an object with ``msg``."""
    if not isinstance(value, Set | list):
        return (Outcome("error", "`violation` must be a set"),)
    outcomes: list[Outcome] = []
    for one in ordered(value):
        message = one.get("msg") if isinstance(one, dict) else None
        if isinstance(message, str):
            path, allowed = blame(one, message)
            outcomes.append(Outcome("fail", message, path, allowed=allowed))
        else:
            outcomes.append(Outcome("error", f"a violation must be an object with `msg`, found {to_json(one)!r}"))
    return outcomes


# CEL

CONDITIONS, _NATIVE_CONDITIONS = "matchCondition", "matchConditions"
"""Gatekeeper's word for the list, and that of Kubernetes, which Gatekeeper passes over."""


class _Validation(msgspec.Struct, frozen=True):
    expression: Expression
    source: str
    message: str
    message_expression: Expression | None


class Native:
    """``engine: K8sNativeValidation``: variables, match conditions and validations in CEL.

    Beside Kubernetes' variables there are ``variables.params`` and ``variables.anyObject`` (the object, or the old one
    when it is deleted), as Gatekeeper has them.
    """

    def __init__(self, source: Mapping[str, Any], path: Path, reviews: Reviews, report: Report) -> None:
        self._reviews = reviews
        self._report = report
        self._ignores = source.get("failurePolicy", "Fail") == "Ignore"
        given = ("anyObject", "params")
        self._variables: dict[str, Expression] = {}
        for name, expression in zip(given, ("object != null ? object : oldObject", "params"), strict=True):
            self._variables[name] = compiled(expression, {})
        for number, one in self._maps(source, path, "variables"):
            made = self._compiled(one.get("expression"), (*path, "variables", number, "expression"))
            if made:
                self._variables[str(one.get("name"))] = made
        self._conditions = self._all(self._maps(source, path, CONDITIONS), (*path, CONDITIONS))
        if _NATIVE_CONDITIONS in source:
            written = f"Gatekeeper judges without `{_NATIVE_CONDITIONS}`; its own word is `{CONDITIONS}`"
            report((*path, _NATIVE_CONDITIONS), "unknown-field", written, 0)
        self._validations = [
            found
            for number, one in self._maps(source, path, "validations")
            if (found := self._validation(one, (*path, "validations", number)))
        ]
        if not source.get("validations"):
            report(path, "missing", "expected `validations`", 0)

    def _compiled(self, source: object, path: Path) -> Expression | None:
        if not isinstance(source, str) or not source.strip():
            self._report(path, "missing", "expected a CEL expression", 0)
            return None
        try:
            return compiled(source, self._variables)
        except CelSyntaxError as error:
            detail = f"{error.message} (line {error.line}, column {error.column} of the expression)"
            self._report(path, "bad-expression", detail, error.line)
            return None

    def _maps(self, source: Mapping[str, Any], path: Path, field: str) -> list[tuple[int, Mapping[str, Any]]]:
        """The entries of a list with their numbers; anything but maps in it is reported."""
        written = source.get(field) or []
        if not isinstance(written, list) or not all(isinstance(one, Mapping) for one in written):
            self._report((*path, field), "wrong-type", f"expected a list of maps as `{field}`", 0)
            return []
        return list(enumerate(written))

    def _all(self, written: Sequence[tuple[int, Mapping[str, Any]]], path: Path) -> list[tuple[str, Expression]]:
        found = []
        for number, one in written:
            made = self._compiled(one.get("expression"), (*path, number, "expression"))
            if made:
                found.append((str(one.get("name", number)), made))
        return found

    def _validation(self, one: Mapping[str, Any], path: Path) -> _Validation | None:
        expression = self._compiled(one.get("expression"), (*path, "expression"))
        said = one.get("messageExpression")
        message_expression = self._compiled(said, (*path, "messageExpression")) if said else None
        if expression is None:
            return None
        return _Validation(
            expression, str(one["expression"]).strip(), str(one.get("message", "")).strip(), message_expression
        )

    def judge(self, request: Request, parameters: Mapping[str, Any]) -> Sequence[Outcome]:
        """Outcomes of all validations."""
        bindings = {
            "object": request.object,
            "oldObject": request.old_object,
            "namespaceObject": request.namespace_object,
            "request": self._reviews.review(request),
            "params": parameters,
        }
        scope = Scope(bindings, self._variables)
        try:
            if any(condition.evaluate(scope) is not True for _, condition in self._conditions):
                return (Outcome("skip", "a match condition does not hold"),)
        except CelError as error:
            return self._error(f"a match condition: {error.message}")
        found = [outcome for one in self._validations if (outcome := self._one(one, scope)) is not None]
        return found or (Outcome("pass"),)

    def _one(self, one: _Validation, scope: Scope) -> Outcome | None:
        try:
            value = one.expression.evaluate(scope)
        except CelError as error:
            return next(iter(self._error(f"{one.source}: {error.message}", blame(one.expression, scope))), None)
        if value is True:
            return None
        return Outcome(
            "fail", self._message(one, scope), blame(one.expression, scope), allowed=shown_allowed(one.source)
        )

    def _error(self, message: str, path: Path = ()) -> Sequence[Outcome]:
        """An error refuses unless ``failurePolicy`` is Ignore."""
        return () if self._ignores else (Outcome("error", message, path),)

    def _message(self, one: _Validation, scope: Scope) -> str:
        if one.message_expression is not None:
            try:
                said = one.message_expression.evaluate(scope)
            except CelError:
                said = ""
            if isinstance(said, str) and said.strip():
                return said.strip()
        return one.message or f"failed expression: {one.source}"


def defaulted(schema: Mapping[str, Any], value: object) -> Any:
    """The value with the schema's defaults where it says nothing."""
    if not isinstance(value, dict):
        items = schema.get("items")
        if isinstance(value, list) and isinstance(items, Mapping):
            return [defaulted(items, one) for one in value]
        return value
    found = dict(value)
    for name, inner in (schema.get("properties") or {}).items():
        if name not in found and "default" in inner:
            found[name] = plain(inner["default"])
        if name in found:
            found[name] = defaulted(inner, found[name])
    return found
