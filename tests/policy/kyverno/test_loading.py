"""From files to rules: actions, what is refused and where it stands, exceptions, and the way through the common loader."""

from typing import Any

import pytest

from shipway.policy import loading as common
from shipway.policy.evaluating import Evaluator
from shipway.policy.rules import Document, Place, Request
from tests.policy.kyverno.policies import POD, cluster_policy, judged, problems_of, rules_of, validating_policy

IMAGES = {"message": "only ours", "pattern": {"spec": {"containers": [{"image": "ghcr.io/*"}]}}}


@pytest.mark.parametrize(
    ("spec", "validate", "action"),
    [
        ({}, {}, "audit"),
        ({"validationFailureAction": "Enforce"}, {}, "deny"),
        ({"validationFailureAction": "enforce"}, {"failureAction": "Audit"}, "audit"),
        ({"emitWarning": True}, {}, "warn"),
        ({}, {"failureAction": "Enforce"}, "deny"),
    ],
)
def test_the_failure_action_becomes_the_action(spec: dict[str, Any], validate: dict[str, Any], action: str) -> None:
    policy = cluster_policy({**IMAGES, **validate})
    policy["spec"] |= spec
    assert {rule.action for rule in rules_of(policy)} == {action}


def test_overrides_by_namespace_weaken_failures_to_warnings() -> None:
    overrides = [{"action": "Enforce", "namespaces": ["shop"]}, {"action": "Audit", "namespaces": ["te?t"]}]
    rules = rules_of(cluster_policy({**IMAGES, "failureActionOverrides": overrides}))
    assert rules[0].action == "deny"
    for namespace, status in (("shop", "fail"), ("test", "warn"), ("other", "warn")):
        assert judged(rules, {**POD, "metadata": {"name": "x", "namespace": namespace}}).status == status


def test_annotations_say_what_the_rule_is_about_and_whether_it_is_scored() -> None:
    policy = cluster_policy(IMAGES)
    policy["metadata"]["annotations"] = {
        "policies.kyverno.io/title": "Registries",
        "policies.kyverno.io/severity": "high",
        "policies.kyverno.io/scored": "false",
    }
    rule = rules_of(policy)[0]
    assert (rule.title, rule.severity, rule.kinds) == ("Registries", "high", frozenset({"Pod"}))
    assert judged([rule], POD).status == "warn"


def test_a_policy_of_a_namespace_is_about_that_namespace() -> None:
    policy = cluster_policy(IMAGES) | {"kind": "Policy", "metadata": {"name": "p", "namespace": "shop"}}
    rules = rules_of(policy)
    assert rules[0].policy == "shop/p"
    assert judged(rules, POD).status == "fail"
    assert judged(rules, {**POD, "metadata": {"name": "x", "namespace": "other"}}).status == "skip"


MUTATING = {"name": "m", "match": {}, "mutate": {"patchStrategicMerge": {}}}


