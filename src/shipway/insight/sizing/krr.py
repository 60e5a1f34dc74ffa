"""The ``simple`` strategy of Robusta KRR, by its published arithmetic (1.2x line, 2026).

CPU request: the highest of the pods' own 95th percentiles, no limit. Memory: the highest peak plus 15 %, request and limit
alike; a kill counts as the limit that was reached plus 25 %. At least 100 points and 3 hours, else no advice; none for a
resource that a horizontal scaler follows.
"""

import math

import numpy as np

from shipway.insight.series import Absent
from shipway.insight.sizing.usage import MIB, Recommendation, Usage, whole_millicores

SHARE, MARGIN, OOM_FACTOR = 0.95, 1.15, 1.25
POINTS, SPAN = 100, 3 * 3600.0
HISTORY = 336 * 3600.0
"""Seconds that are looked at: 14 days."""
LEAST_CPU, LEAST_MEMORY = 0.010, 100e6


def recommend(usage: Usage) -> Recommendation | Absent:
    """Rounded up to a thousandth of a core and to a MiB."""
    recent = min(usage.cpu.shape[-1], round(HISTORY / usage.step))
    cpu, memory = usage.cpu[:, -recent:], usage.memory[:, -recent:]
    points = int(np.isfinite(cpu).sum())
    if points < POINTS or recent * usage.step < SPAN:
        return Absent(
            f"{points} point{'s' * (points != 1)} over {recent * usage.step / 3600:.1f} hours: {POINTS} over 3 hours are needed"
        )
    pods = [pod[np.isfinite(pod)] for pod in cpu]
    request = max(float(np.quantile(pod, SHARE)) for pod in pods if len(pod))
    peak = float(np.nanmax(memory)) * MARGIN if np.isfinite(memory).any() else 0.0
    for _, used in usage.ooms:
        peak = max(peak, max(used, usage.memory_request or 0.0) * OOM_FACTOR)
    request = max(float(whole_millicores(request)), LEAST_CPU)
    bytes_ = max(math.ceil(peak / MIB) * MIB, LEAST_MEMORY)
    return Recommendation(
        recommender="krr",
        cpu_request=None if "cpu" in usage.scaled_on else request,
        memory_request=None if "memory" in usage.scaled_on else bytes_,
        memory_limit=None if "memory" in usage.scaled_on else bytes_,
        confidence=min(1.0, recent * usage.step / HISTORY),
        note="a scaler follows this resource" if usage.scaled_on else "",
    )
