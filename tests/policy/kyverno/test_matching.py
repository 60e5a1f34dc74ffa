"""Which objects a rule is about: match, exclude, users, and the rules generated for pod controllers."""

from typing import Any

import pytest

from shipway.policy.kyverno.matching import Kind, parse_kind
from shipway.policy.rules import Request
from tests.policy.kyverno.policies import POD, cluster_policy, judged, problems_of, rules_of, validating_policy


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pod", Kind("*", "*", "Pod")),
        ("v1/Pod", Kind("*", "v1", "Pod")),
        ("apps/v1/Deployment", Kind("apps", "v1", "Deployment")),
        ("apps/*/Deployment", Kind("apps", "*", "Deployment")),
        ("*/Pod", Kind("*", "*", "Pod")),
        ("*", Kind()),
        ("*/*", Kind(subresource="*")),
        ("Pod/status", Kind(kind="Pod", subresource="status")),
        ("Pod.status", Kind(kind="Pod", subresource="status")),
        ("v1/Pod/exec", Kind("*", "v1", "Pod", "exec")),
        ("apps/v1/Deployment/scale", Kind("apps", "v1", "Deployment", "scale")),
        ("apps/v1/Deployment.scale", Kind("apps", "v1", "Deployment", "scale")),
    ],
)
def test_kinds_are_read_in_every_form(text: str, kind: Kind) -> None:
    assert parse_kind(text) == kind


def concerned(
    match: dict[str, Any], value: dict[str, Any] = POD, exclude: dict[str, Any] | None = None, **request: Any
) -> bool:
    policy = cluster_policy({"deny": {}}, match=match, exclude=exclude, name="r")
    policy["metadata"]["annotations"] = {"pod-policies.kyverno.io/autogen-controllers": "none"}
    return judged(rules_of(policy), value, **request).status == "fail"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"kinds": ["Pod"]}, True),
        ({"kinds": ["Deployment", "v1/Pod"]}, True),
        ({"kinds": ["apps/v1/Pod"]}, False),
        ({"kinds": ["*"]}, True),
        ({"kinds": ["Po?"], "names": ["db", "web-*"]}, True),
        ({"kinds": ["Pod"], "name": "db"}, False),
        ({"kinds": ["Pod"], "namespaces": ["sh*"]}, True),
        ({"kinds": ["Pod"], "namespaces": ["prod"]}, False),
        ({"kinds": ["Pod"], "operations": ["UPDATE"]}, False),
        ({"kinds": ["Pod"], "annotations": {"own*": "a?n"}}, True),
        ({"kinds": ["Pod"], "annotations": {"owner": "bob"}}, False),
        ({"kinds": ["Pod"], "selector": {"matchLabels": {"app": "w*"}}}, True),
        (
            {
                "kinds": ["Pod"],
                "selector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
            },
            False,
        ),
        ({"kinds": ["Pod"], "selector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}, True),
        ({"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"env": "prod"}}}, True),
        (
            {
                "kinds": ["Pod"],
                "namespaceSelector": {"matchExpressions": [{"key": "env", "operator": "In", "values": ["dev"]}]},
            },
            False,
        ),
        ({"kinds": ["Pod/status"]}, False),
    ],
)
def test_resource_filters(resources: dict[str, Any], expected: bool) -> None:
    namespace = {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "prod"}}}
    for block in (
        {"any": [{"resources": {"kinds": ["X"]}}, {"resources": resources}]},
        {"all": [{"resources": resources}]},
        {"resources": resources},
    ):
        assert concerned(block, namespace_object=namespace) is expected
    excluded = concerned(
        {"any": [{"resources": {"kinds": ["Pod"]}}]},
        exclude={"any": [{"resources": resources}]},
        namespace_object=namespace,
    )
    assert excluded is not expected


