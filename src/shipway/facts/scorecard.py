"""What ``dora`` says beside the four measures: the cost of a deployment, promises kept, adoption, and the trend.

Each is a value with what it was made from, or a typed absence with its reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from shipway.cost.usage import UsageRow
from shipway.engine.promised import written
from shipway.engine.promises import Ledger, Series, statuses
from shipway.engine.records import Records
from shipway.facts import charging, organisations, released
from shipway.facts.comparing import Comparison, compared
from shipway.facts.counters import CounterFiles
from shipway.insight.delivery import GROUPS, Deployment, Distribution, Group, Recorded, Week, measured, weekly
from shipway.insight.series import DAY, Absent
from shipway.model.errors import NotFound
from shipway.rollout.states import Delivery
from shipway.slo.budget import Spending, Status
from shipway.spec import Application

COVERED = 0.5
"""Share of a rollout's time that must be measured before anything is said about its cost."""


class Cost(msgspec.Struct, frozen=True):
    """Mean cost of the processes of a release from the beginning of its rollout to the end: what it takes to try it.

    Pipelines and people are not in it.
    """

    amount: float
    currency: str
    deployments: int
    """That were measured."""


class Promises(msgspec.Struct, frozen=True):
    """How many promises are kept."""

    kept: int
    known: int
    unknown: int
    """Nobody can tell: too few events, or nothing measures them."""


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Lead times of a forge's merged requests, part by part, of all that are in the files. None: of no request known."""

    merged: int
    coding: Distribution | None
    """First commit to request."""
    pickup: Distribution | None
    """Request to the first word of somebody else."""
    review: Distribution | None
    """That word to merge."""
    deploy: Distribution | None
    """Merge to the end of the deployment."""
    total: Distribution | None


class Adoption(msgspec.Struct, frozen=True):
    """How many applications were deployed in the time."""

    deployed: int
    known: int
    of: str
    """Where the known ones are from."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """One group."""

    name: str
    cost_per_deployment: Cost | Absent
    promises: Promises | Absent
    weeks: tuple[Week, ...]
    """Trend over this period and the one before."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``dora``."""

    by: str
    days: float
    groups: tuple[Group, ...]
    scores: tuple[Scores, ...]
    """In the order of ``groups``."""
    adoption: Adoption | Absent
    requests: Requests | None = None
    """Only of what a forge has."""
    comparison: Comparison = Comparison()
    """Releases of the applications, side by side."""
    notes: tuple[str, ...] = ()
    """What of imported records could not be used, and why."""


def scorecard(
    past: Recorded,
    journal: Records | None,
    home: Path,
    question: tuple[str, float, float],
    platform: Path | None = None,
) -> Scorecard:
    """``question`` is (by, days, at): the groups over the ``days`` until ``at``.

    Raises:
        BadInput: there is no such grouping or time, or no such platform.
    """
    by, days, at = question
    groups = measured(past, by, days, at)
    begin = at - days * DAY
    inside = [one for one in past.deployments if begin <= one.finished_at < at]
    costs = _costs(home, journal, inside)
    kept = _statuses(home, journal, at)
    return Scorecard(
        by=by,
        days=days,
        groups=tuple(groups),
        scores=tuple(_scores(one.name, (by, begin, at), past, costs, kept) for one in groups),
        adoption=_adoption(past, journal, inside, platform),
        requests=_requests(past),
        comparison=_comparison(home, journal, past, at),
        notes=past.notes,
    )


def _scores(
    name: str,
    question: tuple[str, float, float],
    past: Recorded,
    costs: Mapping[str, tuple[float, str] | str] | Absent,
    kept: Mapping[str, Sequence[Status]],
) -> Scores:
    by, begin, at = question
    mine = [one for one in past.deployments if GROUPS[by](one) == name]
    inside = [one for one in mine if begin <= one.finished_at < at]
    return Scores(
        name=name,
        cost_per_deployment=costs if isinstance(costs, Absent) else _mean(inside, costs),
        promises=_promises([one for app in dict.fromkeys(d.application for d in mine) for one in kept.get(app, ())]),
        weeks=weekly(mine, past.incidents, begin - (at - begin), at),
    )


def _requests(past: Recorded) -> Requests | None:
    if not past.leads:
        return None

    def part(name: str) -> Distribution | None:
        minutes = (getattr(one, name) for one in past.leads)
        return Distribution.of(60.0 * value for value in minutes if value is not None)

    names = ("coding", "pickup", "review", "deploy", "total")
    return Requests(merged=len(past.leads), **{name: part(name) for name in names})


