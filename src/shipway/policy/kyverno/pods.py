"""Where the pod is in an object that makes pods. Called by ``context``, the pod security rule and ``autogen``."""

from collections.abc import Iterator, Mapping
from typing import Any

from shipway.policy.rules import Path

TEMPLATED = ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet")
"""Kinds with a pod template in ``spec.template``."""
TEMPLATE: Path = ("spec", "template")
CRON_TEMPLATE: Path = ("spec", "jobTemplate", "spec", "template")


def template_path(kind: str) -> Path:
    """Path of what has the pod's metadata and spec."""
    if kind == "Pod":
        return ()
    return CRON_TEMPLATE if kind == "CronJob" else TEMPLATE


def spec_of(item: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]] | None:
    """Path and value of the pod's spec; None when the object makes no pods."""
    path = (*template_path(str(item.get("kind", ""))), "spec")
    found: Any = item
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return (path, found) if isinstance(found, Mapping) else None


def containers(spec: Mapping[str, Any], group: str) -> Iterator[Mapping[str, Any]]:
    """The containers of ``containers``, ``initContainers`` or ``ephemeralContainers`` that are maps."""
    listed = spec.get(group)
    return (one for one in listed if isinstance(one, Mapping)) if isinstance(listed, list) else iter(())


def template_of(item: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]] | None:
    """Path and value of the object's pod (metadata and spec); None when there is none."""
    found = spec_of(item)
    if found is None:
        return None
    path = found[0][:-1]
    below: Any = item
    for part in path:
        below = below[part]
    return path, below
