"""Secrets: an ExternalSecret that fetches each value in the cluster. No value is ever known here.

The target is the Secret that the pods read; :mod:`shipway.render.truth` checks that the names agree. What the operator
fills in by itself is written out, so that what is compared later is equal.
"""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said

_FETCHED = {
    "conversionStrategy": "Default",
    "decodingStrategy": "None",
    "metadataPolicy": "None",
    "nullBytePolicy": "Ignore",
}
_STORE = "platform.spec.components.secrets"


def objects(context: Context) -> Iterator[Draft]:
    """One ExternalSecret with every secret of the application."""
    if not context.spec.secrets:
        return
    secrets = context.components.secrets
    refresh = derived(go_duration(secrets.refresh), "in the operator's own spelling", f"{_STORE}.refresh")
    yield Draft(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": context.metadata(),
            "spec": {
                "refreshInterval": refresh,
                "refreshPolicy": "Periodic",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": said(secrets.store, f"{_STORE}.store")},
                "target": {
                    "name": derived(context.secret_name, "the Secret that the pods read", "metadata.name"),
                    "creationPolicy": "Owner",
                    "deletionPolicy": "Retain",
                },
                "data": [_datum(variable, logical) for variable, logical in sorted(context.spec.secrets.items())],
            },
        },
        "values are fetched inside the cluster from the organisation's store and kept when the store is away",
    )


def go_duration(seconds: float) -> str:
    """As Go writes a duration of whole seconds: ``1h0m0s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _datum(variable: str, logical: str) -> dict[str, object]:
    field = f"spec.secrets.{variable}"
    return {"secretKey": said(variable, field), "remoteRef": {"key": said(logical, field), **_FETCHED}}
