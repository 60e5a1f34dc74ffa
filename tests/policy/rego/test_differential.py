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

from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED
from tests.policy.rego.modules import GIVEN, RULE

pytest.importorskip("regopy", reason="regopy is not installed")


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
