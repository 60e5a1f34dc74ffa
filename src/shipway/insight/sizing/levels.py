"""Where a container's CPU changed its level: what it used at another level must not decide what it needs now.

Called by ``shipway``. A level is the median of an hour's samples, beside what is usual at that hour of the day. Cuts are found by
binary segmentation (Scott and Knott 1974) where the cumulative sum strays most. A rise counts within hours, because it
throttles; a fall only after more than a weekend, because the load may be back on Monday. Leaves out memory, where a level that
was once reached may be reached again at the price of a kill.
"""

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np

from shipway.insight.series import Floats

HOURS = 24
LEAST_HOURS = 6
"""Of one level, to be told from the next."""
LEAST_SHIFT = 0.1
"""Natural logarithm of the ratio of two levels: about 10 %."""
NOISES = 3.0
"""Standard deviations of hours around their level that a shift must exceed."""
FALLEN = 72
"""Hours after which a lower level is believed: longer than a weekend."""
RISEN = 24
"""Hours after which a higher level has a history of its own. Until then that of before counts, raised to it."""
HISTORY = 48
"""Hours without which no level is looked for."""
MOST_RAISED = 2.0
"""Times the highest value at the new level, that a raised one may have."""


class Steady(msgspec.Struct, frozen=True):
    """Usage as if its level had always been what it is now."""

    cpu: Floats
    """Cores, shape (pods, samples); no earlier samples than those that count."""
    dropped: int
    """Samples before them."""
    hours: int = 0
    """Since the level changed; 0: it has not, as far as that matters."""


def steady(cpu: Floats, step: float) -> Steady:
    """``cpu`` without, or with raised, samples of another level; samples are ``step`` seconds apart."""
    per = max(1, round(3600 / step))
    level = _hourly(cpu, per)
    edges = [0, *_cuts(level, 0, len(level)), len(level)] if len(level) >= HISTORY else [0, len(level)]
    levels = np.array([np.median(level[a:b]) for a, b in pairwise(edges)])
    risen = bool(len(levels) > 1 and levels[-1] > levels[:-1].max() + LEAST_SHIFT)
    higher = np.flatnonzero(levels > levels[-1] + LEAST_SHIFT)
    begun = edges[-2] if risen else edges[higher[-1] + 1] if len(higher) else 0
    hours = edges[-1] - begun
    first = cpu.shape[-1] - hours * per
    if begun and hours >= (RISEN if risen else FALLEN):
        return Steady(cpu[:, first:], first, hours)
    if not risen:
        return Steady(cpu, 0)
    ratios = np.exp(levels[-1] - np.repeat(levels, np.diff(edges) * per))
    ratios = np.concatenate([np.full(cpu.shape[-1] - len(ratios), ratios[0]), ratios])
    most = np.fmax(cpu, MOST_RAISED * float(np.nanmax(cpu[:, first:])))
    return Steady(np.minimum(cpu * ratios, most), 0, hours)


def _hourly(cpu: Floats, per: int) -> Floats:
    """Logarithms of the median of each whole hour that was measured, without what is usual at that hour of the day."""
    count = cpu.shape[-1] // per
    inside = cpu[:, cpu.shape[-1] - count * per :].reshape(len(cpu), count, per).swapaxes(0, 1).reshape(count, -1)
    known = np.isfinite(inside).any(axis=1)
    if not known.any():
        return np.zeros(0)
    median = np.full(count, np.nan)
    median[known] = np.nanmedian(inside[known], axis=1) if np.isnan(inside).any() else np.median(inside, axis=1)
    median[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), median[known])
    level = np.log(np.maximum(median, max(1e-3 * float(median.mean()), 1e-9)))
    if count < 3 * HOURS:
        return np.asarray(level)
    usual = np.array([np.median(level[hour::HOURS]) for hour in range(HOURS)])
    return np.asarray(level - np.resize(usual - usual.mean(), count))


def _cuts(level: Floats, begin: int, end: int) -> Iterator[int]:
    """Where another level begins, in order."""
    part = level[begin:end]
    length = len(part)
    if length < 2 * LEAST_HOURS:
        return
    before = np.arange(LEAST_HOURS, length - LEAST_HOURS + 1)
    strayed = np.abs(np.cumsum(part - part.mean())[before - 1]) / np.sqrt(before * (length - before) / length)
    at = int(before[np.argmax(strayed)])
    sides = (part[:at], part[at:])
    medians = [float(np.median(side)) for side in sides]
    # The factor makes a median distance a normal distribution's standard deviation.
    noise = 1.4826 * max(float(np.median(np.abs(side - m))) for side, m in zip(sides, medians, strict=True))
    if abs(medians[1] - medians[0]) > max(LEAST_SHIFT, NOISES * noise):
        yield from _cuts(level, begin, begin + at)
        yield begin + at
        yield from _cuts(level, begin + at, end)
