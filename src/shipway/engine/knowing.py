"""What has been measured of a running application, as facts for policies: its traffic, and what is left of its error budget.

Called by ``service`` before a release, and by ``cli`` for what a journal holds. A fact that cannot be had is a reason, never 0.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from shipway.analysis.readings import ArmReading
from shipway.model.quantities import format_ratio
from shipway.plan.releasing import Known
from shipway.slo.budget import Spending, Status, Unknown

SPAN = 600.0
"""Seconds over which traffic is averaged: long enough for a rate, short enough to be now."""
STALE = 900.0
"""Seconds after which the last reading says nothing about now."""
NO_TRAFFIC = "it has not been measured in the last quarter of an hour"
NOT_LIVE = "nothing of it is live"
NO_PROMISE = "it promises nothing that is measured"


def known(traffic: Mapping[str, Any] | str, budget: Mapping[str, Any] | str) -> Known:
    """The facts, and the reasons for those that are none."""
    given = {"traffic": traffic, "errorBudget": budget}
    facts = {key: value for key, value in given.items() if not isinstance(value, str)}
    return Known(facts, {key: why for key, why in given.items() if isinstance(why, str)})


def traffic(readings: Sequence[tuple[float, ArmReading]], at: float) -> Mapping[str, Any] | str:
    """Requests per second of the live release until ``at``, from its cumulative readings; else why not."""
    recent = [(when, one.requests) for when, one in readings if at - SPAN <= when <= at]
    return rate([(later[0], later[1] - earlier[1], later[0] - earlier[0]) for earlier, later in _rising(recent)], at)


def rate(spans: Sequence[tuple[float, float, float]], at: float) -> Mapping[str, Any] | str:
    """The same from (end, requests, seconds) of spans of time."""
    recent = [(end, requests, seconds) for end, requests, seconds in spans if at - max(SPAN, STALE) <= end <= at]
    seconds = sum(one[2] for one in recent)
    if seconds <= 0 or max(one[0] for one in recent) < at - STALE:
        return NO_TRAFFIC
    return {"requestsPerSecond": round(sum(one[1] for one in recent) / seconds, 3), "seconds": round(seconds, 3)}


def _rising(readings: Sequence[tuple[float, int]]) -> list[tuple[tuple[float, int], tuple[float, int]]]:
    """Neighbours between which the counter did not begin anew."""
    pairs = pairwise(readings)
    return [(one, other) for one, other in pairs if other[1] >= one[1] and other[0] > one[0]]


def error_budget(statuses: Sequence[Status]) -> Mapping[str, Any] | str:
    """What is left of the promise that stands worst, with what is left of each; else why nobody knows."""
    left = {one.name: _left(one.spending) for one in statuses if isinstance(one.spending, Spending)}
    if not left:
        reasons = (one.spending.reason for one in statuses if isinstance(one.spending, Unknown))
        return "; ".join(dict.fromkeys(reasons)) or NO_PROMISE
    worst = next(one for one in statuses if one.name == min(left, key=lambda name: left[name]))
    return {
        "left": left[worst.name],
        "objective": f"{worst.name} {format_ratio(worst.objective)} over {worst.window}",
        "promises": left,
    }


def _left(found: Spending) -> float:
    """Where nothing may fail and something did, no ratio can be told: all of it is overspent."""
    return round(found.remaining, 6) if found.remaining is not None else -1.0
