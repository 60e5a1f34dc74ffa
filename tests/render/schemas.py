"""Whether an object is what its API accepts: built-ins by `kubernetes-validate`, custom resources by their own schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate

from tests.conformance import folder

VERSION = "1.37"
_BUILT_IN = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
_BASE = "file:///api/"
WITHOUT_SCHEMA = frozenset({"barmancloud.cnpg.io", "chaos-mesh.org"})
"""Groups that the public catalogue of schemas leaves out; tests pin what we write of them word by word."""


def problems(found: dict[str, Any], catalogue: Path) -> list[str]:
    """What the API server would refuse."""
    group, _, version = found["apiVersion"].rpartition("/")
    path = catalogue / group / f"{found['kind'].lower()}_{version}.json"
    if "." in group and path.exists():
        return [f"{error.instance_path}: {error.message}" for error in _validator(path).iter_errors(found)]
    if group in WITHOUT_SCHEMA:
        return []
    return [
        f"{error.instance_path}: {error.message}"
        for error in _built_in(found["apiVersion"], found["kind"]).iter_errors(found)
    ]


def catalogue() -> Path:
    """The schemas of custom resources; skips the test when they are absent."""
    return folder("crds")


@cache
def _validator(path: Path) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(path.read_text()))


@cache
def _built_in(version: str, kind: str) -> jsonschema_rs.Validator:
    """Closed ("strict") schema of a kind of Kubernetes' own, as `kubernetes-validate` brings it."""
    group, _, number = version.rpartition("/")
    name = f"{kind.lower()}-{group.partition('.')[0]}-{number}" if group else f"{kind.lower()}-{number}"
    schema = json.loads((_BUILT_IN / f"{name}.json").read_text())
    return jsonschema_rs.validator_for(schema, registry=_definitions(), base_uri=_BASE)


@cache
def _definitions() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(
        [(f"{_BASE}_definitions.json", json.loads((_BUILT_IN / "_definitions.json").read_text()))]
    )
