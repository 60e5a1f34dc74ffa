"""Ready policies come through as they are, with a label, a reason, and only in the form that the Platform chose."""

from shipway.render.admission import policies
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
    "spec": {},
}


def place(admission: str) -> Place:
    return Place(
        organisation(platform=PLATFORM.replace("  components:\n", f"  components:\n    admission: {admission}\n")),
        "prod",
        "prod-eu",
    )


def test_only_the_chosen_form_is_written() -> None:
    (native,) = policies(place("native"), [KYVERNO, NATIVE])
    (kyverno,) = policies(place("kyverno"), [KYVERNO, NATIVE])
    assert (native.identity[1], kyverno.identity[1]) == ("ValidatingAdmissionPolicy", "ValidatingPolicy")


def test_a_policy_is_changed_in_nothing_but_its_labels() -> None:
    (found,) = policies(place("native"), [NATIVE])
    labels = {"severity": "high", "app.kubernetes.io/managed-by": "shipway"}
    assert found.object == {**NATIVE, "metadata": {"name": "no-latest", "labels": labels}}
    assert list(found.object) == ["apiVersion", "kind", "metadata", "spec"]
    reason = found.provenance["spec.validations[0].expression"]
    assert str(reason) == "derived: exported from the organisation's policies"
    assert reason.because[0].file == "platform.yaml"
