"""An application as a pull request to the delivery repository would have it, beside the real one. Called by :mod:`.argocd`.

A request that is labelled ``preview-<application>`` gets it in the namespace ``<application>-pr-<number>`` of the first
environment, under a host of its own, until the request is closed. ``<application>/previews`` says how the preview differs
from the real one, so it is the request's own; what depends on the number follows from the namespace, which Argo CD sets.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from shipway.render.compiling import Compiled
from shipway.render.context import Context
from shipway.render.formats import File, to_yaml
from shipway.render.gitops.kustomize import operations, overlay, target
from shipway.render.gitops.layers import Operation, pointer
from shipway.render.gitops.repository import Repository
from shipway.render.previewing import LABEL, forge, possible
from shipway.render.rendered import Rendered
from shipway.render.yaml import to_yaml as text_of

API_VERSION = "argoproj.io/v1alpha1"
NAMESPACE = "argocd"
"""Where Argo CD runs and keeps its objects."""
COMPARED = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
"""Compared by asking the API server what an apply would change: what it and operators fill in is then no difference."""
_FINALIZER = "resources-finalizer.argocd.argoproj.io"
_KEPT_AWAY = frozenset(
    {
        *("GrafanaDashboard", "PrometheusRule", "Schedule"),
        *("ObjectStore", "ScheduledBackup"),
        *("HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler", "PodDisruptionBudget"),
    }
)
"""What would disturb the real one, and what a single instance has no use for."""
_CANONICAL = "service.istio.io/canonical-name"
"""Label that the mesh's metrics call a service by; without it that of the application, so that both would be counted as one."""
_LABELS = ("spec", "template", "metadata", "labels")
Path = tuple[str | int, ...]


def previewed(compiled: Sequence[Compiled]) -> tuple[Compiled, ...]:
    """What has previews: every application where they are possible."""
    return tuple(one for one in compiled if one.application and possible(_context(one.objects[0]).place))


def preview(one: Compiled, project: str, where: Repository) -> dict[str, Any]:
    """The ApplicationSet with an Application for every labelled request: made, changed and deleted with it."""
    name, namespace = one.application, f"{one.application}-pr-{{{{.number}}}}"
    generator = {key: {**said, "labels": [f"preview-{name}"]} for key, said in _generator(where).items()}
    source = {
        "repoURL": where.url,
        "targetRevision": "{{.head_sha}}",
        "path": where.within(directory(name)),
        "kustomize": {"namespace": namespace},
    }
    template = {
        "metadata": {
            "name": f"{name}.pr-{{{{.number}}}}",
            "annotations": COMPARED,
            "finalizers": [_FINALIZER],
        },
        "spec": {
            "project": project,
            "source": source,
            "destination": {"name": one.cluster, "namespace": namespace},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["ServerSideApply=true"]},
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
    """How pull requests are found, by the repository's address."""
    address = urlsplit(where.url)
    project = address.path.strip("/").removesuffix(".git")
    owner, _, name = project.rpartition("/")
    if forge(where.url) == "github":
        return {"github": {"owner": owner, "repo": name}}
    # GitLab lists requests of every state unless it is told one, and a preview must go when its request is merged.
    return {"gitlab": {"project": project, "api": f"https://{address.hostname}", "pullRequestState": "opened"}}


def directory(application: str) -> str:
    """What is built for a preview."""
    return f"{application}/previews"


def layer(one: Compiled) -> File:
    """How a preview differs from the real one. The namespace is left for Argo CD to set; everything else follows from it."""
    targets = [
        {"select": target(each.identity), "fieldPaths": [path], **({"options": how} if how else {})}
        for each in one.objects
        if not _kept_away(each)
        for path, how in _named(each)
    ]
    source = {"kind": "Namespace", "fieldPath": "metadata.name"}
    file = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../" + overlay(one.application, one.environment, one.cluster)],
        "patches": list(_patches(one.objects)),
        **({"replacements": [{"source": source, "targets": targets}]} if targets else {}),
    }
    return f"{directory(one.application)}/kustomization.yaml", to_yaml([file])


def _kept_away(one: Rendered) -> bool:
    return one.identity[1] in _KEPT_AWAY or "grafana_dashboard" in one.object["metadata"].get("labels", {})


def _patches(objects: Sequence[Rendered]) -> Iterator[dict[str, Any]]:
    for one in objects:
        version, kind, _, name = one.identity
        if _kept_away(one):
            gone = {"$patch": "delete", "apiVersion": version, "kind": kind, "metadata": {"name": name}}
            yield {"target": target(one.identity), "patch": text_of([gone])}
        elif changes := list(_changes(one)):
            yield {"target": target(one.identity), "patch": operations(changes)}


def _changes(one: Rendered) -> Iterator[Operation]:
    kind, spec = one.identity[1], one.object.get("spec", {})
    if kind == "Namespace":
        yield {"op": "add", "path": pointer("metadata", "labels", LABEL), "value": one.identity[3]}
    elif kind == "Cluster" and "plugins" in spec:  # a database must not write into the archive of another
        yield {"op": "remove", "path": "/spec/plugins"}
    elif kind in {"NetworkPolicy", "AuthorizationPolicy"}:  # nobody calls a preview, except through the gateway
        rules = "ingress" if kind == "NetworkPolicy" else "rules"
        for index in reversed(range(len(spec.get(rules, ())))):
            if _from_application(spec[rules][index]):
                yield {"op": "remove", "path": pointer("spec", rules, index)}
    elif _counted_apart(one):
        yield {"op": "add", "path": pointer(*_LABELS, _CANONICAL), "value": one.identity[3]}


def _from_application(rule: Mapping[str, Any]) -> bool:
    """Whether a rule lets in another application."""
    return any(
        {"podSelector", "namespaceSelector"} <= peer.keys() or "principals" in peer.get("source", {})
        for peer in rule.get("from", ())
    )


def _named(one: Rendered) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Paths of what has the namespace's name in a preview, and how: whole, or as a part between dots."""
    context = _context(one)
    host = context.host.value if context.host else None
    inside = f".{context.namespace}.svc.cluster.local"
    if _counted_apart(one):
        yield _field_path((*_LABELS, _CANONICAL)), None
    for path, value in _texts(one.object):
        if value == host:
            yield _field_path(path), {"delimiter": ".", "index": 0}
        elif value.endswith(inside):
            yield _field_path(path), {"delimiter": ".", "index": 1}
        elif value == "job" and path[-1] == "targetLabel":  # its requests are not counted with those of the real one
            yield _field_path((*path[:-1], "replacement")), None


def _counted_apart(one: Rendered) -> bool:
    """Whether its pods need a name for the mesh's metrics."""
    return one.identity[1] in {"Deployment", "StatefulSet"} and _context(one).meshed


def _context(one: Rendered) -> Context:
    assert isinstance(one.context, Context)
    return one.context


def _texts(tree: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _texts(value, (*path, key))


def _field_path(path: Path) -> str:
    """As replacements have it: keys with dots in brackets, positions as numbers."""
    return ".".join(f"[{part}]" if "." in str(part) else str(part) for part in path)
