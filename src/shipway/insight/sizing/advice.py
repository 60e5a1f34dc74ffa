"""The recommenders side by side, with what each would save. Called by ``shipway rightsize`` and the report."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from shipway.insight.series import MOST_POINTS, Absent, Floats
from shipway.insight.sizing import krr, shipway, vpa
from shipway.insight.sizing.usage import Recommendation, Recommender, Usage, days
from shipway.insight.workloads import History, Moment, Now

RIVALS: Mapping[str, Recommender] = {"vpa": vpa.recommend, "krr": krr.recommend}
OURS = "shipway"


class Observed(msgspec.Struct, frozen=True):
    """What an instance used, as far as it was measured; of all instances of an application."""

    samples: int
    cpu_median: float
    """Cores."""
    cpu_p95: float
    cpu_most: float
    memory_median: float
    """Bytes."""
    memory_p95: float
    memory_most: float


class Advice(msgspec.Struct, frozen=True):
    """Of one recommender."""

    recommender: str
    recommendation: Recommendation | None
    absent: str = ""
    """Why there is none."""
    cpu_saved: float | None = None
    """Cores an instance, all day on average; below 0: it needs more. None: nobody knows what it has now."""
    memory_saved: float | None = None
    """Bytes an instance."""


class Sized(msgspec.Struct, frozen=True):
    """One application."""

    application: str
    days: float
    """Of history."""
    now: Now
    advice: tuple[Advice, ...]
    observed: Observed | None = None
    """None: nothing was measured."""


def sized(history: History, present: Now, aim: shipway.Aim = shipway.Aim()) -> Sized:  # noqa: B008  # frozen
    """Every recommender's advice; ``aim`` is for ours, the others have none."""
    usage = _usage(history, present)
    if isinstance(usage, Absent):
        nothing = tuple(Advice(name, None, usage.reason) for name in (*RIVALS, OURS))
        return Sized(history.name, 0.0, present, nothing, observed(history))
    asked = {name: ask(usage) for name, ask in RIVALS.items()} | {OURS: shipway.recommend(usage, aim)}
    advice = tuple(_advice(name, found, present) for name, found in asked.items())
    return Sized(history.name, days(usage), present, advice, observed(history))


def observed(history: History) -> Observed | None:
    """From the samples as they came."""
    pairs = [(c, m) for one in history.moments for c, m in one.each if math.isfinite(c) and math.isfinite(m)]
    if not pairs:
        return None
    cpu, memory = (np.quantile(np.array(values), (0.5, 0.95, 1.0)).tolist() for values in zip(*pairs, strict=True))
    return Observed(len(pairs), *cpu, *memory)


def _advice(name: str, found: Recommendation | Absent, present: Now) -> Advice:
    if isinstance(found, Absent):
        return Advice(name, None, found.reason)
    cpu = float(np.mean(found.cpu_by_hour)) if found.cpu_by_hour else found.cpu_request
    return Advice(name, found, "", _less(present.cpu, cpu), _less(present.memory, found.memory_request))


def _less(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _usage(history: History, present: Now) -> Usage | Absent:
    """On an even grid: the mean CPU and the peak of memory of each instance."""
    at = np.array([one.at for one in history.moments])
    gaps = np.diff(at)
    if not (gaps > 0).any():
        return Absent(f"{len(at)} samples: at least 2 of different times are needed")
    step = history.step or float(np.median(gaps[gaps > 0]))
    most = max(len(one.each) for one in history.moments)
    if most == 0:
        return Absent("no instance was running")
    length = float(at[-1] - at[0]) / step + 1
    if length * most > MOST_POINTS:
        return Absent(f"samples span {length:,.0f} steps of {step:g} s: has a clock jumped?")
    slots = np.rint((at - at[0]) / step).astype(np.int64)
    cpu, memory = _grid(history.moments, slots, most)
    if not (np.isfinite(cpu).any() and np.isfinite(memory).any()):
        return Absent("nothing was measured")
    return Usage(
        name=history.name,
        start=float(at[0]),
        step=step,
        cpu=cpu,
        memory=memory,
        cpu_request=present.cpu,
        memory_request=present.memory,
        scaled_on=frozenset(name for name in ("cpu", "memory") if name in present.scaled_on),
    )


def _grid(moments: Sequence[Moment], slots: "np.typing.NDArray[np.int64]", most: int) -> tuple[Floats, Floats]:
    length = int(slots[-1]) + 1
    sums, counts = np.zeros((most, length)), np.zeros((most, length))
    peaks = np.full((most, length), -np.inf)
    for slot, moment in zip(slots.tolist(), moments, strict=True):
        for place, (cores, size) in enumerate(moment.each):
            if np.isfinite(cores):
                sums[place, slot] += cores
                counts[place, slot] += 1
            if np.isfinite(size):
                peaks[place, slot] = max(peaks[place, slot], size)
    cpu = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return cpu, np.where(np.isfinite(peaks), peaks, np.nan)
