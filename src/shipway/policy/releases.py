"""One release as subjects of rules: the Application as it is in the environment, and its Delivery. Pure.

Called by ``policy check`` and by the controller before it accepts a release, so that both come to the same verdict.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy import facts
from shipway.policy.evaluating import Evaluator, Locate
from shipway.policy.findings import Finding
from shipway.policy.rules import NOTHING, Object, Path, Place, Request, Status
from shipway.policy.windows import change_state
from shipway.render.rendered import path_text
from shipway.spec import DeclaredApplication
from shipway.spec.policies import Merged

_MONTH = 730 * 3600.0
"""Seconds, as clouds count a month."""
UNASKED = "nobody has measured it here"
_COST = {
    "monthly": "no price is known, or nothing was compiled that could have one",
    "budget": "none is declared in the currency of the prices",
}
_NAME: Path = ("metadata", "name")
_CAUSES: Mapping[str, Path] = {"cost": ("spec", "budget"), "image": ("spec", "image")}
"""Where to point in an Application for facts of a Delivery; to its name for those that nobody wrote."""
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
    unknown: Mapping[str, str] = NOTHING
    """Why some of these are not known."""
    around: Sequence[Object] = ()
    """Everything on the same cluster, for rules that look at other objects; empty: ``objects`` alone."""


def subjects(release: Release, sets: Merged, scan: Scan | None = None) -> list[tuple[Object, Locate]]:
    """What rules look at, each with where its values are written."""
    written = _written(release.declared)
    found: list[tuple[Object, Locate]] = [
        (release.document, written),
        (delivery(release, sets), lambda path: written(_in_application(path))),
    ]
    found += release.objects
    origins = {id(value): locate for value, locate in release.objects}
    for fact, about in facts.workloads([value for value, _ in release.objects], release.environment):
        found.append((fact, _at_name(origins[id(about)])))
    scanned = scan(release.document) if scan else None
    if scanned is not None:
        found.append((scanned, lambda path: written(facts.scanned_at(scanned, path))))
    return [*found, *exceptions(sets, release.environment, release.at)]


def exceptions(sets: Merged, environment: str, at: float) -> list[tuple[Object, Locate]]:
    """The exceptions that are for an environment, each as a fact with where its end is written: has one outlived it?"""
    made = zip(sets.exceptions, facts.exceptions(sets.exceptions, at), sets.places, strict=True)
    return [
        (fact, _at_place(Place(*place)))
        for one, fact, place in made
        if not one.environments or environment in one.environments or not environment
    ]


def _at_place(place: Place) -> Locate:
    return lambda _path: place


def _at_name(locate: Locate) -> Locate:
    return lambda _path: locate(("metadata", "name"))


def by_provenance(places: Mapping[str, Place]) -> Locate:
    """Where values of a rendered object come from, given the place of every leaf (``spec.ports[0].port``).

    What is no leaf is where the first leaf below it comes from; what is missing, where something beside it does.
    """

    def locate(path: Path) -> Place:
        for end in range(len(path), 0, -1):
            text = path_text(path[:end])
            found = (
                place for leaf, place in places.items() if leaf == text or leaf.startswith((f"{text}.", f"{text}["))
            )
            if (place := next((one for one in found if one.file), None)) is not None:
                return place
        return next((one for one in places.values() if one.file), Place())

    return locate


def judge(
    release: Release,
    evaluator: Evaluator,
    sets: Merged,
    scan: Scan | None = None,
    *,
    passes: bool = True,
    counts: Counter[Status] | None = None,
) -> list[Finding]:
    """Every finding about a release; ``passes`` and ``counts`` as :meth:`Evaluator.evaluate` says."""
    objects = [value for value, _ in release.objects]
    around = facts.Around(release.around or objects)
    found = [
        finding
        for value, locate in subjects(release, sets, scan if evaluator.rules_for("SecretScan") else None)
        for finding in evaluator.evaluate(
            Request(object=value, at=release.at, inventory=around.objects, namespace_object=around.namespace(value)),
            locate,
            passes=passes,
            counts=counts,
        )
    ]
    return causes(found)


def causes(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each cause: what an Application says and what it is rendered to are not two mistakes.

    The verdict is that about the rendered objects, as admission will give it: where all of them are excepted the
    Application's own finding goes, else it stands for those of them that the same line (or absence) has led to.
    """
    bad = [one for one in findings if one.status in ("fail", "warn", "error") or one.exception]
    rendered = [one for one in bad if one.subject.kind != "Application" and one.facts is None]
    dropped: set[int] = set()
    for own in (one for one in bad if one.subject.kind == "Application" and one.place.file):
        same = [one for one in rendered if one.rule == own.rule and _is_one_cause(own, one)]
        standing = [one for one in same if not one.exception]
        if standing and not own.exception:
            dropped |= {id(one) for one in standing}
        elif same:
            dropped.add(id(own))
    return _together([one for one in findings if id(one) not in dropped])


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """What one line has led to in several objects, as one finding that names the others."""
    found: dict[object, Finding] = {}
    for number, one in enumerate(findings):
        is_bad = one.status in ("fail", "warn", "error") and one.place.file
        key = (one.rule, one.status, one.action, one.message, one.place) if is_bad else number
        first = found.setdefault(key, one)
        if first.subject != one.subject and str(one.subject) not in first.also:
            found[key] = msgspec.structs.replace(first, also=(*first.also, str(one.subject)))
    return list(found.values())


