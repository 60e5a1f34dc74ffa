"""The recommender of Kubernetes' Vertical Pod Autoscaler, by its published algorithm (1.4 and later).

Histograms with buckets that grow by 5 % and weights that halve every 24 hours. CPU: every sample weighs 0.1 (since 1.4 no longer
its request). Memory: the peak of each day, of the last eight. Target P90, lower bound P50, upper bound P95 of the bucket's end,
plus 15 %, bounds widened while there is little history. A killed container counts as if it had used 20 % or 100 MiB more.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.insight.series import DAY, Absent, Floats
from shipway.insight.sizing.usage import MIB, MINUTES_A_DAY, Recommendation, Usage, whole_millicores

RATIO = 1.05
HALF_LIFE = DAY
EPSILON = 0.0001
"""Weight below which a bucket counts as empty: 0.001 of a CPU sample's."""
CPU_WEIGHT = 0.1
MEMORY_INTERVALS = 8
MARGIN = 1.15
LEAST_CPU, LEAST_MEMORY = 0.025, 250 * MIB
"""Per pod."""


class Histogram(msgspec.Struct, frozen=True):
    """Weights of buckets; the first begins at 0 and is ``first`` wide, each next 5 % wider."""

    first: float
    weights: Floats

    @classmethod
    def of(cls, first: float, most: float, values: Floats, weights: Floats) -> "Histogram":
        """Values at or above ``most`` go into the last bucket."""
        count = math.ceil(math.log(most * (RATIO - 1) / first + 1, RATIO)) + 1
        places = np.floor(np.log(np.maximum(values, 0) * (RATIO - 1) / first + 1) / math.log(RATIO)).astype(np.int64)
        # A value on an edge must not fall into the bucket below by rounding.
        places = np.where(values >= cls.edge(first, places + 1), places + 1, places)
        return cls(first, np.bincount(np.minimum(places, count - 1), weights=weights, minlength=count).astype(float))

    @staticmethod
    def edge(first: float, bucket: Floats | NDArray[np.int64]) -> Floats:
        """Where a bucket begins."""
        return np.asarray(first * (RATIO**bucket - 1) / (RATIO - 1))

    def percentile(self, share: float) -> float:
        """The end of the bucket that holds it; 0 of nothing."""
        filled = np.flatnonzero(self.weights >= EPSILON)
        if not len(filled):
            return 0.0
        sums = np.cumsum(self.weights[: filled[-1] + 1])
        bucket = int(np.searchsorted(sums, share * float(self.weights.sum())))
        bucket = min(max(bucket, int(filled[0])), int(filled[-1]))
        following = min(bucket + 1, len(self.weights) - 1)
        return float(self.edge(self.first, np.array(following)))


def decayed(times: Floats, end: float) -> Floats:
    """Weights that halve every 24 hours before ``end``."""
    return np.asarray(2.0 ** ((times - end) / HALF_LIFE))


def cpu_histogram(usage: Usage) -> Histogram:
    """All pods together."""
    known = np.isfinite(usage.cpu)
    times = np.broadcast_to(usage.start + np.arange(usage.cpu.shape[-1]) * usage.step, usage.cpu.shape)
    end = usage.start + usage.cpu.shape[-1] * usage.step
    return Histogram.of(0.01, 1000.0, usage.cpu[known], CPU_WEIGHT * decayed(times[known], end))


def memory_histogram(usage: Usage) -> Histogram:
    """The peak of each pod and day; days count back from the end, kills as more than was used."""
    per_day = max(1, round(DAY / usage.step))
    end = usage.start + usage.memory.shape[-1] * usage.step
    peaks: list[tuple[float, float]] = []
    for pod in usage.memory:
        for back in range(min(MEMORY_INTERVALS, math.ceil(len(pod) / per_day))):
            part = pod[max(0, len(pod) - (back + 1) * per_day) : len(pod) - back * per_day]
            part = part[np.isfinite(part)]
            if len(part):
                peaks.append((end - back * DAY, float(part.max())))
    for at, used in usage.ooms:
        # Stamped with the end of its interval, like a peak.
        interval = end - math.floor((end - at) / DAY) * DAY
        peaks.append((interval, bumped(used, usage.memory_request)))
    times, values = (
        (np.array(side, float) for side in zip(*peaks, strict=True)) if peaks else (np.empty(0), np.empty(0))
    )
    return Histogram.of(1e7, 1e12, values, decayed(times, end))


def bumped(used: float, request: float | None) -> float:
    """Bytes that a kill counts for."""
    most = max(used, request or 0.0)
    return max(most + 100 * MIB, most * 1.2)


def confidence(days: float, samples: int) -> float:
    """In days: by how long it was watched and by how many samples of a minute."""
    return min(days, samples / MINUTES_A_DAY)


def widened(value: float, multiplier: float, exponent: float, days: float) -> float:
    """value x (1 + multiplier / confidence) ^ exponent; infinite upwards without any."""
    if days <= 0:
        return math.inf if exponent > 0 else 0.0
    return float(value * (1 + multiplier / days) ** exponent)


class Bounds(msgspec.Struct, frozen=True):
    """Lower bound, target and upper bound."""

    lower: float
    target: float
    upper: float


def estimate(histogram: Histogram, days: float, least: float) -> Bounds:
    """With margin and confidence, never under ``least``."""
    lower, target, upper = (histogram.percentile(share) * MARGIN for share in (0.5, 0.9, 0.95))
    lower, upper = widened(lower, 0.001, -2, days), widened(upper, 1.0, 1, days)
    return Bounds(max(lower, least), max(target, least), max(upper, least))


def recommend(usage: Usage) -> Recommendation | Absent:
    """The target; CPU rounded up to a thousandth of a core, memory to a byte. Limits are not its business."""
    samples = int(np.isfinite(usage.cpu).sum())
    if not samples:
        return Absent("nothing was measured")
    days = confidence(usage.cpu.shape[-1] * usage.step / DAY, samples)
    cpu = estimate(cpu_histogram(usage), days, LEAST_CPU / usage.containers)
    memory = estimate(memory_histogram(usage), days, LEAST_MEMORY / usage.containers)
    return Recommendation(
        recommender="vpa",
        cpu_request=float(whole_millicores(cpu.target)),
        memory_request=float(math.ceil(memory.target)),
        confidence=min(1.0, days / 7),
        note=f"not beside a scaler that divides by {' and '.join(sorted(usage.scaled_on))}" if usage.scaled_on else "",
    )
