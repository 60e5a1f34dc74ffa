"""Everything compiled before and after a change, to what would change. Called by ``cli.planning``.

Findings about it (policy, cost, what a rollout can detect) are put beside it by the caller; see :class:`Plan`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from shipway.analysis.detect import Sight
from shipway.cost.estimate import Change as CostChange
from shipway.plan.fields import Field, Found, Secretive, differences, same
from shipway.policy.findings import Finding
from shipway.policy.rules import Place
from shipway.render.compiling import Compiled
from shipway.render.rendered import Reason, Rendered, path_text

Identity = tuple[str, str, str, str]
Key = tuple[str, str, str]
"""(environment, cluster, application)"""


class ObjectChange(msgspec.Struct, frozen=True):
    """One object that comes, goes, or becomes another."""

    verb: Literal["added", "changed", "removed"]
    api_version: str
    kind: str
    namespace: str
    name: str
    fields: tuple[Field, ...] = ()
    """Of one that changes."""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class PlaceChange(msgspec.Struct, frozen=True):
    """What changes of one application on one cluster."""

    environment: str
    cluster: str
    application: str
    """Empty: what the applications of a cluster share."""
    objects: tuple[ObjectChange, ...]

    @property
    def key(self) -> Key:
        """Where it is."""
        return self.environment, self.cluster, self.application


class Detects(msgspec.Struct, frozen=True):
    """What the rollout of an application can see."""

    application: str
    environment: str
    steps: tuple[Sight, ...]


class Judged(msgspec.Struct, frozen=True):
    """What a rule says, and where it does."""

    environments: tuple[str, ...]
    finding: Finding


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    places: tuple[PlaceChange, ...]
    platform: tuple[str, ...] = ()
    """Applications that the change of the Platform touches, by itself."""
    detects: tuple[Detects, ...] = ()
    findings: tuple[Judged, ...] = ()
    """Those that fail, warn, or could not be judged."""
    costs: tuple[CostChange, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changes in any cluster."""
        return not self.places

    @property
    def refused(self) -> bool:
        """Whether a policy denies it."""
        return any(one.finding.refuses for one in self.findings)


def compare(
    before: Iterable[Compiled], after: Iterable[Compiled], secretive: Secretive | None = None
) -> tuple[PlaceChange, ...]:
    """What changes, in the order of ``after`` and then what is gone. An object keeps its identity by API version, kind,
    namespace and name."""
    old, new = _by_key(before), _by_key(after)
    found = (
        PlaceChange(*key, tuple(_objects(old.get(key, {}), new.get(key, {}), secretive)))
        for key in dict.fromkeys([*new, *old])
    )
    return tuple(one for one in found if one.objects)


def touched(before: Iterable[Compiled], after: Iterable[Compiled]) -> tuple[str, ...]:
    """Names of the applications of which anything differs."""
    return tuple(sorted({one.application for one in compare(before, after) if one.application}))


def by_reasons(provenance: Mapping[str, Reason]) -> Mapping[str, Place]:
    """Path of every leaf to the place of the first thing that somebody wrote and it follows from; without those of none."""
    placed = ((path, _written(reason)) for path, reason in provenance.items())
    return {path: Place(found.file, found.line) for path, found in placed if found is not None}


def _by_key(compiled: Iterable[Compiled]) -> dict[Key, dict[Identity, Rendered]]:
    return {
        (one.environment, one.cluster, one.application): {each.identity: each for each in one.objects}
        for one in compiled
    }


def _objects(
    before: Mapping[Identity, Rendered], after: Mapping[Identity, Rendered], secretive: Secretive | None
) -> Iterator[ObjectChange]:
    for identity, new in after.items():
        old = before.get(identity)
        if old is None:
            yield ObjectChange("added", *identity)
        elif not same(old.object, new.object):
            fields = tuple(_field(one, new) for one in differences(old.object, new.object, secretive))
            if fields:
                yield ObjectChange("changed", *identity, fields)
    for identity in before:
        if identity not in after:
            yield ObjectChange("removed", *identity)


def _field(found: Found, after: Rendered) -> Field:
    path, words, verb, old, new = found
    return Field(words, verb, old, new, "" if verb == "removed" else _because(after, path_text(path)))


def _because(rendered: Rendered, path: str) -> str:
    """Where a value is written: its own leaf, or the first below it."""
    leaves = rendered.provenance
    reasons = [leaves[path]] if path in leaves else [one for leaf, one in leaves.items() if leaf.startswith(path)]
    found = next(filter(None, map(_written, reasons)), None)
    return f"{found.file}:{found.line}" if found else ""


def _written(reason: Reason) -> Reason | None:
    if reason.line:
        return reason
    return next(filter(None, map(_written, reason.because)), None)
