"""The runner of Kyverno's CLI tests: every kind of file that a test may name."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shipway.model.errors import BadInput
from shipway.policy.kyverno import suites
from tests.policy.kyverno.policies import POD, cluster_policy, validating_policy

IMAGES = cluster_policy({"pattern": {"spec": {"containers": [{"image": "ghcr.io/*"}]}}})
GOOD = {**POD, "metadata": {"name": "good"}, "spec": {"containers": [{"name": "c", "image": "ghcr.io/x"}]}}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d"},
    "spec": {"template": {"spec": GOOD["spec"]}},
}


def run(
    files: Mapping[str, Sequence[Mapping[str, Any]]], *results: Mapping[str, Any], **test: Any
) -> list[suites.ResultRow]:
    """The rows of a test with policies in ``p`` and resources in ``r``."""

    def read(name: str) -> Sequence[Mapping[str, Any]]:
        if name not in files:
            raise BadInput(f"no file {name}")
        return files[name]

    return suites.run_test({"policies": ["p"], "resources": ["r"], "results": list(results), **test}, read)


def expect(result: str, *resources: str, **more: Any) -> dict[str, Any]:
    return {"policy": "p", "rule": "r", "kind": "Pod", "resources": list(resources), "result": result, **more}


def test_rows_are_resources_and_generated_rules_count_for_their_origin() -> None:
    rows = run(
        {"p": [IMAGES], "r": [POD, {"kind": "PodList", "items": [GOOD]}, DEPLOYMENT]},
        expect("fail", "web-1", "shop/web-1"),
        expect("pass", "default/good"),
        expect("pass", "d", kind="Deployment"),
        expect("fail", "good"),
        {"policy": "p", "rule": "r", "resource": "good", "kind": "Pod", "status": "pass"},
    )
    assert [(row.resource, row.actual, row.passed) for row in rows] == [
        ("web-1", "fail", True),
        ("shop/web-1", "fail", True),
        ("default/good", "pass", True),
        ("d", "pass", True),
        ("good", "pass", False),
        ("good", "pass", True),
    ]


def test_values_reach_the_policy_by_policy_rule_and_resource() -> None:
    deny = {
        "conditions": {
            "any": [
                {"key": "{{ request.operation }} {{ cm.data.x }} {{ g }}", "operator": "Equals", "value": "UPDATE y 1"}
            ]
        }
    }
    policy = cluster_policy({"deny": deny}, context=[{"name": "cm", "configMap": {"name": "a", "namespace": "b"}}])
    values = {
        "globalValues": {"g": 1},
        "policies": [{"name": "p", "rules": [{"name": "r", "values": {"cm.data.x": "y"}}], "resources": [{"name": "web-1", "values": {"request.operation": "UPDATE"}}]}],
    }  # fmt: skip
    rows = run(
        {"p": [policy], "r": [POD, GOOD], "v": [values]}, expect("fail", "web-1"), expect("pass", "good"), variables="v"
    )
    assert all(row.passed for row in rows), rows


def test_values_may_change_the_object_and_describe_namespaces() -> None:
    resources = {
        "kinds": ["Pod"],
        "annotations": {"team": "a.b"},
        "namespaceSelector": {"matchLabels": {"env": "prod"}},
    }
    policy = cluster_policy({"deny": {}}, match={"any": [{"resources": resources}]})
    values = {
        "namespaceSelector": [{"name": "shop", "labels": {"env": "prod"}}],
        "policies": [
            {
                "name": "p",
                "resources": [{"name": "web-1", "values": {'request.object.metadata.annotations."team"': "a.b"}}],
            }
        ],
    }
    rows = run(
        {"p": [policy], "r": [POD, GOOD], "v": [values]}, expect("fail", "web-1"), expect("skip", "good"), variables="v"
    )
    assert all(row.passed for row in rows), rows


def test_users_deletions_exceptions_and_subresources() -> None:
    subjects = [{"kind": "User", "name": "ann"}]
    policy = cluster_policy(
        {"deny": {}}, match={"any": [{"resources": {"kinds": ["Pod"], "operations": ["DELETE"]}, "subjects": subjects}]}
    )
    files = {"p": [policy], "r": [POD], "u": [{"userInfo": {"username": "ann"}}]}
    assert run(files, expect("fail", "web-1", operation="DELETE"), userinfo="u")[0].passed
    assert run(
        files | {"u": [{"subject": {"kind": "User", "name": "bob"}}]},
        expect("skip", "web-1", operation="DELETE"),
        userinfo="u",
    )[0].passed
    scale = cluster_policy({"pattern": {"spec": {"replicas": ">1"}}}, kinds=["Deployment/scale"])
    sub = {
        "subresource": {"name": "deployments/scale", "kind": "Scale"},
        "parentResource": {"kind": "Deployment", "group": "apps", "version": "v1"},
    }
    value = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "s"}, "spec": {"replicas": 1}}
    files = {"p": [scale], "r": [value], "v": [{"subresources": [sub]}]}
    assert run(files, expect("fail", "s", kind="Scale"), variables="v")[0].passed


def test_clusters_services_and_payloads_are_played() -> None:
    policy = validating_policy(
        "resource.Get('v1', 'configmaps', 'a', 'cm').data.k == 'v' && http.Get('u').body.ok", ["pods"]
    )
    cm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "a"}, "data": {"k": "v"}}
    answers = [{"url": "u", "response": {"body": {"ok": True}}}]
    for extra in ({"context": "c"}, {"clusterResources": ["c"]}):
        files = {"p": [policy], "r": [POD], "c": [{"kind": "ClusterResource", "spec": {"resources": [cm]}}]}
        assert run(files, expect("pass", "web-1", rule="anything"), apiCallResponses=answers, **extra)[0].passed
    json = validating_policy("object.n > 1", evaluation={"mode": "JSON"})
    files = {"p": [json], "r": [], "a/x.json": [{"n": 1}]}
    assert run(files, expect("fail", "x.json", kind=""), jsonPayloads=["a/x.json"])[0].passed


def test_what_is_not_evaluated_is_said_so() -> None:
    mutating = {**IMAGES, "spec": {"rules": [{"name": "r", "mutate": {}}]}}
    rows = run({"p": [mutating], "r": [POD]}, expect("pass", "web-1"), expect("pass", "web-1", patchedResources="x"))
    assert [(row.supported, row.passed) for row in rows] == [(False, False), (False, False)]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (expect("pass", "nobody"), "no such resource in the test"),
        (expect("pass", "web-1", rule="other"), "the policy has no rule `other`"),
        (expect("pass", "web-1", policy="other"), "no policy `other` in the test"),
    ],
)
def test_a_row_about_nothing_is_an_error(result: dict[str, Any], message: str) -> None:
    assert [(row.actual, row.message) for row in run({"p": [IMAGES], "r": [POD]}, result)] == [("error", message)]


def test_a_policy_that_cannot_be_loaded_makes_its_rows_errors_and_a_broken_test_is_bad_input() -> None:
    broken = cluster_policy({"pattern": {"+(a)": 1}})
    row = run({"p": [broken], "r": [POD]}, expect("error", "web-1"))[0]
    assert row.passed
    assert "adds a value" in row.message
    with pytest.raises(BadInput, match="no file r"):
        run({"p": [IMAGES]}, expect("pass", "web-1"))
    with pytest.raises(BadInput, match=r"Expected `array \| null`"):
        run({"p": [IMAGES], "r": [POD]}, policies="p")


def test_a_loop_may_be_given_a_value_for_each_element() -> None:
    entry = {"name": "registry", "imageRegistry": {"reference": "{{ element.image }}"}}
    deny = {"conditions": {"any": [{"key": "{{ registry }}", "operator": "Equals", "value": "{{ element.name }}"}]}}
    policy = cluster_policy({"foreach": [{"list": "request.object.spec.containers", "context": [entry], "deny": deny}]})
    for values, result in ((["x", "side"], "fail"), (["x", "y"], "pass")):
        given = {"policies": [{"name": "p", "rules": [{"name": "r", "foreachValues": {"registry": values}}]}]}
        assert run({"p": [policy], "r": [POD], "v": [given]}, expect(result, "web-1"), variables="v")[0].passed


def test_admission_policies_are_judged_with_the_loader_that_is_given() -> None:
    from shipway.policy import loading

    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"resources": ["pods"]}]},
            "validations": [{"expression": "false"}],
        },
    }
    test = {
        "policies": ["p"],
        "resources": ["r"],
        "results": [expect("fail", "web-1", rule="", isValidatingAdmissionPolicy=True)],
    }
    files = {"p": [policy], "r": [POD]}
    row = suites.run_test(test, files.__getitem__, admission=lambda found: loading.load(found).rules)[0]
    assert row.passed
    assert not suites.run_test(test, files.__getitem__)[0].supported
