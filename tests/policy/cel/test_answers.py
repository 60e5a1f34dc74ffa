"""Every function, macro, operator and conversion: what cel-go 0.30 with Kubernetes' libraries answers (``answers.json``).

The answers were taken from the messages of a ConstraintTemplate in CEL: the type and the text of the value, or ``error``,
which there may be one of compilation. Expressions that Kubernetes answers otherwise than the language definition are left out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shipway.policy.cel import CelError, CelSyntaxError, Environment, compile_

GIVEN: dict[str, Any] = json.loads(Path(__file__).with_name("answers.json").read_text())
ENVIRONMENT = Environment(variables=["object"], lenient_or_value=True)


def _answer(expression: str) -> str:
    try:
        shown = compile_(f"'%s|%s'.format([type({expression}), {expression}])", ENVIRONMENT)
        return str(shown.evaluate({"object": GIVEN["object"]}))
    except (CelError, CelSyntaxError):
        return "error"


def test_answers() -> None:
    found = {expression: _answer(expression) for expression in GIVEN["answers"]}
    assert {one: answer for one, answer in found.items() if answer != GIVEN["answers"][one]} == {}


QUANTITIES = {
    "1": True, "1k": True, "1.5k": True, "1Ki": True, "1Gi": True, "-5": True, "0": True, "1e3": True,
    "1.0": False, "1.5Ki": False, "0.5Ki": False, "1000m": False, "1000000000000000000": False, "7Ei": False, "100e-2": False,
}  # fmt: skip


@pytest.mark.parametrize("text", QUANTITIES)
def test_an_integer_is_what_was_written_as_one(text: str) -> None:
    found = compile_(f"quantity('{text}').isInteger()", ENVIRONMENT).evaluate({})
    assert found is QUANTITIES[text]


def test_no_match_is_empty_where_the_one_before_it_ends() -> None:
    assert compile_('"baac".findAll("a*")', ENVIRONMENT).evaluate({}) == ["", "aa", ""]
