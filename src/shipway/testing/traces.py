"""Usage of containers that never were, for judging recommenders on what they have not seen.

Called by tests and ``bench.sizing``. Six kinds, as operators know them; every trace follows from its kind and seed.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np

from shipway.insight.series import DAY, WEEK, Floats

Kind = Literal["diurnal", "bursty", "leak", "batch", "cold start", "releases"]
KINDS: tuple[Kind, ...] = ("diurnal", "bursty", "leak", "batch", "cold start", "releases")
MIB = 2.0**20


class Trace(msgspec.Struct, frozen=True):
    """CPU in cores and memory in bytes, at the same times."""

    kind: Kind
    seed: int
    step: float
    """Seconds."""
    cpu: Floats
    memory: Floats


def trace(kind: Kind, seed: int, weeks: int = 4, step: float = 60.0) -> Trace:
    """``weeks`` of one container."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    at = np.arange(round(weeks * WEEK / step), dtype=float) * step
    size = math.exp(rng.normal(-1, 0.8))
    memory = math.exp(rng.normal(6, 0.7)) * MIB
    cpu, used = _MAKERS[kind](rng, at)
    noise = np.asarray(np.exp(rng.normal(0, 0.08, len(at))), float)
    return Trace(kind, seed, step, np.asarray(size * cpu * noise, float), np.asarray(memory * used, float))


def traces(each: int, seed: int = 0, weeks: int = 4, step: float = 60.0) -> Iterator[Trace]:
    """``each`` of every kind."""
    for kind in KINDS:
        for number in range(each):
            yield trace(kind, seed * 1000 + number, weeks, step)


def _day(at: Floats, peak: float, weekend: float) -> Floats:
    hours = at / 3600 % 24
    work = np.where(at // DAY % 7 >= 5, weekend, 1.0)
    return np.asarray(0.3 + 0.7 * work * np.exp(3.0 * (np.cos((hours - peak) / 12 * np.pi) - 1)))


def _slow(rng: np.random.Generator, at: Floats, spread: float) -> Floats:
    """A factor that wanders from hour to hour, 1 on average (Ornstein-Uhlenbeck)."""
    hours = int(at[-1] // 3600) + 2
    walk = np.empty(hours)
    walk[0] = rng.normal(0, spread)
    for hour in range(1, hours):
        walk[hour] = 0.9 * walk[hour - 1] + rng.normal(0, spread * math.sqrt(1 - 0.81))
    return np.asarray(np.exp(np.interp(at / 3600, np.arange(hours), walk)))


def _diurnal(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    load = _day(at, rng.uniform(10, 20), rng.uniform(0.3, 1)) * _slow(rng, at, 0.1)
    return load, 0.7 + 0.2 * load + 0.01 * rng.normal(size=len(at))


def _bursty(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    load = 0.3 * _slow(rng, at, 0.15)
    begun = rng.random(len(at)) < 60 / (rng.uniform(2, 8) * 3600) * (at[1] - at[0]) / 60
    for start in np.flatnonzero(begun):
        length = 1 + int(rng.exponential(8) * 60 / (at[1] - at[0]))
        load[start : start + length] += rng.lognormal(-0.2, 0.6)
    return load, 0.6 + 0.15 * np.minimum(load, 3) + 0.01 * rng.normal(size=len(at))


def _leak(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    restart = rng.uniform(2, 6) * DAY
    return _day(at, 14, 0.8) * _slow(rng, at, 0.1), 0.4 + 0.6 * (at % restart) / restart


def _batch(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    begin, length = rng.uniform(0, 22) * 3600, rng.uniform(0.5, 2) * 3600
    running = (at % DAY >= begin) & (at % DAY < begin + length)
    return np.where(running, 1.0, 0.03) * _slow(rng, at, 0.08), np.where(running, 1.0, 0.3) * _slow(rng, at, 0.02)


def _cold(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    """Quiet, but for some minutes of compiling and filling caches after each restart."""
    every = rng.uniform(18, 40) * 3600
    since = at % every
    warm = np.exp(-since / rng.uniform(120, 600))
    return 0.25 * _day(at, 13, 0.7) * _slow(rng, at, 0.1) + 1.2 * warm, 0.5 + 0.3 * (1 - warm)


def _releases(rng: np.random.Generator, at: Floats) -> tuple[Floats, Floats]:
    """A level that holds for some days and then is another one, under a load that hardly knows the hour."""
    level, when, factor = np.empty(len(at)), 0.0, 1.0
    while when < at[-1] + 1:
        level[at >= when] = factor
        when += rng.exponential(5) * DAY
        factor *= math.exp(rng.normal(0, 0.5) - 0.3 * math.log(factor))
    return level * _slow(rng, at, 0.04), 0.5 + 0.2 * np.minimum(level, 3) + 0.01 * rng.normal(size=len(at))


_MAKERS: Mapping[Kind, Callable[[np.random.Generator, Floats], tuple[Floats, Floats]]] = {
    "diurnal": _diurnal,
    "bursty": _bursty,
    "leak": _leak,
    "batch": _batch,
    "cold start": _cold,
    "releases": _releases,
}
