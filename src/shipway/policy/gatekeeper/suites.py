"""gator's test suites (``test.gatekeeper.sh/v1alpha1``): objects, and the violations that each must give.

Called by ``policy.testing`` and by the conformance run, which read the files. Pure: documents in, verdicts out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.gatekeeper.engines import Engine
from shipway.policy.gatekeeper.loading import load
from shipway.policy.regex import compile_pattern
from shipway.policy.rules import CompiledRule, Document, Object, Outcome, Request

Read = Callable[[str], Sequence[Document]]
"""The documents of a file named relative to the suite."""


class Verdict(msgspec.Struct, frozen=True):
    """One assertion of a suite."""

    test: str
    case: str
    number: int
    """Of the assertion in its case, from 1."""
    passed: bool
    skipped: bool = False
    cause: str = ""


def is_suite(data: Object) -> bool:
    """Whether it is a suite of gator."""
    return str(data.get("apiVersion", "")).startswith("test.gatekeeper.sh/") and data.get("kind") == "Suite"


def run(suite: Object, read: Read, *, engine: Engine | None = None, at: float = 0.0) -> list[Verdict]:
    """All assertions of a suite. Whatever cannot be read or compiled is a verdict that failed, with its cause."""
    found: list[Verdict] = []
    for test in suite.get("tests") or ():
        found += _test(test, read, engine, at, skipped=bool(suite.get("skip") or test.get("skip")))
    return found


def _test(test: Mapping[str, Any], read: Read, engine: Engine | None, at: float, *, skipped: bool) -> list[Verdict]:
    name = str(test.get("name", ""))
    if skipped:
        return [Verdict(name, "", 0, passed=True, skipped=True)]
    try:
        rules, problems = load(read(str(test["template"])), read(str(test["constraint"])), engine=engine)
    except (OSError, KeyError, ValueError) as error:
        rules, problems = [], []
        return [Verdict(name, "", 0, passed=False, cause=f"cannot be read: {error}")]
    invalid = bool(test.get("invalid"))
    if problems or invalid:
        cause = "" if invalid and problems else "; ".join(map(str, problems)) or "expected an invalid constraint"
        return [Verdict(name, "", 0, passed=invalid and bool(problems), cause=cause)]
    found: list[Verdict] = []
    for case in test.get("cases") or ():
        found += _case(name, case, rules, read, at)
    return found


def _case(test: str, case: Mapping[str, Any], rules: Sequence[CompiledRule], read: Read, at: float) -> list[Verdict]:
    name = str(case.get("name", ""))
    if case.get("skip"):
        return [Verdict(test, name, 0, passed=True, skipped=True)]
    try:
        stock = [one.data for path in case.get("inventory") or () for one in read(str(path))]
        request = reviewed(read(str(case["object"]))[0].data, stock, at)
    except (OSError, KeyError, IndexError, ValueError) as error:
        return [Verdict(test, name, 0, passed=False, cause=f"cannot be read: {error}")]
    outcomes = [outcome for rule in rules for outcome in rule.evaluate(request)]
    wanted = case.get("assertions") or [{"violations": "yes"}]
    return [_asserted(test, name, number, one, outcomes) for number, one in enumerate(wanted, 1)]


def reviewed(data: Object, inventory: Sequence[Object], at: float) -> Request:
    """The request for an object, or the one that an AdmissionReview holds."""
    if data.get("kind") != "AdmissionReview":
        return Request(object=data, inventory=inventory, at=at)
    request = data.get("request") or {}
    old = request.get("oldObject")
    return Request(
        object=request.get("object"),
        old_object=old,
        operation=request.get("operation") or "CREATE",
        user_info=request.get("userInfo") or {},
        inventory=inventory,
        at=at,
        dry_run=bool(request.get("dryRun")),
        admission=request,
    )


def _asserted(test: str, case: str, number: int, wanted: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Verdict:
    errors = [outcome.message for outcome in outcomes if outcome.status == "error"]
    if errors:
        return Verdict(test, case, number, passed=False, cause=f"error: {errors[0]}")
    messages = [outcome.message for outcome in outcomes if outcome.status in ("fail", "warn")]
    pattern = wanted.get("message")
    if pattern:
        try:
            compiled = compile_pattern(str(pattern))
        except ValueError as error:
            return Verdict(test, case, number, passed=False, cause=str(error))
        messages = [message for message in messages if compiled.search(message)]
    expected = wanted.get("violations", "yes")
    passed = _meets(expected, len(messages))
    like = f" like {pattern!r}" if pattern else ""
    cause = "" if passed else f"expected {_words(expected)} violations{like}, found {len(messages)}"
    return Verdict(test, case, number, passed=passed, cause=cause)


def _meets(expected: object, count: int) -> bool:
    """``yes`` and ``no`` are booleans to YAML unless they stand in quotes."""
    if expected is True or expected == "yes":
        return count > 0
    if expected is False or expected == "no":
        return count == 0
    return count == expected


def _words(expected: object) -> str:
    if isinstance(expected, bool) or expected in ("yes", "no"):
        return "some" if expected in (True, "yes") else "no"
    return str(expected)
