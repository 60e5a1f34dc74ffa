"""Anomalies in a stream of measurements, application or business, without settings for each series.

Called for baselines and alerts. A value is looked at in five ways (how far it is from the last hours, how far the last
few are, how large the step was, how much noisier or calmer it became, how far it is from the same time of the last
seven days), each in units of its own usual size. It is an anomaly when one of them breaks its own record: heavy tails,
bursts and counts then need no model, because a series that has always been wild has set its records high. Records fade
by half in 10,000 values, so that a stream may run for ever. After an anomaly a stronger one is needed for a while.

Scored with NAB's published method (:mod:`shipway.testing.nab`); figures are in docs/measurements.md.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import numpy as np

from shipway.insight.series import DAY, Absent, Series, filled, regular

LONG, SHORT = 600, 12
"""Values that make the usual, and the few whose mean is compared with it."""
SEASONS = 7
"""Days whose mean at the same time is the expectation."""
SETTLE = 20
"""Values before deviations mean anything: of two values the second is infinitely far away."""
WARM_UP = 100
"""Values before anything can be an anomaly."""
QUIET = 100
"""Values after an anomaly in which only a stronger one is said."""
FADE = 0.5 ** (1 / 10_000)
THRESHOLD = 1.08
"""Times the record from which a deviation is an anomaly."""
FLOOR = 0.05
"""Share of the stream's first standard deviation that every scale has at least: a constant has none of its own."""
LEAST = 0.001
"""Share of the stream's first mean that every scale has at least, for a constant that begins to move."""
FIRST = 400
"""Values that the floor is taken from; an outlier later must not raise it for ever."""

WAYS = ("value", "recent mean", "step", "spread", "time of day")


class Reading(msgspec.Struct, frozen=True):
    """What a detector says about one value."""

    score: float
    """Deviation over its record; 1 breaks it; 0 while warming up and after a stronger anomaly."""
    anomalous: bool
    way: str
    """Which of the five ways of looking deviates most."""
    expected: float
    """The mean of the last values, in the unit of the series; NaN before there is one."""


