"""Whether a change is allowed now: change windows and freezes, which recur by RFC 5545 on the wall clocks of a time zone.

Called by :mod:`shipway.policy.facts`; the rule that makes something of the answer is in the pack.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from shipway.spec.policies import Window, in_utc, moment, recurrence

_YEAR = 366 * 86400.0


class ChangeState(msgspec.Struct, frozen=True):
    """Whether a change is allowed at one moment, and why not."""

    allowed: bool
    reason: str = ""
    until: str = ""
    """When it will be allowed (or, during a window, no longer is) as RFC 3339; empty when that is more than a year away."""


def change_state(windows: Sequence[Window], freezes: Sequence[Window], environment: str, at: float) -> ChangeState:
    """What the windows and freezes of ``environment`` say at ``at`` (seconds since the epoch). A freeze beats a window."""
    here = [one for one in windows if not one.environments or environment in one.environments]
    for freeze in freezes:
        if (not freeze.environments or environment in freeze.environments) and (end := _open_until(freeze, at)):
            why = f"{freeze.name}: {freeze.reason}" if freeze.reason else freeze.name
            return ChangeState(False, f"frozen by {why}", in_utc(end))
    if not here:
        return ChangeState(True)
    ends = [end for one in here if (end := _open_until(one, at))]
    if ends:
        return ChangeState(True, until=in_utc(max(ends)))
    names = ", ".join(one.name for one in here)
    opening = min((start for one in here if (start := _next(one, at))), default=None)
    return ChangeState(False, f"outside of {names}", in_utc(opening) if opening else "")


def _open_until(window: Window, at: float) -> float | None:
    """The end of the occurrence that ``at`` is in; None when it is in none."""
    ends = [end for start, end in _occurrences(window, at - _longest(window), at) if start <= at < end]
    return max(ends, default=None)


def _next(window: Window, at: float) -> float | None:
    """The next beginning within a year."""
    return next((start for start, _ in _occurrences(window, at, at + _YEAR) if start > at), None)


def _longest(window: Window) -> float:
    return min(window.duration or _YEAR, _YEAR) + 86400  # a day for the shift of clocks


def _occurrences(window: Window, after: float, before: float) -> Iterator[tuple[float, float]]:
    """(start, end) of those that begin in the span, in seconds since the epoch."""
    zone = ZoneInfo(window.time_zone)
    begin = moment(window.from_, window.time_zone)
    last = moment(window.until, window.time_zone, end=True) if window.until else float("inf")
    if window.schedule is None:
        end = min(last, begin + window.duration) if window.duration else last
        yield begin, end
        return
    naive = datetime.fromtimestamp(begin, zone).replace(tzinfo=None)
    earliest, latest = (datetime.fromtimestamp(one, zone).replace(tzinfo=None) for one in (after, before))
    # `until` bounds the search: a rule that never comes true would be looked for until the year 9999.
    rule = recurrence(window.schedule, naive)
    own = getattr(rule, "_until", None)  # dateutil shows what a rule's UNTIL is in no other way
    rule = rule.replace(until=min(own or datetime.max, latest + timedelta(days=1)))  # noqa: DTZ901  # on wall clocks
    for local in rule.between(earliest, latest, inc=True):
        start = local.replace(tzinfo=zone).timestamp()
        if begin <= start < last:
            yield start, start + (window.duration or 0.0)
