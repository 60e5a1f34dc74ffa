"""Expressions over every builtin, and modules over every construct: what Open Policy Agent 1.21 answers (``answers.json``).

The answers were taken from its command line, expressions as ``x := <expression>`` and modules by the value of ``data.t.p``:
the type and the JSON of the value, null for undefined, ``error`` for what it refuses or ends with an error.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.library import BUILTINS
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED

ANSWERS: dict[str, Any] = json.loads(Path(__file__).with_name("answers.json").read_text())
OPERATORS = {"and", "or", "plus", "minus", "mul", "div", "rem", "equal", "neq", "lt", "lte", "gt", "gte"}
SHOWN = "package shown\nt = type_name(data.t.p) { true }\nm = json.marshal(data.t.p) { true }"


def _answer(modules: dict[str, str], version: int, given: Any = None, data: Any = None) -> Any:
    try:
        rules = load(
            {**modules, "shown.rego": SHOWN if version == 0 else SHOWN.replace(" {", " if {")}, version=version
        )
        if rules.evaluate("data.t.p", given, data) is UNDEFINED:
            return None
        kind, text = (rules.evaluate(f"data.shown.{name}", given, data) for name in "tm")
        return [kind, json.loads(text)]
    except (EvaluationError, RegoError):
        return "error"


def test_expressions() -> None:
    wrong = {}
    for expression, expected in ANSWERS["expressions"].items():
        found = _answer({"t.rego": f"package t\np := x if {{ x := {expression} }}"}, 1, {"a": 1})
        if json.dumps(found) != json.dumps(expected):
            wrong[expression] = found
    assert wrong == {}


@pytest.mark.parametrize("version", [0, 1])
def test_modules(version: int) -> None:
    given = ANSWERS[f"version {version}"]
    others = {f"o{number}.rego": text for number, text in enumerate(given["others"])}
    wrong = {}
    for text, expected in given["modules"]:
        found = _answer({**others, "t.rego": f"package t\n{text}"}, version, given["input"], given["data"])
        if found != expected:
            wrong[text] = found
    assert wrong == {}


def test_hardly_a_builtin_is_missing() -> None:
    asked = "\n".join([*ANSWERS["expressions"], *(text for text, _ in ANSWERS["version 0"]["modules"])])
    missing = {name for name in BUILTINS if f"{name}(" not in asked and not name.startswith("internal.")}
    assert missing <= OPERATORS | {
        "all",
        "any",
        "re_match",
        "print",
        "time.now_ns",
        "net.cidr_overlap",
        "cast_boolean",
        "cast_null",
    }
