"""Whether an object is what its API accepts: built-ins by the schemas of `kubernetes-validate`, others by those of their CRDs."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate

from tests.conformance import folder

BUILT_IN = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.37.0-local-strict"
"""Read directly: the package's own validator takes 10 ms for an object, this one 0.1 ms."""
WITHOUT_SCHEMA = frozenset({"barmancloud.cnpg.io", "chaos-mesh.org"})
"""Groups that the public catalogue of schemas leaves out; tests pin what we write of them word by word."""


def problems(found: dict[str, Any], catalogue: Path) -> list[str]:
    """What the API server would refuse."""
    group, _, version = found["apiVersion"].rpartition("/")
    kind = found["kind"].lower()
    path = catalogue / group / f"{kind}_{version}.json"
    if group in WITHOUT_SCHEMA:
        return []
    if "." not in group or not path.exists():
        path = BUILT_IN / "-".join(part for part in (kind, group.partition(".")[0], f"{version}.json") if part)
    return [f"{error.instance_path}: {error.message}" for error in _validator(path).iter_errors(found)]


def catalogue() -> Path:
    """The schemas of custom resources; skips the test when they are absent."""
    return folder("crds")


@cache
def _validator(path: Path) -> jsonschema_rs.Validator:
    schema = json.loads(path.read_text())
    return jsonschema_rs.validator_for(schema, base_uri=path.as_uri(), retriever=_beside)


def _beside(address: str) -> object:
    return json.loads((BUILT_IN / address.rpartition("/")[2]).read_text())
