"""Operators of conditions, any and all, and what has no value."""

from typing import Any

import pytest

from tests.policy.kyverno.policies import POD, cluster_policy, denied, problems_of, verdict


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected"),
    [
        ("a", "Equals", "a", True),
        ("abc", "Equals", "a*", True),
        ("a", "NotEquals", "b", True),
        (1, "Equals", "1", True),
        ("1Gi", "Equals", "1024Mi", True),
        ("1h", "Equals", "60m", True),
        (3600, "Equals", "1h", True),
        (True, "Equals", True, True),
        (True, "Equals", "true", False),
        ([], "Equals", [], True),
        ({"a": 1}, "NotEquals", {"a": 1}, False),
        ("a", "In", ["a", "b"], True),
        (["a", "c"], "In", ["a", "b"], False),
        (["a", "c"], "NotIn", ["a", "b"], True),
        ("abc", "AnyIn", ["x", "a*"], True),
        (["a", "c"], "AnyIn", ["a"], True),
        (["a", "c"], "AllIn", ["a"], False),
        (["a", "c"], "AnyNotIn", ["a"], True),
        (["a"], "AnyNotIn", ["a"], False),
        (["a", "c"], "AllNotIn", ["x"], True),
        (["a", "c"], "AllNotIn", ["a"], False),
        ([], "AnyIn", ["a"], False),
        ([], "AllNotIn", ["a"], True),
        ("b", "AnyIn", '["a", "b"]', True),
        (5, "AnyIn", "1-10", True),
        (11, "AnyNotIn", "1-10", True),
        (2, "GreaterThan", 1, True),
        ("2", "GreaterThan", 1, True),
        ("1Gi", "GreaterThanOrEquals", "1024Mi", True),
        ("1.10.0", "GreaterThan", "1.9.0", True),
        ("2h", "LessThan", "150m", True),
        ("a", "LessThan", "b", False),
        (60, "DurationLessThanOrEquals", "1m", True),
        ("1h", "DurationGreaterThan", 3599, True),
        (None, "Equals", "", False),
        (None, "AnyIn", ["a"], False),
    ],
)
def test_operators(key: Any, operator: str, value: Any, expected: bool) -> None:
    assert denied(key, operator, value) is expected
    assert denied(key, operator.lower(), value) is expected


TRUE = {"key": 1, "operator": "Equals", "value": 1}
FALSE = {"key": 1, "operator": "Equals", "value": 2}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"any": [FALSE, TRUE]}, "fail"),
        ({"all": [FALSE, TRUE]}, "skip"),
        ({"any": [TRUE], "all": [FALSE]}, "skip"),
        ({"any": [FALSE], "all": [TRUE]}, "skip"),
        ([TRUE, TRUE], "fail"),
        ([TRUE, FALSE], "skip"),
        ([{"any": [TRUE]}, {"all": [TRUE]}], "fail"),
        ({}, "fail"),
    ],
)
def test_preconditions_decide_whether_a_rule_is_judged(conditions: Any, expected: str) -> None:
    assert verdict({"deny": {}}, preconditions=conditions) == expected


def test_a_missing_field_is_null_and_a_function_of_null_is_an_error() -> None:
    assert not denied("{{ request.object.spec.nowhere }}", "Equals", "x")
    assert denied("{{ request.object.spec.nowhere || 'x' }}", "Equals", "x")
    key = "{{ to_upper(request.object.spec.nowhere) }}"
    assert verdict({"deny": {"conditions": {"any": [{"key": key, "operator": "Equals", "value": "X"}]}}}) == "error"


def test_deny_without_conditions_refuses_and_its_condition_may_say_why() -> None:
    assert verdict({"deny": {}}) == "fail"
    body = {"deny": {"conditions": {"any": [{**TRUE, "message": "one is one"}]}}}
    from tests.policy.kyverno.policies import judged, rules_of

    assert judged(rules_of(cluster_policy(body)), POD).message == "one is one"


def test_an_unknown_operator_is_refused_with_its_place() -> None:
    policy = cluster_policy({"deny": {"conditions": {"all": [{"key": 1, "operator": "Resembles", "value": 1}]}}})
    assert problems_of(policy) == ["spec.rules.0.validate.deny.conditions.all.0.operator: unknown operator `Resembles`"]
