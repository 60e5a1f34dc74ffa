"""Random modules of a subset of Rego, judged by Shipway and by regopy (rego-cpp): the same value.

regopy has no opinion where it reports an error or dies (it rejects some programs that OPA takes); those cases do not count,
and there must be enough of the others. It runs in a process of its own because it can end it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED

pytest.importorskip("regopy", reason="regopy is not installed")

GIVEN: dict[str, Any] = {
    "xs": [3, 1, 2], "o": {"a": 1, "b": [2, {"c": "d"}]}, "s": "text", "n": 5, "t": True, "f": False, "z": None, "e": [], "deep": {"k": {"k": 7}},
}  # fmt: skip
NUMBERS = st.sampled_from(["0", "1", "2", "7", "input.n", "input.xs[1]", "input.deep.k.k", "count(input.xs)"])
STRINGS = st.sampled_from(
    ['"a"', '"text"', "input.s", 'lower("AB")', 'concat(",", ["a", "b"])', 'sprintf("%d-%v", [1, "x"])']
)
OPERATIONS = st.sampled_from(["+", "-", "*"])
COMPARISONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, inner, OPERATIONS, inner) | st.builds("abs({})".format, inner)


NUMBER = st.recursive(NUMBERS, _numbers, max_leaves=4)
SCALAR = NUMBER | STRINGS | st.sampled_from(["true", "false", "null", "input.missing", "input.t", "input.z"])


def _composites(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(inner, min_size=1, max_size=3).map(", ".join)
    return (
        listed.map("[{}]".format)
        | listed.map("{{{}}}".format)
        | inner.map('{{"k": {}}}'.format)
        | SCALAR.map("[x | some x in input.xs; x != {}]".format)  # rego-cpp mixes up equal names at two depths
        | SCALAR.map('{{v: k | some k, v in [{}, 1, "a"]}}'.format)
        | SCALAR.map("{{y | y := [{}, 2][_]}}".format)
    )


VALUE = st.recursive(SCALAR, _composites, max_leaves=5)
LINE = (
    st.builds("{} {} {}".format, VALUE, st.sampled_from(["==", "!="]), VALUE)
    | st.builds("{} {} {}".format, NUMBER, COMPARISONS, NUMBER)  # rego-cpp does not order values of different kinds
    | st.builds("{} {} {}".format, STRINGS, COMPARISONS, STRINGS)
    | st.builds("not {} == {}".format, SCALAR, SCALAR)  # what stands in composites OPA evaluates before `not`
    | st.builds("{} in [{}, {}]".format, SCALAR, SCALAR, SCALAR)
    | st.builds("every q in input.xs {{ q {} {} }}".format, COMPARISONS, NUMBER)
    | st.builds("some i; input.xs[i] {} {}".format, COMPARISONS, NUMBER)
    | st.sampled_from(["input.o[j]", "input.xs[_] == 2", "not input.f", "not input.missing", "is_string(input.s)"])
)
RULE = st.one_of(
    st.builds("p := {} if {{ {} }}".format, VALUE, LINE),
    st.builds("p contains {} if {{ {}; {} }}".format, VALUE, LINE, LINE),
    st.builds('p[k] := v if {{ some k, v in {{"a": {}, "b": 2}}; {} }}'.format, VALUE, LINE),
    st.builds("default p := {}\np := {} if {{ {} }}".format, st.sampled_from(["0", "[]"]), VALUE, LINE),
    st.builds("f(x) := x if x != {}\nelse := {}\np := [f({}), 1]".format, SCALAR, SCALAR, SCALAR),
)


class Opinion:
    """A process of regopy, started again when it has died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.given = self.asked = 0

    def ask(self, module: str) -> dict[str, Any]:
        """Its answer; an error when it has none."""
        self.asked += 1
        if self.process is None:
            script = Path(__file__).with_name("second_opinion.py")
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                [sys.executable, str(script)], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps([self.asked, module, GIVEN]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            answer = answer[max(answer.find('{"number": '), 0) :]  # rego-cpp writes notes of its own before it
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.close()
            return {"error": "it died"}
        try:
            found: dict[str, Any] = json.loads(answer)
        except ValueError:
            found = {}
        if found.pop("number", None) != self.asked:
            self.close()  # out of step
            return {"error": "not an answer"}
        self.given += "error" not in found
        return found

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def opinion() -> Iterator[Opinion]:
    one = Opinion()
    yield one
    one.close()


def _ours(module: str) -> dict[str, Any]:
    try:
        value = load({"t.rego": module}).evaluate("data.t.p", GIVEN)
    except EvaluationError as error:
        return {"error": str(error)}
    return {} if value is UNDEFINED else {"value": value}


def _sorted(value: Any) -> Any:
    """Lists in one order: rego-cpp shows sets among other values in an order of its own."""
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=json.dumps)
    return {key: _sorted(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(RULE)
def _compare(opinion: Opinion, rule: str) -> None:
    module = f"package t\nimport rego.v1\n{rule}\n"
    theirs = opinion.ask(module)
    if "error" in theirs:
        return
    try:
        ours = _ours(module)
    except RegoError as error:
        raise AssertionError(module) from error
    if "error" in ours:
        return  # OPA's order of evaluation meets a conflict that rego-cpp's does not
    assert _sorted(ours) == _sorted(theirs), module


def test_the_same_value_as_regopy(opinion: Opinion) -> None:
    _compare(opinion)
    assert opinion.given > opinion.asked / 2