def test_rules_that_do_not_validate_are_left_out_beside_others_and_refused_alone() -> None:
    policy = cluster_policy(IMAGES)
    policy["spec"]["rules"].append(MUTATING)
    assert [rule.name for rule in rules_of(policy)] == ["r", "autogen-r", "autogen-cronjob-r"]
    policy["spec"]["rules"] = [MUTATING, {"name": "v", "verifyImages": []}]
    assert problems_of(policy) == [
        "spec.rules.0.mutate: mutation is not supported, only validation is",
        "spec.rules.1.verifyImages: verification of signatures is not supported, only validation is",
    ]


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (cluster_policy({"manifests": {}}), "spec.rules.0.validate.manifests: `validate.manifests` is not supported"),
        (cluster_policy({"assert": {}}), "spec.rules.0.validate.assert: `validate.assert` is not supported"),
        (cluster_policy({}), "spec.rules.0.validate: expected one of pattern, anyPattern, deny, foreach, podSecurity, cel"),
        (cluster_policy(IMAGES) | {"spec": {"rules": []}}, "spec: the policy has no rules"),
        (cluster_policy(IMAGES) | {"spec": {"rules": {}}}, "spec.rules: Expected `array`, got `object`"),
        (cluster_policy({"anyPattern": {}}), "spec.rules.0.validate.anyPattern: Expected `array | null`, got `object`"),
        (cluster_policy({"podSecurity": {"level": "lax"}}), "spec.rules.0.validate.podSecurity.level: expected privileged, baseline or restricted, found `lax`"),
        (
            cluster_policy(IMAGES, context=[{"name": "x", "oracle": {}}]),
            "spec.rules.0.context.0: expected a name and one of apiCall, configMap, globalReference, imageRegistry, variable",
        ),
        (
            cluster_policy({"cel": {"expressions": [{"expression": "object.spec."}]}}),
            "spec.rules.0.validate.cel.expressions.0.expression: this CEL expression cannot be compiled: ",
        ),
        (validating_policy("nowhere == 1"), "spec.validations.0.expression: this CEL expression cannot be compiled: 1:1: undeclared reference to 'nowhere'"),
        (validating_policy("authorizer.path('/').check('get').allowed()"), "spec.validations.0.expression: "),
        (validating_policy("true", mutations=[]), "spec.mutations: `mutations` of a ValidatingPolicy is not supported"),
        (validating_policy("true") | {"kind": "MutatingPolicy"}, "kind: MutatingPolicy: mutation is not supported, only validation is"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_place(policy: dict[str, Any], found: str) -> None:
    problems = problems_of(policy)
    assert len(problems) == 1
    assert problems[0].startswith(found)


def test_a_name_that_yaml_reads_as_a_truth_value_is_told() -> None:
    cel = {"variables": [{"name": False, "expression": "1"}], "expressions": [{"expression": "variables.n == 1"}]}
    (problem,) = problems_of(cluster_policy({"cel": cel}))
    assert problem.startswith("spec.rules.0.validate.cel.variables.0.name: expected a name, got true or false")


def test_a_problem_points_to_the_file_and_the_line() -> None:
    from shipway.policy.kyverno import loading

    place = Place("policy.yaml", 12, 7)
    wanted = ("spec", "rules", 0, "mutate")
    policy = cluster_policy(IMAGES) | {"spec": {"rules": [MUTATING]}}
    document = Document(policy, "policy.yaml", lambda path: place if path == wanted else Place())
    assert [str(one) for one in loading.load([document])[1]] == [
        "policy.yaml:12:7 error spec.rules.0.mutate: mutation is not supported, only validation is"
    ]


def test_rules_that_change_objects_are_left_out_with_a_warning_where_others_validate() -> None:
    policy = cluster_policy(IMAGES)
    both = policy | {"spec": {"rules": [*policy["spec"]["rules"], MUTATING]}}
    loaded = common.load([Document(both, "policy.yaml")])
    assert len(loaded.rules) == len(common.load([Document(policy)]).rules) > 0
    assert not loaded.problems
    assert [str(one) for one in loaded.warnings] == [
        "policy.yaml warning spec.rules.1.mutate: mutation is not supported, only validation is"
    ]


def test_the_common_loader_takes_kyverno_documents_and_the_evaluator_finds_the_value() -> None:
    loaded = common.load([Document(cluster_policy({**IMAGES, "failureAction": "Enforce"})), Document(EXCEPTION)])
    assert not loaded.problems
    assert not loaded.others
    found = Evaluator(loaded.rules).evaluate(Request(POD))
    assert [(one.rule, one.status, one.path) for one in found if one.status != "skip"] == [
        ("p/r", "fail", ("spec", "containers", 1, "image"))
    ]


EXCEPTION: dict[str, Any] = {
    "apiVersion": "kyverno.io/v2",
    "kind": "PolicyException",
    "metadata": {"name": "legacy", "namespace": "ops"},
    "spec": {
        "exceptions": [{"policyName": "p", "ruleNames": ["r", "autogen-*"]}],
        "match": {"any": [{"resources": {"kinds": ["Pod"], "names": ["legacy-*"]}}]},
        "conditions": {
            "any": [{"key": "{{ request.object.metadata.labels.app || '' }}", "operator": "Equals", "value": "old"}]
        },
    },
}
OLD = {**POD, "metadata": {"name": "legacy-1", "namespace": "shop", "labels": {"app": "old"}}}


def test_an_exception_skips_what_it_matches_and_nothing_else() -> None:
    rules = rules_of(cluster_policy(IMAGES), EXCEPTION)
    assert judged(rules, POD).status == "fail"
    found = judged(rules, OLD)
    assert (found.status, found.message) == ("skip", "excepted by ops/legacy")
    assert judged(rules, {**OLD, "metadata": {**OLD["metadata"], "labels": {}}}).status == "fail"
    other = {**EXCEPTION, "spec": {**EXCEPTION["spec"], "exceptions": [{"policyName": "q", "ruleNames": ["*"]}]}}
    assert judged(rules_of(cluster_policy(IMAGES), other), OLD).status == "fail"


def test_an_exception_may_exempt_single_controls_only() -> None:
    spec = {**EXCEPTION["spec"], "podSecurity": [{"controlName": "Host Namespaces"}]}
    rules = rules_of(cluster_policy({"podSecurity": {"level": "baseline"}}), {**EXCEPTION, "spec": spec})
    shared = {**OLD, "spec": {**OLD["spec"], "hostPID": True}}
    assert judged(rules, shared).status == "skip"
    volumes = [{"name": "v", "hostPath": {"path": "/"}}]
    found = judged(rules, {**shared, "spec": {**shared["spec"], "volumes": volumes}})
    assert found.status == "fail"
    assert found.path == ("spec", "volumes", 0, "hostPath")


def test_a_broken_exception_is_a_problem_not_an_exception() -> None:
    broken = {**EXCEPTION, "spec": {**EXCEPTION["spec"], "conditions": [{"key": 1, "operator": "Likes", "value": 1}]}}
    assert problems_of(cluster_policy(IMAGES), broken) == ["spec.conditions.0.operator: unknown operator `Likes`"]


PRIVILEGED = {
    "name": "c",
    "image": "nginx:1",
    "securityContext": {"privileged": True, "capabilities": {"add": ["FOO"]}},
}


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ([], 2),
        ([{"controlName": "Privileged Containers"}], 2),
        ([{"controlName": "Privileged Containers", "images": ["ngi*"]}], 1),
        ([{"controlName": "Privileged Containers", "images": ["redis*"]}], 2),
        ([{"controlName": "Capabilities", "images": ["*"], "restrictedField": "spec.containers[*].securityContext.capabilities.add", "values": ["FOO"]}], 1),
        ([{"controlName": "Capabilities", "images": ["*"], "restrictedField": "spec.containers[*].securityContext.capabilities.add", "values": ["BAR"]}], 2),
    ],
)  # fmt: skip
def test_exemptions_from_pod_security(exclude: list[dict[str, Any]], left: int) -> None:
    rules = rules_of(cluster_policy({"podSecurity": {"level": "baseline", "version": "latest", "exclude": exclude}}))
    found = rules[0].evaluate(Request({**POD, "spec": {"containers": [PRIVILEGED]}}))
    assert [one.status for one in found] == ["fail"] * left


