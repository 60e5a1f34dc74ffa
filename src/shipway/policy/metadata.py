"""What a policy says about itself in its annotations. Called by every loader.

``policies.shipway.dev/…`` wins over ``policies.kyverno.io/…`` and Gatekeeper's ``metadata.gatekeeper.sh/…``, which are
read where they say the same.
"""

from collections.abc import Mapping
from typing import Any, TypedDict, get_args

import msgspec

from shipway.policy.resources import metadata
from shipway.policy.rules import Action, Document, Severity

OURS = "policies.shipway.dev/"
_PREFIXES = (OURS, "policies.kyverno.io/", "metadata.gatekeeper.sh/", "")


class Fields(TypedDict):
    """What goes into a rule as it is."""

    severity: Severity
    title: str
    rationale: str
    fix: str
    controls: tuple[str, ...]
    environments: tuple[str, ...]


class Described(msgspec.Struct, frozen=True):
    """What a policy says about itself."""

    title: str = ""
    severity: Severity = "medium"
    action: Action | None = None
    rationale: str = ""
    fix: str = ""
    controls: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def fields(self) -> Fields:
        """For a rule."""
        return Fields(
            severity=self.severity,
            title=self.title,
            rationale=self.rationale,
            fix=self.fix,
            controls=self.controls,
            environments=self.environments,
        )


def described(document: Document) -> Described:
    """What the annotations of a policy say."""
    found = metadata(document.data).get("annotations")
    notes: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    severity, action = _one(notes, "severity").lower(), str(notes.get(f"{OURS}action", ""))
    return Described(
        title=_one(notes, "title"),
        severity=severity if severity in get_args(Severity) else "medium",  # type: ignore[arg-type]  # just checked
        action=action if action in get_args(Action) else None,  # type: ignore[arg-type]  # just checked
        rationale=_one(notes, "rationale") or _one(notes, "description"),
        fix=_one(notes, "fix"),
        controls=_several(notes, "controls"),
        environments=_several(notes, "environments"),
    )


def _one(notes: Mapping[str, Any], key: str) -> str:
    return next((str(notes[f"{prefix}{key}"]).strip() for prefix in _PREFIXES if f"{prefix}{key}" in notes), "")


def _several(notes: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(part for one in str(notes.get(f"{OURS}{key}", "")).split(",") if (part := one.strip()))
