"""``--format kustomize``: three layers per application, each with only what the one below it lacks.

``<application>/base`` is what all clusters have in common, ``<application>/environments/<environment>`` adds what its
clusters have in common, and ``<application>/overlays/<environment>/<cluster>`` the rest. Building an overlay gives the
objects that were compiled for the cluster. What an application's base is depends on where it was compiled for, so a
repository is written from all environments at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shipway.render.compiling import Compiled
from shipway.render.formats import SHARED, File, to_yaml
from shipway.render.gitops.layers import Operation, additions, common, pointer
from shipway.render.yaml import to_yaml as text_of
from shipway.spec.organisation import Organisation

Identity = tuple[str, str, str, str]
Objects = Mapping[Identity, dict[str, Any]]
"""Objects by (apiVersion, kind, namespace or empty, name)."""


def kustomize(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """Base, environments and overlays of every application."""
    del organisation
    applications: dict[str, dict[str, dict[str, Objects]]] = {}
    for one in compiled:
        clusters = applications.setdefault(one.application or SHARED, {}).setdefault(one.environment, {})
        clusters[one.cluster] = {each.identity: each.object for each in one.objects}
    for name, environments in applications.items():
        yield from _application(name, environments)


def overlay(application: str, environment: str, cluster: str) -> str:
    """Directory of what is built for one cluster."""
    return f"{application or SHARED}/overlays/{environment}/{cluster}"


def _application(name: str, environments: Mapping[str, Mapping[str, Objects]]) -> Iterator[File]:
    base = _common([objects for clusters in environments.values() for objects in clusters.values()])
    yield from _layer(f"{name}/base", {}, base, "")
    for environment, clusters in environments.items():
        shared = _common(list(clusters.values()))
        below = "../../base" if base else ""
        yield from _layer(f"{name}/environments/{environment}", base, shared, below)
        for cluster, objects in clusters.items():
            below = f"../../../environments/{environment}" if shared else ""
            yield from _layer(overlay(name, environment, cluster), shared, objects, below)


def _common(everywhere: Sequence[Objects]) -> Objects:
    """What is everywhere, and of it what is the same everywhere."""
    identities = (one for one in everywhere[0] if all(one in objects for objects in everywhere))
    return {one: common([objects[one] for objects in everywhere]) for one in identities}


def _layer(directory: str, before: Objects, after: Objects, below: str) -> Iterator[File]:
    """A directory that makes ``after`` of ``before``, which is what ``below`` builds; none when nothing is built."""
    if not after:
        return
    added = [found for one, found in after.items() if one not in before]
    labels = _labels(before, after)
    patches = [
        (one, [each for each in additions(before[one], after[one]) if not _says(each, labels)]) for one in before
    ]
    file = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*([below] if below else []), *(["objects.yaml"] if added else [])],
        "labels": [{"pairs": labels}] if labels else [],
        "patches": [{"target": target(one), "patch": operations(listed)} for one, listed in patches if listed],
    }
    yield f"{directory}/kustomization.yaml", to_yaml([{key: value for key, value in file.items() if value}])
    if added:
        yield f"{directory}/objects.yaml", to_yaml(added)


def _labels(before: Objects, after: Objects) -> dict[str, str]:
    """Labels that every object has here and some lack in the layer below: said once, not in a patch of each."""
    first, *others = (found["metadata"].get("labels", {}) for found in after.values())
    everywhere = {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}
    missing = [everywhere.keys() - found["metadata"].get("labels", {}).keys() for found in before.values()]
    return {key: value for key, value in everywhere.items() if any(key in keys for keys in missing)}


def _says(operation: Operation, labels: Mapping[str, str]) -> bool:
    """Whether the labels of the layer make the operation needless."""
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
