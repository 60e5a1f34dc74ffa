"""Ready policies come through as they are, with a label, a reason and a scope, and only in the form that the Platform chose."""

from collections.abc import Mapping
from typing import Any

from shipway.render.admission import NAMESPACE, policies
from shipway.render.context import Place
from tests.render.shop import PLATFORM, organisation

NATIVE = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "no-latest", "labels": {"severity": "high"}},
    "spec": {"failurePolicy": "Fail", "validations": [{"expression": "true"}]},
}
KYVERNO = {
    "apiVersion": "policies.kyverno.io/v1",
    "kind": "ValidatingPolicy",
    "metadata": {"name": "no-latest"},
    "spec": {"matchConstraints": {"namespaceSelector": {"matchLabels": {"theirs": "yes"}}}},
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "no-latest"},
    "spec": {"policyName": "no-latest", "paramRef": {"name": "parameters", "parameterNotFoundAction": "Allow"}},
}
PARAMETERS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parameters"}, "data": {"a": "b"}}
OURS = {"matchLabels": {"app.kubernetes.io/managed-by": "shipway"}}


def place(admission: str) -> Place:
    return Place(
        organisation(platform=PLATFORM.replace("  components:\n", f"  components:\n    admission: {admission}\n")),
        "prod",
        "prod-eu",
    )


def spec_of(made: Mapping[str, Any]) -> Any:
    return made["spec"]


def test_only_the_chosen_form_is_written() -> None:
    (native,) = policies(place("native"), [KYVERNO, NATIVE])
    (kyverno,) = policies(place("kyverno"), [KYVERNO, NATIVE, PARAMETERS])
    assert (native.identity[1], kyverno.identity[1]) == ("ValidatingAdmissionPolicy", "ValidatingPolicy")


def test_a_policy_is_changed_in_nothing_but_its_labels() -> None:
    (found,) = policies(place("native"), [NATIVE])
    labels = {"severity": "high", "app.kubernetes.io/managed-by": "shipway"}
    assert found.object == {**NATIVE, "metadata": {"name": "no-latest", "labels": labels}}
    assert list(found.object) == ["apiVersion", "kind", "metadata", "spec"]
    reason = found.provenance["spec.validations[0].expression"]
    assert str(reason).startswith("derived: exported from the organisation's policies")
    assert reason.because[0].file == "platform.yaml"


def test_a_policy_holds_where_shipway_writes_unless_it_says_otherwise() -> None:
    (bound,) = policies(place("native"), [BINDING])
    assert spec_of(bound.object)["matchResources"]["namespaceSelector"] == OURS
    assert "namespace" not in spec_of(bound.object)["paramRef"]  # nobody gives the parameters
    (kyverno,) = policies(place("kyverno"), [KYVERNO])
    assert spec_of(kyverno.object)["matchConstraints"]["namespaceSelector"] == {"matchLabels": {"theirs": "yes"}}
    operators = spec_of(kyverno.object)["matchConstraints"]["objectSelector"]["matchExpressions"]
    assert operators == [{"key": "cnpg.io/cluster", "operator": "DoesNotExist"}]


def test_parameters_stand_in_a_namespace_that_the_binding_names() -> None:
    found = {one.identity[1]: one.object for one in policies(place("native"), [PARAMETERS, BINDING])}
    assert found["Namespace"]["metadata"]["name"] == found["ConfigMap"]["metadata"]["namespace"] == NAMESPACE
    assert found["ValidatingAdmissionPolicyBinding"]["spec"]["paramRef"]["namespace"] == NAMESPACE
