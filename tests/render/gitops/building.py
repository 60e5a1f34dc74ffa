"""A small Kustomize: resources, components, labels and JSON Patches. The real one is asked where it is installed."""

import copy
import posixpath
from typing import Any

import yaml

Files = dict[str, bytes]


Objects = dict[tuple[str, ...], dict[str, Any]]


def build(files: Files, directory: str) -> Objects:
    """Objects by identity."""
    found: Objects = {}
    _add(files, directory, found)
    return found


def _add(files: Files, directory: str, found: Objects) -> None:
    """What a directory adds to what is there, as Kustomize does: resources, components, and then its own changes."""
    layer = yaml.load(files[f"{directory}/kustomization.yaml"], yaml.CSafeLoader)
    for resource in layer.get("resources", []):
        path = posixpath.normpath(f"{directory}/{resource}")
        more = build(files, path) if path not in files else by_identity(yaml.load_all(files[path], yaml.CSafeLoader))
        assert not found.keys() & more.keys()
        found |= more
    for component in layer.get("components", []):
        path = posixpath.normpath(f"{directory}/{component}")
        assert yaml.load(files[f"{path}/kustomization.yaml"], yaml.CSafeLoader)["kind"] == "Component"
        _add(files, path, found)
    for labels in layer.get("labels", []):
        for one in found.values():
            one["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for patch in layer.get("patches", []):
        target = patch["target"]
        version = f"{target['group']}/{target['version']}" if "group" in target else target["version"]
        key = (version, target["kind"], target.get("namespace", ""), target["name"].replace("\\.", "."))
        for operation in yaml.load(patch["patch"].strip(), yaml.CSafeLoader):  # the real one trims it
            apply(found[key], operation)


def by_identity(objects: Any) -> Objects:
    """(apiVersion, kind, namespace or empty, name) to the object."""
    named = ((one, one["metadata"]) for one in objects)
    return {(one["apiVersion"], one["kind"], about.get("namespace", ""), about["name"]): one for one, about in named}


def apply(tree: Any, operation: dict[str, Any]) -> None:
    """One ``add`` or ``replace`` of RFC 6902, in place."""
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    for part in way:
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    value = copy.deepcopy(operation["value"])
    if isinstance(tree, list) and last == "-":
        assert operation["op"] == "add"
        tree.append(value)
    elif isinstance(tree, list):
        assert operation["op"] == "replace"
        tree[int(last)] = value
    else:
        assert (last in tree) == (operation["op"] == "replace")
        tree[last] = value
