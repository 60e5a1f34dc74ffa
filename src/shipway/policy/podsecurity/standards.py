"""Which values of a pod violate a Pod Security Standard. Called by Kyverno's ``podSecurity`` rules and the built-in pack."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from shipway.policy.podsecurity import baseline, restricted
from shipway.policy.podsecurity.pod import Pod, Violation, mapping

Level = Literal["privileged", "baseline", "restricted"]
LEVELS: tuple[str, ...] = get_args(Level)
LATEST = 37
"""Minor version of Kubernetes that ``latest`` stands for."""
_VERSION = re.compile(r"v1\.(\d{1,3})")


def minor_of(version: str) -> int | None:
    """Minor version of ``v1.25``; :data:`LATEST` for ``latest`` and nothing; None for anything else."""
    if version in {"", "latest"}:
        return LATEST
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match else None


def violations(pod: Mapping[str, Any], level: Level, *, minor: int = LATEST) -> list[Violation]:
    """Everything in ``pod`` (with ``metadata`` and ``spec``) that the level forbids, in the order of the standard."""
    if level == "privileged":
        return []
    parts = Pod(mapping(pod.get("metadata")), mapping(pod.get("spec")), minor)
    checks = baseline.CHECKS if level == "baseline" else (*baseline.CHECKS, *restricted.CHECKS)
    found = [violation for check in checks for violation in check(parts)]
    return list({(one.control, one.path): one for one in found}.values())
