"""Error budgets from counters, without Prometheus: what has been spent, how fast, and which alerts fire.

    status = judge(level, [samples_of_one_process, …], at)

The arithmetic is that of :mod:`shipway.render.slo.rules`: budget spent = (sum of failed events / sum of all events over the
window) / (1 - objective). It weighs events, never minutes. What nobody measured is :class:`Unknown` with its reason, and too
few events prove nothing; neither is ever 0 % or 100 %. Used by the engine's view, by policies that gate a release, by reports.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from shipway.render.slo.burning import AlertWindows, Burn, alert_windows, duration, factor
from shipway.render.slo.levels import ServiceLevel, Window
from shipway.slo.counters import Events, Sample, counted, usable

State = Literal["healthy", "burning", "critical", "exhausted", "unknown"]
"""healthy; a ticket's or a page's alert fires (burning, critical); nothing is left; nobody can tell."""


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """A typed absence: the value cannot be had, and why."""

    reason: str


class Spending(msgspec.Struct, frozen=True, tag="known", kw_only=True):
    """The budget of one window."""

    bad: float
    """Failed events."""
    events: float
    """All events."""
    share: float
    """Failed share of the events, 0..1."""
    allowed: float
    """Events that might have failed of those that happened."""
    remaining: float | None
    """Share of the budget that is left; below 0 when more was spent than there was, None when nothing may fail and it did."""
    seconds: float
    """How much of the window was observed."""


class BurnRate(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the budget burns over one window."""

    window: str
    """``1h``."""
    rate: float | None
    """1 spends the budget in exactly the SLO's window; None when there were no events."""
    events: float
    seconds: float
    """How much of the window was observed."""


class Firing(msgspec.Struct, frozen=True):
    """An alert that fires: its severity and the windows that say so."""

    severity: Literal["page", "ticket"]
    short: str
    long: str
    factor: float


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One service level at one moment."""

    service: str
    name: str
    objective: float
    """0..1."""
    window: str
    """``30d``, ``month`` or ``week``."""
    at: float
    since: float
    """Begin of the window."""
    spending: Spending | Unknown
    burns: tuple[BurnRate, ...]
    firing: tuple[Firing, ...]
    state: State
    sentence: str


def judge(level: ServiceLevel, series: Iterable[Iterable[Sample]], at: float) -> Status:
    """The status at ``at`` (seconds since the epoch). ``series`` holds one sequence of cumulative readings per process."""
    known = [usable(samples, at) for samples in series]
    return judged(level, at, lambda start: counted(known, start, at))


def judged(level: ServiceLevel, at: float, events: Callable[[float], Events]) -> Status:
    """The same, where ``events`` says what happened from a time until ``at``."""
    windows = alert_windows(level.window)
    counts = {length: events(at - length) for length in windows.lengths()}
    since = begin(level.window, at)
    found = spent(level, events(since))
    firing = tuple(fires(level, windows, counts))
    state = _state(found, firing)
    return Status(
        service=level.service,
        name=level.name,
        objective=level.target,
        window=level.window.calendar or duration(level.window.seconds),
        at=at,
        since=since,
        spending=found,
        burns=tuple(_burn_rate(level, length, events) for length, events in counts.items()),
        firing=firing,
        state=state,
        sentence=_sentence(found, firing, state),
    )


def unmeasured(level: ServiceLevel, at: float, reason: str) -> Status:
    """The status of a service level whose counters nobody reads."""
    return msgspec.structs.replace(judge(level, [], at), spending=Unknown(reason), sentence=f"unknown: {reason}")


def begin(window: Window, at: float) -> float:
    """Begin of the window that ends at ``at``: a length before it, or the start of the calendar's period in UTC."""
    if not window.calendar:
        return at - window.seconds
    day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = day.replace(day=1) if window.calendar == "month" else day - timedelta(days=day.weekday())
    return first.timestamp()


def spent(level: ServiceLevel, events: Events) -> Spending | Unknown:
    """The budget of a window in which ``events`` happened; unknown below :attr:`ServiceLevel.min_events`."""
    if events.readings < 2:
        few = (
            "nothing was measured" if events.readings == 0 else "there is one reading only, and two show what happened"
        )
        return Unknown(few)
    if events.total <= 0:
        return Unknown("there were no events")
    if events.total < level.min_events:
        return Unknown(f"there were {events.total:,.0f} events, and fewer than {level.min_events:,} prove nothing")
    rate = burn_rate(level, events)
    return Spending(
        bad=events.bad,
        events=events.total,
        share=events.share,
        allowed=events.total * level.budget,
        remaining=1 - rate if math.isfinite(rate) else None,
        seconds=events.seconds,
    )


def burn_rate(level: ServiceLevel, events: Events) -> float:
    """Failed share over allowed share; NaN without events, infinite when nothing may fail and something did."""
    if level.budget > 0 or math.isnan(events.share):
        return events.share / level.budget if level.budget > 0 else math.nan
    return math.inf if events.bad else 0.0


def fires(level: ServiceLevel, windows: AlertWindows, counts: Mapping[float, Events]) -> Iterable[Firing]:
    """Alerts that fire, given the events of every window of ``windows``: what the rules' expressions say."""
    for severity, burn in windows.pairs():
        if getattr(level, severity) is not None and _burns(level, windows, burn, counts):
            yield Firing(severity, duration(burn.short), duration(burn.long), factor(burn, windows))


def _burns(level: ServiceLevel, windows: AlertWindows, burn: Burn, counts: Mapping[float, Events]) -> bool:
    limit = factor(burn, windows) * level.budget
    both = all(counts[length].share > limit for length in (burn.short, burn.long))
    return both and counts[burn.long].total >= level.min_events


def _burn_rate(level: ServiceLevel, length: float, events: Events) -> BurnRate:
    rate = burn_rate(level, events)
    return BurnRate(
        window=duration(length),
        rate=rate if math.isfinite(rate) else None,
        events=events.total,
        seconds=events.seconds,
    )


def _state(found: Spending | Unknown, firing: Sequence[Firing]) -> State:
    if isinstance(found, Unknown):
        return "unknown"
    if found.remaining is None or (found.remaining <= 0 and found.bad > 0):
        return "exhausted"
    return "critical" if any(one.severity == "page" for one in firing) else "burning" if firing else "healthy"


def _sentence(found: Spending | Unknown, firing: Sequence[Firing], state: State) -> str:
    if isinstance(found, Unknown):
        return f"unknown: {found.reason}"
    failed = f"{found.bad:,.0f} of {found.events:,.0f} failed where {found.allowed:,.1f} may"
    quickest = max(firing, key=lambda one: one.factor, default=None)
    fast = f"; burns at more than {quickest.factor:g} times the rate it can sustain" if quickest else ""
    return f"{state}: {failed}{fast}"


def gate(status: Status, no_data: Literal["allow", "hold"]) -> Literal["allow", "hold"]:
    """Whether a release may go: not while a page's alert fires or nothing is left. ``no_data`` says what unknown means."""
    if status.state == "unknown":
        return no_data
    return "hold" if status.state in {"critical", "exhausted"} else "allow"
