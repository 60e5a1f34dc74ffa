"""What the journal, or another tool's table, says about deployments: the input of delivery statistics and of risk.

Called by ``dora``, ``risk`` and ``maturity``. A rollout is a deployment; one that a person aborted has failed, one that a newer
release replaced says nothing and is left out. An undo is an incident, held against the deployment that it took back.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from shipway.engine.promised import written
from shipway.engine.promises import Ledger, courses
from shipway.engine.records import Records
from shipway.engine.timeline import Timeline, timelines
from shipway.facts import released
from shipway.facts.commits import Question, commit_of, own_paths
from shipway.facts.counters import CounterFiles
from shipway.facts.files import read
from shipway.facts.released import remembered
from shipway.facts.sheets import Row, read_sheet
from shipway.insight.delivery import Deployment, Incident, Recorded, Result
from shipway.insight.risk import Change, Past, Risk, described, fit, known_as
from shipway.model.commits import Commit, Provenance
from shipway.model.errors import BadInput, NotFound
from shipway.model.ids import ReleaseId, RolloutId
from shipway.rollout.states import Delivery, Phase, Release
from shipway.spec import parse_documents

WITH_BUDGET = 30
"""Releases of an application, the last ones, whose error budget at that time is looked up."""
COLUMNS = ("id", "application", "started_at", "finished_at", "result")
"""Of an imported table; ``team``, ``environment`` and ``committed_at`` may be there too."""
_RESULTS: dict[str, Result] = {"promoted": "success", "rolled_back": "rolled back", "aborted": "failed"}


class Assessed(msgspec.Struct, frozen=True):
    """The answer of ``risk``."""

    application: str
    release: str
    """Empty for one that is still a file."""
    risk: Risk
    change: Change | None = None
    """What the risk was told from."""


def recorded(journal: Records, apps: Sequence[str] = ()) -> Recorded:
    """The rollouts that have ended, of these applications or of all.

    Raises:
        NotFound: there is no such application.
    """
    found = Recorded()
    for app in apps or journal.apps:
        ended = [one for one in timelines(journal.events(app), journal.owner(app)) if one.ended_at is not None]
        releases = released.state(journal, app).releases
        team = _team(releases.values())
        kept = tuple(
            deployment(one, team, remembered(releases[one.release].document).environment)
            for one in ended
            if one.kind != "undo" and _is_decided(one)
        )
        found += Recorded(kept, tuple(incident(one) for one in ended if one.kind == "undo"))
    return found


def own(journal: Records | None, apps: Sequence[str], *, optional: bool = False) -> Recorded:
    """What the journal holds of these applications or of all; of those alone that it has, if that is ``optional``.

    Raises:
        NotFound: there is no such application.
    """
    if journal is None:
        return Recorded()
    known = [app for app in apps if app in journal.apps] if optional else apps
    return recorded(journal, known) if known or not apps else Recorded()


def deployment(one: Timeline, team: str = "", environment: str = "") -> Deployment:
    """A rollout that has ended, as a deployment. It was known to be bad when its way back began."""
    assert one.ended_at is not None
    back = next((span.at for span in one.phases if span.phase is Phase.REVERTING), one.ended_at)
    result = _RESULTS[one.verdict]
    return Deployment(
        id=one.rollout,
        application=one.app,
        release=one.release,
        team=team,
        environment=environment or released.LOCAL,
        started_at=one.started_at,
        finished_at=one.ended_at,
        result=result,
        committed_at=one.commit.brought if isinstance(one.commit, Commit) else (),
        no_commits=_why_no_commits(one.commit),
        detected_at=None if result == "success" else back,
    )


def _why_no_commits(commit: Provenance | None) -> str:
    """Empty when its commit is known."""
    if isinstance(commit, Commit):
        timed = commit.authored_at is not None
        return "" if timed else "nobody said when its commit was written"
    return commit.reason if commit else "its commit was not kept"


def incident(one: Timeline) -> Incident:
    """An undo: whatever was live let users down until it had gone back."""
    return Incident(id=one.rollout, application=one.app, opened_at=one.started_at, resolved_at=one.ended_at)


def imported(file: Path) -> Recorded:
    """The deployments of a CSV file.

    Raises:
        BadInput: with every problem of every line.
    """
    sheet = read_sheet(file, COLUMNS)
    seen: dict[str, int] = {}
    found = tuple(_imported(row, seen) for row in sheet.rows)
    sheet.check()
    return Recorded(found)


def _imported(row: Row, seen: dict[str, int]) -> Deployment:
    name, result = row.required("id"), row.text("result")
    if name in seen:
        row.wrong("id", f"{name} is already on line {seen[name]}")
    seen.setdefault(name, row.line)
    if result not in get_args(Result):
        row.wrong("result", f"expected one of {', '.join(get_args(Result))}, got `{result}`")
    started, finished = row.moment("started_at"), row.moment("finished_at")
    if finished < started:
        row.wrong("finished_at", "expected a time after started_at")
    return Deployment(
        id=name,
        application=row.required("application"),
        team=row.text("team"),
        environment=row.text("environment"),
        started_at=started,
        finished_at=finished,
        result=result,  # type: ignore[arg-type]  # checked above; a wrong one never gets out of `imported`
        committed_at=row.moments("committed_at"),
        no_commits="" if row.text("committed_at") else "its line names no time of a commit",
    )


class Background:
    """Every release on record and how it ended: what a risk is fitted on. Reads the journal once, at the first question.

    Without ``home`` the budgets that were left are those that the journal alone can tell.
    """

    def __init__(self, journal: Records | None, home: Path | None = None) -> None:
        self._journal, self._home = journal, home

    @cached_property
    def apps(self) -> dict[str, "_Past"]:
        """By application."""
        return {app: _past_of(self._journal, app, self._home) for app in self._journal.apps} if self._journal else {}

    def before(self, at: float) -> list[Past]:
        """Every rollout but undos that was decided before ``at``, in the order in which they began."""
        found = [
            Past(one.changes[line.rollout], _RESULTS[line.verdict])
            for one in self.apps.values()
            for line in one.lines
            if line.ended_at is not None and line.ended_at <= at and line.rollout in one.changes and _is_decided(line)
        ]
        return sorted(found, key=lambda past: past.change.at)

    def called(self, name: str) -> tuple[Timeline, Change]:
        """The rollout that a person means: by its id, its application, or its release (``v4``, ``shop@v4``).

        Raises:
            NotFound: there is none.
            BadInput: several applications have a release of that name.
        """
        app, _, release = name.rpartition("@")
        found = [
            line
            for one in self.apps.values()
            for line in one.lines
            if line.rollout in one.changes and line.release == release and app in {"", line.app}
        ]
        apps = list(dict.fromkeys(line.app for line in found))
        if len(apps) > 1:
            words = " or ".join(f"{one}@{release}" for one in apps)
            raise BadInput(f"{len(apps)} applications have a release {release}", hint=f"Say {words}.")
        if not found:
            assert self._journal is not None
            found = self._journal.timelines([name])
        return found[0], self.apps[found[0].app].change(found[0])


class _Past(NamedTuple):
    """Of one application."""

    lines: tuple[Timeline, ...]
    releases: dict[ReleaseId, Release]
    live: Release | None
    changes: Mapping[RolloutId, Change]
    """Undos have none."""
    budget: float | None
    """Left by now."""

    def change(self, line: Timeline) -> Change:
        """What a rollout changed."""
        return self.changes.get(line.rollout) or _change(line, self.releases, None)


def _past_of(journal: Records | None, app: str, home: Path | None) -> _Past:
    assert journal is not None
    state = released.state(journal, app)
    lines = timelines(journal.events(app), journal.owner(app))
    tried = [one for one in lines if one.kind != "undo"]
    times = [*(one.started_at for one in tried[-WITH_BUDGET:]), time.time()]
    left = dict(zip(times, _budgets(journal, app, state, times, home), strict=True))
    changes = {one.rollout: _change(one, state.releases, left.get(one.started_at)) for one in tried}
    return _Past(lines, state.releases, state.releases[state.live] if state.live else None, changes, left[times[-1]])


def _budgets(
    journal: Records, app: str, state: Delivery, times: Sequence[float], home: Path | None
) -> list[float | None]:
    """The least that was left of any promise of the application at each time; None where nobody can tell."""
    application = written(state.releases[state.live].document) if state.live else None
    if application is None:
        return [None] * len(times)
    ledger = Ledger(CounterFiles(home).read(app) if home else ())
    ledger.read_on(journal.recorded(app), state)
    found = courses(application, ledger.series({}, max(times)), times).values()
    known = [[share for _, share in points] for points in found]
    return [min((one for one in at if isfinite(one)), default=None) for at in zip(*known, strict=True)] or [
        None for _ in times
    ]


def assessed(
    journal: Records | None,
    name: str,
    at: float,
    by: str,
    home: Path | None = None,
    *,
    background: Background | None = None,
) -> Assessed:
    """The risk of a release: of one on record as it was before it went, or of the Application in a file as it is now.

    Raises:
        NotFound: there is no such release, application or file.
        BadInput: the file holds no valid Application, or the name is that of several releases.
    """
    background = background or Background(journal, home)
    if Path(name).is_file():
        return _assessed_file(background, Path(name), at, by)
    if journal is None:
        raise NotFound(f"there is no file {name}, and no journal", hint="Name an Application file: app.yaml.")
    one, change = background.called(name)
    return Assessed(one.app, one.release, fit(background.before(one.started_at)).risk(change), change)


def _assessed_file(background: Background, file: Path, at: float, by: str) -> Assessed:
    parsed = parse_documents(read([file]))
    if any(problem.severity == "error" for problem in parsed.problems) or len(parsed.applications) != 1:
        raise BadInput(
            f"{file} holds {len(parsed.applications)} valid Applications; expected 1", problems=parsed.problems
        )
    (application,) = parsed.applications
    app = application.metadata.name
    past = background.apps.get(app)
    live = past.live if past else None
    image = remembered(live.document).application.spec.image if live else None
    same = image is not None and image == application.spec.image
    paths = own_paths(file)
    commit = commit_of(Question(paths, since=live.commit.sha if live and isinstance(live.commit, Commit) else ""))
    before = background.before(at)
    change = described(
        Change(application=app, at=at, author=by, config_only=same, budget_left=past.budget if past else None), commit
    )
    change = known_as(change, {one.change.author for one in before})
    return Assessed(app, "", fit(before).risk(change), change)


def pasts(journal: Records, before: float, home: Path | None = None) -> list[Past]:
    """Every rollout but undos that was decided ``before`` that moment, in the order in which they began."""
    return Background(journal, home).before(before)


def _change(one: Timeline, releases: Mapping[ReleaseId, Release], budget: float | None) -> Change:
    baseline, release = releases.get(one.baseline) if one.baseline else None, releases[one.release]
    same = baseline is not None and _is_same_image(baseline.document, release.document)
    found = Change(application=one.app, at=one.started_at, author=one.by, config_only=same, budget_left=budget)
    return described(found, one.commit)


def _is_same_image(before: str, after: str) -> bool:
    """Whether only the configuration changes. A command alone does not say which code it runs; an image does."""
    old, new = remembered(before).application.spec.image, remembered(after).application.spec.image
    return old is not None and old == new


def _team(releases: Iterable[Release]) -> str:
    """Of the last release that names one."""
    return next(
        filter(None, (remembered(one.document).application.metadata.team for one in reversed(list(releases)))), ""
    )


def _is_decided(one: Timeline) -> bool:
    """A newer release that came between says nothing about this one."""
    return one.verdict != "aborted" or any(line.kind in {"AbortRequested", "UndoRequested"} for line in one.events)
