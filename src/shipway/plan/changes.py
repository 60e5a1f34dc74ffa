"""Everything compiled before and after a change, to what would change. Called by ``cli.planning``.

Findings about it (policy, cost, what a rollout can detect) are put beside it by the caller; see :class:`Plan`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from shipway.analysis.detect import Sight
from shipway.cost.estimate import Change as CostChange
from shipway.insight.risk import Risk
from shipway.plan.fields import Field, Found, Secretive, differences
from shipway.policy.findings import Finding, Summary
from shipway.policy.rules import Place
from shipway.render.compiling import Compiled
from shipway.render.rendered import Reason, Rendered, path_text

Identity = tuple[str, str, str, str]
Key = tuple[str, str, str]
"""(environment, cluster, application)"""
Snapshot = Mapping[Key, Mapping[Identity, bytes]]
"""Every object as JSON."""


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


class ApplicationRisk(msgspec.Struct, frozen=True):
    """How likely a release of an application is to be rolled back."""

    application: str
    risk: Risk


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    places: tuple[PlaceChange, ...]
    platform: tuple[str, ...] = ()
    """Applications that the change of the Platform touches, by itself."""
    detects: tuple[Detects, ...] = ()
    findings: tuple[Judged, ...] = ()
    """Those that fail, warn, could not be judged, or are excepted."""
    policy: Summary = Summary()
    """How many there are of each status."""
    costs: tuple[CostChange, ...] = ()
    risks: tuple[ApplicationRisk, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changes in any cluster."""
        return not self.places

    @property
    def refused(self) -> bool:
        """Whether a policy denies it."""
        return any(one.finding.refuses for one in self.findings)


def snapshot(compiled: Iterable[Compiled]) -> Snapshot:
    """What a comparison needs to know of the past, in a small part of the room that compiled objects take."""
    return {_key(one): {each.identity: msgspec.json.encode(each.object) for each in one.objects} for one in compiled}


def compare(
    before: Snapshot,
    after: Iterable[Compiled],
    secretive: Secretive | None = None,
    edited: Container[str] = frozenset(),
) -> Iterator[tuple[PlaceChange, Compiled | None]]:
    """What changes, with what it becomes: in the order of ``after``, then everything that is gone.

    An object keeps its identity by API version, kind, namespace and name. Nothing of ``after`` is kept. ``edited`` are the
    files that are not as they were: of several lines that a value follows from, one of these says why it changes.
    """
    seen = set()
    for one in after:
        seen.add(_key(one))
        objects = tuple(_objects(before.get(_key(one), {}), one.objects, secretive, edited))
        if objects:
            yield PlaceChange(*_key(one), objects), one
    for key, known in before.items():
        if key not in seen and known:
            yield PlaceChange(*key, tuple(ObjectChange("removed", *identity) for identity in known)), None


def touched(before: Snapshot, after: Iterable[Compiled]) -> tuple[str, ...]:
    """Names of the applications of which anything differs."""
    return tuple(sorted({one.application for one, _ in compare(before, after) if one.application}))


def by_reasons(provenance: Mapping[str, Reason]) -> Mapping[str, Place]:
    """Path of every leaf to the place of the first thing that somebody wrote and it follows from; without those of none."""
    placed = ((path, _written(reason)) for path, reason in provenance.items())
    return {path: Place(found.file, found.line, found.column) for path, found in placed if found is not None}


def _key(one: Compiled) -> Key:
    return one.environment, one.cluster, one.application


def _objects(
    before: Mapping[Identity, bytes], after: Sequence[Rendered], secretive: Secretive | None, edited: Container[str]
) -> Iterator[ObjectChange]:
    left = dict(before)
    for new in after:
        old = left.pop(new.identity, None)
        if old is None:
            yield ObjectChange("added", *new.identity)
        elif old != msgspec.json.encode(new.object):
            found = differences(msgspec.json.decode(old), new.object, secretive)
            fields = tuple(_field(one, new, edited) for one in found)
            if fields:
                yield ObjectChange("changed", *new.identity, fields)
    yield from (ObjectChange("removed", *identity) for identity in left)


def _field(found: Found, after: Rendered, edited: Container[str]) -> Field:
    path, words, verb, old, new = found
    return Field(words, verb, old, new, "" if verb == "removed" else _because(after, path_text(path), edited))


def _because(rendered: Rendered, path: str, edited: Container[str]) -> str:
    """Where a value is written: its own leaf, or the first below it; in a file that was edited, if one of them was."""
    leaves = rendered.provenance
    below = (f"{path}.", f"{path}[")
    reasons = [leaves[path]] if path in leaves else [one for leaf, one in leaves.items() if leaf.startswith(below)]
    written = [each for one in reasons for each in _all_written(one)]
    found = next((one for one in written if one.file in edited), written[0] if written else None)
    return (f"{found.file}:{found.line}" if found.line else found.file) if found else ""


def _all_written(reason: Reason) -> Iterator[Reason]:
    if reason.file:  # a value of the command line has the option in its place, and no line
        yield reason
    for one in reason.because:
        yield from _all_written(one)


def _written(reason: Reason) -> Reason | None:
    return next(_all_written(reason), None)