def _comparison(home: Path, journal: Records | None, past: Recorded, at: float) -> Comparison:
    apps = {one.application for one in past.deployments}
    if journal is None:
        return Comparison()
    return compared(home, journal, [app for app in journal.apps if app in apps], at)


def _adoption(
    past: Recorded, journal: Records | None, inside: Sequence[Deployment], platform: Path | None
) -> Adoption | Absent:
    deployed = {one.application for one in inside}
    if platform is not None:
        names = set(organisations.load(platform, compiling=False).declared)
        return Adoption(len(deployed & names), len(names), f"declared in {platform}")
    known = {one.application for one in past.deployments} | set(journal.apps if journal else ())
    return Adoption(len(deployed), len(known), "on record here") if known else Absent("no application is known")


# --- promises


def live(state: Delivery) -> Application | None:
    """The application as it is live; None when nothing is."""
    return written(state.releases[state.live].document) if state.live else None


def readings(home: Path, journal: Records, app: str, state: Delivery, at: float) -> Series:
    """Of every release, what the journal and the counters' files have up to ``at``."""
    ledger = Ledger(CounterFiles(home).read(app))
    ledger.read_on(journal.recorded(app), state)
    return ledger.series({}, at)


def _statuses(home: Path, journal: Records | None, at: float) -> dict[str, tuple[Status, ...]]:
    found: dict[str, tuple[Status, ...]] = {}
    for app in journal.apps if journal else ():
        assert journal is not None
        state = released.state(journal, app)
        application = live(state)
        if application is not None:
            found[app] = statuses(application, readings(home, journal, app, state, at), at)
    return found


def _promises(found: Sequence[Status]) -> Promises | Absent:
    if not found:
        return Absent("nothing is promised: write an `slo` section")
    known = [one for one in found if isinstance(one.spending, Spending)]
    if not known:
        return Absent(f"{found[0].service} {found[0].name}: {found[0].sentence.removeprefix('unknown: ')}")
    return Promises(sum(one.state != "exhausted" for one in known), len(known), len(found) - len(known))


# --- costs


def _costs(
    home: Path, journal: Records | None, inside: Sequence[Deployment]
) -> dict[str, tuple[float, str] | str] | Absent:
    """By deployment: (cost, currency), or why it is unknown."""
    if journal is None or not inside:
        return Absent("no use of these deployments was recorded" if inside else "nothing was deployed")
    try:
        sources = charging.recorded(home, journal, charging.Sources((), None, "", (), "USD"))
    except NotFound:
        return Absent("no use was recorded here; a running controller samples every 10 s")
    rows = {one.id: list(_during(one, sources.usage)) for one in inside}
    clipped = tuple(row for each in rows.values() for row in each)
    requested = {
        (one.application, one.id): sources.requested[one.application, one.release]
        for one in inside
        if (one.application, one.release) in sources.requested
    }
    every = msgspec.structs.replace(sources, usage=clipped, requested=requested)
    actual = charging.actual(every, charging.Rules())
    charged = {row.name: row for row in actual.rows}
    found: dict[str, tuple[float, str] | str] = {}
    for one in inside:
        row = charged.get(f"{one.application} {one.id}")
        unknown = "its rollout was over before enough samples were taken" if row is None else "; ".join(row.unknown)
        found[one.id] = unknown or (float(row.total), actual.currency) if row else unknown
    return found


def _during(one: Deployment, usage: Iterable[UsageRow]) -> Iterable[UsageRow]:
    """What the release used during its rollout, as if each deployment were a release of its own; the gaps at the mean."""
    span = one.finished_at - one.started_at
    parts = [
        (row, min(row.at, one.finished_at) - max(row.at - row.seconds, one.started_at))
        for row in usage
        if (row.app, row.release) == (one.application, one.release)
    ]
    inside = [(row, seconds) for row, seconds in parts if seconds > 0]
    covered = sum(seconds for _, seconds in inside)
    if span <= 0 or covered < COVERED * span:
        return
    begin = one.started_at
    for row, seconds in inside:
        length = seconds * span / covered
        begin += length
        yield msgspec.structs.replace(row, release=one.id, at=begin, seconds=length, requests=0, failed=None, p95=None)


def _mean(inside: Sequence[Deployment], costs: Mapping[str, tuple[float, str] | str]) -> Cost | Absent:
    found = [costs.get(one.id, "it is not on record here") for one in inside]
    known = [one for one in found if not isinstance(one, str)]
    if not known:
        return Absent(next((one for one in found if isinstance(one, str)), "nothing was deployed"))
    return Cost(sum(amount for amount, _ in known) / len(known), known[0][1], len(known))
