"""What a manifest does not say about its own kind: the plural name that rules match by, and whether it is in a namespace.

Called by the loaders. Kubernetes asks its API server; without one there is this table for Kubernetes' own irregular names
and the rule that custom resources follow by convention.
"""

from collections.abc import Mapping
from typing import Any

from shipway.policy.rules import Object, Request

_IRREGULAR = {
    "Endpoints": "endpoints",
    "EndpointSlice": "endpointslices",
    "PodMetrics": "pods",
    "NodeMetrics": "nodes",
    "Ingress": "ingresses",
    "IngressClass": "ingressclasses",
    "StorageClass": "storageclasses",
    "PriorityClass": "priorityclasses",
    "RuntimeClass": "runtimeclasses",
    "GatewayClass": "gatewayclasses",
    "NetworkPolicy": "networkpolicies",
}
_CLUSTER_SCOPED = frozenset({
    "Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
    "StorageClass", "PriorityClass", "RuntimeClass", "IngressClass", "APIService", "CSIDriver", "CSINode",
    "VolumeAttachment", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
    "CertificateSigningRequest", "FlowSchema", "PriorityLevelConfiguration", "TokenReview", "SubjectAccessReview",
    "SelfSubjectAccessReview", "ClusterPolicy", "ClusterIssuer", "GatewayClass", "ClusterSecretStore",
})  # fmt: skip
"""Kubernetes' own, and the custom ones that are met most."""


def plural(kind: str) -> str:
    """``Ingress`` is ``ingresses``: lower case, in the plural."""
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    name = kind.lower()
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


def names_ours(match: object) -> bool:
    """Whether what a policy matches by speaks of Applications or platform facts, and not of every object of a cluster."""
    return "shipway.dev" in str(match)


def group_version(value: Object) -> tuple[str, str]:
    """(group, version) of an object; the group of Kubernetes' core is empty."""
    group, _, version = str(value.get("apiVersion", "")).rpartition("/")
    return group, version


def is_namespaced(value: Object) -> bool:
    """Whether the object lives in a namespace, so far as its kind tells."""
    return value.get("kind") not in _CLUSTER_SCOPED


def metadata(value: Object | None) -> Mapping[str, Any]:
    """Its metadata; empty when there is none that could be read."""
    found = value.get("metadata") if value else None
    return found if isinstance(found, Mapping) else {}


def labels(value: Object | None) -> Mapping[str, Any]:
    """Its labels; empty when there are none that could be read."""
    found = metadata(value).get("labels")
    return found if isinstance(found, Mapping) else {}


def namespace(value: Object | None) -> str:
    """The namespace that it says, or ``default`` for a kind that must be in one."""
    if not value or not is_namespaced(value):
        return ""
    return str(metadata(value).get("namespace") or "default")


def name(value: Object | None) -> str:
    """Its name, or what it will be called like."""
    meta = metadata(value)
    return str(meta.get("name") or meta.get("generateName") or "")


def subject_of(request: Request) -> Object:
    """The object that a request is about: as it would be, or as it was when it is deleted."""
    return request.object or request.old_object or {}


def asked_group_version(request: Request) -> tuple[str, str]:
    """(group, version) of the resource that is asked for; that of a subresource differs from its object's.

    To scale a Deployment is to update ``deployments/scale`` of ``apps/v1`` by a Scale of ``autoscaling/v1``.
    """
    asked = request.admission.get("resource") if "/" in request.resource else None
    if isinstance(asked, Mapping):
        return str(asked.get("group") or ""), str(asked.get("version") or "")
    return group_version(subject_of(request))


def asked_namespace(request: Request) -> str:
    """The namespace that the object says, failing that (the options of ``pods/exec`` say none) the request."""
    return str(metadata(subject_of(request)).get("namespace") or request.admission.get("namespace") or "")


def namespace_labels(request: Request) -> Mapping[str, Any]:
    """Labels of the object's namespace; without the Namespace at hand, the one that every namespace has."""
    subject = subject_of(request)
    if subject.get("kind") == "Namespace":
        return labels(subject)
    if request.namespace_object is not None:
        return labels(request.namespace_object)
    return {"kubernetes.io/metadata.name": asked_namespace(request) or namespace(subject)}
