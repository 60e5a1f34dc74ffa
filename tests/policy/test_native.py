"""ValidatingAdmissionPolicy as Kubernetes documents it."""

from typing import Any

import pytest

from shipway.policy.evaluating import Evaluator
from shipway.policy.rules import Request
from tests.policy.samples import binding, deployment, judged, loaded, statuses, vap

FEW = [{"expression": "object.spec.replicas <= 5", "message": "at most 5"}]


def test_a_false_validation_fails_with_its_message_reason_and_path() -> None:
    (finding,) = judged(vap(validations=[{**FEW[0], "reason": "Forbidden"}]))
    assert (finding.status, finding.action, finding.message, finding.reason) == (
        "fail",
        "deny",
        "at most 5",
        "Forbidden",
    )
    assert (finding.path, finding.found) == (("spec", "replicas"), "7")
    assert finding.refuses


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"messageExpression": "'found ' + string(object.spec.replicas)"}, "found 7"),
        ({"messageExpression": "object.spec.nothing", "message": "fallback"}, "fallback"),
        ({"messageExpression": "'a\\nb'", "message": "fallback"}, "fallback"),
        ({"messageExpression": "''"}, "failed expression: object.spec.replicas <= 5"),
        ({}, "failed expression: object.spec.replicas <= 5"),
    ],
)
def test_messages_fall_back(validation: dict[str, str], message: str) -> None:
    (finding,) = judged(vap(validations=[{"expression": "object.spec.replicas <= 5", **validation}]))
    assert finding.message == message


@pytest.mark.parametrize(
    ("rule", "applies"),
    [
        ({}, True),
        ({"apiGroups": ["*"], "resources": ["*"]}, True),
        ({"apiGroups": [""]}, False),
        ({"apiVersions": ["v1beta1"]}, True),  # the API server would convert
        ({"operations": ["UPDATE", "DELETE"]}, False),
        ({"resources": ["deployments/scale"]}, False),
        ({"resources": ["*/scale"]}, False),
        ({"resources": ["deployments/*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resourceNames": ["other"]}, False),
        ({"resourceNames": ["web"]}, True),
        ({"scope": "Cluster"}, False),
        ({"scope": "Namespaced"}, True),
    ],
)
def test_resource_rules(rule: dict[str, Any], applies: bool) -> None:
    base = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    match = {"resourceRules": [{**base, **rule}]}
    assert statuses(vap(match=match, validations=FEW)) == (["fail"] if applies else [])
    excluded = {"excludeResourceRules": [{**base, **rule}]}
    assert statuses(vap(match=excluded, validations=FEW)) == ([] if applies else ["fail"])


def test_exact_compares_versions() -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1beta1"], "operations": ["*"], "resources": ["deployments"]}
    assert statuses(vap(match={"resourceRules": [rule], "matchPolicy": "Exact"}, validations=FEW)) == []


@pytest.mark.parametrize(
    ("selector", "applies"),
    [
        ({"matchLabels": {"team": "payments"}}, True),
        ({"matchLabels": {"team": "search"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "payments"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["payments"]}]}, False),
        ({"matchExpressions": [{"key": "absent", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
        ({}, True),
    ],
)
def test_selectors_of_objects_and_namespaces(selector: dict[str, Any], applies: bool) -> None:
    expected = ["fail"] if applies else []
    assert statuses(vap(match={"objectSelector": selector}, validations=FEW)) == expected
    namespace = {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "payments"}}}
    policy = vap(match={"namespaceSelector": selector}, validations=FEW)
    assert statuses(policy, namespace_object=namespace) == expected


def test_the_namespace_is_known_by_name_when_nothing_else_is() -> None:
    named = {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    assert statuses(vap(match={"namespaceSelector": named}, validations=FEW)) == ["fail"]


def test_conditions_skip_and_their_errors_are_errors() -> None:
    false = {"name": "no", "expression": "object.kind == 'Pod'"}
    broken = {"name": "bad", "expression": "object.spec.nothing == 1"}
    assert statuses(vap(matchConditions=[false], validations=FEW)) == ["skip"]
    assert statuses(vap(matchConditions=[broken], validations=FEW)) == ["error"]
    assert statuses(vap(matchConditions=[broken, false], validations=FEW)) == ["skip"]


def test_an_error_is_no_pass_and_refuses_unless_the_policy_ignores_it() -> None:
    broken = [{"expression": "object.spec.nothing == 1"}]
    (failing,) = judged(vap(validations=broken))
    (ignored,) = judged(vap(validations=broken, failurePolicy="Ignore"))
    assert (failing.status, failing.refuses) == ("error", True)
    assert (ignored.status, ignored.refuses) == ("error", False)


def test_variables_are_shared_and_their_errors_named() -> None:
    variables = [
        {"name": "count", "expression": "object.spec.replicas"},
        {"name": "double", "expression": "variables.count * 2"},
        {"name": "broken", "expression": "object.spec.nothing"},
    ]
    assert statuses(vap(variables=variables, validations=[{"expression": "variables.double == 14"}])) == ["pass"]
    assert statuses(vap(variables=variables, validations=[{"expression": "true || variables.broken == 1"}])) == ["pass"]
    (finding,) = judged(vap(variables=variables, validations=[{"expression": "variables.broken == 1"}]))
    assert finding.status == "error"
    assert "variables.broken" in finding.message


def test_parameters_by_name_and_selector() -> None:
    policy = vap(
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        validations=[{"expression": "object.spec.replicas <= int(params.data.max)"}],
    )
    ten = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "ten", "labels": {"a": "b"}},
        "data": {"max": "10"},
    }
    two = {**ten, "metadata": {"name": "two", "labels": {"a": "b"}}, "data": {"max": "2"}}
    by_name = binding(paramRef={"name": "ten", "parameterNotFoundAction": "Deny"})
    assert statuses(policy, by_name, ten, two) == ["pass"]
    assert statuses(policy, by_name, inventory=[ten]) == ["pass"]
    assert sorted(statuses(policy, binding(paramRef={"selector": {"matchLabels": {"a": "b"}}}), ten, two)) == [
        "fail",
        "pass",
    ]
    assert statuses(policy, by_name) == ["fail"]
    assert statuses(policy, binding(paramRef={"name": "ten", "parameterNotFoundAction": "Allow"})) == ["skip"]


def test_a_rule_for_each_binding_with_the_strictest_action() -> None:
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}
    found = loaded(
        vap(validations=FEW),
        binding(name="here", validationActions=["Warn", "Audit"]),
        binding(name="there", matchResources=elsewhere),
    )
    assert [(rule.id, rule.action) for rule in found.rules] == [("p/here", "warn"), ("p/there", "deny")]
    findings = Evaluator(found.rules).evaluate(Request(object=deployment()))
    assert [(one.rule, one.status, one.refuses) for one in findings] == [("p/here", "warn", False)]


