"""What recommenders are given and what they answer. Leaves out the recommenders themselves."""

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from shipway.insight.series import Absent, Floats

MIB = 2.0**20
GIB = 2.0**30
MINUTES_A_DAY = 1440.0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a workload, in all of its pods, on one even grid of time; NaN where nothing was measured."""

    name: str = ""
    start: float = 0.0
    """Seconds since the epoch, of the first sample."""
    step: float
    """Seconds between two samples."""
    cpu: Floats
    """Cores, shape (pods, samples)."""
    memory: Floats
    """Bytes of the working set, shape (pods, samples)."""
    cpu_request: float | None = None
    """Cores, as it is now; None: unknown or unset."""
    memory_request: float | None = None
    """Bytes."""
    ooms: tuple[tuple[float, float], ...] = ()
    """(seconds since the epoch, bytes that were in use) when the container was killed for memory."""
    containers: int = 1
    """In the pod: minimums are shared."""
    scaled_on: frozenset[Literal["cpu", "memory"]] = frozenset()
    """Resources that a horizontal scaler divides by: a smaller request would make it start more pods."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What one container should have. Limits are None when the recommender sets none."""

    recommender: str
    cpu_request: float | None
    """Cores; None: no advice, ``note`` says why."""
    memory_request: float | None
    """Bytes."""
    cpu_limit: float | None = None
    memory_limit: float | None = None
    cpu_by_hour: tuple[float, ...] = ()
    """Cores for each hour of the day, UTC, when resizing in place is worth it; empty: one request for all day."""
    throttling: float | None = None
    """Share of time in which it is expected to want more CPU than it requested."""
    oom: float | None = None
    """Chance per week of reaching the memory limit."""
    confidence: float = 0.0
    """0..1, by how much history there is."""
    note: str = ""


Recommender = Callable[[Usage], Recommendation | Absent]


def days(usage: Usage) -> float:
    """Length of the history."""
    return float(usage.cpu.shape[-1] * usage.step / 86400.0)


def whole_millicores(cores: Floats | float) -> Floats:
    """Rounded up to a thousandth of a core."""
    # The tolerance is for what is a thousandth but for its last bit.
    return np.asarray(np.ceil(np.asarray(cores) * 1000 - 1e-9) / 1000)
