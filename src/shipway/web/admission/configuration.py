"""The ValidatingWebhookConfiguration for a webhook, and what to choose in it. Called by ``policy serve --print-config``."""

import base64
from collections.abc import Iterable
from typing import Any

import yaml

from shipway.policy.rules import Action, CompiledRule

_ADVICE = """\
# failurePolicy is what the API server does when this webhook does not answer within timeoutSeconds.
# {choice}
# Namespaces of the cluster itself are left out, so that a webhook that fails can still be mended.
"""
_DENIES = "Fail, since {count} rule{s} deny: otherwise whoever makes the webhook fail is free of them. Run two replicas or more."
_ADVISES = "Ignore, since no rule denies: nothing is lost when an audit or a warning is."


def configuration(
    rules: Iterable[tuple[CompiledRule, Action]], *, url: str = "", service: str = "", authority: bytes = b""
) -> str:
    """The manifest, with advice as comments.

    ``url`` of the webhook, or ``service`` as ``namespace/name``; ``authority`` is the PEM of who signed its certificate.
    """
    denying = sum(action == "deny" for _, action in rules)
    advice = _DENIES.format(count=denying, s="" if denying == 1 else "s") if denying else _ADVISES
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
        "failurePolicy": "Fail" if denying else "Ignore",
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
        "rules": [
            {
                "apiGroups": ["*"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": ["*"],
                "scope": "*",
            }
        ],
    }
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "shipway-policy"},
        "webhooks": [webhook],
    }
    return _ADVICE.format(choice=advice) + yaml.safe_dump(manifest, sort_keys=False)
