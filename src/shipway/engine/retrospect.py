"""What the rules as they are now would have said about past releases. Called by ``policy report``.

An Application is judged with what it is compiled to by the present version and Platform. Of what was known then, cost is
worked out again; traffic and error budget come from the decision of then, if there is one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shipway.cost.prices import PriceBook
from shipway.engine.decisions import Decision
from shipway.model.ids import AppName
from shipway.plan.releasing import Asking, Known, released_alone
from shipway.policy.findings import Finding
from shipway.policy.loading import Policies
from shipway.policy.releases import Release, judge, once
from shipway.policy.scanning import scan
from shipway.rollout.events import ReleaseRequested
from shipway.spec import DeclaredApplication, DeclaredPlatform, Source, parse_documents

if TYPE_CHECKING:
    pass


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """One rule and the past releases that break it."""

    rule: str
    enforced: str
    releases: tuple[str, ...]
    """``application vN``, oldest first."""
    message: str
    """Of the newest of them."""


class Retrospect(msgspec.Struct, frozen=True, kw_only=True):
    """A look back."""

    judged: int
    """Releases that were judged."""
    rules: tuple[Stopped, ...]
    exceptions: tuple[str, ...] = ()
    """Names of exceptions in force that covered any of them."""


class _Document(msgspec.Struct, frozen=True):
    application: dict[str, Any]
    environment: str = ""


def look_back(past: Iterable[tuple[str, Sequence[Release]]], policies: Policies) -> Retrospect:
    """Judge past releases (label, the same release on every cluster), each at the time when it was asked for."""
    broken: dict[str, list[tuple[str, Finding]]] = {}
    exceptions: set[str] = set()
    judged = 0
    for label, releases in past:
        judged += 1
        evaluator = policies.evaluator(releases[0].environment)
        for finding in once(
            each for one in releases for each in judge(one, evaluator, policies.sets, scan, passes=False)
        ):
            if finding.subject.kind == "PolicyException":
                continue  # about the set of now and not about the release
            if finding.exception:
                exceptions.add(finding.exception)
            elif finding.status in ("fail", "warn", "error"):
                broken.setdefault(finding.rule, []).append((label, finding))
    rules = [_stopped(rule, findings) for rule, findings in broken.items()]
    ranked = sorted(rules, key=lambda one: (-len(one.releases), one.rule))
    return Retrospect(judged=judged, rules=tuple(ranked), exceptions=tuple(sorted(exceptions)))


def releases(
    asked_for: Mapping[AppName, Sequence[ReleaseRequested]],
    decisions: Iterable[Decision],
    platform: DeclaredPlatform | None,
    book: PriceBook,
    *,
    last: int,
    environment: str = "",
) -> Iterator[tuple[str, Sequence[Release]]]:
    """(label, the same release on every cluster) of the ``last`` releases of every application.

    ``environment``: whose enforcement holds; empty: that which each release was asked for.
    """
    decided = {(one.app, one.at): one for one in decisions}
    neighbours = {str(app): one for app, found in asked_for.items() if (one := _declared(app, found[-1], platform))}
    for app, found in asked_for.items():
        for number, event in list(enumerate(found, start=1))[-last:]:
            label, asking = f"{app} v{number}", _asking(event, book, decided.get((app, event.at)))
            one = _declared(label, event, platform)
            where = environment or _document(event).environment
            if one is None:  # of a format that is no more
                yield label, [Release(document=_document(event).application, environment=where, at=event.at)]
            else:
                yield label, released_alone(one, {**neighbours, app: one}, platform, where, asking)[0]


def _asking(event: ReleaseRequested, book: PriceBook, decision: Decision | None) -> Asking:
    spec = decision.facts.get("spec", {}) if decision else {}
    known = Known({key: spec[key] for key in ("traffic", "errorBudget", "image") if key in spec})
    return Asking(at=event.at, book=book, by=event.by, knows=lambda _app, _environment: known)


def _declared(label: str, event: ReleaseRequested, platform: DeclaredPlatform | None) -> DeclaredApplication | None:
    text = msgspec.json.encode(_document(event).application)
    return next(iter(parse_documents([Source(label, text)], platform, resolved=True).declared), None)


def _document(event: ReleaseRequested) -> _Document:
    return msgspec.json.decode(event.document, type=_Document)


def _stopped(rule: str, findings: Sequence[tuple[str, Finding]]) -> Stopped:
    newest = findings[-1][1]
    return Stopped(
        rule=rule,
        enforced=newest.action,
        releases=tuple(dict.fromkeys(label for label, _ in findings)),
        message=newest.message,
    )
