"""Delivery statistics: deployment frequency, lead time, change failure rate, time to restore, per group and period.

Called by ``shipway dora`` with deployments from the journal or imported. The four measures are DORA's (dora.dev); a
deployment fails at most once, whatever the number of its incidents, so a failure rate is never above 1. Leaves out
where records come from (``facts``) and lead times of pull requests (``lead``).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

from shipway.insight.lead import LeadTime
from shipway.insight.series import DAY
from shipway.model.errors import BadInput

Result = Literal["success", "failed", "rolled back"]
FAILURE_WINDOW = DAY
"""Seconds after a deployment in which an incident is held against it; later ones have other causes more often."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to change what runs. Times are seconds since the epoch."""

    id: str
    application: str
    release: str = ""
    team: str = ""
    environment: str = ""
    started_at: float
    finished_at: float
    """When the change was live for everybody, or when it was taken back."""
    result: Result = "success"
    committed_at: tuple[float, ...] = ()
    """When the changes that it brought were written; empty when unknown, or when there were none."""
    no_commits: str = ""
    """Why ``committed_at`` is empty."""
    detected_at: float | None = None
    """When it was known to be bad, by whatever means; None when it was not."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which users were let down."""

    id: str
    application: str
    opened_at: float
    resolved_at: float | None = None
    """None: not yet."""


class Distribution(msgspec.Struct, frozen=True):
    """Seconds, of ``count`` measurements."""

    count: int
    p25: float
    median: float
    p75: float
    p90: float
    mean: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Distribution | None":
        """None of nothing; infinities and NaN are left out, negative spans too: a clock was wrong."""
        known = sorted(value for value in values if math.isfinite(value) and value >= 0)
        if not known:
            return None
        p25, median, p75, p90 = (_quantile(known, share) for share in (0.25, 0.5, 0.75, 0.9))
        return cls(len(known), p25, median, p75, p90, math.fsum(known) / len(known))


class Share(msgspec.Struct, frozen=True):
    """A share of cases with the 95 % interval of Wilson (1927)."""

    part: int
    whole: int
    low: float
    high: float

    @classmethod
    def of(cls, part: int, whole: int) -> "Share | None":
        """None of nothing."""
        if whole <= 0:
            return None
        z = NormalDist().inv_cdf(0.975)
        rate, square = part / whole, z * z / whole
        middle = (rate + square / 2) / (1 + square)
        half = z / (1 + square) * math.sqrt(rate * (1 - rate) / whole + square / (4 * whole))
        # At the ends the formula gives 0 and 1 only up to rounding.
        return cls(
            part, whole, max(0.0, middle - half) if part else 0.0, min(1.0, middle + half) if part < whole else 1.0
        )

    @property
    def rate(self) -> float:
        """0..1."""
        return self.part / self.whole


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """One group in one period. None: nothing to measure it by."""

    begin: float
    end: float
    deployments: int
    successes: int
    per_day: float
    """Successful deployments."""
    days_per_week: float
    """Median number of days in a week with a successful deployment; whole weeks count back from the end."""
    lead_time: Distribution | None
    """From commit to live."""
    change_failure: Share | None
    restore: Distribution | None
    """From the start of a failed deployment, or the opening of an incident, to its end."""
    detect: Distribution | None
    """From the start of a failed deployment to the moment it was known to be bad."""
    level: str
    """Of the benchmark; empty without evidence enough for one."""
    absent: Mapping[str, str] = {}
    """Why a measure is missing, by its name: ``lead_time``, ``change_failure``, ``restore``, ``detect``, ``level``."""


