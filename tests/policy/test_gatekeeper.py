"""Templates and constraints: what is loaded, what matches, what is refused; gator's assertions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shipway.policy.gatekeeper.loading import load
from shipway.policy.gatekeeper.matching import matches
from shipway.policy.gatekeeper.suites import run
from shipway.policy.rules import Document, Outcome, Request

REGO = """package labels
import data.lib.words
violation[{"msg": msg, "details": {"missing": missing}}] {
    missing := {l | l := input.parameters.labels[_]} - {l | input.review.object.metadata.labels[l]}
    count(missing) > 0
    msg := words.missing(missing)
}
violation[{"msg": "the name is taken"}] {
    other := data.inventory.namespace[_]["v1"].Pod[name]
    name == input.review.object.metadata.name
    other.metadata.namespace != input.review.object.metadata.namespace
}"""
LIB = 'package lib.words\nmissing(ls) = m { m := sprintf("missing %v", [concat(", ", ls)]) }'
CEL = {
    "variables": [
        {
            "name": "given",
            "expression": "has(variables.anyObject.metadata.labels) ? variables.anyObject.metadata.labels : {}",
        }
    ],
    "validations": [
        {
            "expression": "variables.params.labels.all(l, l in variables.given)",
            "messageExpression": "'missing ' + variables.params.labels.filter(l, !(l in variables.given)).join(', ')",
        }
    ],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "labels": {"type": "array", "items": {"type": "string"}, "default": ["owner"]},
        "x": {"type": "integer", "nullable": True},
    },
}


def template(*code: Mapping[str, Any], name: str = "labels", **extra: Any) -> Document:
    """A template with this code."""
    crd = {"spec": {"names": {"kind": "Labels"}, "validation": {"openAPIV3Schema": SCHEMA}}}
    target = {
        "target": "admission.k8s.gatekeeper.sh",
        **({"code": list(code)} if code else {"rego": REGO, "libs": [LIB]}),
        **extra,
    }
    return Document(
        {
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": name},
            "spec": {"crd": crd, "targets": [target]},
        },
        "template.yaml",
    )


def constraint(**spec: Any) -> Document:
    """A constraint of that template."""
    return Document(
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "Labels",
            "metadata": {"name": "owned"},
            "spec": spec,
        },
        "c.yaml",
    )


def pod(**metadata: Any) -> dict[str, Any]:
    """A Pod."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", **metadata}}


def judged(request: Request, *documents: Document, **spec: Any) -> list[Outcome]:
    """Outcomes of one constraint."""
    rules, problems = load(documents or [template()], [constraint(**spec)])
    assert problems == []
    return [outcome for rule in rules for outcome in rule.evaluate(request)]


@pytest.mark.parametrize(
    "code",
    [
        (),
        ({"engine": "Rego", "source": {"rego": REGO, "libs": [LIB]}},),
        ({"engine": "K8sNativeValidation", "source": CEL},),
    ],
)
def test_engines_agree(code: Sequence[Mapping[str, Any]]) -> None:
    made = template(*code)
    assert [one.message for one in judged(Request(pod()), made)] == ["missing owner"]
    assert [one.status for one in judged(Request(pod(labels={"owner": "a"})), made)] == ["pass"]
    assert [one.message for one in judged(Request(None, pod(), "DELETE"), made)] == ["missing owner"]
    assert [one.message for one in judged(Request(pod()), made, parameters={"labels": ["a", "b"]})] == ["missing a, b"]


def test_other_objects_are_the_inventory() -> None:
    request = Request(pod(labels={"owner": "a"}), inventory=[pod(namespace="other")])
    assert [one.message for one in judged(request)] == ["the name is taken"]


def test_version_1_of_rego() -> None:
    source = {
        "version": "v1",
        "rego": 'package a\nviolation contains {"msg": "no"} if input.review.operation == "UPDATE"',
    }
    made = template({"engine": "Rego", "source": source})
    assert [one.status for one in judged(Request(pod(), operation="UPDATE"), made)] == ["fail"]
    assert [one.status for one in judged(Request(pod()), made)] == ["pass"]


@pytest.mark.parametrize(
    ("spec", "action"),
    [
        ({}, "deny"), ({"enforcementAction": "warn"}, "warn"), ({"enforcementAction": "dryrun"}, "audit"),
        ({"enforcementAction": "scoped", "scopedEnforcementActions": [{"action": "warn"}, {"action": "dryrun"}]}, "warn"),
    ],
)  # fmt: skip
def test_actions(spec: Mapping[str, Any], action: str) -> None:
    (rule,), problems = load([template()], [constraint(**spec)])
    assert (rule.action, rule.id, problems) == (action, "Labels/owned", [])


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, True),
        ({"kinds": [{"apiGroups": ["apps"], "kinds": ["*"]}]}, False),
        ({"scope": "Cluster"}, False),
        ({"namespaces": ["sh*"]}, True),
        ({"namespaces": ["prod"]}, False),
        ({"excludedNamespaces": ["*op"]}, False),
        ({"excludedNamespaces": ["kube-*"]}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}}, True),
        ({"labelSelector": {"matchLabels": {"app": "other"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"tier": "gold"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"tier": "iron"}}}, False),
        ({"name": "we*"}, True),
        ({"name": "log"}, False),
        ({"source": "Generated"}, False),
    ],
)
def test_match(match: Mapping[str, Any], expected: bool) -> None:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "gold"}}}
    request = Request(pod(labels={"app": "web"}), namespace_object=home)
    assert matches(match, request) is expected


