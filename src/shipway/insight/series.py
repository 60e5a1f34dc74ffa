"""Measurements on an even grid of time, made from samples as they come: gaps, duplicates, wrong order, jumps of the clock.

The door to every function here that looks at a series. Leaves out where samples come from.
"""

import math
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = timedelta(days=1).total_seconds()
WEEK = 7 * DAY
MOST_POINTS = 2_000_000
"""A clock that jumped by a century must not make a grid of a century."""
MOST_MISSING = 0.5
"""Share of the grid that may be without a sample."""


class Absent(msgspec.Struct, frozen=True):
    """An answer that cannot be given, and why; never a number that looks like one."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class Series(msgspec.Struct, frozen=True):
    """Values at ``start``, ``start + step``, ...; NaN where nothing was measured."""

    start: float
    """Seconds since the epoch, of the first value."""
    step: float
    """Seconds between two values."""
    values: Floats

    @property
    def end(self) -> float:
        """Seconds since the epoch, of the value that would come next."""
        return self.start + self.step * len(self.values)

    @property
    def daily(self) -> int:
        """Values in a day; 0 when the step does not divide a day."""
        return _whole(DAY / self.step)

    @property
    def weekly(self) -> int:
        """Values in a week; 0 when the step does not divide a week."""
        return _whole(WEEK / self.step)

    def last(self, count: int) -> "Series":
        """The last ``count`` values."""
        skipped = max(0, len(self.values) - count)
        return Series(self.start + skipped * self.step, self.step, self.values[skipped:])

    def coarser(self, factor: int) -> "Series":
        """Means of ``factor`` values each, NaN left out; the oldest that make no whole group are dropped."""
        kept = self.last(len(self.values) // factor * factor)
        groups = kept.values.reshape(-1, factor)
        known = np.isfinite(groups)
        counts = known.sum(axis=1)
        sums = np.where(known, groups, 0.0).sum(axis=1)
        return Series(kept.start, self.step * factor, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def regular(times: Sequence[float] | Floats, values: Sequence[float] | Floats, step: float = 0.0) -> Series | Absent:
    """Samples in any order on an even grid.

    ``times`` are seconds since the epoch; ``step`` is the median distance when 0. Samples of the same grid point are
    averaged; those that are not finite count as missing. The grid begins at the first sample.
    """
    when, what = np.asarray(times, float), np.asarray(values, float)
    if when.shape != what.shape or when.ndim != 1:
        return Absent(f"{when.size} times and {what.size} values do not belong together")
    known = np.isfinite(when) & np.isfinite(what)
    when, what = when[known], what[known]
    if len(when) < 2:
        return Absent(f"{len(when)} usable samples: at least 2 are needed")
    order = np.argsort(when, kind="stable")
    when, what = when[order], what[order]
    gaps = np.diff(when)
    step = step or float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
    if not step > 0:
        return Absent("every sample has the same time")
    return _gridded(when, what, step)


def _gridded(when: Floats, what: Floats, step: float) -> Series | Absent:
    span = float(when[-1] - when[0]) / step
    if span >= MOST_POINTS:
        return Absent(f"samples span {span + 1:,.0f} steps of {step:g} s: has a clock jumped?")
    slots = np.rint((when - when[0]) / step).astype(np.int64)
    length = int(slots[-1]) + 1
    counts = np.bincount(slots, minlength=length)
    missing = float(np.mean(counts == 0))
    if missing > MOST_MISSING:
        return Absent(f"{missing:.0%} of the time is without a sample")
    sums = np.bincount(slots, weights=what, minlength=length)
    return Series(float(when[0]), step, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def filled(series: Series) -> Floats:
    """The values without gaps: as a day before, else a day after, else on the line between the neighbours."""
    values = series.values.copy()
    missing = ~np.isfinite(values)
    if not missing.any():
        return values
    day = series.daily
    for shift in (day, -day):
        if day and len(values) > day:
            other = np.roll(values, shift)
            usable = missing & np.isfinite(other) & _inside(len(values), shift)
            values[usable] = other[usable]
            missing &= ~usable
    places = np.arange(len(values))
    values[missing] = np.interp(places[missing], places[~missing], values[~missing])
    return values


def _inside(length: int, shift: int) -> NDArray[np.bool_]:
    """Places whose partner ``shift`` earlier exists."""
    places = np.arange(length) - shift
    return (places >= 0) & (places < length)


def _whole(ratio: float) -> int:
    nearest = round(ratio)
    return nearest if nearest > 1 and math.isclose(ratio, nearest, rel_tol=1e-6) else 0
