"""One validate rule of a ``ClusterPolicy`` against one request: matching, preconditions, then the body.

Called through the rules that ``loading`` compiles. Bodies: ``pattern``, ``anyPattern``, ``deny``, ``foreach``,
``podSecurity``, and ``cel`` (see ``celrules``). Nothing raises: what goes wrong is an outcome ``error``.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from shipway.policy.blame import Expression
from shipway.policy.kyverno import (
    blame,
    celrules,
    conditions,
    exceptions,
    matching,
    origins,
    patterns,
    podsecurity,
    variables,
)
from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import RuleFault, Unresolved
from shipway.policy.kyverno.patterns import Mismatch
from shipway.policy.resources import namespace, subject_of
from shipway.policy.rules import Outcome, Path, Request

_RANK = {"skip": 0, "pass": 1, "error": 2}
MOST_ELEMENTS = 10_000
"""Elements of all lists that one rule goes through."""


class Rule(msgspec.Struct, frozen=True):
    """A rule as written or generated, with what was compiled of it when it was loaded."""

    name: str
    body: Mapping[str, Any]
    exempt: tuple[exceptions.Exemption, ...] = ()
    cel: celrules.Expressions | None = None
    conditions: tuple[tuple[str, Expression], ...] = ()
    """Requests that do not meet these never reach the policy."""
    namespace: str = ""
    """Of a ``Policy``: only objects in it are concerned."""

    @property
    def validate(self) -> Mapping[str, Any]:
        """The block ``validate``."""
        found: Mapping[str, Any] = self.body["validate"]
        return found


def judge(rule: Rule, request: Request) -> Sequence[Outcome]:
    """What the rule says: one outcome, of ``podSecurity`` one for each violation; empty when it is not about this request."""
    try:
        if request.object is not None and not isinstance(request.object, dict):
            request = msgspec.structs.replace(request, object=dict(request.object))
        if rule.namespace and namespace(subject_of(request)) != rule.namespace:
            return ()
        if not matching.matches(rule.body.get("match"), request):
            return ()
        if matching.matches(rule.body.get("exclude"), request, excluding=True):
            return ()
        if rule.conditions and not celrules.all_hold(rule.conditions, request):
            return ()
        found = _judge(rule, request, Context(request))
        tolerated = _tolerated(rule, request) if any(one.status == "fail" for one in found) else None
        return [tolerated] if tolerated else found
    except RuleFault as fault:
        return [Outcome("error", str(fault))]


def _tolerated(rule: Rule, request: Request) -> Outcome | None:
    """``allowExistingViolations``, true by default: an update may leave an object as bad as it was."""
    before = request.old_object
    if request.operation != "UPDATE" or before is None or rule.cel is not None:
        return None
    tested = request.values.get("isTest")  # as Kyverno's command line has it
    if tested or rule.validate.get("allowExistingViolations") is False:
        return None
    created = msgspec.structs.replace(request, object=before, old_object=None, operation="CREATE", admission={})
    if not any(one.status == "fail" for one in judge(rule, created)):
        return None
    return Outcome("skip", "the object was no better before this update, which `allowExistingViolations` tolerates")


def _judge(rule: Rule, request: Request, data: Context) -> Sequence[Outcome]:
    applying = [one for one in rule.exempt if one.applies(request, data)]
    if full := next((one for one in applying if not one.controls), None):
        return [Outcome("skip", f"excepted by {full.name}")]
    data.declare(rule.body.get("context") or ())
    if not conditions.hold(rule.body.get("preconditions"), data.lenient):
        return [Outcome("skip", "the preconditions are not met")]
    if "podSecurity" in rule.validate:
        exempt = [control for one in applying for control in one.controls]
        return podsecurity.judge(rule.validate, request, data, exempt)
    if rule.cel is not None:
        return [celrules.judge(rule.cel, request)]
    if "foreach" in rule.validate:
        return [_each(rule.validate["foreach"], rule.validate, data, 0)]
    return [_body(rule.validate, rule.validate, data, data.request.object)]


def _body(
    body: Mapping[str, Any],
    validate: Mapping[str, Any],
    data: Context,
    value: object,
    *,
    path: Path = (),
    level: int = -1,
) -> Outcome:
    """``deny``, ``pattern`` or ``anyPattern`` of a rule or of a ``foreach``, whose element is at ``path``."""
    if "deny" in body:
        return _deny(body["deny"], validate, data, path, level)
    if data.request.object is None:
        return Outcome("skip", "nothing to compare with a pattern: the object is deleted")
    if "pattern" in body:
        found = patterns.match(value, _prepared(body["pattern"], data))
        return _pattern_outcome(found, validate, data, path)
    return _any_pattern(body["anyPattern"], validate, data, value, path)


def _prepared(pattern: patterns.Pattern, data: Context) -> Any:
    return data.resolve(pattern.value) if pattern.varies else pattern.value


def _pattern_outcome(found: Mismatch | None, validate: Mapping[str, Any], data: Context, path: Path) -> Outcome:
    if found is None:
        return Outcome("pass")
    if found.skip:
        return Outcome("skip", found.message)
    return Outcome("fail", message(validate, data, found.message), (*path, *found.path), allowed=found.allowed)


def _any_pattern(
    listed: Sequence[Any], validate: Mapping[str, Any], data: Context, value: object, path: Path
) -> Outcome:
    failed: list[Mismatch] = []
    skipped: Mismatch | None = None
    for pattern in listed:
        found = patterns.match(value, _prepared(pattern, data))
        if found is None:
            return Outcome("pass")
        if found.skip:
            skipped = found
        else:
            failed.append(found)
    # A value that is there and wrong tells more than one that is missing, and the deepest was the closest to fitting.
    closest = max(failed, key=lambda one: (one.present, len(one.path)), default=skipped)
    return _pattern_outcome(closest, validate, data, path)


def _deny(
    deny: Mapping[str, Any] | None, validate: Mapping[str, Any], data: Context, path: Path, level: int
) -> Outcome:
    wanted = (deny or {}).get("conditions")
    if not wanted:
        return Outcome("fail", message(validate, data, ""), path)
    if not conditions.hold(wanted, data.lenient):
        return Outcome("pass")
    where, allowed = blame.blame(wanted, data, level)
    said = conditions.reason(wanted, data.lenient)
    if not said and not validate.get("message") and allowed:
        said = f"expected {allowed}"
    text = message(validate, data, said)
    return Outcome("fail", text, where or path, allowed=allowed)


def message(validate: Mapping[str, Any], data: Context, detail: str) -> str:
    """The policy's message with its variables, then what was found."""
    text = str(validate.get("message") or "").strip()
    try:
        text = variables.written(data.resolve(text))
    except RuleFault:
        text = variables.written(data.lenient(text))
    return (
        f"{text.rstrip('.')}: {detail}"
        if text and detail
        else text or detail or "the resource is not as the policy says"
    )


