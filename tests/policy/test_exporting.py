"""What is exported is valid where it goes, and says the same as before."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from shipway.cli.policing.judging import as_yaml, exported
from shipway.cli.policing.policies import PACK, policies_of
from shipway.policy.evaluating import Evaluator
from shipway.policy.rules import Request
from shipway.spec import Source
from tests.conformance import folder


def manifests(target: str, environment: str = "") -> list[dict[str, Any]]:
    found = exported([], environment, target, pack=True)
    text = as_yaml(found.manifests)
    return list(yaml.safe_load_all(text))


def examples() -> list[tuple[str, dict[str, Any], str]]:
    """(rule, object, expected) of every example of the pack with a single Kubernetes object."""
    found = []
    for file in sorted((PACK / "tests").glob("*_test.yaml")):
        spec = yaml.safe_load(file.read_text())["spec"]
        for case in () if "parameters" in spec else spec["cases"]:
            for value in case["objects"] if len(case["objects"]) == 1 else ():
                if not value["apiVersion"].endswith(("shipway.dev/v1alpha1", "shipway.dev/v1")):
                    found += [(rule, value, status) for rule, status in case["expect"].items()]
    return found


@pytest.mark.parametrize("target", ["vap", "kyverno", "gatekeeper"])
def test_the_verdict_is_the_same_after_export(target: str) -> None:
    text = as_yaml(exported([], "prod", target, pack=True).manifests)
    policies = policies_of([Source("exported.yaml", text)], pack=False)
    assert not policies.problems
    judged = 0
    for rule, value, expected in examples():
        acting = [one for one in policies.rules if rule in (one.policy, one.id.partition("/")[2])]
        for one in acting:
            found = {outcome.status for outcome in one.evaluate(Request(object=value))}
            assert ("fail" in found) == (expected == "fail"), (rule, value, found)
            judged += 1
    assert judged > 30
    assert Evaluator(policies.rules).rules


def test_native_policies_are_valid() -> None:
    import kubernetes_validate

    schemas = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.34.0-local-strict"
    for one in manifests("vap"):
        name = f"{one['kind'].lower()}-admissionregistration-v1.json"
        schema = json.loads((schemas / name).read_text())
        local = lambda uri: json.loads((schemas / uri.rpartition("/")[2]).read_text())  # noqa: E731  # one expression
        jsonschema_rs.validator_for(schema, retriever=local).validate(one)


def test_kyvernos_policies_are_valid() -> None:
    schema = json.loads((folder("crds") / "policies.kyverno.io" / "validatingpolicy_v1.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for one in manifests("kyverno"):
        validator.validate(one)


def test_what_is_done_about_a_rule_goes_along() -> None:
    bindings = {one["metadata"]["name"]: one["spec"] for one in manifests("vap") if one["kind"].endswith("Binding")}
    assert bindings["disallow-privileged"]["validationActions"] == ["Deny"]
    assert bindings["require-probes"]["validationActions"] == ["Warn"]
    assert "require-image-digest" not in bindings  # off outside of production
    assert "require-image-digest" in {one["metadata"]["name"] for one in manifests("vap", "prod")}
    constraints = [one for one in manifests("gatekeeper") if one["kind"] != "ConstraintTemplate"]
    assert {one["spec"]["enforcementAction"] for one in constraints} == {"deny", "warn"}


def test_what_cannot_go_along_is_named() -> None:
    left_out = exported([], "", "gatekeeper", pack=True).left_out
    assert left_out["cost-within-budget"] == "it rules over what only the platform knows"
    assert left_out["allowed-registries"] == "its parameters have no counterpart there"
