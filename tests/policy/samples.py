"""Policies and objects for the tests of this room."""

from collections.abc import Mapping
from typing import Any

import yaml

from shipway.policy.evaluating import Evaluator
from shipway.policy.findings import Finding
from shipway.policy.loading import Loaded, load
from shipway.policy.rules import Document, Place, Request
from shipway.spec.manifests import Positions, read_manifests
from shipway.spec.reading import Source

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {team: payments}
spec:
  replicas: 7
  template:
    spec:
      containers:
        - name: web
          image: web:1
        - name: proxy
          image: envoy:latest
"""


def vap(name: str = "p", match: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A native policy; about Deployments unless ``match`` says otherwise."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    constraints = {"resourceRules": [rule], **(match or {})}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, **spec},
    }


def binding(policy: str = "p", name: str = "b", **spec: Any) -> dict[str, Any]:
    """A binding."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": policy, "validationActions": ["Deny"], **spec},
    }


def loaded(*documents: Mapping[str, Any]) -> Loaded:
    """Documents as if they were one file."""
    source = Source("policies.yaml", yaml.safe_dump_all(documents, sort_keys=False))
    manifests, _ = read_manifests(source)  # what is no object is refused there
    positions = Positions(source)
    made = [
        Document(one.data, source.file, lambda path, one=one: Place(source.file, *positions.place(one, path)))
        for one in manifests
    ]
    return load(made)


def deployment(**metadata: Any) -> dict[str, Any]:
    """An object to judge."""
    data: dict[str, Any] = yaml.safe_load(DEPLOYMENT)
    data["metadata"] |= metadata
    return data


def judged(*documents: Mapping[str, Any], **request: Any) -> list[Finding]:
    """Findings about a request (a Deployment is created) by policies that must be usable."""
    found = loaded(*documents)
    assert not found.problems, found.problems
    return Evaluator(found.rules).evaluate(Request(**{"object": deployment(), **request}))


def statuses(*documents: Mapping[str, Any], **request: Any) -> list[str]:
    """Their statuses alone."""
    return [finding.status for finding in judged(*documents, **request)]
