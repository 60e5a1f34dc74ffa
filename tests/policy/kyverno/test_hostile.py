"""Arbitrary policies and objects: problems and outcomes, never an exception, never without end."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.model.errors import BadInput
from shipway.policy.kyverno import loading, suites
from shipway.policy.podsecurity import standards
from shipway.policy.rules import Document, Request
from tests.policy.kyverno.policies import POD, cluster_policy, judged, validating_policy

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        [
            "*",
            "?*",
            ">=2",
            "!x",
            "1-2",
            "a|b",
            "a&b",
            "100Mi",
            "1h",
            "{{",
            "}}",
            "{{ request.object }}",
            "{{ @ }}",
            "$(./../x)",
            "{{ element }}",
            "{{ length(@) }}",
            "{{ {{ a }} }}",
            "\\{{x}}",
            "$(",
            "Pod",
            "any",
            "1.2.3",
            "(a)",
            "=(a)",
        ]
    ),
)
KEYS = st.sampled_from(
    [
        "a",
        "=(a)",
        "(a)",
        "X(a)",
        "^(a)",
        "<(a)",
        "+(a)",
        "metadata",
        "labels",
        "annotations",
        "spec",
        "containers",
        "name",
        "a*",
        "kinds",
        "resources",
        "any",
        "all",
        "key",
        "operator",
        "value",
        "image",
        "securityContext",
        "template",
        "list",
        "pattern",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3), max_leaves=8
)


def _place(value: Any, where: int, what: Any) -> Any:
    """``value`` with the node number ``where`` (counted in depth) replaced."""
    count = -1

    def walk(node: Any) -> Any:
        nonlocal count
        count += 1
        if count == where:
            return what
        if isinstance(node, dict):
            return {key: walk(below) for key, below in node.items()}
        return [walk(below) for below in node] if isinstance(node, list) else node

    return walk(copy.deepcopy(value))


BODIES: list[dict[str, Any]] = [
    {"pattern": {"spec": {"containers": [{"(image)": "*:latest", "=(ports)": [{"X(hostPort)": 0}]}]}}},
    {"anyPattern": [{"metadata": {"labels": {"a*": "?*"}}}, {"spec": {"^(containers)": [{"name": "x"}]}}]},
    {"deny": {"conditions": {"any": [{"key": "{{ request.object.spec.x }}", "operator": "AnyIn", "value": [1, "a"]}]}}},
    {"foreach": [{"list": "request.object.spec.containers", "pattern": {"image": "{{ element.name }}"}}]},
    {
        "podSecurity": {
            "level": "restricted",
            "version": "latest",
            "exclude": [{"controlName": "Seccomp", "images": ["*"]}],
        }
    },
    {"cel": {"expressions": [{"expression": "object.spec.containers.all(c, has(c.image))", "message": "x"}]}},
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(BODIES), st.integers(0, 60), VALUES, VALUES)
def test_no_policy_and_no_object_makes_the_engine_raise(body: dict[str, Any], where: int, odd: Any, value: Any) -> None:
    policy = _place(
        cluster_policy(body, context=[{"name": "v", "variable": {"jmesPath": "request.object.x", "default": 1}}]),
        where,
        odd,
    )
    if not isinstance(policy, dict):
        return
    rules, problems = loading.load([Document(policy)])
    assert all(problem.message for problem in problems)
    subjects = [POD, _place(POD, where, odd), {"kind": "Pod", "apiVersion": "v1", "metadata": value, "spec": value}]
    for subject in subjects:
        if isinstance(subject, dict):
            for rule in rules:
                assert all(
                    one.status in {"pass", "fail", "warn", "skip", "error"} for one in rule.evaluate(Request(subject))
                )


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 40), VALUES)
def test_no_validating_policy_makes_the_engine_raise(where: int, odd: Any) -> None:
    policy = _place(
        validating_policy("object.spec.replicas > 1", variables=[{"name": "a", "expression": "1"}]), where, odd
    )
    if isinstance(policy, dict):
        for rule in loading.load([Document(policy)])[0]:
            rule.evaluate(Request(POD))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 40), VALUES)
def test_no_pod_makes_the_standards_raise(where: int, odd: Any) -> None:
    pod = _place(POD, where, odd)
    if isinstance(pod, dict):
        assert all(one.field for one in standards.violations(pod, "restricted"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), VALUES)
def test_no_test_file_makes_the_runner_raise(where: int, odd: Any) -> None:
    test = {
        "policies": ["p"],
        "resources": ["r"],
        "variables": "v",
        "results": [{"policy": "p", "rule": "r", "kind": "Pod", "resources": ["a"], "result": "pass"}],
    }
    test = _place(test, where, odd)
    values = _place({"policies": [{"name": "p", "resources": [{"name": "a", "values": {"x.y": 1}}]}]}, where, odd)
    files = {"p": [cluster_policy(BODIES[0])], "r": [POD], "v": [values]}
    with contextlib.suppress(BadInput):
        suites.run_test(test, lambda name: [one for one in files.get(name, []) if isinstance(one, dict)])


def _nested(depth: int) -> dict[str, Any]:
    found: Any = "x"
    for _ in range(depth):
        found = {"a": found}
    return {"spec": found}


@pytest.mark.parametrize("depth", [40, 90, 400])
def test_deep_patterns_and_objects_are_refused_instead_of_exhausting_the_stack(depth: int) -> None:
    _, problems = loading.load([Document(cluster_policy({"pattern": _nested(depth)}))])
    assert [problem.message.startswith("expected ") for problem in problems] == ([] if depth < 59 else [True])
    rules, _ = loading.load([Document(cluster_policy({"deny": {"conditions": [
        {"key": "{{ request.object.spec }}", "operator": "Equals", "value": 1}]}}))])  # fmt: skip
    assert judged(rules, {**POD, **_nested(depth)}).status in {"pass", "error"}


def test_variables_that_a_resource_brings_in_come_to_an_end() -> None:
    again = "{{ request.object.metadata.labels.app }}!"
    body = {"pattern": {"metadata": {"name": "x {{ request.object.metadata.labels.app }}"}}}
    rules, _ = loading.load([Document(cluster_policy(body))])
    outcome = judged(rules, {**POD, "metadata": {"name": "a", "labels": {"app": again}}})
    assert outcome.status == "error"
    assert "rounds" in outcome.message or "too long" in outcome.message


@pytest.mark.parametrize(
    "text",
    ["{{" * 3000, "{{a" * 3000 + "}}" * 3000, "{" * 20000, "{{ " + "(" * 5000 + " }}", "{{ " + "[" * 9000 + " }}"],
)
def test_braces_without_end_cost_little(text: str) -> None:
    rules, problems = loading.load(
        [Document(cluster_policy({"deny": {"conditions": [{"key": text, "operator": "Equals", "value": "x"}]}}))]
    )
    assert problems or judged(rules, POD).status in {"pass", "error"}


def test_wildcards_do_not_backtrack_without_end() -> None:
    rules, _ = loading.load([Document(cluster_policy({"pattern": {"metadata": {"name": "*a" * 200 + "b"}}}))])
    assert judged(rules, {**POD, "metadata": {"name": "a" * 5000}}).status == "fail"


def test_a_runaway_regular_expression_is_harmless() -> None:
    key = "{{ regex_match('^(a+)+$', request.object.metadata.name) }}"
    rules, _ = loading.load(
        [Document(cluster_policy({"deny": {"conditions": [{"key": key, "operator": "Equals", "value": True}]}}))]
    )
    assert judged(rules, {**POD, "metadata": {"name": "a" * 5000 + "b"}}).status in {"pass", "error"}
