"""Previews of pull requests, as far as other objects must know of them. Used by :mod:`.network`, :mod:`.mesh` and ``gitops``.

A preview of an application is its objects again in a namespace ``<application>-pr-<number>``, which carries a label. What
the application calls lets it in by that label, or by the namespace's name where only names are known.
"""

from typing import Literal
from urllib.parse import urlsplit

from shipway.render.context import Place

LABEL = "shipway.dev/preview-of"
"""Of a preview's namespace: the application's name."""


def namespaces(application: str) -> str:
    """Pattern of the names of the namespaces of its previews."""
    return f"{application}-pr-*"


def possible(place: Place) -> bool:
    """On the first cluster of the first environment, unless customers depend on it, if the repository is of a kind we know."""
    organisation, repository = place.organisation, place.components.gitops.repository
    first = organisation.environments[0]
    here = place.environment == first and place.cluster == next(iter(organisation.clusters(first)))
    return here and not place.production and repository is not None and forge(repository) is not None


def forge(repository: str) -> Literal["github", "gitlab"] | None:
    """What serves a repository, as far as its address shows it."""
    host = urlsplit(repository).hostname or ""
    return "github" if host == "github.com" else "gitlab" if host.startswith("gitlab.") else None
