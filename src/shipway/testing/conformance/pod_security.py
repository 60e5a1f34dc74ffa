"""Kubernetes' own fixtures for the Pod Security Standards: ``<level>/<pass or fail>/*.yaml``, the path is the expectation.

Called by ``make conformance`` and the tests.
"""

from pathlib import Path
from typing import Literal

import yaml

from shipway.policy.podsecurity import standards
from shipway.testing.conformance import Case

_LEVELS: tuple[Literal["baseline", "restricted"], ...] = ("baseline", "restricted")


def run(folder: Path) -> list[Case]:
    """Every fixture below ``folder``, judged by the latest version of its level."""
    return [
        _case(file, level, verdict)
        for level in _LEVELS
        for verdict in ("pass", "fail")
        for file in sorted((folder / level / verdict).glob("*.yaml"))
    ]


def _case(file: Path, level: Literal["baseline", "restricted"], verdict: str) -> Case:
    found = standards.violations(yaml.safe_load(file.read_text(encoding="utf-8")), level)
    passed = bool(found) == (verdict == "fail")
    cause = (
        ""
        if passed
        else f"expected {verdict}, found "
        + ("; ".join(f"{one.field}: {one.message}" for one in found) or "no violation")
    )
    return Case("pod-security", f"{level}/{verdict}/{file.stem}", passed, cause)
