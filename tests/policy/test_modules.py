"""Plain Rego files in conftest's style."""

import pytest

from shipway.policy.modules import load
from shipway.policy.rules import Outcome, Request

POLICY = """package main

deny contains "always"

deny_root contains {"msg": msg, "metadata": {"id": 1}} if {
    some c in input.spec.containers
    c.root
    msg := sprintf("%s is root", [c.name])
}

warn_many := "many" if count(input.spec.containers) > 1
violation contains 7 if input.broken
helper := 1
exception contains rules if { input.kind == "Job"; rules := ["root", ""] }
"""


def judged(kind: str, **spec: object) -> dict[str, list[Outcome]]:
    """Outcomes by the name of the rule."""
    rules, problems = load({"main.rego": POLICY})
    assert problems == []
    request = Request({"kind": kind, "spec": {"containers": [{"name": "a", "root": True}, {"name": "b"}]}, **spec})
    return {rule.id: list(rule.evaluate(request)) for rule in rules}


def test_rules_and_their_outcomes() -> None:
    found = judged("Pod")
    assert found == {
        "main/deny": [Outcome("fail", "always")],
        "main/deny_root": [Outcome("fail", "a is root", ("spec", "containers", 0, "root"))],
        "main/warn_many": [Outcome("fail", "many", ("spec", "containers"))],
        "main/violation": [Outcome("pass")],
    }


def test_exceptions_skip() -> None:
    assert {name: outcomes[0].status for name, outcomes in judged("Job").items()} == {
        "main/deny": "skip", "main/deny_root": "skip", "main/warn_many": "fail", "main/violation": "pass",
    }  # fmt: skip


def test_what_is_no_message_is_an_error() -> None:
    assert judged("Pod", broken=True)["main/violation"][0].status == "error"


def test_actions_and_places() -> None:
    rules, _ = load({"main.rego": POLICY, "other.rego": "package other.deep\nwarn contains 1"}, packages=["main"])
    assert {rule.name: (rule.action, rule.place.line) for rule in rules} == {
        "deny": ("deny", 3), "deny_root": ("deny", 5), "warn_many": ("warn", 11), "violation": ("deny", 12),
    }  # fmt: skip


def test_problems_have_lines() -> None:
    rules, problems = load({"a.rego": "package a\ndeny contains x"})
    assert rules == []
    assert str(problems[0]) == "a.rego:2:1 error: x is unsafe: no line gives a value"


@pytest.mark.parametrize("value", [object(), {1: object()}])
def test_objects_that_are_no_json_are_errors(value: object) -> None:
    rules, _ = load({"a.rego": 'package a\ndeny contains "x" if input.a'})
    assert rules[0].evaluate(Request({"a": value}))[0].status == "error"
