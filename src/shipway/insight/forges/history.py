"""What any forge knows of a repository, and the deployments, incidents and lead times that follow. Made by ``github``, ``gitlab``.

The commits of a deployment are those that can be reached from its commit and were in no successful deployment to the same
environment before; of the first deployment there is only its own commit to count. A commit that squashes a merged request was
begun at the latest when that request was opened.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shipway.insight.delivery import Deployment, Incident
from shipway.insight.lead import LeadTime, PullRequest, Shipped, lead_times

PRODUCTION = re.compile(r"(^|[^a-z])(prod(uction)?|live)([^a-z]|$)", re.IGNORECASE)
"""Names of environments that users are in."""
RELEASE = "release"
"""The environment of releases, where no deployments are known."""


class Deploy(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as the forge has it. Times are seconds since the epoch."""

    id: str
    application: str
    environment: str
    production: bool
    sha: str
    started_at: float
    ended_at: float | None
    """None: not yet, or nobody knows."""
    good: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A pull or merge request."""

    id: str
    author: str
    created_at: float
    merged_at: float | None
    merge_commit: str
    head: str


class Written(msgspec.Struct, frozen=True):
    """A commit."""

    authored_at: float
    parents: tuple[str, ...]


class Forge(msgspec.Struct, kw_only=True):
    """Everything of one kind together, while it is read."""

    deploys: list[Deploy] = []
    changes: list[Change] = []
    commits: dict[str, Written] = {}
    comments: dict[str, list[tuple[float, str, str]]] = {}
    """By change: (at, id, author)."""
    incidents: list[Incident] = []
    notes: list[str] = []


class Imported(msgspec.Struct, frozen=True):
    """What there is to count."""

    deployments: tuple[Deployment, ...] = ()
    incidents: tuple[Incident, ...] = ()
    leads: tuple[LeadTime, ...] = ()
    """Of merged requests, in minutes, part by part."""
    notes: tuple[str, ...] = ()
    """What could not be used, and why."""


def imported(forge: Forge, every_environment: bool) -> Imported:
    """Deployments to production alone unless ``every_environment``; all where none is said to be production."""
    notes = list(forge.notes)
    # Pages overlap when something was added while they were asked for: what comes twice is one.
    chosen = _chosen(list({(d.application, d.id): d for d in forge.deploys}.values()), notes, every=every_environment)
    ended = sorted((one for one in chosen if one.ended_at is not None), key=_ended)
    if len(ended) < len(chosen):
        what = "have not ended, or their end is not in the files (for GitHub: export their statuses)"
        notes.append(f"{len(chosen) - len(ended)} deployments {what}")
    brought = _brought(ended, forge.commits)
    opened = {one.merge_commit: one.created_at for one in forge.changes if one.merge_commit and one.merged_at}
    deployments = tuple(_deployment(one, brought.get(one.id), forge.commits, opened) for one in ended)
    shipped = [
        Shipped(id=one.id, finished_at=_ended(one), commits=frozenset(brought[one.id]))
        for one in ended
        if one.good and one.id in brought
    ]
    leads = lead_times([_request(one, forge) for one in {one.id: one for one in forge.changes}.values()], shipped)
    incidents = {(one.application, one.id): one for one in forge.incidents}.values()
    return Imported(deployments, tuple(incidents), tuple(leads), tuple(notes))


def _chosen(deploys: Sequence[Deploy], notes: list[str], *, every: bool) -> list[Deploy]:
    production = [one for one in deploys if one.production]
    if every or not production:
        return list(deploys)
    others = sorted({one.environment for one in deploys if not one.production})
    if others:
        notes.append(f"deployments to {', '.join(others)} are not to production and are left out")
    return production


def _ended(one: Deploy) -> float:
    assert one.ended_at is not None
    return one.ended_at


def _deployment(
    one: Deploy, brought: Sequence[str] | None, commits: Mapping[str, Written], opened: Mapping[str, float]
) -> Deployment:
    times = tuple(_begun(sha, commits[sha], opened) for sha in brought or ())
    return Deployment(
        id=one.id,
        application=one.application,
        environment=one.environment,
        started_at=min(one.started_at, _ended(one)),
        finished_at=_ended(one),
        result="success" if one.good else "failed",
        committed_at=times,
        no_commits="" if brought is not None else "the commits of its deployments are not in the files",
        detected_at=None if one.good else one.ended_at,
    )


def _begun(sha: str, commit: Written, opened: Mapping[str, float]) -> float:
    squashed = len(commit.parents) < 2 and sha in opened
    return min(commit.authored_at, opened[sha]) if squashed else commit.authored_at


def _brought(ended: Iterable[Deploy], commits: Mapping[str, Written]) -> dict[str, list[str]]:
    """Commits of each deployment by its id; none of one whose commit is not known."""
    found: dict[str, list[str]] = {}
    live: dict[tuple[str, str], set[str]] = {}
    for one in ended:
        if one.sha not in commits:
            continue
        key = (one.application, one.environment)
        known = live.get(key)
        reached = _reached(one.sha, commits, known or set())
        # What the very first deployment brought was begun at any time since the repository.
        found[one.id] = reached if known is not None else [one.sha]
        if one.good:
            live[key] = (known or set()) | set(reached)
    return found


def _reached(start: str, commits: Mapping[str, Written], known: set[str]) -> list[str]:
    found: dict[str, None] = {}
    waiting = [start]
    while waiting:
        sha = waiting.pop()
        if sha not in found and sha not in known and sha in commits:
            found[sha] = None
            waiting += commits[sha].parents
    return list(found)


def _request(one: Change, forge: Forge) -> PullRequest:
    return PullRequest(
        id=one.id,
        author=one.author,
        created_at=one.created_at,
        merged_at=one.merged_at,
        merge_commit=one.merge_commit,
        commits=tuple((forge.commits[sha].authored_at, sha) for sha in _of_branch(one, forge.commits)),
        comments=tuple(forge.comments.get(one.id, ())),
    )


def _of_branch(one: Change, commits: Mapping[str, Written]) -> list[str]:
    """What the branch had that its target had not, where the files have both."""
    merge = commits.get(one.merge_commit)
    if merge is None or not merge.parents or one.head not in commits:
        return []
    return _reached(one.head, commits, set(_reached(merge.parents[0], commits, set())))