def test_namespaces_say_nothing_about_cluster_objects() -> None:
    role = Request({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}})
    assert matches({"namespaces": ["prod"]}, role)
    home = Request({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}})
    assert matches({"namespaces": ["prod"]}, home)
    assert not matches({"excludedNamespaces": ["prod"]}, home)


@pytest.mark.parametrize(
    ("documents", "path", "message"),
    [
        ([template(), constraint(parameters={"labels": [1]})], "spec.parameters.labels.0", '1 is not of type "string"'),
        (
            [template(), constraint(enforcementAction="stop")],
            "spec.enforcementAction",
            "expected scoped or one of deny, warn, dryrun",
        ),
        ([template(), constraint(match={"kind": "Pod"})], "spec.match.kind", "`kind` is not supported"),
        ([constraint()], "kind", "there is no ConstraintTemplate for `Labels`"),
        ([template(name="other")], "metadata.name", "must be the kind in lower case: `labels`"),
        (
            [template(rego="package a\nviolation[{}] { http.send({}) }")],
            "spec.targets.0.rego",
            "http.send is not supported",
        ),
        ([template(rego="package a\ndeny[1] { true }")], "spec.targets.0.rego", "expected a rule `violation`"),
        ([template({"engine": "Lua", "source": {}})], "spec.targets.0.code.0.engine", "Rego"),
        (
            [template({"engine": "K8sNativeValidation", "source": {"validations": [{"expression": "1 +"}]}})],
            "spec.targets.0.code.0.source.validations.0.expression",
            "line 1",
        ),
    ],
)
def test_what_cannot_be_used_is_a_problem(documents: Sequence[Document], path: str, message: str) -> None:
    templates = [one for one in documents if one.data["kind"] == "ConstraintTemplate"]
    rules, problems = load(templates, [one for one in documents if one not in templates])
    assert rules == []
    assert problems[0].path == path
    assert message in problems[0].message


def test_a_violation_without_a_message_is_an_error() -> None:
    made = template(rego="package a\nviolation[x] { x := 1 }")
    assert [one.status for one in judged(Request(pod()), made)] == ["error"]


SUITE: dict[str, Any] = {
    "tests": [
        {
            "name": "labels", "template": "t", "constraint": "c",
            "cases": [
                {"name": "none", "object": "bare", "assertions": [{"violations": True}, {"violations": 1, "message": "missing .wner"}, {"violations": False}]},
                {"name": "given", "object": "good", "assertions": [{"violations": "no"}]},
                {"name": "review", "object": "review", "assertions": [{"violations": 0}]},
                {"name": "later", "skip": True, "object": "absent"},
                {"name": "absent", "object": "absent"},
            ],
        },
        {"name": "off", "skip": True},
        {"name": "wrong", "template": "t", "constraint": "bad", "invalid": True},
    ]
}  # fmt: skip


def test_suites() -> None:
    good = pod(labels={"owner": "a"})
    files = {
        "t": template(), "c": constraint(), "bad": constraint(parameters={"labels": 1}), "bare": Document(pod()), "good": Document(good),
        "review": Document({"kind": "AdmissionReview", "request": {"operation": "DELETE", "oldObject": good}}),
    }  # fmt: skip
    found = run(SUITE, lambda name: [files[name]])
    assert [(one.case, one.passed, one.skipped) for one in found] == [
        ("none", True, False), ("none", True, False), ("none", False, False), ("given", True, False), ("review", True, False),
        ("later", True, True), ("absent", False, False), ("", True, True), ("", True, False),
    ]  # fmt: skip
    assert found[2].cause == "expected no violations, found 1"


@pytest.mark.parametrize("field", ["variables", "matchCondition", "validations"])
@pytest.mark.parametrize("odd", ["text", 5, ["text"], {"a": 1}])
def test_odd_lists_in_a_template_are_problems(field: str, odd: Any) -> None:
    source = {"validations": [{"expression": "true"}], field: odd}
    _, problems = load([template({"engine": "K8sNativeValidation", "source": source})], [])
    assert f"expected a list of maps as `{field}`" in {one.message for one in problems}


def test_conditions_have_gatekeepers_name() -> None:
    conditions = [{"name": "web", "expression": "object.metadata.name == 'web'"}]
    source: dict[str, Any] = {"validations": [{"expression": "false"}], "matchCondition": conditions}
    made = template({"engine": "K8sNativeValidation", "source": source})
    found = [judged(Request(object=pod(name=name)), made)[0].status for name in ("web", "other")]
    assert found == ["fail", "skip"]
    source["matchConditions"] = source.pop("matchCondition")
    _, problems = load([template({"engine": "K8sNativeValidation", "source": source})], [])
    assert [one.code for one in problems] == ["unknown-field"]


def test_providers_of_external_data_are_refused_by_name() -> None:
    rego = 'package labels\nviolation[{"msg": m}] { m := external_data({"provider": "p", "keys": []}) }'
    _, problems = load([template(rego=rego)], [])
    assert "external_data is not supported" in problems[0].message


def test_a_template_that_cannot_be_compiled_is_told_once() -> None:
    _, problems = load([template(rego="package labels\nviolation[x] { f(1 }")], [])
    assert [one.path for one in problems] == ["spec.targets.0.rego"]
    _, problems = load([template(rego=5)], [])
    assert "expected `rego`, or `code` for an engine" in [one.message for one in problems]