def test_all_needs_every_filter_and_any_needs_one() -> None:
    pods, web, db = ({"resources": {"kinds": ["Pod"], "names": [name]}} for name in ("*", "web-*", "db"))
    assert concerned({"all": [pods, web]})
    assert not concerned({"all": [pods, db]})
    assert concerned({"any": [web, db]})


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"subjects": [{"kind": "User", "name": "an*"}]}, True),
        ({"subjects": [{"kind": "Group", "name": "dev"}]}, True),
        ({"subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}]}, False),
        ({"roles": ["shop:admin"]}, True),
        ({"clusterRoles": ["cluster-admin"]}, False),
        ({"subjects": [{"kind": "User", "name": "ann"}], "clusterRoles": ["cluster-admin"]}, False),
    ],
)
def test_users(who: dict[str, Any], expected: bool) -> None:
    user = {"username": "ann", "groups": ["dev"], "roles": ["shop:admin"]}
    pods = {"resources": {"kinds": ["Pod"]}}
    assert concerned({"any": [{**pods, **who}]}, user_info=user) is expected
    assert concerned({"any": [pods]}, exclude={"any": [who]}, user_info=user) is not expected
    assert concerned({"any": [{**pods, **who}]}), "a manifest has no user, so the rule is about it"
    assert concerned({"any": [pods]}, exclude={"any": [who]}), "and nothing excludes it"


def test_subresources_are_matched_when_the_request_is_about_one() -> None:
    assert concerned({"any": [{"resources": {"kinds": ["Pod/exec"]}}]}, resource="pods/exec")
    assert not concerned({"any": [{"resources": {"kinds": ["Pod"]}}]}, resource="pods/exec")


def test_a_deleted_object_is_judged_by_conditions_only() -> None:
    policy = cluster_policy({"deny": {}})
    assert rules_of(policy)[0].evaluate(_deletion())[0].status == "fail"
    assert rules_of(cluster_policy({"pattern": {"kind": "X"}}))[0].evaluate(_deletion())[0].status == "skip"


def _deletion() -> Any:
    from shipway.policy.rules import Request

    return Request(None, old_object=POD, operation="DELETE")


def deployment(template: dict[str, Any], kind: str = "Deployment") -> dict[str, Any]:
    spec: dict[str, Any] = {"template": template}
    spec = {"jobTemplate": {"spec": spec}} if kind == "CronJob" else spec
    group = "batch/v1" if kind in {"Job", "CronJob"} else "apps/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "d", "namespace": "shop"}, "spec": spec}


