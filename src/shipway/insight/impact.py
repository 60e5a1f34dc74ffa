"""What a release did to any metric, business ones too, and what it costs: differences in differences, with intervals.

Called by ``shipway cost report --by release`` and for reports. The comparison is with the other arm of the same rollout, or
with the same hours of the weeks before, so that what hits both is not blamed on the release. Intervals are always valid
(Waudby-Smith et al. 2021, asymptotic confidence sequences): one may look every hour and stop when one likes.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from shipway.insight.series import Absent, Floats, Series

LEAST = 8
"""Points on each side without which no standard deviation is worth having."""
TUNED_FOR = 100
"""Points at which the interval is narrowest."""
MOST_CARRIED = 0.95


class Effect(msgspec.Struct, frozen=True):
    """The change that the release made, in the metric's unit."""

    estimate: float
    low: float
    high: float
    """The truth lies between with probability ``1 - alpha``, however often one has looked."""
    usual: float
    """What the metric would have been."""
    points: int
    """After the release."""

    @property
    def relative(self) -> float | None:
        """Share of the usual; None when that is 0."""
        return self.estimate / abs(self.usual) if self.usual else None

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def against_arm(metric: Series, control: Series, released_at: float, alpha: float = 0.05) -> Effect | Absent:
    """The metric where the release runs, against the same metric where it does not; both on one grid."""
    if (metric.start, metric.step, len(metric.values)) != (control.start, control.step, len(control.values)):
        return Absent("metric and control are not measured at the same times")
    return _difference(metric, control.values, released_at, alpha)


def against_weeks(metric: Series, released_at: float, weeks: int = 3, alpha: float = 0.05) -> Effect | Absent:
    """The metric against its own mean at the same time of the ``weeks`` before each point."""
    week = metric.weekly
    if not week or weeks < 1:
        return Absent("a step that divides a week is needed to compare with weeks before")
    values = metric.values
    usual = np.full(len(values), np.nan)
    begin = _place(metric, released_at)
    for at in range(week, len(values)):
        # After the release only weeks before it count: the release must not become its own control.
        back = (
            range(at - week * max(1, -(-(at - begin + 1) // week)), -1, -week)
            if at >= begin
            else range(at - week, -1, -week)
        )
        known = [values[one] for one in list(back)[:weeks] if math.isfinite(values[one])]
        usual[at] = sum(known) / len(known) if known else np.nan
    return _difference(metric, usual, released_at, alpha)


def _place(series: Series, at: float) -> int:
    return math.ceil((at - series.start) / series.step)


def _difference(metric: Series, control: Floats, released_at: float, alpha: float) -> Effect | Absent:
    if not 0 < alpha < 1:
        return Absent(f"alpha must lie between 0 and 1, got {alpha:g}")
    place = min(max(_place(metric, released_at), 0), len(metric.values))
    distance = metric.values - control
    before, after = (part[np.isfinite(part)] for part in (distance[:place], distance[place:]))
    if min(len(before), len(after)) < LEAST:
        return Absent(f"{len(before)} points before the release and {len(after)} after: {LEAST} of each are needed")
    estimate = float(after.mean() - before.mean())
    half = _sequence(after, alpha / 2) + _fixed(before, alpha / 2)
    usual = metric.values[place:] - distance[place:] + float(before.mean())
    return Effect(estimate, estimate - half, estimate + half, float(np.nanmean(usual)), len(after))


def _spread(values: Floats) -> float:
    """Standard deviation, widened for what one point carries over to the next (variance x (1 + r) / (1 - r))."""
    centred = values - values.mean()
    power = float(np.dot(centred, centred))
    carried = float(np.dot(centred[1:], centred[:-1])) / power if power > 0 else 0.0
    carried = min(max(carried, 0.0), MOST_CARRIED)
    return float(values.std(ddof=1)) * math.sqrt((1 + carried) / (1 - carried))


def _sequence(values: Floats, alpha: float) -> float:
    """Half the width of the confidence sequence of the mean after n values; two-sided normal mixture."""
    n = len(values)
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / TUNED_FOR
    inside = 2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    return _spread(values) * math.sqrt(inside)


def _fixed(values: Floats, alpha: float) -> float:
    """Half the width of the usual interval: what lies before the release is looked at once."""
    return _spread(values) / math.sqrt(len(values)) * NormalDist().inv_cdf(1 - alpha / 2)


class Correlation(msgspec.Struct, frozen=True):
    """How two figures of releases go together, -1..1, with a 95 % interval (Fisher 1921)."""

    value: float
    low: float
    high: float
    releases: int


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation | Absent:
    """Spearman's: of the ranks, so that one release with a wild figure does not decide."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if len(pairs) < 4:
        return Absent(f"{len(pairs)} releases with both figures: at least 4 are needed")
    x, y = (_ranks(np.array(side)) for side in zip(*pairs, strict=True))
    if x.std() == 0 or y.std() == 0:
        return Absent("one of the figures is the same for every release")
    value = min(max(float(np.corrcoef(x, y)[0, 1]), -1.0), 1.0)
    count = len(pairs)
    # Ranks in perfect order are no certainty: among four releases one order in 24 is. They count as half a swap from it.
    most = 1 - 6 / (count * (count * count - 1))
    middle = math.atanh(min(max(value, -most), most))
    # 1.06 / (n - 3) is the variance for ranks (Fieller, Hartley and Pearson 1957).
    half = NormalDist().inv_cdf(0.975) * math.sqrt(1.06 / (count - 3))
    low, high = math.tanh(middle - half), math.tanh(middle + half)
    return Correlation(value, min(low, value), max(high, value), count)


def _ranks(values: Floats) -> Floats:
    """Mean ranks for ties."""
    ordered = np.sort(values)
    return np.asarray((np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2.0)
