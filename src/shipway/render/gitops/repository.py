"""What Argo CD and Flux both need to know: where the files will stand, and what has to run before what.

Called by :mod:`.argocd` and :mod:`.flux`.
"""

from collections.abc import Mapping
from graphlib import TopologicalSorter

import msgspec

from shipway.model.errors import BadInput
from shipway.render.compiling import Compiled
from shipway.render.gitops.kustomize import overlay
from shipway.spec.organisation import Organisation

SHARED_NAME = "cluster.shared"
"""Name of what a cluster has once; names of applications have no dots."""


class Repository(msgspec.Struct, frozen=True):
    """Where a controller finds the files."""

    url: str
    branch: str
    path: str
    """Directory of the output in it; ``.`` for the top."""

    def within(self, path: str) -> str:
        """A path of the output as a path in the repository."""
        return path if self.path == "." else f"{self.path}/{path}"

    def overlay(self, one: Compiled) -> str:
        """What is to be built for an application on a cluster."""
        return self.within(overlay(one.application, one.environment, one.cluster))


def repository(organisation: Organisation) -> Repository:
    """As the Platform says.

    Raises:
        BadInput: it names no repository.
    """
    said = organisation.platform.spec.components.gitops
    if said.repository is None:
        hint = "Write `gitops: {repository: https://…}` under `spec.components` of the Platform."
        raise BadInput("the Platform does not say which repository the files will be in", hint=hint)
    return Repository(said.repository, said.branch, said.path)


def called(organisation: Organisation, name: str) -> tuple[str, ...]:
    """Applications that ``name`` depends on, in the order of names; of what a cluster shares, none."""
    if name not in organisation.declared:
        return ()
    found = organisation.declared[name].application.spec.depends_on
    return tuple(sorted({dependency.application for dependency in found if dependency.application}))


def waves(organisation: Organisation) -> Mapping[str, int]:
    """Every application's place in the order: 0, or one more than the latest of those that it depends on."""
    graph = {name: called(organisation, name) for name in organisation.declared}
    found: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = 1 + max((found[other] for other in graph.get(name, ())), default=-1)
    return found
