"""A small Kustomize: resources and JSON Patches, for what the format writes. The real one is asked where it is installed."""

import copy
import posixpath
from typing import Any

import yaml

Files = dict[str, bytes]


def build(files: Files, directory: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Objects by identity."""
    layer = yaml.load(files[f"{directory}/kustomization.yaml"], yaml.CSafeLoader)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for resource in layer["resources"]:
        path = posixpath.normpath(f"{directory}/{resource}")
        more = build(files, path) if path not in files else by_identity(yaml.load_all(files[path], yaml.CSafeLoader))
        assert not found.keys() & more.keys()
        found |= more
    for labels in layer.get("labels", []):
        for one in found.values():
            one["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for patch in layer.get("patches", []):
        target = patch["target"]
        version = f"{target['group']}/{target['version']}" if "group" in target else target["version"]
        key = (version, target["kind"], target.get("namespace", ""), target["name"].replace("\\.", "."))
        for operation in yaml.load(patch["patch"].strip(), yaml.CSafeLoader):  # the real one trims it
            apply(found[key], operation)
    return found


def by_identity(objects: Any) -> dict[tuple[str, ...], dict[str, Any]]:
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
