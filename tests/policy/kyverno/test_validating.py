"""ValidatingPolicy and ``validate.cel``: variables, messages, parameters, exceptions, and Kyverno's own CEL libraries."""

from typing import Any

import pytest

from tests.policy.kyverno.policies import POD, cluster_policy, judged, rules_of, validating_policy

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}},
}
GIVEN: dict[str, Any] = {
    "inventory": [SERVICE, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "shop"}, "data": {"k": "v"}}],
    "values": {
        "images": [{"image": "docker.io/nginx:latest", "config": {"architecture": "amd64"}}],
        "globalContextEntries": [{"name": "g", "data": {"n": 2}, "projections": [{"name": "p", "path": "n"}]}],
        "apiCallResponses": [{"url": "http://x", "response": {"statusCode": 200, "body": {"ok": True}}}],
    },
    "user_info": {"username": "system:serviceaccount:ci:bot"},
    "at": 1_735_789_527.0,
}  # fmt: skip


def status(expression: str, **request: Any) -> str:
    return judged(rules_of(validating_policy(expression)), POD, **request).status


@pytest.mark.parametrize(
    "expression",
    [
        "resource.Get('v1', 'configmaps', 'shop', 'cm').data['k'] == 'v'",
        "resource.List('v1', 'services', 'shop').items.size() == 1",
        "resource.List('v1', 'services', '', {'a': 'c'}).items.size() == 0",
        "resource.list('v1', 'pods', 'shop').items == []",
        "image.GetMetadata('nginx').config.architecture == 'amd64'",
        "globalContext.Get('g', '').n == 2 && globalContext.Get('g', 'p') == 2",
        "http.Get('http://x').body.ok",
        "parseServiceAccount(request.userInfo.username).Name == 'bot'",
        "parseServiceAccount(request.userInfo.username).Namespace == 'ci'",
        "image('nginx').registry() == 'index.docker.io' && image('nginx').repository() == 'library/nginx'",
        "image('ghcr.io/a/b:1').tag() == '1' && image('ghcr.io/a/b:1').identifier() == '1' && !image('a:1').containsDigest()",
        "isImage('a/b:c') && !isImage('a b')",
        "images.containers.exists(i, i == 'nginx') && images.initContainers.size() == 0",
        "math.round(10.125, 2) == 10.13 && math.round(12345.6789, -2) == 12300.0",
        "md5('x') == '9dd4e461268c8034f5c8564e155c67a6' && sha256('').startsWith('e3b0c442')",
        "listObjToMap([{'n': 'a'}], [{'v': 1}], 'n', 'v') == {'a': 1}",
        "json.unmarshal('{\"a\": [1, 2]}').a.size() == 2 && yaml.parse('a: {b: c}').a.b == 'c'",
        "time.now() > timestamp('2025-01-01T00:00:00Z')",
        "time.truncate(timestamp('2025-01-02T03:45:27Z'), duration('1h')) == timestamp('2025-01-02T03:00:00Z')",
        "time.toCron(timestamp('2025-01-02T15:30:00Z')) == '30 15 2 1 4'",
        "namespaceObject == null && oldObject == null && request.operation == 'CREATE' && request.kind.kind == 'Pod'",
        "request.resource.resource == 'pods' && request.namespace == 'shop'",
    ],
)
def test_libraries(expression: str) -> None:
    assert status(expression, **GIVEN) == "pass"


@pytest.mark.parametrize(
    "expression",
    [
        "resource.Get('v1', 'secrets', 'shop', 'none').data.k == 'v'",
        "resource.List('v1', 'pods', '').items.size() == 0",
        "image.GetMetadata('redis').config.os == 'linux'",
        "globalContext.Get('nowhere', '') == 1",
        "http.Get('http://y').ok",
        "http.Post('http://y', {'a': 1}).ok",
    ],
)
def test_data_that_is_not_given_is_an_error(expression: str) -> None:
    found = judged(rules_of(validating_policy(expression)), POD)
    assert found.status == "error"
    assert "given" in found.message


def test_an_expression_without_a_value_fails_unless_failures_are_ignored() -> None:
    assert status("object.spec.nowhere == 1") == "fail"
    policy = validating_policy("object.spec.nowhere == 1", failurePolicy="Ignore")
    rules = rules_of(policy)
    assert judged(rules, POD).status == "error"
    assert rules[0].ignores_errors
    assert status("object.metadata.name") == "fail", "a text is no bool"


