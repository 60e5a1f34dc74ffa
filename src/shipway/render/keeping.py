"""What stays when the files do not name it any more: a database, its backups, and what lets it live. Used by those who make them.

A dependency that is renamed or lost in a merge would otherwise take its data along with the next sync.
"""

from shipway.render.context import Context
from shipway.render.tracing import derived

_SAID = {
    "argocd.argoproj.io/sync-options": "Prune=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""In the words of Argo CD and of Flux. Neither keeps a preview's, which goes with its namespace."""


def kept(context: Context) -> dict[str, object] | None:
    """Annotations of an object that only a person removes; None where nothing is removed by itself."""
    field = "platform.spec.components.gitops.repository"
    if context.components.gitops.repository is None:
        return None
    rule = "data is not removed because a file no longer names it"
    return {key: derived(value, rule, field) for key, value in _SAID.items()}
