"""References of container images taken apart: ``registry/path/name:tag@digest``, with Kyverno's defaults.

Called by ``context`` for the variable ``images`` and by the functions that normalise images.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9._:/\[\]-]{1,512}?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z0-9+._-]{1,64}:[0-9a-fA-F]{32,256}))?"
)
GROUPS = ("containers", "initContainers", "ephemeralContainers")


class Image(msgspec.Struct, frozen=True):
    """Parts of a reference. An absent registry is ``docker.io``, an absent tag without a digest ``latest``."""

    registry: str
    path: str
    tag: str
    digest: str
    bare: bool
    """Written without a registry."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def reference_with_tag(self) -> str:
        """``registry/path:tag``; the tag is empty beside a digest."""
        return f"{self.registry}/{self.path}:{self.tag}"

    @property
    def reference(self) -> str:
        """``registry/path@digest``, or with the tag when there is no digest."""
        return f"{self.registry}/{self.path}@{self.digest}" if self.digest else self.reference_with_tag

    def facts(self) -> dict[str, Any]:
        """As the variable ``images`` shows it."""
        facts = {
            "registry": self.registry,
            "path": self.path,
            "name": self.name,
            "tag": self.tag,
            "digest": self.digest,
        }
        kept = {key: value for key, value in facts.items() if value}
        return {**kept, "reference": self.reference, "referenceWithTag": self.reference_with_tag}


def parse(text: str) -> Image | None:
    """The parts of a reference; None for what is none."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    first, slash, rest = match["name"].partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.startswith("["))
    path = rest if named else match["name"]
    if not path or ":" in path or path.startswith("/") or path.endswith("/"):
        return None
    tag, digest = match["tag"] or "", match["digest"] or ""
    return Image(first if named else "docker.io", path, tag or ("" if digest else "latest"), digest, not named)


def normal(text: str) -> str:
    """The full reference: ``nginx`` is ``docker.io/nginx:latest``. What is no image stays as it is."""
    image = parse(text)
    return text if image is None else image.reference


def of_pod(spec: Mapping[str, Any], pointer: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The variable ``images``: group of containers to container name to parts of its image.

    ``pointer`` is the JSON pointer of the pod's spec in the object. A list without any image is left out.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for group in GROUPS:
        containers = spec.get(group)
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if not isinstance(container, Mapping) or not isinstance(container.get("image"), str):
                continue
            image = parse(container["image"])
            if image is not None:
                facts = {**image.facts(), "jsonPointer": f"{pointer}/{group}/{index}/image"}
                found.setdefault(group, {})[str(container.get("name", index))] = facts
    return found