def _is_one_cause(own: Finding, rendered: Finding) -> bool:
    line = (own.place.file, own.place.line) == (rendered.place.file, rendered.place.line)
    return line or own.message == rendered.message


def once(findings: Iterable[Finding]) -> list[Finding]:
    """Without what was found in the same place before, as happens in several clusters and environments."""
    found: dict[object, Finding] = {}
    for one in findings:
        key = one.rule, one.status, one.action, one.subject, one.message, one.path, one.place
        known = found.setdefault(key, one)
        if one.environment not in known.environment.split(", "):
            found[key] = msgspec.structs.replace(known, environment=f"{known.environment}, {one.environment}")
    return list(found.values())


def delivery(release: Release, sets: Merged) -> Object:
    """What is known about a release, as the virtual resource that rules are asked about."""
    name = str(release.document.get("metadata", NOTHING).get("name", ""))
    own = release.known.get(name)
    known = {**release.known, **(own if isinstance(own, Mapping) else {})}
    cost, unknown = _cost(release.declared, known.get("cost", NOTHING)), dict(release.unknown)
    return facts.delivery(
        release.document,
        environment=release.environment,
        at=release.at,
        by=release.by,
        change=change_state(sets.change_windows, sets.freezes, release.environment, release.at),
        cost=cost,
        traffic=known.get("traffic"),
        error_budget=known.get("errorBudget"),
        image=known.get("image"),
        unknown={**{key: why for key, why in unknown.items() if not _has(known, key)}, **_unsaid(known, cost, unknown)},
    )


def _has(known: Mapping[str, Any], key: str) -> bool:
    first, _, second = key.partition(".")
    value = known.get(first)
    return value is not None and (not second or (isinstance(value, Mapping) and second in value))


def _unsaid(known: Mapping[str, Any], cost: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, str]:
    """Reasons for what is absent and of which nobody has said why."""
    found = {key: UNASKED for key in ("traffic", "errorBudget") if not _has(known, key)}
    found |= {f"cost.{key}": why for key, why in _COST.items() if key not in cost}
    return {key: why for key, why in found.items() if key not in said}


def _cost(declared: DeclaredApplication | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """``known`` with the budget of a month (of 730 hours), where it is in the same currency."""
    money = declared.application.spec.budget if declared else None
    if "budget" in known or money is None or not money.per or known.get("currency", money.currency) != money.currency:
        return dict(known)
    budget = money.amount if money.per == "month" else money.per_second() * _MONTH
    return {**known, "budget": round(float(budget), 2), "currency": money.currency}


def _in_application(path: Path) -> Path:
    if path[:2] == ("spec", "application"):
        return path[2:]
    return _CAUSES.get(str(path[1]), _NAME) if len(path) > 1 else _NAME


def _written(declared: DeclaredApplication | None) -> Locate:
    def locate(path: Path) -> Place:
        if declared is None:
            return Place()
        key, node, depth = declared.node.at(path)
        shown = key if key is not None and depth < len(path) else node
        return Place(shown.file or declared.file, shown.line, shown.column)

    return locate
