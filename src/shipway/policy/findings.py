"""What comes out of a check: one rule about one subject, with what a platform makes of it. Plain data; nothing is formatted.

Made by :mod:`shipway.policy.evaluating`, shown by ``web.findings``, stored so that a decision can be replayed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from shipway.policy.resources import metadata, name
from shipway.policy.rules import Action, CompiledRule, Object, Path, Place, Severity, Status
from shipway.render.rendered import path_text

_LONGEST_NAME = 64


class Subject(msgspec.Struct, frozen=True):
    """The object that a finding is about."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def subject(value: Object) -> Subject:
    """The subject that an object is. A fact that says which kind of object it is about stands for that."""
    spec = value.get("spec")
    about = spec.get("kind") if str(value.get("apiVersion", "")).startswith("facts.") and isinstance(spec, dict) else ""
    return Subject(
        str(value.get("apiVersion", "")),
        str(about or value.get("kind", "")),
        str(metadata(value).get("namespace") or ""),
        name(value),
    )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says about one subject."""

    rule: str
    """``policy/rule``."""
    status: Status
    action: Action
    """What holds for the rule here. A ``fail`` (or an ``error``) refuses only where this is ``deny``."""
    severity: Severity = "medium"
    subject: Subject
    also: tuple[str, ...] = ()
    """Other objects in which the same line led to the same."""
    message: str = ""
    path: Path = ()
    found: str = ""
    """The offending value as JSON, cut short; empty when it is the absence of one."""
    allowed: str = ""
    """What it may be instead, as the policy writes it; empty where that cannot be told."""
    place: Place = Place()
    """Of the offending value in the user's file."""
    title: str = ""
    fix: str = ""
    controls: tuple[str, ...] = ()
    rule_place: Place = Place()
    reason: str = ""
    exception: str = ""
    """Name of the exception that turned a fail into a skip."""
    environment: str = ""
    """Where it was judged so, when that was in several."""
    ignores_errors: bool = False
    annotations: Mapping[str, str] = {}
    facts: Mapping[str, Any] | None = None
    """The virtual resource that was judged, whole, so that the decision can be replayed; None for real objects."""

    @property
    def refuses(self) -> bool:
        """Whether this finding alone forbids the change."""
        if self.status == "error":
            return self.action == "deny" and not self.ignores_errors
        return self.status == "fail" and self.action == "deny"


def path_shown(path: Path) -> str:
    """A path as people write it: ``spec.ports[0]``, ``metadata.labels["example.com/team"]``; long names are cut."""
    return path_text(
        tuple(f"{one[:61]}..." if isinstance(one, str) and len(one) > _LONGEST_NAME else one for one in path)
    )


class Summary(msgspec.Struct, frozen=True):
    """How many findings there are of each status."""

    passed: int = 0
    failed: int = 0
    warned: int = 0
    skipped: int = 0
    errors: int = 0
    excepted: int = 0
    """Those of ``skipped`` that an exception covers."""
    refused: int = 0
    """Those of ``failed`` and ``errors`` that deny."""

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


_FIELD = {"pass": "passed", "fail": "failed", "warn": "warned", "skip": "skipped", "error": "errors"}


def summary(findings: Iterable[Finding]) -> Summary:
    """Count them."""
    counts = dict.fromkeys(("passed", "failed", "warned", "skipped", "errors", "excepted", "refused"), 0)
    for finding in findings:
        counts[_FIELD[finding.status]] += 1
        counts["excepted"] += bool(finding.exception)
        counts["refused"] += finding.refuses
    return Summary(**counts)


def rule_of(rule: CompiledRule) -> dict[str, Any]:
    """A rule as data, for ``policy list`` and ``policy explain``."""
    shown = ("policy", "name", "engine", "action", "severity", "title", "rationale", "fix", "controls", "environments")
    kinds = sorted(rule.kinds) if rule.kinds is not None else None
    return {"id": rule.id, **{key: getattr(rule, key) for key in shown}, "kinds": kinds, "place": rule.place}
