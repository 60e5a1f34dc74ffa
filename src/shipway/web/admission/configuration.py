"""The ValidatingWebhookConfiguration for a webhook, and what to choose in it. Called by ``policy serve --print-config``."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from shipway.policy.rules import Action, CompiledRule

_ADVICE = """\
# failurePolicy is what the API server does when this webhook does not answer within timeoutSeconds.
# {choice}
# Namespaces of the cluster itself are left out, so that a webhook that fails can still be mended.
"""
_DENIES = (
    "Fail, since {count} deny: otherwise whoever makes the webhook fail is free of them. Run two replicas or more."
)
_ADVISES = "Ignore, since no rule denies: nothing is lost when an audit or a warning is."
_LENIENT = (
    "Ignore, since {count} deny and ask for it themselves (failurePolicy: Ignore): an error of theirs refuses nothing."
)
_MIXED = """
# {count} of them ask for Ignore themselves (failurePolicy: Ignore). Their own errors refuse nothing, but while the webhook is
# away they refuse like the others; serve them by a webhook of their own to have it otherwise."""
_ELSEWHERE = frozenset({"deliveries", "policyexceptions"})
"""Resources that are never under review: rules about them cannot deny here."""


def configuration(
    rules: Iterable[tuple[CompiledRule, Action]], *, url: str = "", service: str = "", authority: bytes = b""
) -> str:
    """The manifest, with advice as comments.

    ``url`` of the webhook, or ``service`` as ``namespace/name``; ``authority`` is the PEM of who signed its certificate.
    """
    rules = list(rules)
    subresources = sorted({one for rule, _ in rules for one in rule.subresources})
    fails, advice = _advice([rule for rule, action in rules if action == "deny" and not _is_elsewhere(rule)])
    client: dict[str, Any] = {"url": f"{url.rstrip('/')}/validate"}
    if service:
        namespace, _, name = service.rpartition("/")
        client = {"service": {"namespace": namespace or "default", "name": name, "path": "/validate", "port": 443}}
    if authority:
        client["caBundle"] = base64.b64encode(authority).decode()
    webhook = {
        "name": "policy.shipway.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail" if fails else "Ignore",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 5,
        "clientConfig": client,
        "namespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kube-node-lease", "kube-public"],
                }
            ]
        },
        "rules": [_sent(["*"], "CREATE", "UPDATE", "DELETE")]
        + ([_sent(subresources, "CREATE", "UPDATE", "DELETE", "CONNECT")] if subresources else []),
    }
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "shipway-policy"},
        "webhooks": [webhook],
    }
    return _ADVICE.format(choice=advice) + yaml.safe_dump(manifest, sort_keys=False)


def _sent(resources: Sequence[str], *operations: str) -> dict[str, Any]:
    """What the API server is to send; ``*`` is every resource without subresources, which are asked for by name."""
    wanted = ["*/*"] if "*/*" in resources else list(resources)  # which may not stand beside others
    return {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": wanted,
        "scope": "*",
    }


def _advice(denying: Sequence[CompiledRule]) -> tuple[bool, str]:
    """Whether ``Fail`` is the choice, and why."""
    lenient = sum(rule.ignores_errors for rule in denying)
    if lenient == len(denying):
        return False, _LENIENT.format(count=_rules(lenient)) if denying else _ADVISES
    return True, _DENIES.format(count=_rules(len(denying))) + (_MIXED.format(count=lenient) if lenient else "")


def _is_elsewhere(rule: CompiledRule) -> bool:
    return rule.resources is not None and rule.resources <= _ELSEWHERE


def _rules(number: int) -> str:
    return f"{number} rule{'' if number == 1 else 's'}"