def test_audit_annotations() -> None:
    notes = [
        {"key": "replicas", "valueExpression": "string(object.spec.replicas)"},
        {"key": "none", "valueExpression": "null"},
    ]
    (finding,) = judged(vap(auditAnnotations=notes))
    assert (finding.status, finding.annotations) == ("pass", {"replicas": "7"})


def test_the_request_can_be_ruled_over() -> None:
    policy = vap(
        validations=[
            {
                "expression": "request.operation == 'CREATE' && request.userInfo.username == 'ann' && request.namespace == 'shop'"
            }
        ]
    )
    assert statuses(policy, user_info={"username": "ann"}) == ["pass"]
    assert statuses(policy, user_info={"username": "bob"}) == ["fail"]


def test_deletions_are_judged_by_the_old_object() -> None:
    policy = vap(
        validations=[{"expression": "object == null && oldObject.spec.replicas == 0", "message": "still runs"}]
    )
    assert statuses(policy, object=None, old_object=deployment(), operation="DELETE") == ["fail"]


@pytest.mark.parametrize(
    ("document", "code", "said", "line"),
    [
        (vap(validations=[{"expression": "object.spec.("}]), "bad-expression", "", 17),
        (vap(validations=[{"expression": "objekt.spec == 1"}]), "bad-expression", "objekt", 17),
        (vap(validations=[{"expression": "variables.nothing"}]), "bad-expression", "nothing", 17),
        (vap(validations=[{"expression": "authorizer.group('').check('x')"}]), "unsupported", "authorizer", 17),
        (vap(validations=[{"message": "x"}]), "wrong-type", "`expression`", 17),
        (vap(validations=[{"expression": " "}]), "missing", "CEL expression", 17),
        (vap(validations={"expression": "true"}), "wrong-type", "a list", 17),
        (vap(validations=FEW, somethingNew=1), "unsupported", "somethingNew", 19),
        (vap(), "missing", "validations", 6),
        (binding("nothing"), "unknown-policy", "nothing", 6),
        (
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingAdmissionPolicy",
                "metadata": {"name": "m"},
            },
            "unsupported",
            "changes objects",
            2,
        ),
        (
            {
                "apiVersion": "policies.kyverno.io/v1",
                "kind": "ImageValidatingPolicy",
                "metadata": {"name": "i"},
                "spec": {},
            },
            "unsupported",
            "verification of signatures",
            2,
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(document: Any, code: str, said: str, line: int) -> None:
    (problem,) = loaded(document).problems
    assert (problem.code, problem.file) == (code, "policies.yaml")
    assert said in problem.message
    assert problem.line == line


def test_two_policies_of_one_name_are_refused() -> None:
    (problem,) = loaded(vap(validations=FEW), vap(validations=FEW)).problems
    assert "already defined in policies.yaml:1" in problem.message


def test_a_binding_without_a_reference_has_no_parameters() -> None:
    policy = vap(validations=[{"expression": "params == null"}], paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
    assert statuses(policy, binding()) == ["pass"]


def test_missing_parameters_are_left_to_the_failure_policy() -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound = binding(paramRef={"name": "none", "parameterNotFoundAction": "Deny"})
    assert statuses(vap(validations=FEW, paramKind=kind), bound) == ["fail"]
    assert statuses(vap(validations=FEW, paramKind=kind, failurePolicy="Ignore"), bound) == ["error"]


def test_the_request_has_every_field_of_an_admission_request() -> None:
    wanted = "request.requestKind.kind == 'Deployment' && request.requestResource.resource == 'deployments' && request.options == {}"
    assert statuses(vap(validations=[{"expression": wanted}])) == ["pass"]