def test_conditions_of_the_webhook_keep_requests_from_the_policy() -> None:
    policy = cluster_policy({"deny": {}})
    condition = {"name": "web", "expression": "object.metadata.name == 'web-1'"}
    policy["spec"]["webhookConfiguration"] = {"matchConditions": [condition]}
    assert judged(rules_of(policy), POD).status == "fail"
    assert judged(rules_of(policy), {**POD, "metadata": {"name": "x"}}).status == "skip"


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (
            cluster_policy({"deny": {}}, imageExtractors={"A": []}),
            "spec.rules.0.imageExtractors: `imageExtractors` are not supported",
        ),
        (
            cluster_policy({"deny": {}}, celPreconditions=[{"name": "a", "expression": "true"}]),
            "spec.rules.0.celPreconditions: `celPreconditions` need `validate.cel`; use `preconditions`",
        ),
        (cluster_policy({"deny": {}}, precondition={}), "spec.rules.0.precondition: unknown field `precondition`"),
        (cluster_policy({"deny": {}, "patern": {}}), "spec.rules.0.validate.patern: unknown field `patern`"),
        (
            validating_policy("true", evaluation={"mode": "HTTP"}),
            "spec.evaluation.mode: payloads of the mode `HTTP` are not supported",
        ),
    ],
)
def test_settings_that_are_not_followed_are_refused(policy: dict[str, Any], found: str) -> None:
    assert problems_of(policy) == [found]
    other = cluster_policy({"deny": {}})
    other["spec"]["applyRules"] = "Some"
    assert problems_of(other) == ["spec.applyRules: expected All or One, found `Some`"]
