"""An application as a pull request to the delivery repository would have it, beside the real one. Called by :mod:`.argocd`.

A request that is labelled ``preview-<application>`` gets it in the namespace ``<application>-pr-<number>`` of the first
environment, under a host of its own, until the request is closed. What would disturb the real one stays away: alerts,
dashboards, backups and faults. Network policies of what it calls let in the real one only.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from shipway.render.compiling import Compiled
from shipway.render.context import Context
from shipway.render.gitops.kustomize import operations, target
from shipway.render.gitops.layers import pointer
from shipway.render.gitops.repository import Repository
from shipway.render.rendered import Rendered
from shipway.render.yaml import to_yaml
from shipway.spec.organisation import Organisation

API_VERSION = "argoproj.io/v1alpha1"
NAMESPACE = "argocd"
"""Where Argo CD runs and keeps its objects."""
_FINALIZER = "resources-finalizer.argocd.argoproj.io"
_KEPT_AWAY = frozenset({"GrafanaDashboard", "ObjectStore", "PrometheusRule", "Schedule", "ScheduledBackup"})


def previewed(organisation: Organisation, compiled: Sequence[Compiled], where: Repository) -> tuple[Compiled, ...]:
    """What has previews: applications in the first environment on its first cluster; none where it is production."""
    environment = organisation.environments[0]
    if organisation.platform.is_production(environment) or not _generator(where):
        return ()
    cluster = next(iter(organisation.clusters(environment)))
    here = (one for one in compiled if (one.environment, one.cluster) == (environment, cluster))
    return tuple(one for one in here if one.application)


def preview(one: Compiled, team: str, where: Repository) -> dict[str, Any]:
    """The ApplicationSet with an Application for every labelled request."""
    name, number = one.application, "{{.number}}"
    generator = {key: {**said, "labels": [f"preview-{name}"]} for key, said in _generator(where).items()}
    source = {
        "repoURL": where.url,
        "targetRevision": "{{.head_sha}}",
        "path": where.overlay(one),
        "kustomize": {"namespace": f"{name}-pr-{number}", "patches": list(_patches(one.objects))},
    }
    template = {
        "metadata": {"name": f"{name}.pr-{number}", "finalizers": [_FINALIZER]},
        "spec": {
            "project": team,
            "source": source,
            "destination": {"name": one.cluster, "namespace": f"{name}-pr-{number}"},
            "syncPolicy": {"automated": {"prune": True}},
        },
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "ApplicationSet",
        "metadata": {"name": f"{name}.previews", "namespace": NAMESPACE},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"pullRequest": {**generator, "requeueAfterSeconds": 300}}],
            "template": template,
        },
    }


def _generator(where: Repository) -> dict[str, dict[str, str]]:
    """How pull requests are found, by the repository's address; empty for a host whose kind it does not show."""
    address = urlsplit(where.url)
    host, project = address.hostname or "", address.path.strip("/").removesuffix(".git")
    owner, _, name = project.rpartition("/")
    if host == "github.com":
        return {"github": {"owner": owner, "repo": name}}
    if host.startswith("gitlab."):
        return {"gitlab": {"project": project, "api": f"https://{host}"}}
    return {}


def _patches(objects: Sequence[Rendered]) -> Iterator[dict[str, Any]]:
    for one in objects:
        version, kind, _, name = one.identity
        if kind in _KEPT_AWAY or "grafana_dashboard" in one.object["metadata"].get("labels", {}):
            gone = {"$patch": "delete", "apiVersion": version, "kind": kind, "metadata": {"name": name}}
            yield {"target": target(one.identity), "patch": to_yaml([gone])}
        elif changes := [*_host(one), *_backups(one)]:
            yield {"target": target(one.identity), "patch": operations(changes)}


def _host(one: Rendered) -> Iterator[dict[str, Any]]:
    """Every place that says the application's host gets one that no other request has."""
    host = one.context.host if isinstance(one.context, Context) else None
    if host is None:
        return
    for path, value in _texts(one.object):
        if value == host.value:
            yield {"op": "replace", "path": pointer(*path), "value": f"pr-{{{{.number}}}}-{value}"}


def _backups(one: Rendered) -> Iterator[dict[str, Any]]:
    """A database must not write into the archive of another."""
    if one.identity[1] == "Cluster" and "plugins" in one.object["spec"]:
        yield {"op": "remove", "path": "/spec/plugins"}


def _texts(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _texts(value, (*path, key))
