"""Unit tests written in Rego, as ``opa test`` runs them: every rule ``test_*`` must be true. Pure."""

import msgspec

from shipway.policy.rego.faults import EvaluationError
from shipway.policy.rego.module import Compiled
from shipway.policy.rego.values import UNDEFINED
from shipway.policy.rules import Place


class Unit(msgspec.Struct, frozen=True):
    """One test rule and how it went. ``todo_test_*`` is skipped."""

    name: str
    """``data.package.test_name``."""
    passed: bool
    place: Place
    skipped: bool = False
    cause: str = ""


def run(rules: Compiled, *, data: object = None, at: float = 0.0) -> list[Unit]:
    """All tests of all packages, in the order of their names."""
    found: list[Unit] = []
    for package in rules.packages:
        for name, group in sorted(rules.rules(package).items()):
            if name.startswith("test_"):
                found.append(_one(rules, group.title, group.place, data, at))
            elif name.startswith("todo_test_"):
                found.append(Unit(group.title, passed=True, place=group.place, skipped=True))
    return found


def _one(rules: Compiled, title: str, place: Place, data: object, at: float) -> Unit:
    try:
        value = rules.evaluate(title, UNDEFINED, data, at)
    except EvaluationError as error:
        return Unit(title, passed=False, place=place, cause=str(error))
    passed = value is not UNDEFINED and value is not False
    return Unit(
        title,
        passed=passed,
        place=place,
        cause="" if passed else f"the test is {'false' if value is False else 'undefined'}",
    )
