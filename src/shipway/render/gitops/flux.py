"""``--format flux``: the Kustomize layers, and per cluster the Flux objects that apply its overlays in order.

Flux runs in each cluster: bootstrap it there with the path ``flux/<environment>/<cluster>``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from shipway.render.compiling import Compiled
from shipway.render.formats import File, to_yaml
from shipway.render.gitops.kustomize import kustomize
from shipway.render.gitops.repository import SHARED_NAME, Repository, called, repository
from shipway.spec.organisation import Organisation

NAMESPACE = "flux-system"
"""Where Flux runs and keeps its objects."""


def flux(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """A GitRepository and a Kustomization per application, for every cluster.

    Raises:
        BadInput: the Platform names no repository.
    """
    known, where = tuple(compiled), repository(organisation)
    yield from kustomize(organisation, known)
    clusters: dict[tuple[str, str], list[Compiled]] = {}
    for one in known:
        clusters.setdefault((one.environment, one.cluster), []).append(one)
    for (environment, cluster), found in clusters.items():
        source = _source(organisation.platform.metadata.name, where)
        applied = [_kustomization(organisation, where, one) for one in found]
        yield f"flux/{environment}/{cluster}/applications.yaml", to_yaml([source, *applied])


def _source(platform: str, where: Repository) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": platform, "namespace": NAMESPACE},
        "spec": {"interval": "1m", "url": where.url, "ref": {"branch": where.branch}},
    }


def _kustomization(organisation: Organisation, where: Repository, one: Compiled) -> dict[str, Any]:
    """It waits until everything is ready, so that what depends on it starts afterwards."""
    before = [{"name": name} for name in called(organisation, one.application)]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": one.application or SHARED_NAME, "namespace": NAMESPACE},
        "spec": {
            **({"dependsOn": before} if before else {}),
            "interval": "10m",
            "retryInterval": "1m",
            "timeout": "10m",
            "path": f"./{where.overlay(one)}",
            "prune": True,
            "deletionPolicy": "Orphan",  # a database must not leave with a file
            "wait": True,
            "sourceRef": {"kind": "GitRepository", "name": organisation.platform.metadata.name},
        },
    }
