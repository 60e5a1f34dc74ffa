"""A pod taken apart for the checks, tolerant of anything that is not shaped like one. Called by ``baseline``, ``restricted``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.rules import NOTHING, Path

GROUPS = ("containers", "initContainers", "ephemeralContainers")


class Violation(msgspec.Struct, frozen=True):
    """One value that a standard forbids, or one that is missing."""

    control: str
    """Name of the control in the standard: ``Host Ports``."""
    path: Path
    """From the root of the pod (which has ``metadata`` and ``spec``)."""
    message: str
    value: Any = None
    image: str = ""
    """Of the container, when the value is one of a container's."""

    @property
    def field(self) -> str:
        """The path as the standard writes it: ``spec.containers[*].ports[*].hostPort``."""
        text = ""
        for part in self.path:
            text += "[*]" if isinstance(part, int) else f".{part}"
        return text.lstrip(".")


class Container(msgspec.Struct, frozen=True):
    """A container with its place."""

    path: Path
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As written."""
        return str(self.fields.get("name", ""))

    @property
    def image(self) -> str:
        """As written."""
        return str(self.fields.get("image", ""))

    @property
    def security(self) -> Mapping[str, Any]:
        """The security context; empty when there is none."""
        return mapping(self.fields.get("securityContext"))


class Pod(msgspec.Struct, frozen=True):
    """Metadata and spec of a pod or of a pod template."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    minor: int
    """Of the version of Kubernetes whose standard counts: 37 for v1.37."""

    @property
    def security(self) -> Mapping[str, Any]:
        """The pod's security context; empty when there is none."""
        return mapping(self.spec.get("securityContext"))

    @property
    def windows(self) -> bool:
        """Whether the pod says that it runs on Windows, which v1.25 began to honour."""
        return self.minor >= 25 and mapping(self.spec.get("os")).get("name") == "windows"

    @property
    def own_users(self) -> bool:
        """Whether the pod has a user namespace of its own."""
        return self.spec.get("hostUsers") is False

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The pod's annotations."""
        return mapping(self.metadata.get("annotations"))

    def containers(self) -> Iterator[Container]:
        """All of them: ordinary, init and ephemeral."""
        for group in GROUPS:
            for index, fields in enumerate(sequence(self.spec.get(group))):
                yield Container(("spec", group, index), mapping(fields))

    def contexts(self) -> Iterator[tuple[Path, Mapping[str, Any], str]]:
        """Path, security context and image of the pod (no image) and of each container."""
        yield ("spec", "securityContext"), self.security, ""
        for container in self.containers():
            yield (*container.path, "securityContext"), container.security, container.image


def mapping(value: object) -> Mapping[str, Any]:
    """``value`` if it is a map, else an empty one."""
    return value if isinstance(value, Mapping) else NOTHING


def sequence(value: object) -> Sequence[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()
