"""A workload over time, and what an instance of it has today. Made by ``facts``; read by what advises, forecasts and simulates."""

from typing import NamedTuple

import msgspec

from shipway.model.quantities import Money


class Moment(NamedTuple):
    """One sample of a workload."""

    at: float
    each: tuple[tuple[float, float], ...]
    """(cores, bytes) of every instance."""
    requests: float
    """A second when recorded here; in whatever unit the table has."""


class History(msgspec.Struct, frozen=True):
    """A workload, over time."""

    name: str
    moments: tuple[Moment, ...]
    step: float = 0.0
    """Seconds of the grid to put it on; 0: the usual distance of its samples."""


class Now(msgspec.Struct, frozen=True):
    """What an instance has today; None: unknown or unset."""

    cpu: float | None = None
    """Cores."""
    memory: float | None = None
    """Bytes; here a process that takes more is ended, so it is the limit too."""
    scaled_on: frozenset[str] = frozenset()
    instances: int = 1
    """The fewest that run."""
    carries: float | None = None
    """Requests a second for which a scaler starts another instance."""
    budget: Money | None = None
