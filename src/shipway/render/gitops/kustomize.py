"""``--format kustomize``: for each application a base, components and an overlay for each cluster.

``<application>/base`` is what all clusters have in common, ``<application>/components/<where>`` what some of them share, and
``<application>/overlays/<environment>/<cluster>`` what one has alone. Each adds and never changes or removes, so each line is
the truth wherever it applies, and stands once. Building an overlay gives the objects that were compiled for the cluster.
What the base is depends on where an application was compiled for, so a repository is written from all environments at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from shipway.render.compiling import Compiled
from shipway.render.formats import SHARED, File, to_yaml
from shipway.render.gitops.layers import Operation, Part, parts, pointer
from shipway.render.yaml import to_yaml as text_of
from shipway.spec.organisation import Organisation

Identity = tuple[str, str, str, str]
"""(apiVersion, kind, namespace or empty, name)"""
Place = tuple[str, str]
"""(environment, cluster)"""
Everywhere = Mapping[Place, Mapping[Identity, dict[str, Any]]]
_LONGEST = 100
"""Characters of a component's name."""


def kustomize(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """Base, components and overlays of every application."""
    del organisation
    applications: dict[str, dict[Place, Mapping[Identity, dict[str, Any]]]] = {}
    for one in compiled:
        places = applications.setdefault(one.application or SHARED, {})
        places[one.environment, one.cluster] = {each.identity: each.object for each in one.objects}
    for name, everywhere in applications.items():
        yield from _application(name, everywhere)


def overlay(application: str, environment: str, cluster: str) -> str:
    """Directory of what is built for one cluster."""
    return f"{application or SHARED}/overlays/{environment}/{cluster}"


def _application(name: str, everywhere: Everywhere) -> Iterator[File]:
    found = parts(everywhere)
    everybody = frozenset(everywhere)
    base = found.pop(everybody, None)
    if base:
        yield from _directory(f"{name}/base", _KUSTOMIZATION, base, _labels(base, everybody, everywhere))
    shared = {where: _name(where, everywhere) for where in found if len(where) > 1}
    for where, called in shared.items():
        labels = _labels(found[where], where, everywhere)
        yield from _directory(f"{name}/components/{called}", _COMPONENT, found[where], labels)
    for place in everywhere:
        # What is for more places comes first: what is for fewer may add to it.
        components = sorted((-len(where), called) for where, called in shared.items() if place in where)
        own = found.get(frozenset({place}), Part())
        yield from _directory(
            overlay(name, *place),
            _KUSTOMIZATION,
            own,
            _labels(own, frozenset({place}), everywhere),
            resources=["../../../base"] if base else [],
            components=[f"../../../components/{called}" for _, called in components],
        )


_KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}


def _directory(
    directory: str,
    head: Mapping[str, str],
    part: Part,
    labels: Mapping[str, str],
    *,
    resources: Sequence[str] = (),
    components: Sequence[str] = (),
) -> Iterator[File]:
    added = [*part.objects.values()]
    patches = ((one, [each for each in listed if not _says(each, labels)]) for one, listed in part.operations.items())
    file = {
        **head,
        "resources": [*resources, *(["objects.yaml"] if added else [])],
        "components": components,
        "labels": [{"pairs": labels}] if labels else [],
        "patches": [{"target": target(one), "patch": operations(listed)} for one, listed in patches if listed],
    }
    yield f"{directory}/kustomization.yaml", to_yaml([{key: value for key, value in file.items() if value}])
    if added:
        yield f"{directory}/objects.yaml", to_yaml(added)


def _name(where: frozenset[Place], everywhere: Everywhere) -> str:
    """Environments of which it holds every cluster by their names, other clusters after that of their environment."""
    environments: dict[str, list[str]] = {}
    for environment, cluster in everywhere:
        environments.setdefault(environment, []).append(cluster)
    words: list[str] = []
    for environment, clusters in environments.items():
        here = [cluster for cluster in clusters if (environment, cluster) in where]
        words += [environment] if here == clusters else [f"{environment}.{cluster}" for cluster in here]
    found = "+".join(words)
    return found if len(found) <= _LONGEST else f"some-{sha256(found.encode()).hexdigest()[:12]}"


def _labels(part: Part, where: frozenset[Place], everywhere: Everywhere) -> dict[str, str]:
    """Labels that a part would add to one object after the other and that every object there has: said once."""
    objects = [found for place in everywhere if place in where for found in everywhere[place].values()]
    first = objects[0]["metadata"].get("labels", {}) if objects else {}
    added = [operation for listed in part.operations.values() for operation in listed]
    return {
        key: value
        for key, value in first.items()
        if any(_says(one, {key: value}) for one in added)
        and all(found["metadata"].get("labels", {}).get(key) == value for found in objects)
    }


def _says(operation: Operation, labels: Mapping[str, str]) -> bool:
    """Whether the labels of a directory make the operation needless."""
    return any(
        operation == {"op": "add", "path": pointer("metadata", "labels", key), "value": labels[key]} for key in labels
    )


def target(identity: Identity) -> dict[str, str]:
    """What a patch is for; Kustomize reads a name as an expression for the whole of it."""
    version, kind, namespace, name = identity
    group, _, number = version.rpartition("/")
    exactly = name.replace(".", "\\.")
    found = {"group": group, "version": number, "kind": kind, "namespace": namespace, "name": exactly}
    return {key: value for key, value in found.items() if value}


def operations(listed: Sequence[Operation]) -> str:
    """A JSON Patch as the text of a patch in a kustomization."""
    *others, last = listed
    if _ends_in_lines(last.get("value")):  # Kustomize trims a patch: a block of text at its end loses its line break
        last = {"path": last["path"], "value": last["value"], "op": last["op"]}
    _, _, text = text_of([{"patch": [*others, last]}]).partition("\n")  # without the key, the list stands alone
    return text


def _ends_in_lines(value: Any) -> bool:
    while value and isinstance(value, dict | list):
        value = value[-1] if isinstance(value, list) else list(value.values())[-1]
    return isinstance(value, str) and "\n" in value
