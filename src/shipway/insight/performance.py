"""How a release served and what a request cost, each with its uncertainty: what releases are compared by.

Called by ``dora --releases`` with counters and charges. Intervals are of 95 %. Those of shares and percentiles take requests as
independent, which makes them too narrow where failures come in clusters; that of the cost takes blocks of time instead.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import msgspec

from shipway.insight.delivery import Share
from shipway.insight.series import Absent

_Z = NormalDist().inv_cdf(0.975)
LEAST_BLOCKS = 4
"""Blocks of time without which nobody can tell how much a cost varies."""
LEAST_REQUESTS = 20
"""Requests without which a 95th percentile is one request's time."""


class Estimate(msgspec.Struct, frozen=True):
    """A figure and where the truth lies; None for ends that nobody can tell."""

    value: float
    low: float | None = None
    high: float | None = None


def error_rate(failed: float, requests: float) -> Estimate | Absent:
    """Share of requests that failed, 0..1 (Wilson 1927)."""
    if not 0 <= failed <= requests:
        return Absent(f"{failed:g} of {requests:g} requests cannot have failed")
    share = Share.of(round(failed), round(requests))
    if share is None:
        return Absent("no requests were counted")
    return Estimate(share.rate, share.low, share.high)


def percentile(bins: Mapping[float, int], share: float = 0.95) -> Estimate | Absent:
    """Of a histogram, (inclusive lower edge) to (count): between the edges of the bins that hold the ranks of its interval.

    The ranks are those of the order statistics whose number below is binomial, by its normal approximation. In the unit of
    the edges; a bin without a next one is taken to be a tenth of its edge wide.
    """
    known = sorted((edge, count) for edge, count in bins.items() if count > 0 and math.isfinite(edge))
    total = sum(count for _, count in known)
    if total < LEAST_REQUESTS:
        return Absent(f"{total} timed requests: at least {LEAST_REQUESTS} are needed")
    half = _Z * math.sqrt(total * share * (1 - share))
    edges = [edge for edge, _ in known]
    places = [_place(known, rank) for rank in (share * total - half, share * total, min(share * total + half, total))]
    low, middle, high = places
    after = edges[high + 1] if high + 1 < len(edges) else edges[high] * 1.1
    return Estimate(edges[middle], edges[low], after)


def _place(known: Sequence[tuple[float, int]], rank: float) -> int:
    """Of the bin that holds the ``rank``-th smallest."""
    reached = 0
    for place, (_, count) in enumerate(known):
        reached += count
        if reached >= rank:
            return place
    return len(known) - 1


def per_request(costs: Sequence[float], requests: Sequence[float]) -> Estimate | Absent:
    """Cost over requests, from as many blocks of time of each; the interval by leaving one block out (Quenouille, Tukey)."""
    pairs = [(c, n) for c, n in zip(costs, requests, strict=True) if math.isfinite(c) and n >= 0]
    cost, count = math.fsum(c for c, _ in pairs), sum(n for _, n in pairs)
    if not count:
        return Absent("no requests were counted")
    value = cost / count
    if len(pairs) < LEAST_BLOCKS or any(count - n <= 0 for _, n in pairs):
        return Estimate(value)
    without = [(cost - c) / (count - n) for c, n in pairs]
    mean = math.fsum(without) / len(without)
    spread = math.sqrt((len(pairs) - 1) / len(pairs) * math.fsum((one - mean) ** 2 for one in without))
    return Estimate(value, max(0.0, value - _Z * spread), value + _Z * spread)


def increases(readings: Sequence[tuple[float, float, Mapping[float, int]]]) -> tuple[float, float, dict[float, int]]:
    """(failed, requests, histogram) that cumulative readings come to; where they fall, they began again from nothing.

    Counters below 0 or that are no numbers cannot be readings, and are left out.
    """
    failed = requests = 0.0
    bins: dict[float, int] = {}
    last: tuple[float, float, Mapping[float, int]] = (0.0, 0.0, {})
    sane = [one for one in readings if all(0 <= value < math.inf for value in one[:2])]
    for index, one in enumerate(sane):
        restarted = one[1] < last[1] or one[0] < last[0]
        before: tuple[float, float, Mapping[float, int]] = (0.0, 0.0, {}) if restarted else last
        if index:
            failed += one[0] - before[0]
            requests += one[1] - before[1]
            for edge, count in one[2].items():
                bins[edge] = bins.get(edge, 0) + max(0, count - before[2].get(edge, 0))
        last = one
    return failed, requests, bins
