"""``policy report``: what the rules as they are now would have said about the releases in the journal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shipway.cli import wiring
from shipway.cli.compiling.guarding import parameters_of
from shipway.cli.policing.policies import policies_beside, read_policies
from shipway.cli.policing.scanning import scan
from shipway.cli.recalling.records import decisions, records
from shipway.cost.prices import PriceBook
from shipway.engine.decisions import Decision
from shipway.plan.releasing import Asking, Known, released_alone
from shipway.policy.findings import Finding
from shipway.policy.releases import Release, judge, once
from shipway.rollout.events import ReleaseRequested
from shipway.spec import DeclaredApplication, DeclaredPlatform, Source, parse_documents

if TYPE_CHECKING:
    from rich.table import Table


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


class LookingBack(msgspec.Struct, frozen=True, kw_only=True):
    """What to look back on, by which rules."""

    home: Path
    policies: Sequence[Path] = ()
    environment: str = ""
    """Whose enforcement holds; empty: that which each release was asked for."""
    platform: Path | None = None
    """That releases are compiled with; none: a cluster without anything special."""
    last: int
    pack: bool = True


def look_back(asked: LookingBack) -> Retrospect:
    """Judge the last releases of every application again, each at the time when it was asked for.

    An Application is judged with what it is compiled to by the present version and Platform. Of what was known then,
    cost is worked out again; traffic and error budget come from the decision of then, if there is one.

    Raises:
        BadInput, JournalError: policies, the Platform or the journal cannot be read.
    """
    beside = [path for path in (asked.home, asked.platform) if path is not None and path.is_dir()]
    own = [each for path in beside for each in policies_beside(path, ())]
    platform, book = wiring.read_platform(asked.platform)
    said = parameters_of(platform.platform) if platform else {}
    found = read_policies(list(asked.policies) or own, pack=asked.pack, parameters=said)
    broken: dict[str, list[tuple[str, Finding]]] = {}
    exceptions: set[str] = set()
    judged = 0
    for label, releases in _releases(asked, platform, book):
        judged += 1
        evaluator = found.evaluator(releases[0].environment)
        for finding in once(each for one in releases for each in judge(one, evaluator, found.sets, scan, passes=False)):
            if finding.subject.kind == "PolicyException":
                continue  # about the set of now and not about the release
            if finding.exception:
                exceptions.add(finding.exception)
            elif finding.status in ("fail", "warn", "error"):
                broken.setdefault(finding.rule, []).append((label, finding))
    rules = [_stopped(rule, findings) for rule, findings in broken.items()]
    ranked = sorted(rules, key=lambda one: (-len(one.releases), one.rule))
    return Retrospect(judged=judged, rules=tuple(ranked), exceptions=tuple(sorted(exceptions)))


def _releases(
    asked: LookingBack, platform: DeclaredPlatform | None, book: PriceBook
) -> Iterator[tuple[str, Sequence[Release]]]:
    """(label, the same release on every cluster) of the last releases of every application."""
    decided = {(one.app, one.at): one for one in decisions(asked.home)}
    with records(asked.home) as journal:
        events = {
            app: [one for one in journal.events(app) if isinstance(one, ReleaseRequested)] for app in journal.apps
        }
    neighbours = {str(app): one for app, found in events.items() if (one := _declared(app, found[-1], platform))}
    for app, found in events.items():
        for number, event in list(enumerate(found, start=1))[-asked.last :]:
            label, asking = f"{app} v{number}", _asking(event, book, decided.get((app, event.at)))
            one = _declared(label, event, platform)
            where = asked.environment or _document(event).environment
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


def table(found: Retrospect) -> "Table | str":
    """For people."""
    from rich.table import Table

    if not found.rules:
        return f"{found.judged} releases judged; no rule would have stopped any."
    shown = Table(box=None, pad_edge=False, caption=f"{found.judged} releases judged", caption_justify="left")
    for column in ("RULE", "NOW", "WOULD STOP", "RELEASES", "LAST BECAUSE"):
        shown.add_column(column)
    for one in found.rules:
        some = ", ".join(one.releases[-3:])
        shown.add_row(one.rule, one.enforced, str(len(one.releases)), some, one.message)
    return shown
