"""Raw readings: the facts every verdict is derived from. Produced by ``metrics``, stored by ``journal``, judged here.

All counters are cumulative since the counting process started, exactly as read. A decrease means that the process
restarted; nobody upstream corrects for it, because the raw value is the fact.
"""

import msgspec


class ArmReading(msgspec.Struct, frozen=True, array_like=True):
    """Cumulative counters of one arm (one release's share of the traffic)."""

    requests: int
    """Requests completed: answered, failed or reset."""
    errors: int
    """Of those, answered 5xx by the service or by the proxy on its behalf."""
    latency: tuple[tuple[float, int], ...] = ()
    """Histogram, sparse and ascending: (inclusive lower edge of the bin in ms, requests in the bin). Not cumulative over bins."""
    values: tuple[tuple[str, float], ...] = ()
    """Cumulative continuous measures by name, e.g. ``("cpuSeconds", 12.5)``. Judged per request."""
    youngest: float | None = None
    """Age in seconds of the youngest instance that serves the arm: latency counts only past the warm-up. None: nobody knows,
    and it counts as old. (JSON has no infinity: one that is written is read as None, and means the same.)"""


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """Both arms at one instant. ``None`` for an arm means it could not be read: never evidence in either direction."""

    at: float
    """Seconds since the epoch (or since the start of a simulation)."""
    baseline: ArmReading | None
    canary: ArmReading | None
    weight: float
    """Canary share that the router was told to give when this tick began, 0..1 (exposure itself is measured)."""
