"""ServiceAccount: an identity of its own for every application, without a token in its pods."""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft


def objects(context: Context) -> Iterator[Draft]:
    """Exactly one."""
    yield Draft(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": context.metadata(),
            "automountServiceAccountToken": False,
        },
        "an application gets no token for the cluster's API: it never needs one",
    )
