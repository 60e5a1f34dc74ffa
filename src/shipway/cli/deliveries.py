"""What the journal, or another tool's table, says about deployments: the input of delivery statistics and of risk.

Called by ``dora``, ``risk`` and ``maturity``. A rollout is a deployment; one that a person aborted has failed, one that a newer
release replaced says nothing and is left out. An undo is an incident, held against the deployment that it took back.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

import msgspec

from shipway.cli import exports
from shipway.cli.documents import read
from shipway.cli.records import Records
from shipway.cli.sheets import Row, read_sheet
from shipway.engine.timeline import Timeline, timelines
from shipway.insight.delivery import Deployment, Incident, Result, Statistics, grouped, statistics
from shipway.insight.lead import LeadTime
from shipway.insight.risk import Change, Past, Risk, fit
from shipway.insight.series import DAY
from shipway.model.commits import Commit, Provenance
from shipway.model.errors import BadInput, NotFound
from shipway.model.ids import ReleaseId
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery, Phase, Release
from shipway.spec import parse_documents

LOCAL = "local"
"""The environment of what the journal holds."""
COLUMNS = ("id", "application", "started_at", "finished_at", "result")
"""Of an imported table; ``team``, ``environment`` and ``committed_at`` may be there too."""
GROUPS: dict[str, Callable[[Deployment], str]] = {
    "application": lambda one: one.application,
    "team": lambda one: one.team,
    "environment": lambda one: one.environment,
}
_RESULTS: dict[str, Result] = {"promoted": "success", "rolled_back": "rolled back", "aborted": "failed"}


class Recorded(msgspec.Struct, frozen=True):
    """What is known of the past."""

    deployments: tuple[Deployment, ...] = ()
    incidents: tuple[Incident, ...] = ()
    leads: tuple[LeadTime, ...] = ()
    """Of merged requests of a forge."""
    notes: tuple[str, ...] = ()
    """What could not be used, and why."""

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            self.deployments + other.deployments,
            self.incidents + other.incidents,
            self.leads + other.leads,
            self.notes + other.notes,
        )

    def of(self, apps: Sequence[str]) -> "Recorded":
        """Those of some applications; of all, if none is named."""
        return Recorded(
            tuple(one for one in self.deployments if not apps or one.application in apps),
            tuple(one for one in self.incidents if not apps or one.application in apps),
            self.leads,
            self.notes,
        )

    def to(self, environment: str) -> "Recorded":
        """Those to one environment."""
        kept = tuple(one for one in self.deployments if one.environment == environment)
        return msgspec.structs.replace(self, deployments=kept)


class Group(msgspec.Struct, frozen=True):
    """The statistics of one application, team or environment, and those of as long a time before."""

    name: str
    now: Statistics
    before: Statistics | None
    """None: nothing was deployed then."""


class Assessed(msgspec.Struct, frozen=True):
    """The answer of ``risk``."""

    application: str
    release: str
    """Empty for one that is still a file."""
    risk: Risk


def recorded(journal: Records, apps: Sequence[str] = ()) -> Recorded:
    """The rollouts that have ended, of these applications or of all.

    Raises:
        NotFound: there is no such application.
    """
    found = Recorded()
    for app in apps or journal.apps:
        ended = [one for one in timelines(journal.events(app), journal.owner(app)) if one.ended_at is not None]
        team = _team(_releases(journal, app).values())
        kept = tuple(deployment(one, team) for one in ended if one.kind != "undo" and _is_decided(one))
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


def deployment(one: Timeline, team: str = "") -> Deployment:
    """A rollout that has ended, as a deployment. It was known to be bad when its way back began."""
    assert one.ended_at is not None
    back = next((span.at for span in one.phases if span.phase is Phase.REVERTING), one.ended_at)
    result = _RESULTS[one.verdict]
    return Deployment(
        id=one.rollout,
        application=one.app,
        release=one.release,
        team=team,
        environment=LOCAL,
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


def exported(sources: Sequence[str], labels: Sequence[str], *, every_environment: bool) -> Recorded:
    """The deployments and incidents of a forge's answers.

    Raises:
        BadInput: with every problem of every file.
    """
    found = exports.exported(sources, labels, every_environment=every_environment)
    return Recorded(found.deployments, found.incidents, found.leads, found.notes)


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


def measured(found: Recorded, by: str, days: float, at: float | None = None) -> list[Group]:
    """Every group over the last ``days`` until ``at`` (now), and over as many before.

    Raises:
        BadInput: there is no such grouping, or no such time.
    """
    if by not in GROUPS:
        raise BadInput(f"expected one of {', '.join(GROUPS)} for --by, got `{by}`")
    if not 0 < days <= 36_500:
        raise BadInput(f"expected a number of days from 1 to 36500, got {days:g}")
    end = time.time() if at is None else at
    begin = end - days * DAY
    groups = grouped(found.deployments, GROUPS[by]).items()
    return [_group(name, inside, found.incidents, (begin, end)) for name, inside in groups]


def _group(name: str, inside: Sequence[Deployment], incidents: Sequence[Incident], span: tuple[float, float]) -> Group:
    begin, end = span
    before = statistics(inside, incidents, begin - (end - begin), begin)
    return Group(name, statistics(inside, incidents, begin, end), before if before.deployments else None)


def assessed(journal: Records | None, name: str, at: float, by: str) -> Assessed:
    """The risk of a release: of one on record as it was before it went, or of the Application in a file as it is now.

    Raises:
        NotFound: there is no such release, application or file.
        BadInput: the file holds no valid Application.
    """
    if Path(name).is_file():
        return _assessed_file(journal, Path(name), at, by)
    if journal is None:
        raise NotFound(f"there is no file {name}, and no journal", hint="Name an Application file: app.yaml.")
    (one,) = journal.timelines([name])
    history = pasts(journal, one.started_at)
    releases = _releases(journal, one.app)
    baseline = releases.get(one.baseline) if one.baseline else None
    return Assessed(one.app, one.release, fit(history).risk(_change(one, releases[one.release], baseline)))


def _assessed_file(journal: Records | None, file: Path, at: float, by: str) -> Assessed:
    parsed = parse_documents(read([file]))
    if any(problem.severity == "error" for problem in parsed.problems) or len(parsed.applications) != 1:
        raise BadInput(
            f"{file} holds {len(parsed.applications)} valid Applications; expected 1", problems=parsed.problems
        )
    (application,) = parsed.applications
    app = application.metadata.name
    live = _live(journal, app) if journal and app in journal.apps else None
    image = _document(live.document).spec.image if live else None
    same = image is not None and image == application.spec.image
    change = Change(application=app, at=at, author=by, config_only=same)
    return Assessed(app, "", fit(pasts(journal, at) if journal else []).risk(change))


def pasts(journal: Records, before: float) -> list[Past]:
    """Every rollout but undos that was decided ``before`` that moment, in the order in which they began."""
    found: list[Past] = []
    for app in journal.apps:
        releases = _releases(journal, app)
        for one in timelines(journal.events(app), app):
            if one.ended_at is not None and one.ended_at <= before and one.kind != "undo" and _is_decided(one):
                baseline = releases.get(one.baseline) if one.baseline else None
                found.append(Past(_change(one, releases[one.release], baseline), _RESULTS[one.verdict]))
    return sorted(found, key=lambda past: past.change.at)


def _change(one: Timeline, release: Release, baseline: Release | None) -> Change:
    same = baseline is not None and _is_same_image(baseline.document, release.document)
    return Change(application=one.app, at=one.started_at, author=one.by, config_only=same)


def _is_same_image(before: str, after: str) -> bool:
    """Whether only the configuration changes. A command alone does not say which code it runs; an image does."""
    old, new = _document(before).spec.image, _document(after).spec.image
    return old is not None and old == new


def _document(text: str) -> "_Document":
    try:
        return msgspec.json.decode(text, type=_Kept).application
    except msgspec.DecodeError:
        return _Document()


class _Spec(msgspec.Struct):
    image: str | None = None


class _Metadata(msgspec.Struct):
    team: str | None = None


class _Document(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


class _Kept(msgspec.Struct):
    """What a release remembers of its file."""

    application: _Document


def _team(releases: Iterable[Release]) -> str:
    """Of the last release that names one."""
    return next(filter(None, (_document(one.document).metadata.team for one in reversed(list(releases)))), "")


def _releases(journal: Records, app: str) -> dict[ReleaseId, Release]:
    return _state(journal, app).releases


def _live(journal: Records, app: str) -> Release | None:
    state = _state(journal, app)
    return state.releases[state.live] if state.live else None


def _state(journal: Records, app: str) -> Delivery:
    state = initial(journal.owner(app))
    for event in journal.events(app):
        state = evolve(state, event)
    return state


def _is_decided(one: Timeline) -> bool:
    """A newer release that came between says nothing about this one."""
    return one.verdict != "aborted" or any(line.kind in {"AbortRequested", "UndoRequested"} for line in one.events)
