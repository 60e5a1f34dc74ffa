"""``policy report``: what the rules as they are now would have said about the releases in the journal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shipway.cli.policies import Policies, read_policies
from shipway.cli.records import records
from shipway.cli.scanning import scan
from shipway.policy.evaluating import Evaluator
from shipway.policy.findings import Finding
from shipway.policy.releases import Release, judge
from shipway.rollout.events import ReleaseRequested

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


def look_back(home: Path, policies: Sequence[Path], environment: str, *, last: int, pack: bool) -> Retrospect:
    """Judge the last releases of every application again, each at the time when it was asked for.

    Raises:
        BadInput, JournalError: policies or the journal cannot be read.
    """
    own = home / "policies"
    paths = list(policies) or ([own] if own.exists() else [])
    found = read_policies(paths, pack=pack)
    evaluator = found.evaluator(environment)
    broken: dict[str, list[tuple[str, Finding]]] = {}
    exceptions: set[str] = set()
    judged = 0
    for label, release in _releases(home, last, environment):
        judged += 1
        for finding in _judged(release, evaluator, found):
            if finding.exception:
                exceptions.add(finding.exception)
            elif finding.status in ("fail", "warn", "error"):
                broken.setdefault(finding.rule, []).append((label, finding))
    rules = [_stopped(rule, findings) for rule, findings in broken.items()]
    ranked = sorted(rules, key=lambda one: (-len(one.releases), one.rule))
    return Retrospect(judged=judged, rules=tuple(ranked), exceptions=tuple(sorted(exceptions)))


def _judged(release: Release, evaluator: Evaluator, policies: Policies) -> list[Finding]:
    return judge(release, evaluator, policies.sets, scan)


def _releases(home: Path, last: int, environment: str) -> Iterator[tuple[str, Release]]:
    with records(home) as journal:
        for app in journal.apps:
            asked = [one for one in journal.events(app) if isinstance(one, ReleaseRequested)]
            numbered = list(enumerate(asked, start=1))
            for number, event in numbered[-last:]:
                document = msgspec.json.decode(event.document, type=_Document).application
                release = Release(document=document, environment=environment, at=event.at, by=event.by)
                yield f"{app} v{number}", release


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