def _each(loops: Sequence[Mapping[str, Any]], validate: Mapping[str, Any], data: Context, level: int) -> Outcome:
    """Fails with the first element that does; an error elsewhere does not hide it, nor is it hidden by elements that pass."""
    best = Outcome("skip", "no element is concerned")
    for loop in loops:
        for outcome in _loop(loop, validate, data, level):
            if outcome.status == "fail":
                return outcome
            if _RANK[outcome.status] > _RANK[best.status]:
                best = outcome
    return best


def _loop(loop: Mapping[str, Any], validate: Mapping[str, Any], data: Context, level: int) -> Iterator[Outcome]:
    expression = str(data.resolve(str(loop.get("list", ""))))
    found = _elements(expression, data)
    for index, element in enumerate(found):
        names = {"element": element, "elementIndex": index, f"element{level}": element, f"elementIndex{level}": index}
        given = {name: values[index] for name, values in data.per_element().items() if index < len(values)}
        with data.scope(**names, **given):
            try:
                outcome = _element(loop, validate, data, element=element, level=level)
            except RuleFault as fault:
                outcome = Outcome("error", str(fault))
        yield _placed(outcome, expression, index, data, level)


def _placed(outcome: Outcome, expression: str, index: int, data: Context, level: int) -> Outcome:
    """An outcome about an element of a loop with the element's place in the object."""
    if not outcome.path:
        return outcome
    root = partial(blame.element_path, expression, index, data, level)
    return msgspec.structs.replace(outcome, path=blame.within(outcome.path, level, root))


def _element(
    loop: Mapping[str, Any], validate: Mapping[str, Any], data: Context, *, element: object, level: int
) -> Outcome:
    data.declare(loop.get("context") or ())
    if not conditions.hold(loop.get("preconditions"), data.lenient):
        return Outcome("skip", "the preconditions are not met")
    if "foreach" in loop:
        return _each(loop["foreach"], validate, data, level + 1)
    scoped = loop.get("elementScope", isinstance(element, dict))
    if scoped and not isinstance(element, dict):
        raise RuleFault("elements that are no maps need `elementScope: false`")
    if scoped or "deny" in loop:
        return _body(loop, validate, data, element, path=(origins.element(level),), level=level)
    return _body(loop, validate, data, data.request.object, level=level)


def _elements(expression: str, data: Context) -> Sequence[Any]:
    try:
        found = data.query(expression)
    except Unresolved:
        found = None
    if isinstance(found, dict):
        return [{"key": key, "value": value} for key, value in sorted(found.items())]
    if found is None:
        return ()
    listed = found if isinstance(found, list) else [found]
    if len(listed) > MOST_ELEMENTS:
        raise RuleFault(f"expected at most {MOST_ELEMENTS} elements in `{expression[:80]}`, got {len(listed)}")
    return listed
