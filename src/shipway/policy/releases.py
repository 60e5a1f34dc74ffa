"""One release as subjects of rules: the Application as it is in the environment, and its Delivery. Pure.

Called by ``policy check`` and by the controller before it accepts a release, so that both come to the same verdict.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy import facts
from shipway.policy.evaluating import Evaluator, Locate
from shipway.policy.findings import Finding
from shipway.policy.rules import NOTHING, Object, Path, Place, Request
from shipway.policy.windows import change_state
from shipway.spec import DeclaredApplication
from shipway.spec.policies import Merged

_MONTH = 365.25 / 12 * 86400
_CAUSES: Mapping[str, Path] = {"cost": ("spec", "budget"), "image": ("spec", "image"), "change": ("metadata", "name")}
"""Where to point in an Application for facts of a Delivery."""
Scan = Callable[[Object], Object | None]
"""Finds secrets in an object: a SecretScan, or None when it has no text that could be one."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to be live."""

    document: Mapping[str, Any]
    """The Application with nothing left to look up, as plain data."""
    declared: DeclaredApplication | None = None
    """As it was written; None for one of the past."""
    environment: str = ""
    at: float = 0.0
    """When it is asked for, in seconds since the epoch."""
    by: str = ""
    objects: Sequence[tuple[Object, Locate]] = ()
    """What it is rendered to, each with where its values come from (:func:`by_provenance`)."""
    known: Mapping[str, Any] = NOTHING
    """``cost``, ``traffic``, ``errorBudget`` and ``image``: for all applications, or below an application's name."""


def subjects(release: Release, sets: Merged, scan: Scan | None = None) -> list[tuple[Object, Locate]]:
    """What rules look at, each with where its values are written."""
    written = _written(release.declared)
    found: list[tuple[Object, Locate]] = [
        (release.document, written),
        (_delivery(release, sets), lambda path: written(_in_application(path))),
    ]
    found += release.objects
    origins = {id(value): locate for value, locate in release.objects}
    for fact, about in facts.workloads([value for value, _ in release.objects], release.environment):
        found.append((fact, _at_name(origins[id(about)])))
    scanned = scan(release.document) if scan else None
    if scanned is not None:
        found.append((scanned, lambda path: written(facts.scanned_at(scanned, path))))
    return found


def _at_name(locate: Locate) -> Locate:
    return lambda _path: locate(("metadata", "name"))


def by_provenance(places: Mapping[str, Place]) -> Locate:
    """Where values of a rendered object come from, given the place of every leaf (``spec.ports[0].port``).

    What is no leaf is where the first leaf below it comes from; what is missing, where something beside it does.
    """

    def locate(path: Path) -> Place:
        for end in range(len(path), 0, -1):
            text = _dotted(path[:end])
            found = (
                place for leaf, place in places.items() if leaf == text or leaf.startswith((f"{text}.", f"{text}["))
            )
            if (place := next((one for one in found if one.line), None)) is not None:
                return place
        return next((one for one in places.values() if one.line), Place())

    return locate


def _dotted(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def judge(release: Release, evaluator: Evaluator, sets: Merged, scan: Scan | None = None) -> list[Finding]:
    """Every finding about a release."""
    return [
        finding
        for value, locate in subjects(release, sets, scan)
        for finding in evaluator.evaluate(Request(object=value, at=release.at), locate)
    ]


def _delivery(release: Release, sets: Merged) -> Object:
    name = str(release.document.get("metadata", NOTHING).get("name", ""))
    own = release.known.get(name)
    known = {**release.known, **(own if isinstance(own, Mapping) else {})}
    return facts.delivery(
        release.document,
        environment=release.environment,
        at=release.at,
        by=release.by,
        change=change_state(sets.change_windows, sets.freezes, release.environment, release.at),
        cost={**_budget(release.declared), **known.get("cost", NOTHING)},
        traffic=known.get("traffic"),
        error_budget=known.get("errorBudget"),
        image=known.get("image"),
    )


def _budget(declared: DeclaredApplication | None) -> dict[str, Any]:
    """``budget`` a month (of 365.25/12 days) and its ``currency``."""
    money = declared.application.spec.budget if declared else None
    return {"budget": round(money.per_second() * _MONTH, 2), "currency": money.currency} if money and money.per else {}


def _in_application(path: Path) -> Path:
    if path[:2] == ("spec", "application"):
        return path[2:]
    return _CAUSES.get(str(path[1]), ()) if len(path) > 1 else ()


def _written(declared: DeclaredApplication | None) -> Locate:
    def locate(path: Path) -> Place:
        if declared is None:
            return Place()
        key, node, depth = declared.node.at(path)
        shown = key if key is not None and depth < len(path) else node
        return Place(shown.file or declared.file, shown.line, shown.column)

    return locate