class _Window:
    """Mean and standard deviation of the last ``size`` values, in constant time."""

    def __init__(self, size: int) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._sum = self._squares = self._origin = 0.0
        self._since = 0

    def push(self, value: float) -> float | None:
        """The value that fell out, if one did."""
        if not self._values:
            self._origin = value
        gone = self._values[0] if len(self._values) == self._values.maxlen else None
        self._values.append(value)
        self._since += 1
        if self._since >= len(self._values):  # rounding errors must not add up for ever
            self._resum()
        else:
            self._add(value, 1)
            if gone is not None:
                self._add(gone, -1)
        return gone

    def _add(self, value: float, sign: int) -> None:
        shifted = value - self._origin
        self._sum += sign * shifted
        self._squares += sign * shifted * shifted

    def _resum(self) -> None:
        self._origin, self._since = self._values[0], 0
        self._sum = math.fsum(value - self._origin for value in self._values)
        self._squares = math.fsum((value - self._origin) ** 2 for value in self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def mean(self) -> float:
        return self._origin + self._sum / len(self._values) if self._values else math.nan

    @property
    def deviation(self) -> float:
        if not self._values:
            return 0.0
        mean = self._sum / len(self._values)
        return math.sqrt(max(0.0, self._squares / len(self._values) - mean * mean))


class Detector:
    """Takes one value after the other. Memory is bounded: seven days of values and a few hundred more."""

    def __init__(self, step: float) -> None:
        """``step``: seconds between two values."""
        self._day = round(DAY / step) if step > 0 and DAY / step >= 2 else 0
        self._season: deque[float] = deque(maxlen=max(1, SEASONS * self._day))
        self._long, self._few, self._before = _Window(LONG), _Window(SHORT), _Window(LONG)
        self._steps, self._misses = _Window(LONG), _Window(3 * LONG)
        self._first = (0, 0.0, 0.0)  # count, mean, sum of squared distances: Welford 1962
        self._records = [0.0] * len(WAYS)
        self._loud: deque[tuple[int, float]] = deque()
        self._last, self._seen = math.nan, 0

    def update(self, value: float) -> Reading:
        """What ``value`` means after all before it; NaN and infinities are passed over."""
        if not math.isfinite(value):
            return Reading(0.0, False, "", self._long.mean)
        count = self._count(value)
        expected = self._long.mean
        among, mean, squares = self._first
        floor = max(FLOOR * math.sqrt(squares / among), LEAST * abs(mean), 1e-12)
        deviations = self._deviations(value, floor)
        ratios = [self._ratio(way, deviation, count) for way, deviation in enumerate(deviations)]
        way = max(range(len(ratios)), key=ratios.__getitem__)
        score = self._loudest(count, ratios[way])
        return Reading(score, score >= THRESHOLD, WAYS[way], expected)

    def _count(self, value: float) -> int:
        count, mean, squares = self._first
        self._seen += 1
        if count == FIRST:
            return self._seen
        distance = value - mean
        mean += distance / (count + 1)
        self._first = (count + 1, mean, squares + distance * (value - mean))
        return self._seen

    def _deviations(self, value: float, floor: float) -> Iterator[float]:
        yield abs(value - self._long.mean) / (self._long.deviation + floor) if len(self._long) else 0.0
        gone = self._few.push(value)
        if gone is not None:
            self._before.push(gone)
        known = len(self._before) > 0
        spread = self._before.deviation + floor
        yield abs(self._few.mean - self._before.mean) / spread if known else 0.0
        stepped = abs(value - self._last) if math.isfinite(self._last) else 0.0
        yield stepped / (self._steps.mean + floor) if len(self._steps) else 0.0
        yield abs(math.log((self._few.deviation + floor) / spread)) if known else 0.0
        miss = self._miss(value)
        yield 0.0 if miss is None or not len(self._misses) else abs(miss) / (_root(self._misses) + floor)
        self._remember(value, stepped, miss)

    def _miss(self, value: float) -> float | None:
        """Distance from the mean of the same time of the days before; None on the first day."""
        days = len(self._season) // self._day if self._day else 0
        if not days:
            return None
        same = islice(reversed(self._season), self._day - 1, days * self._day, self._day)
        return value - math.fsum(same) / days

    def _remember(self, value: float, stepped: float, miss: float | None) -> None:
        self._long.push(value)
        self._steps.push(stepped)
        self._last = value
        if miss is not None:
            self._misses.push(miss)
        if self._day:
            self._season.append(value)

    def _ratio(self, way: int, deviation: float, count: int) -> float:
        if count <= SETTLE:
            return 0.0
        record = self._records[way]
        self._records[way] = max(record * FADE, deviation)
        return deviation / record if count > WARM_UP and record > 0 else 0.0

    def _loudest(self, count: int, score: float) -> float:
        """The score, or 0 when one at least as strong lies less than ``QUIET`` values back."""
        while self._loud and self._loud[0][0] < count - QUIET:
            self._loud.popleft()
        hushed = bool(self._loud) and self._loud[0][1] >= score
        while self._loud and self._loud[-1][1] <= score:
            self._loud.pop()
        self._loud.append((count, score))
        return 0.0 if hushed else score


def _root(misses: _Window) -> float:
    """Root mean square."""
    return math.hypot(misses.mean, misses.deviation)


def detect(series: Series) -> Iterator[tuple[float, Reading]]:
    """(seconds since the epoch, what the detector says) of every value of a series."""
    detector = Detector(series.step)
    for index, value in enumerate(series.values.tolist()):
        yield series.start + index * series.step, detector.update(value)


class Unusual(msgspec.Struct, frozen=True):
    """One value."""

    at: float
    """Seconds since the epoch."""
    value: float
    expected: float
    """Mean of the values before it."""
    way: str
    """In which it deviates: value, recent mean, step, spread, time of day."""
    score: float
    """Deviation over the largest one before it."""


class Metric(msgspec.Struct, frozen=True):
    """One series, or why nothing can be said about it."""

    application: str
    name: str
    absent: str = ""
    samples: int = 0
    step: float = 0.0
    baseline: float = math.nan
    """What is usual now: the mean of the last values."""
    low: float = math.nan
    """Between these two lay nine in ten of them."""
    high: float = math.nan
    anomalies: tuple[Unusual, ...] = ()


def looked_at(app: str, name: str, at: Sequence[float], values: Sequence[float], step: float = 0.0) -> Metric:
    """What was unusual about one series."""
    found = regular(at, values, step)
    if isinstance(found, Absent):
        return Metric(app, name, found.reason)
    if len(found.values) <= WARM_UP:
        return Metric(app, name, f"what is usual shows after {WARM_UP} values; there are {len(found.values)} so far")
    readings = list(zip(detect(Series(found.start, found.step, filled(found))), found.values.tolist(), strict=True))
    odd = tuple(
        Unusual(when, value, reading.expected, reading.way, reading.score)
        for (when, reading), value in readings
        if reading.anomalous and math.isfinite(value)
    )
    last = found.values[-10 * WARM_UP :]
    low, middle, high = np.nanquantile(last, (0.05, 0.5, 0.95)).tolist()
    return Metric(app, name, "", len(found.values), found.step, middle, low, high, odd)
