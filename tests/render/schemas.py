"""Whether an object is what its API accepts: built-ins by `kubernetes-validate`, custom resources by their own schemas."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate

from tests.conformance import folder

VERSION = "1.34"
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
    try:
        kubernetes_validate.validate(found, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


def catalogue() -> Path:
    """The schemas of custom resources; skips the test when they are absent."""
    return folder("crds")


@cache
def _validator(path: Path) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(path.read_text()))
