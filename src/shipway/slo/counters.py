"""Cumulative counters to events in a time: what PromQL's ``increase`` does, without its extrapolation. Used by ``budget``.

A counter that falls has restarted from nothing, as Prometheus takes it. What cannot be a reading is left out: numbers that
are negative or not finite, a second reading of the same instant, one from before the last (a clock that jumped back; nobody
knows where its events belong), one from after the moment of the question. Between two readings nothing is lost: a gap only
hides when its events happened, and they count at its end.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Sample(NamedTuple):
    """One reading of both counters of one process."""

    at: float
    """Seconds since the epoch."""
    bad: float
    total: float


class Events(NamedTuple):
    """What happened within a time."""

    bad: float
    total: float
    seconds: float
    """How much of the time was observed."""
    readings: int

    @property
    def share(self) -> float:
        """Failed share of the events, 0..1; NaN without events, as PromQL has it."""
        return self.bad / self.total if self.total > 0 else math.nan


def usable(samples: Iterable[Sample], until: float) -> list[Sample]:
    """The readings that can be ones, ascending in time, none later than ``until``."""
    found: list[Sample] = []
    for one in samples:
        sane = all(math.isfinite(value) for value in one) and min(one.bad, one.total) >= 0
        if sane and one.at <= until and (not found or one.at > found[-1].at):
            found.append(one)
    return found


def increase(before: float, after: float) -> float:
    """Events between two readings of one counter."""
    return after - before if after >= before else after


def counted(series: Sequence[Sequence[Sample]], start: float, end: float) -> Events:
    """Events of all processes in [``start``, ``end``]: of each the readings from within, summed up.

    ``series`` are as :func:`usable` returns them. Two readings are needed to see anything happen.
    """
    parts = [_one([sample for sample in samples if start <= sample.at <= end]) for samples in series]
    found = [part for part in parts if part.readings]
    return Events(
        bad=sum(part.bad for part in found),
        total=sum(part.total for part in found),
        seconds=_covered(series, start, end),
        readings=sum(part.readings for part in found),
    )


def _one(samples: Sequence[Sample]) -> Events:
    bad = total = 0.0
    for before, after in pairwise(samples):
        total += increase(before.total, after.total)
        bad += increase(before.bad, after.bad)
    seconds = samples[-1].at - samples[0].at if samples else 0.0
    return Events(bad, total, seconds, len(samples))


def _covered(series: Sequence[Sequence[Sample]], start: float, end: float) -> float:
    """Length of the union of the times that any process was observed."""
    spans = sorted(
        (inside[0].at, inside[-1].at)
        for samples in series
        if (inside := [sample for sample in samples if start <= sample.at <= end])
    )
    covered, reached = 0.0, -math.inf
    for begin, stop in spans:
        covered += max(0.0, stop - max(begin, reached))
        reached = max(reached, stop)
    return covered