def statistics(
    deployments: Iterable[Deployment],
    incidents: Iterable[Incident],
    begin: float,
    end: float,
    window: float = FAILURE_WINDOW,
) -> Statistics:
    """Of the deployments that finished in [begin, end), with the incidents that are held against them."""
    if not end > begin:
        raise ValueError(f"a period must end after it begins, got {begin:g} to {end:g}")
    deployments = list(deployments)
    since = max(begin, min((one.started_at for one in deployments), default=end))
    inside = sorted((one for one in deployments if begin <= one.finished_at < end), key=lambda one: one.finished_at)
    held = _held(inside, incidents, window)
    successes = [one for one in inside if one.result == "success"]
    failures = [one for one in inside if one.result != "success"]
    bad = sum(one.result != "success" or one.id in held for one in inside)
    lead = Distribution.of(one.finished_at - at for one in successes for at in one.committed_at)
    restored = [one.finished_at - one.started_at for one in failures]
    restored += [
        incident.resolved_at - incident.opened_at
        for against in held.values()
        for incident in against
        if incident.resolved_at is not None
    ]
    known = [one.detected_at - one.started_at for one in failures if one.detected_at is not None]
    found = Statistics(
        begin=begin,
        end=end,
        deployments=len(inside),
        successes=len(successes),
        per_day=len(successes) / ((end - begin) / DAY),
        days_per_week=_days_per_week(successes, begin, end),
        lead_time=lead,
        change_failure=Share.of(bad, len(inside)),
        restore=Distribution.of(restored),
        detect=Distribution.of(known),
        level="",
    )
    absent = _absent(found, successes, since)
    return msgspec.structs.replace(found, level="" if "level" in absent else level(found), absent=absent)


MOST_WEEKS = 26


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Seven days of a trend."""

    begin: float
    deployments: int
    failures: int
    lead_time: float | None
    """Median, in seconds."""


def weekly(
    deployments: Sequence[Deployment], incidents: Sequence[Incident], begin: float, end: float
) -> tuple[Week, ...]:
    """The whole weeks of [begin, end), counted back from its end, oldest first; the last :data:`MOST_WEEKS`."""
    count = min(MOST_WEEKS, math.floor((end - begin) / (7 * DAY)))
    found = []
    for back in range(count, 0, -1):
        at = end - back * 7 * DAY
        one = statistics(deployments, incidents, at, at + 7 * DAY)
        failures = one.change_failure.part if one.change_failure else 0
        lead = one.lead_time.median if one.lead_time else None
        found.append(Week(begin=at, deployments=one.deployments, failures=failures, lead_time=lead))
    return tuple(found)


def _absent(found: Statistics, successes: Sequence[Deployment], since: float) -> dict[str, str]:
    """Why each measure is missing that is."""
    if not found.deployments:
        return dict.fromkeys(_MEASURES, "nothing was deployed")
    reasons: dict[str, str] = {}
    if found.lead_time is None:
        said = next((one.no_commits for one in successes if one.no_commits), "")
        if any(one.committed_at for one in successes):
            said = "its commits are dated after their deployments: a clock was wrong"
        reasons["lead_time"] = said or ("no release brought a commit" if successes else "no deployment succeeded")
    nothing = (
        "nothing failed" if not (found.change_failure and found.change_failure.part) else "it is not over, or not timed"
    )
    reasons |= {name: nothing for name in ("restore", "detect") if getattr(found, name) is None}
    if too_little := _too_little(found, since, reasons.get("lead_time", "")):
        reasons["level"] = too_little
    return reasons


def _too_little(found: Statistics, since: float, no_lead: str) -> str:
    days = (found.end - since) / DAY
    if found.deployments < LEAST_DEPLOYMENTS or days < LEAST_DAYS:
        seen = f"{found.deployments} deployment{'s' * (found.deployments != 1)} in {days:.1f} days"
        return f"{seen}; a level needs {LEAST_DEPLOYMENTS} over {LEAST_DAYS:g} days"
    return f"a level needs the lead time: {no_lead}" if no_lead else ""


def grouped(deployments: Sequence[Deployment], by: Callable[[Deployment], str]) -> dict[str, list[Deployment]]:
    """Deployments by application, team, environment or whatever ``by`` says, in order of the names."""
    groups: dict[str, list[Deployment]] = {}
    for one in deployments:
        groups.setdefault(by(one), []).append(one)
    return dict(sorted(groups.items()))


_MEASURES = ("lead_time", "change_failure", "restore", "detect", "level")
LEAST_DEPLOYMENTS, LEAST_DAYS = 10, 14.0
"""Evidence without which no level is told: one good deployment makes nobody elite."""
BENCHMARK = 2023
"""Year of the report that the limits below are from; they move every year (DORA, Accelerate State of DevOps 2023)."""
_LEVELS: tuple[tuple[str, float, float, float], ...] = (
    # at least so many days a week with a deployment, lead time of at most so many seconds, failure rate of at most
    ("elite", 3.0, DAY, 0.05),
    ("high", 1.0, 7 * DAY, 0.10),
    ("medium", 0.25, 30 * DAY, 0.15),
)


def level(found: Statistics) -> str:
    """The best level of the benchmark of which no known measure falls short; "low" is the rest. See ``absent`` for whether
    there is evidence enough to tell it.
    """
    if not found.deployments:
        return ""
    lead = found.lead_time.median if found.lead_time else 0.0
    failing = found.change_failure.rate if found.change_failure else 0.0
    weekly = max(found.days_per_week, min(7.0, 7 * found.per_day) if found.end - found.begin < 7 * DAY else 0.0)
    for name, days, seconds, rate in _LEVELS:
        if weekly >= days and lead <= seconds and failing <= rate:
            return name
    return "low"


def _held(deployments: Sequence[Deployment], incidents: Iterable[Incident], window: float) -> dict[str, list[Incident]]:
    """Incidents by the latest successful deployment of the application that finished at most ``window`` before."""
    held: dict[str, list[Incident]] = {}
    for incident in incidents:
        earlier = [
            one
            for one in deployments
            if one.application == incident.application
            and one.result == "success"
            and 0 <= incident.opened_at - one.finished_at <= window
        ]
        if earlier:
            held.setdefault(earlier[-1].id, []).append(incident)
    return held


def _days_per_week(successes: Sequence[Deployment], begin: float, end: float) -> float:
    weeks = math.floor((end - begin) / (7 * DAY))
    if not weeks:
        return float(len({math.floor(one.finished_at / DAY) for one in successes}))
    days: list[set[int]] = [set() for _ in range(weeks)]
    for one in successes:
        back = math.floor((end - one.finished_at) / (7 * DAY))
        if back < weeks:
            days[back].add(math.floor((end - one.finished_at) / DAY))
    return _quantile(sorted(float(len(week)) for week in days), 0.5)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """With linear interpolation, as spreadsheets and numpy do by default."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


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


