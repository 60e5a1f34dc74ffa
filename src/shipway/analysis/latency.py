"""Latency as counts: exceedance of a threshold, and a shift anywhere in the distribution. Used by ``judge``.

Readings carry Envoy's log-linear histogram: bins whose edges are the numbers with two significant digits (90 bins per
decade: 10, 11, … 99, 100, 110, …), values truncated to whole milliseconds.
"""

from collections.abc import Mapping
from math import ceil, floor, inf, log, log10, sqrt

import msgspec

from shipway.analysis.policy import Indicator
from shipway.analysis.readings import ArmReading

Histogram = Mapping[float, int]


class Edge(msgspec.Struct, frozen=True):
    """Where a threshold is really judged."""

    asked: float
    """ms, as written."""
    judged: float
    """ms: requests of this time or longer count as slow."""
    error: float
    """(judged - asked) / asked, 0 when the threshold is an edge."""

    @property
    def sentence(self) -> str:
        if self.error == 0:
            return f"{self.asked:g} ms is a bin edge: judged exactly"
        return f"{self.asked:g} ms is judged at {self.judged:g} ms, the next bin edge ({self.error:.1%} above)"


def edge(threshold_ms: float) -> Edge:
    """The smallest bin edge at or above a threshold: a request is never called slow that was not.

    Values are whole milliseconds, so below 10 ms the edges are whole milliseconds too.
    """
    if threshold_ms <= 1:
        judged = 1.0
    else:
        width = max(1.0, 10.0 ** (floor(log10(threshold_ms) + 1e-12) - 1))
        judged = ceil(round(threshold_ms / width, 9)) * width
    return Edge(threshold_ms, judged, (judged - threshold_ms) / threshold_ms if threshold_ms > 0 else 0.0)


def counted(indicator: Indicator, arm: ArmReading) -> tuple[int, int]:
    """Cumulative (bad, total) of a count indicator in one raw reading."""
    if indicator.kind == "errors":
        return arm.errors, arm.requests
    # A bin's lower edge is a float as the proxy printed it; half a millisecond is below every bin's width.
    at_least = edge(indicator.threshold_ms).judged - 0.5
    total = slow = 0
    for lower, requests in arm.latency:
        total += requests
        if lower >= at_least:
            slow += requests
    return slow, total


# --- a shift anywhere -------------------------------------------------------------------------------------------------

MINIMUM = 100
"""Requests per arm from which the bands hold (m in the formula)."""


class DistributionTrack(msgspec.Struct, frozen=True, tag=True):
    """Latency histograms of both arms in the step under way.

    Every step starts anew: over several steps the arms would be mixed from different times in different shares, and a
    service that slows down for everybody would look like a slower canary. Step j tests at alpha/(j(j+1)), together alpha.
    """

    canary: Histogram = msgspec.field(default_factory=dict)
    baseline: Histogram = msgspec.field(default_factory=dict)
    evidence: float = -inf
    step: int = 1
    crossed: bool = False

    def observe(self, limit: float, margin: float, canary: Histogram, baseline: Histogram) -> "DistributionTrack":
        """The track after the requests of one reading; ``limit`` is ln(K/alpha)."""
        if self.crossed or not (canary or baseline):
            return self
        canary, baseline = added(self.canary, canary), added(self.baseline, baseline)
        evidence = shift(canary, baseline, margin) - log(self.step * (self.step + 1))
        return DistributionTrack(canary, baseline, evidence, self.step, evidence > limit)

    def next_step(self, number: int) -> "DistributionTrack":
        return self if self.crossed else DistributionTrack(step=number)


def added(old: Histogram, new: Histogram) -> dict[float, int]:
    """Sum of two histograms."""
    result = dict(old)
    for lower, requests in new.items():
        result[lower] = result.get(lower, 0) + requests
    return result


def epsilon(requests: float, alpha: float) -> float:
    """Half-width of a CDF band that holds at all times with probability ``1 - alpha``.

    0.85 sqrt((ln(1 + ln(t/m)) + 0.8 ln(1612/alpha)) / t): Howard & Ramdas, arXiv:1906.09712, theorem 2 with A = 0.85.
    """
    if requests < MINIMUM:
        return inf
    return 0.85 * sqrt((log(1 + log(requests / MINIMUM)) + 0.8 * log(1612 / alpha)) / requests)


def gap(canary: Histogram, baseline: Histogram, margin: float = 0.0) -> float:
    """Largest F_baseline(x) - F_canary(x * (1 + margin)) over the bin edges: how far the canary lags anywhere.

    Bands hold at bin edges; between them nothing is known, which is conservative.
    """
    total_c, total_b = sum(canary.values()), sum(baseline.values())
    slower = sorted(canary.items())
    below_c = below_b = i = 0
    best = 0.0
    for lower, requests in sorted(baseline.items()):
        # F_baseline rises only across its own bins, so the upper edge of each is where the gap can be largest.
        below_b += requests
        stretched = next_edge(lower) * (1 + margin)
        while i < len(slower) and slower[i][0] < stretched:
            below_c += slower[i][1]
            i += 1
        best = max(best, below_b / total_b - below_c / total_c)
    return best


def next_edge(lower: float) -> float:
    """Upper edge of the bin that begins at ``lower`` ms."""
    if lower < 10:
        return floor(lower) + 1.0
    return lower + 10.0 ** (floor(log10(lower) + 1e-12) - 1)


def shift(canary: Histogram, baseline: Histogram, margin: float) -> float:
    """-ln of the smallest alpha at which the two bands, each at alpha/2, are apart somewhere; ``-inf`` if none below 1."""
    t_c, t_b = sum(canary.values()), sum(baseline.values())
    if min(t_c, t_b) < MINIMUM:
        return -inf
    apart = gap(canary, baseline, margin) / 0.85
    base_c, base_b = log(1 + log(t_c / MINIMUM)), log(1 + log(t_b / MINIMUM))

    def width(y: float) -> float:
        return sqrt((base_c + y) / t_c) + sqrt((base_b + y) / t_b)

    low, high = 0.8 * log(2 * 1612), 4000.0
    if width(low) >= apart:
        return -inf
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if width(middle) < apart else (low, middle)
    return low / 0.8 - log(2 * 1612)
