"""The admission webhook: reviews, and policies that change while it serves."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from shipway.facts.policies import PolicyDirectory, manifests, stamp_of
from shipway.policy.evaluating import Evaluator
from shipway.policy.facts import Around
from shipway.policy.scanning import scan
from shipway.web.admission.app import create_app
from shipway.web.admission.configuration import configuration
from shipway.web.admission.inventory import Inventory
from shipway.web.admission.reviewing import review
from tests.policy.kyverno.policies import cluster_policy
from tests.policy.samples import binding, deployment, loaded, vap

FEW = [{"expression": "object.spec.replicas <= 5", "message": "at most 5", "reason": "Forbidden"}]
MORE = "spec.replicas = 7; allowed: object.spec.replicas <= 5"


def asked(value: dict[str, Any] | None = None, **request: Any) -> bytes:
    """An AdmissionReview of a Deployment that is created."""
    base = {
        "uid": "705ab4f5",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "operation": "CREATE",
        "userInfo": {"username": "ann"},
        "object": deployment() if value is None else value,
    }
    return msgspec.json.encode(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**base, **request}}
    )


def answered(body: bytes, *documents: Any, scanning: bool = False) -> dict[str, Any]:
    found = loaded(*documents)
    assert not found.problems
    answer = review(body, Evaluator(found.rules), 0.0, scan if scanning else None)
    decoded: dict[str, Any] = msgspec.json.decode(answer.body)
    assert (decoded["apiVersion"], decoded["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = decoded["response"]
    assert (response["uid"], response["allowed"]) == ("705ab4f5", answer.allowed)
    return response


def test_what_denies_is_refused_with_code_reason_and_message() -> None:
    response = answered(asked(), vap(validations=FEW))
    assert response["status"] == {"code": 403, "reason": "Forbidden", "message": f"p: at most 5 ({MORE})"}


def test_what_a_secret_holds_is_in_no_answer() -> None:
    secrets = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}
    policy = vap(match={"resourceRules": [secrets]}, validations=[{"expression": "object.stringData.password == 'x'"}])
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    message = answered(asked(value, resource={"version": "v1", "resource": "secrets"}), policy)["status"]["message"]
    assert "stringData.password = (hidden)" in message
    assert "hunter2" not in message


def test_what_is_kept_is_allowed_without_a_word() -> None:
    value = deployment()
    value["spec"]["replicas"] = 2
    assert answered(asked(value), vap(validations=FEW)) == {"uid": "705ab4f5", "allowed": True}


def test_warnings_and_audit_annotations_do_not_refuse() -> None:
    warns = answered(asked(), vap(validations=FEW), binding(validationActions=["Warn"]))
    assert (warns["allowed"], warns["warnings"]) == (True, [f"p: at most 5 ({MORE})"])
    audits = answered(asked(), vap(validations=FEW), binding(validationActions=["Audit"]))
    assert (audits["allowed"], audits["auditAnnotations"]) == (True, {"p": "at most 5"})
    notes = [{"key": "count", "valueExpression": "string(object.spec.replicas)"}]
    assert answered(asked(), vap(auditAnnotations=notes))["auditAnnotations"] == {"p.count": "7"}


def test_an_error_refuses_unless_the_policy_ignores_it() -> None:
    broken = [{"expression": "object.spec.nothing == 1"}]
    assert not answered(asked(), vap(validations=broken))["allowed"]
    ignored = answered(asked(), vap(validations=broken, failurePolicy="Ignore"))
    assert ignored["allowed"]
    assert "no such key" in ignored["warnings"][0]


def test_deletions_subresources_and_the_request_itself() -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["deployments"]}
    keep = vap(match={"resourceRules": [rule]}, validations=[{"expression": "oldObject.spec.replicas == 0"}])
    deleting = asked(None, operation="DELETE", object=None, oldObject=deployment())
    assert not answered(deleting, keep)["allowed"]
    scale = {**rule, "operations": ["UPDATE"], "resources": ["deployments/scale"]}
    policy = vap(match={"resourceRules": [scale]}, validations=[{"expression": "request.userInfo.username == 'bob'"}])
    assert answered(asked(operation="UPDATE"), policy)["allowed"]
    assert not answered(asked(operation="UPDATE", subResource="scale"), policy)["allowed"]


def test_the_object_of_a_subresource_is_of_another_group() -> None:
    value = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 9}}
    scaled = asked(value, operation="UPDATE", oldObject=value, subResource="scale", namespace="shop")
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]}
    native = vap(match={"resourceRules": [rule], "matchPolicy": "Exact"}, validations=FEW)
    assert not answered(scaled, native)["allowed"]
    elsewhere = {"resourceRules": [{**rule, "apiGroups": ["autoscaling"]}]}
    assert answered(scaled, vap(match=elsewhere, validations=FEW))["allowed"]
    few = {"message": "few", "pattern": {"spec": {"replicas": "<4"}}}
    for kind, allowed in (("Deployment/scale", False), ("apps/v1/*/scale", False), ("Deployment", True)):
        block = {"any": [{"resources": {"kinds": [kind], "namespaces": ["shop"]}}]}
        policy = cluster_policy({"failureAction": "Enforce", **few}, match=block)
        assert answered(scaled, policy)["allowed"] is allowed, kind


def test_what_pods_exec_is_about_is_in_the_request() -> None:
    value = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]}
    pods = {"resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": "exec"}
    no = {"message": "no", "deny": {}}
    block = {"any": [{"resources": {"kinds": ["Pod/exec"], "namespaces": ["prod"]}}]}
    policy = cluster_policy({"failureAction": "Enforce", **no}, match=block)
    for namespace, allowed in (("prod", False), ("test", True)):
        review = asked(value, operation="CONNECT", namespace=namespace, **pods)
        assert answered(review, policy)["allowed"] is allowed


def test_secrets_are_found_at_admission_too() -> None:
    rule = {
        "apiGroups": ["facts.shipway.dev"],
        "apiVersions": ["v1"],
        "operations": ["*"],
        "resources": ["secretscans"],
    }
    policy = vap(match={"resourceRules": [rule]}, validations=[{"expression": "object.spec.secrets.size() == 0"}])
    value = deployment()
    value["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": "hunter2isgreat"}]
    assert not answered(asked(value), policy, scanning=True)["allowed"]
    assert answered(asked(), policy, scanning=True)["allowed"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[",
        b'{"request": {}}',
        b'{"request": {"uid": 1}}',
        asked(operation="PATCH"),
        asked({"apiVersion": "v1", "kind": ["Pod"]}),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_review_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        review(body, Evaluator(()), 0.0)


def _write(directory: Path, most: int) -> None:
    policy = vap(validations=[{"expression": f"object.spec.replicas <= {most}"}])
    temporary = directory / ".new"
    temporary.write_text(yaml.safe_dump(policy))
    temporary.rename(directory / "policy.yaml")


def test_policies_change_without_a_dropped_request(tmp_path: Path) -> None:
    async def scenario() -> None:
        _write(tmp_path, 5)
        directory = PolicyDirectory(tmp_path, pack=False)
        app = create_app(lambda: directory.policies().evaluator(), directory.stamp, worker="1", every=3600)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:

            async def allowed() -> bool:
                answer = await client.post("/validate", content=asked())
                assert answer.status_code == 200
                return bool(answer.json()["response"]["allowed"])

            assert not await allowed()
            _write(tmp_path, 10)
            answers = await asyncio.gather(*(allowed() for _ in range(50)), app.state.policies.refresh())
            assert len(answers) == 51
            assert await allowed()
            (tmp_path / "policy.yaml").write_text("kind: [")
            await app.state.policies.refresh()
            assert await allowed()  # the old ones stay in force
            assert (await client.get("/healthz")).text == "ok\n"
            assert (await client.post("/validate", content=b"x")).status_code == 400
            metrics = (await client.get("/metrics")).text
        assert 'shipway_admission_requests_total{operation="CREATE",allowed="true",worker="1"}' in metrics
        assert 'shipway_admission_findings_total{rule="p",status="fail",worker="1"}' in metrics
        assert 'shipway_admission_reloads_total{worker="1"} 1' in metrics
        assert 'shipway_admission_reload_failures_total{worker="1"} 1' in metrics
        assert 'shipway_admission_duration_seconds_bucket{le="+Inf",worker="1"} 53' in metrics
        assert 'shipway_admission_malformed_total{worker="1"} 1' in metrics

    asyncio.run(scenario())


def test_the_configuration_advises_on_failure() -> None:
    rules = loaded(vap(validations=FEW)).rules
    text = configuration([(rule, rule.action) for rule in rules], service="infra/policy", authority=b"PEM")
    assert "Fail, since 1 rule deny" in text.splitlines()[1]
    (webhook,) = yaml.safe_load(text)["webhooks"]
    assert webhook["failurePolicy"] == "Fail"
    assert webhook["clientConfig"]["caBundle"] == "UEVN"
    assert webhook["clientConfig"]["service"]["namespace"] == "infra"
    assert yaml.safe_load(configuration([], url="https://x:1"))["webhooks"][0]["failurePolicy"] == "Ignore"


def test_subresources_that_rules_are_about_are_asked_for() -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments/scale"]}
    native = vap(match={"resourceRules": [rule]}, validations=FEW)
    found = loaded(native, cluster_policy({"message": "no", "deny": {}}, kinds=["Pod/exec", "Deployment"])).rules
    text = configuration([(rule, rule.action) for rule in found], url="https://x:1")
    ordinary, extra = yaml.safe_load(text)["webhooks"][0]["rules"]
    assert (ordinary["resources"], "CONNECT" in ordinary["operations"]) == (["*"], False)
    assert (extra["resources"], "CONNECT" in extra["operations"]) == (["deployments/scale", "pods/exec"], True)


def test_a_certificate_of_our_own_is_made_once_and_trusted(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="cryptography makes certificates")
    from shipway.web.admission.serving import self_signed

    certificate, key = self_signed(tmp_path, ["policy.infra.svc", "127.0.0.1"])
    made = certificate.read_bytes()
    assert self_signed(tmp_path, ["policy.infra.svc"])[0].read_bytes() == made
    assert key.stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    ssl.create_default_context(cafile=str(certificate))


PDB = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}},
}
BUDGETS = vap(
    "budgets",
    match={
        "resourceRules": [
            {"apiGroups": ["facts.shipway.dev"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["workloads"]}
        ]
    },
    validations=[{"expression": "object.spec.podDisruptionBudgets.size() > 0", "message": "no budget"}],
)


def labelled() -> dict[str, Any]:
    value = deployment()
    value["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
    return value


def around(*objects: Any) -> dict[str, Any]:
    answer = review(
        asked(labelled()), Evaluator(loaded(BUDGETS).rules), 0.0, None, Around(objects) if objects else None
    )
    found: dict[str, Any] = msgspec.json.decode(answer.body)["response"]
    return found


def test_rules_about_several_objects_ask_the_inventory_and_are_skipped_without() -> None:
    assert around(PDB)["allowed"]
    elsewhere = {**PDB, "metadata": {"name": "web", "namespace": "other"}}
    assert around(elsewhere)["status"]["message"] == (
        "budgets: no budget (spec.podDisruptionBudgets = []; allowed: object.spec.podDisruptionBudgets.size() > 0)"
    )
    unknown = around()
    assert unknown["allowed"]
    assert "--inventory" in unknown["auditAnnotations"]["budgets.skipped"]


def test_labels_of_the_namespace_come_from_the_inventory() -> None:
    selector = {"namespaceSelector": {"matchLabels": {"tier": "gold"}}}
    rules = loaded(vap(match=selector, validations=FEW)).rules
    gold = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "gold"}}}
    assert not review(asked(), Evaluator(rules), 0.0, None, Around([gold])).allowed
    assert review(asked(), Evaluator(rules), 0.0, None, Around([PDB])).allowed


def test_what_was_admitted_is_remembered_and_what_went_is_forgotten() -> None:
    known = Inventory(list, object, remember=True)
    evaluator = Evaluator(())
    known.note(review(asked(PDB, dryRun=True), evaluator, 0.0))
    assert known.around.objects == ()
    known.note(review(asked(PDB), evaluator, 0.0))
    assert list(known.around.objects) == [PDB]
    known.note(review(asked(None, operation="DELETE", object=None, oldObject=PDB), evaluator, 0.0))
    assert known.around.objects == ()
    refusing = Evaluator(loaded(vap(validations=FEW)).rules)
    known.note(review(asked(), refusing, 0.0))
    assert known.around.objects == ()
    forgetful = Inventory(lambda: [PDB], object)
    forgetful.note(review(asked(), evaluator, 0.0))
    assert list(forgetful.around.objects) == [PDB]


async def _changed(tmp_path: Path) -> None:
    file = tmp_path / "pdb.yaml"
    file.write_text(yaml.safe_dump(PDB))
    known = Inventory(lambda: manifests([tmp_path]), lambda: stamp_of([tmp_path]))
    file.write_text(yaml.safe_dump_all([PDB, {**PDB, "metadata": {"name": "two"}}]))
    await known.refresh()
    assert len(known.around.objects) == 2
    file.write_text("a: [")
    await known.refresh()
    assert len(known.around.objects) == 2


def test_an_inventory_is_read_again_and_a_broken_one_leaves_the_old(tmp_path: Path) -> None:
    asyncio.run(_changed(tmp_path))


@pytest.mark.parametrize(
    ("lenient", "strict", "policy", "said"),
    [
        (0, 0, "Ignore", "no rule denies"),
        (0, 2, "Fail", "since 2 rules deny"),
        (1, 0, "Ignore", "since 1 rule deny and ask for it themselves"),
        (1, 1, "Fail", "1 of them ask for Ignore themselves"),
    ],
)
def test_the_failure_policy_that_is_advised(lenient: int, strict: int, policy: str, said: str) -> None:
    documents = [vap(f"l{one}", validations=FEW, failurePolicy="Ignore") for one in range(lenient)]
    documents += [vap(f"s{one}", validations=FEW) for one in range(strict)]
    elsewhere = vap("cost", validations=FEW)
    elsewhere["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = ["deliveries"]
    text = configuration(Evaluator(loaded(*documents, elsewhere).rules).rules, url="https://x")
    assert yaml.safe_load(text)["webhooks"][0]["failurePolicy"] == policy
    assert said in text