GROUPS: dict[str, Callable[[Deployment], str]] = {
    "application": lambda one: one.application,
    "team": lambda one: one.team,
    "environment": lambda one: one.environment,
}


class Group(msgspec.Struct, frozen=True):
    """The statistics of one application, team or environment, and those of as long a time before."""

    name: str
    now: Statistics
    before: Statistics | None
    """None: nothing was deployed then."""


def measured(found: Recorded, by: str, days: float, at: float) -> list[Group]:
    """Every group over the last ``days`` until ``at``, and over as many before.

    Raises:
        BadInput: there is no such grouping, or no such time.
    """
    if by not in GROUPS:
        raise BadInput(f"expected one of {', '.join(GROUPS)} for --by, got `{by}`")
    if not 0 < days <= 36_500:
        raise BadInput(f"expected a number of days from 1 to 36500, got {days:g}")
    begin = at - days * DAY
    groups = grouped(found.deployments, GROUPS[by]).items()
    return [_group(name, inside, found.incidents, (begin, at)) for name, inside in groups]


def _group(name: str, inside: Sequence[Deployment], incidents: Sequence[Incident], span: tuple[float, float]) -> Group:
    begin, end = span
    before = statistics(inside, incidents, begin - (end - begin), begin)
    return Group(name, statistics(inside, incidents, begin, end), before if before.deployments else None)
