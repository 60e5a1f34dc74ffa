"""Native policies as other controllers want them: ValidatingAdmissionPolicy, Kyverno's ValidatingPolicy, Gatekeeper's template.

The expressions are taken over as they are, so the verdict is the same everywhere. What a target has no words for is named.
Rules over platform facts stay here: no cluster has those objects. Called by ``policy export``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from shipway.policy import facts
from shipway.policy.gatekeeper.engines import CONDITIONS
from shipway.policy.resources import metadata, name, plural
from shipway.policy.rules import Action, CompiledRule, Document

Target = Literal["vap", "kyverno", "gatekeeper"]
TARGETS: tuple[Target, ...] = ("vap", "kyverno", "gatekeeper")
_KINDS = (
    "Pod Service ConfigMap Secret Namespace ServiceAccount PersistentVolumeClaim PersistentVolume Node ResourceQuota "
    "LimitRange ReplicationController Endpoints Deployment StatefulSet DaemonSet ReplicaSet Job CronJob "
    "HorizontalPodAutoscaler PodDisruptionBudget NetworkPolicy Ingress IngressClass Role RoleBinding ClusterRole "
    "ClusterRoleBinding StorageClass"
)
_BY_RESOURCE: Mapping[str, str] = {plural(kind): kind for kind in _KINDS.split()}
_NATIVE_ACTIONS: Mapping[Action, list[str]] = {"deny": ["Deny"], "warn": ["Warn"], "audit": ["Audit"]}
_GATEKEEPER_ACTIONS: Mapping[Action, str] = {"deny": "deny", "warn": "warn", "audit": "dryrun"}
_OURS = "shipway.dev"


class Exported(msgspec.Struct, frozen=True):
    """What came of it."""

    manifests: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, str]
    """Policy to why it cannot be exported."""


def export(
    policies: Sequence[tuple[CompiledRule, Action]],
    documents: Iterable[Document],
    bindings: Iterable[Document],
    target: Target,
) -> Exported:
    """Native policies, with what is done about each, as manifests for a target. Rules that are ``off`` are left out."""
    written = {name(one.data): one for one in documents}
    bound = {str(one.data["spec"].get("policyName")): one for one in bindings}
    manifests: list[Mapping[str, Any]] = []
    left_out: dict[str, str] = {}
    for rule, action in policies:
        document = written.get(rule.policy)
        reason = f"it is written for {rule.engine}" if document is None else _obstacle(document.data, target)
        if reason or document is None:
            left_out[rule.policy] = reason
            continue
        data = _in_clusters(document.data)
        match target:
            case "vap":
                manifests += _native(data, bound.get(rule.policy), action)
            case "kyverno":
                manifests.append(_kyverno(data, action))
            case "gatekeeper":
                manifests += _gatekeeper(data, action)
    return Exported(tuple(manifests), left_out)


def _obstacle(data: Mapping[str, Any], target: Target) -> str:
    groups = {group for rule in _rules(data) for group in rule.get("apiGroups", ())}
    if groups <= {facts.GROUP, _OURS}:
        return "it rules over what only the platform knows"
    if target != "vap" and "paramKind" in data["spec"]:
        return "its parameters have no counterpart there"
    unknown = [
        resource
        for rule in _rules(_in_clusters(data))
        for resource in rule["resources"]
        if resource not in _BY_RESOURCE
    ]
    if target == "gatekeeper" and unknown:
        return f"Gatekeeper matches by kind, and that of {unknown[0]} is not known"
    return ""


def _rules(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(data["spec"]["matchConstraints"].get("resourceRules") or ())


def _in_clusters(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without the rules about objects that only exist here."""
    kept = [rule for rule in _rules(data) if not set(rule.get("apiGroups", ())) <= {facts.GROUP, _OURS}]
    spec = data["spec"]
    return {**data, "spec": {**spec, "matchConstraints": {**spec["matchConstraints"], "resourceRules": kept}}}


def _native(data: Mapping[str, Any], binding: Document | None, action: Action) -> list[Mapping[str, Any]]:
    bound = dict(binding.data["spec"]) if binding else {"policyName": name(data)}
    bound["validationActions"] = _NATIVE_ACTIONS[action]
    head = {"apiVersion": data["apiVersion"], "kind": "ValidatingAdmissionPolicyBinding"}
    return [data, {**head, "metadata": {"name": name(data)}, "spec": bound}]


def _kyverno(data: Mapping[str, Any], action: Action) -> Mapping[str, Any]:
    spec = data["spec"]
    taken = ("failurePolicy", "matchConstraints", "matchConditions", "variables", "validations", "auditAnnotations")
    made = {key: spec[key] for key in taken if key in spec}
    # The expressions look into templates of pods themselves; rules generated for controllers would say it twice.
    made["autogen"] = {"podControllers": {"controllers": []}}
    made["validationActions"] = _NATIVE_ACTIONS[action]
    head = {"apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy"}
    return {**head, "metadata": dict(metadata(data)), "spec": made}


def _gatekeeper(data: Mapping[str, Any], action: Action) -> list[Mapping[str, Any]]:
    spec, kind = data["spec"], "".join(part.capitalize() for part in name(data).split("-"))
    words = {"failurePolicy": "failurePolicy", "matchConditions": CONDITIONS, "variables": "variables"}
    source = {word: spec[key] for key, word in words.items() if key in spec}
    allowed = ("expression", "message", "messageExpression")
    source["validations"] = [{key: one[key] for key in allowed if key in one} for one in spec["validations"]]
    template = {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {**metadata(data), "name": kind.lower()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [
                {
                    "target": "admission.k8s.gatekeeper.sh",
                    "code": [{"engine": "K8sNativeValidation", "source": source}],
                }
            ],
        },
    }
    kinds = [
        {"apiGroups": list(rule["apiGroups"]), "kinds": [_BY_RESOURCE[one] for one in rule["resources"]]}
        for rule in _rules(data)
    ]
    constraint = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": name(data)},
        "spec": {"enforcementAction": _GATEKEEPER_ACTIONS[action], "match": {"kinds": kinds}},
    }
    return [template, constraint]
