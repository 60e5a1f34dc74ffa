"""Small policies and objects that the tests of this room vary."""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.kyverno import loading
from shipway.policy.rules import CompiledRule, Document, Outcome, Request

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"owner": "ann"}},
    "spec": {
        "containers": [
            {"name": "web", "image": "ghcr.io/shop/web:1.2", "resources": {"limits": {"memory": "256Mi"}}},
            {"name": "side", "image": "nginx", "ports": [{"containerPort": 80}]},
        ]
    },
}


def cluster_policy(validate: Mapping[str, Any], kinds: Sequence[str] = ("Pod",), **rule: Any) -> dict[str, Any]:
    """A ClusterPolicy ``p`` with one rule ``r``."""
    body = {"name": "r", "match": {"any": [{"resources": {"kinds": list(kinds)}}]}, **rule, "validate": dict(validate)}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p"},
        "spec": {"rules": [body]},
    }


def validating_policy(expression: str, resources: Sequence[str] = ("pods",), **spec: Any) -> dict[str, Any]:
    """A ValidatingPolicy ``p`` with one expression."""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": list(resources)}
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}], **spec},
    }


def rules_of(*documents: Mapping[str, Any]) -> list[CompiledRule]:
    """The rules of documents that must be right."""
    rules, problems = loading.load([Document(one) for one in documents])
    assert all(one.severity == "warning" for one in problems), problems
    return rules


def problems_of(*documents: Mapping[str, Any]) -> list[str]:
    """``path: message`` of what is wrong with documents."""
    return [f"{one.path}: {one.message}" for one in loading.load([Document(one) for one in documents])[1]]


def judged(rules: Sequence[CompiledRule], value: Mapping[str, Any], **request: Any) -> Outcome:
    """The one outcome that rules have for an object; ``skip`` when none is about it."""
    outcomes = [outcome for rule in rules for outcome in rule.evaluate(Request(value, **request))]
    assert len(outcomes) <= 1
    return outcomes[0] if outcomes else Outcome("skip", "no rule")


def verdict(validate: Mapping[str, Any], value: Mapping[str, Any] = POD, **rule: Any) -> str:
    """Status of a policy with this body."""
    return judged(rules_of(cluster_policy(validate, **rule)), value).status


def denied(key: Any, operator: str, value: Any) -> bool:
    """Whether a deny rule with this condition refuses the pod."""
    return verdict({"deny": {"conditions": {"all": [{"key": key, "operator": operator, "value": value}]}}}) == "fail"