def test_messages_and_the_path_of_what_is_wrong() -> None:
    policy = validating_policy("object.spec.containers.all(c, c.image.startsWith(variables.ours))")
    policy["spec"]["variables"] = [{"name": "ours", "expression": "'ghcr.io/'"}]
    validation = policy["spec"]["validations"][0]
    found = judged(rules_of(policy), POD)
    assert (found.status, found.path) == ("fail", ("spec", "containers", 1, "image"))
    assert found.message.startswith("failed expression: object.spec")
    validation |= {"message": "not ours", "messageExpression": "'not ours: ' + object.metadata.name"}
    assert judged(rules_of(policy), POD).message == "not ours: web-1"
    validation["messageExpression"] = "object.nowhere"
    assert judged(rules_of(policy), POD).message == "not ours"


def test_conditions_and_constraints_select() -> None:
    policy = validating_policy(
        "false", matchConditions=[{"name": "web", "expression": "object.metadata.name == 'web-1'"}]
    )
    assert judged(rules_of(policy), POD).status == "fail"
    assert judged(rules_of(policy), {**POD, "metadata": {"name": "x"}}).status == "skip"
    assert judged(rules_of(validating_policy("false", resources=["services"])), POD).status == "skip"
    assert judged(rules_of(validating_policy("false")), POD, operation="DELETE").status == "skip"


def test_any_json_is_judged_when_the_policy_says_so() -> None:
    policy = validating_policy("object.plan.size() == 0", evaluation={"mode": "JSON"})
    assert judged(rules_of(policy)[:1], {"plan": [1]}).status == "fail"


def test_a_namespaced_policy_is_about_its_namespace() -> None:
    policy = validating_policy("false") | {
        "kind": "NamespacedValidatingPolicy",
        "metadata": {"name": "p", "namespace": "other"},
    }
    assert judged(rules_of(policy), POD).status == "skip"


@pytest.mark.parametrize(
    ("actions", "action"), [(None, "deny"), (["Audit"], "audit"), (["Warn", "Audit"], "warn"), (["Deny"], "deny")]
)
def test_validation_actions(actions: list[str] | None, action: str) -> None:
    policy = validating_policy("true", **({"validationActions": actions} if actions else {}))
    assert rules_of(policy)[0].action == action


def exception(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "PolicyException",
        "metadata": {"name": "e", "namespace": "ops"},
        "spec": {
            "policyRefs": [{"name": "p", "kind": "ValidatingPolicy"}],
            "matchConditions": [{"name": "web", "expression": "object.metadata.name == 'web-1'"}],
            **spec,
        },
    }


def test_exceptions_by_expression_skip_the_policy_or_give_it_values() -> None:
    assert judged(rules_of(validating_policy("false"), exception()), POD).status == "skip"
    assert judged(rules_of(validating_policy("false"), exception(reportResult="pass")), POD).status == "pass"
    assert (
        judged(rules_of(validating_policy("false"), exception()), {**POD, "metadata": {"name": "x"}}).status == "fail"
    )
    allowed = validating_policy("object.spec.containers.all(c, c.name in exceptions.allowedValues)")
    assert judged(rules_of(allowed, exception(allowedValues=["web", "side"])), POD).status == "pass"
    assert judged(rules_of(allowed), POD).status == "fail"


def test_cel_in_a_cluster_policy_has_preconditions_and_parameters() -> None:
    body = {
        "expressions": [
            {"expression": "object.spec.containers.size() <= int(params.data.most)", "message": "too many"}
        ],
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "paramRef": {"name": "limits", "namespace": "ops", "parameterNotFoundAction": "Deny"},
    }
    limits = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "limits", "namespace": "ops"},
        "data": {"most": "1"},
    }
    rules = rules_of(
        cluster_policy(
            {"cel": body}, celPreconditions=[{"name": "web", "expression": "object.metadata.name.startsWith('web')"}]
        )
    )
    assert judged(rules, POD, inventory=[limits]).message == "too many"
    assert judged(rules, POD).status == "error"
    assert judged(rules, {**POD, "metadata": {"name": "db"}}, inventory=[limits]).status == "skip"
