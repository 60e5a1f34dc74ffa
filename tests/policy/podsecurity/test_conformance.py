"""Kubernetes' fixtures for the Pod Security Standards: all of them."""

from shipway.testing.conformance import pod_security
from tests.conformance import folder


def test_every_fixture_is_judged_as_kubernetes_does() -> None:
    cases = pod_security.run(folder("pod-security"))
    assert cases
    assert [f"{case.name}: {case.cause}" for case in cases if not case.passed] == []
