"""``--format argocd``: the Kustomize layers, and the Argo CD objects that apply them.

``argocd/root.yaml`` is applied once, by hand; its Application applies everything below ``argocd/applications``: an
AppProject per team, an Application per application and cluster, and what makes previews (:mod:`.previews`).

Waves order the first sync of Applications; Argo CD waits for one to be healthy only where its own settings say how the
health of an Application is read (``resource.customizations.health.argoproj.io_Application``). Nothing here deletes an
application's objects when its Application goes: a database must not leave with a file.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shipway.render.admission import NAMESPACE as SHARED_NAMESPACE
from shipway.render.catalog import UNOWNED
from shipway.render.compiling import Compiled
from shipway.render.formats import File, to_yaml
from shipway.render.gitops.kinds import allowed
from shipway.render.gitops.kustomize import kustomize
from shipway.render.gitops.previews import API_VERSION, COMPARED, NAMESPACE, layer, preview, previewed
from shipway.render.gitops.repository import SHARED_NAME, Repository, repository, waves
from shipway.render.previewing import namespaces
from shipway.spec.organisation import Organisation

IN_CLUSTER = "https://kubernetes.default.svc"
"""The cluster that Argo CD runs in."""
_APPLICATIONS = "argocd/applications"
_BUILT_IN = "default"
"""Argo CD's own project, which must not become a team's."""
_AUTOMATED = {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["ServerSideApply=true"]}


def argocd(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """An app of apps: its root, projects, applications by cluster, previews.

    Raises:
        BadInput: the Platform names no repository.
    """
    known, where = tuple(compiled), repository(organisation)
    yield from kustomize(organisation, known)
    yield "argocd/root.yaml", to_yaml(_root(organisation.platform.metadata.name, where))
    previews = previewed(known)
    teams: dict[str, list[Compiled]] = {}
    clusters: dict[tuple[str, str], list[Compiled]] = {}
    for one in known:
        teams.setdefault(_project_of(organisation, one), []).append(one)
        clusters.setdefault((one.environment, one.cluster), []).append(one)
    projects = [_project(team, found, where, previews) for team, found in sorted(teams.items())]
    yield f"{_APPLICATIONS}/projects.yaml", to_yaml(projects)
    order = waves(organisation)
    for (environment, cluster), found in clusters.items():
        objects = [
            _application(one, _project_of(organisation, one), order.get(one.application, 0), where) for one in found
        ]
        yield f"{_APPLICATIONS}/{environment}/{cluster}.yaml", to_yaml(objects)
    if previews:
        sets = [preview(one, _project_of(organisation, one), where) for one in previews]
        yield f"{_APPLICATIONS}/previews.yaml", to_yaml(sets)
        yield from (layer(one) for one in previews)


def _root(platform: str, where: Repository) -> list[dict[str, Any]]:
    """The Application of all Applications, in a project that allows these and nothing else."""
    project = f"{platform}.root"  # no team can be called so
    allowed = [{"group": "argoproj.io", "kind": kind} for kind in ("AppProject", "Application", "ApplicationSet")]
    here = {"server": IN_CLUSTER, "namespace": NAMESPACE}
    source = {
        "repoURL": where.url,
        "targetRevision": where.branch,
        "path": where.within(_APPLICATIONS),
        "directory": {"recurse": True},
    }
    limits = {"clusterResourceWhitelist": [], "namespaceResourceWhitelist": allowed}
    return [
        _object("AppProject", project, {"sourceRepos": [where.url], "destinations": [here], **limits}),
        _object(
            "Application",
            platform,
            {"project": project, "source": source, "destination": here, "syncPolicy": _AUTOMATED},
        ),
    ]


def _project(
    team: str, compiled: Sequence[Compiled], where: Repository, previews: Sequence[Compiled]
) -> dict[str, Any]:
    """A team may write what applications are made of, into the namespaces of its own on their clusters."""
    places = {(one.cluster, namespace) for one in compiled for each in one.objects if (namespace := each.identity[2])}
    places |= {(one.cluster, _namespace(one)) for one in compiled}
    places |= {(one.cluster, namespaces(one.application)) for one in compiled if one in previews}
    destinations = [{"name": cluster, "namespace": namespace} for cluster, namespace in sorted(places)]
    spec = {"sourceRepos": [where.url], "destinations": destinations, **allowed(shared=not compiled[0].application)}
    return _object("AppProject", team, spec, wave=-1)


def _application(one: Compiled, team: str, wave: int, where: Repository) -> dict[str, Any]:
    name = one.application or SHARED_NAME
    spec = {
        "project": team,
        "source": {"repoURL": where.url, "targetRevision": where.branch, "path": where.overlay(one)},
        "destination": {"name": one.cluster, "namespace": _namespace(one)},
        "syncPolicy": _AUTOMATED,
    }
    labels = {"shipway.dev/environment": one.environment, "shipway.dev/cluster": one.cluster}
    found = _object("Application", f"{name}.{one.cluster}", spec, wave=wave, labels=labels)
    found["metadata"]["annotations"] |= COMPARED
    return found


def _object(
    kind: str, name: str, spec: dict[str, Any], *, wave: int | None = None, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
    if labels:
        metadata["labels"] = labels
    if wave is not None:
        metadata["annotations"] = {"argocd.argoproj.io/sync-wave": str(wave)}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _project_of(organisation: Organisation, one: Compiled) -> str:
    """Its team's; what a cluster has once belongs to the platform. No team can be called so."""
    platform = organisation.platform.metadata.name
    if not one.application:
        return f"{platform}.shared"
    team = organisation.declared[one.application].application.metadata.team or UNOWNED
    return f"{platform}.{team}" if team == _BUILT_IN else team


def _namespace(one: Compiled) -> str:
    return one.application or SHARED_NAMESPACE