BODIES: list[dict[str, Any]] = [
    {"pattern": {"spec": {"containers": [{"image": "ghcr.io/*"}]}}},
    {"anyPattern": [{"spec": {"containers": [{"image": "ghcr.io/*"}]}}]},
    {"foreach": [{"list": "request.object.spec.containers", "pattern": {"image": "ghcr.io/*"}}]},
    {"cel": {"expressions": [{"expression": "object.spec.containers.all(c, c.image.startsWith('ghcr.io/'))"}]}},
    {"podSecurity": {"level": "baseline"}},
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job", "CronJob", "ReplicaSet"])
def test_rules_for_pods_are_generated_for_controllers(body: dict[str, Any], kind: str) -> None:
    rules = rules_of(cluster_policy(body))
    assert [rule.name for rule in rules] == ["r", "autogen-r", "autogen-cronjob-r"]
    template: dict[str, Any] = {"spec": {"containers": [{"image": "nginx", "securityContext": {"privileged": True}}]}}
    found = judged(rules, deployment(template, kind))
    assert found.status == "fail"
    prefix = ("spec", "jobTemplate", "spec", "template") if kind == "CronJob" else ("spec", "template")
    assert found.path[: len(prefix)] == prefix
    assert judged(rules, deployment({"spec": {"containers": [{"image": "ghcr.io/x"}]}}, kind)).status == "pass"


@pytest.mark.parametrize(
    ("note", "names"),
    [
        ("none", ["r"]),
        ("Deployment,Job", ["r", "autogen-r"]),
        ("CronJob", ["r", "autogen-cronjob-r"]),
        ("all", ["r", "autogen-r", "autogen-cronjob-r"]),
    ],
)
def test_an_annotation_chooses_the_controllers(note: str, names: list[str]) -> None:
    policy = cluster_policy({"pattern": {"spec": {}}})
    policy["metadata"]["annotations"] = {"pod-policies.kyverno.io/autogen-controllers": note}
    assert [rule.name for rule in rules_of(policy)] == names


@pytest.mark.parametrize(
    "resources",
    [
        {"kinds": ["Pod", "Deployment"]},
        {"kinds": ["Pod"], "names": ["x"]},
        {"kinds": ["Pod"], "selector": {"matchLabels": {"a": "b"}}},
    ],
)
def test_selections_that_controllers_lack_generate_nothing(resources: dict[str, Any]) -> None:
    assert len(rules_of(cluster_policy({"pattern": {}}, match={"any": [{"resources": resources}]}))) == 1


def test_quoted_parts_of_expressions_are_not_rewritten() -> None:
    conditions = {"all": [{"key": '{{ request."object".metadata.name }}', "operator": "Equals", "value": "d"}]}
    rules = rules_of(cluster_policy({"deny": {}}, preconditions=conditions))
    assert judged(rules, deployment({"metadata": {"name": "other"}, "spec": {}})).status == "fail"


def test_long_names_of_generated_rules_are_cut() -> None:
    assert [len(rule.name) for rule in rules_of(cluster_policy({"pattern": {}}, name="n" * 60))] == [60, 63, 63]


def test_a_validating_policy_for_pods_is_generated_too() -> None:
    rules = rules_of(validating_policy("object.spec.containers.all(c, c.image != 'nginx')"))
    assert [rule.name for rule in rules] == ["p", "autogen-cronjobs", "autogen-defaults"]
    found = judged(rules, deployment({"spec": {"containers": [{"image": "nginx"}]}}, "CronJob"))
    assert found.status == "fail"
    assert found.path[:4] == ("spec", "jobTemplate", "spec", "template")
    only = validating_policy("true", autogen={"podControllers": {"controllers": ["jobs"]}})
    assert len(rules_of(only)) == 2


def test_an_unknown_filter_is_refused() -> None:
    policy = cluster_policy({"deny": {}}, match={"any": [{"resources": {"kinds": ["Pod"], "size": "big"}}]})
    assert problems_of(policy) == ["spec.rules.0.match.any.0.resources.size: unknown filter `size`"]


def test_apply_rules_one_stops_at_the_first_rule_that_concerns_the_object() -> None:
    policy = cluster_policy({"pattern": {"metadata": {"labels": {"app": "?*"}}}})
    first = policy["spec"]["rules"][0]
    second = {**first, "name": "second", "validate": {"deny": {}}}
    policy["spec"] |= {"rules": [first, second], "applyRules": "One"}
    assert judged(rules_of(policy), POD).status == "pass"
    first["preconditions"] = {"all": [{"key": "{{ request.operation }}", "operator": "Equals", "value": "DELETE"}]}
    statuses = [outcome.status for rule in rules_of(policy) for outcome in rule.evaluate(Request(POD))]
    assert statuses == ["skip", "fail"]


def test_an_update_may_leave_an_object_as_bad_as_it_was() -> None:
    validate: dict[str, Any] = {"pattern": {"metadata": {"labels": {"team": "?*"}}}}
    rules = rules_of(cluster_policy(validate))
    good = {**POD, "metadata": {**POD["metadata"], "labels": {"team": "a"}}}
    assert judged(rules, POD, old_object=POD, operation="UPDATE").status == "skip"
    assert judged(rules, POD, old_object=good, operation="UPDATE").status == "fail"
    assert judged(rules, good, old_object=POD, operation="UPDATE").status == "pass"
    strict = rules_of(cluster_policy({**validate, "allowExistingViolations": False}))
    assert judged(strict, POD, old_object=POD, operation="UPDATE").status == "fail"
