"""A namespace and its bounds: pod security, a quota, defaults for what says nothing, and nobody talks to anybody.

Called once per namespace and cluster; the quota is what its applications may need at most, with room for a rollout.
"""

from collections.abc import Mapping
from typing import Any

POD_SECURITY = "pod-security.kubernetes.io"


def labels(level: str, *, injected: bool) -> dict[str, str]:
    """Labels of a Namespace that the Pod Security admission and the mesh read."""
    found = {f"{POD_SECURITY}/{mode}": level for mode in ("enforce", "audit", "warn")}
    found |= {f"{POD_SECURITY}/{mode}-version": "latest" for mode in ("enforce", "audit", "warn")}
    return found | ({"istio-injection": "enabled"} if injected else {})


def quota(hard: Mapping[str, str]) -> dict[str, Any]:
    """``spec`` of the ResourceQuota."""
    return {"hard": dict(hard)}


def limit_range() -> dict[str, Any]:
    """``spec`` of the LimitRange: what a container without requests or limits gets, so that the quota admits it."""
    container = {
        "type": "Container",
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "default": {"cpu": "500m", "memory": "256Mi"},
    }
    return {"limits": [container]}
