"""Latencies in the bins that Envoy's histograms have: two significant digits, whole milliseconds.

Envoy counts ``upstream_rq_time`` in whole ms into bins of 90 a decade (libcircllhist), so 0..99 ms are exact, then come
bins of 10 ms to 990, of 100 ms to 9,900, and so on.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shipway.runtimes.sim.behaviour import Latency

EDGES = np.concatenate([np.arange(100), *(np.arange(10, 100) * 10**n for n in range(1, 5))]).astype(np.float64)
"""Inclusive lower edge of every bin in ms, to 990 s."""

LOWER: list[float] = EDGES.tolist()


class Bins:
    """Where the requests of one latency distribution fall: bin numbers, the likeliest first, and their probabilities."""

    def __init__(self, latency: Latency) -> None:
        above = np.array([1.0, *(latency.share_from(edge) for edge in LOWER[1:]), 0.0])
        probabilities = above[:-1] - above[1:]
        self.numbers = np.argsort(-probabilities, kind="stable")[: int(np.count_nonzero(probabilities > 1e-9))]
        # The likeliest first: a draw of few requests ends after few bins.
        self.probabilities = probabilities[self.numbers] / probabilities[self.numbers].sum()
        self._upto = np.cumsum(self.probabilities)
        self._upto[-1] = 1.0  # against rounding: every chance below 1 falls into a bin

    def draw(self, chance: np.random.Generator, requests: int, into: NDArray[np.int64]) -> None:
        """Add ``requests`` latencies to the counts ``into`` (one per bin of :data:`EDGES`)."""
        if requests < 64:  # cheaper one by one than bin by bin
            places = self._upto.searchsorted(chance.random(requests), side="right")
            into += np.bincount(self.numbers[places], minlength=len(into))
        else:
            into[self.numbers] += chance.multinomial(requests, self.probabilities)


@lru_cache(maxsize=4096)
def bins(latency: Latency) -> Bins:
    """The bins of a distribution, worked out once."""
    return Bins(latency)


def sparse(counts: NDArray[np.int64]) -> tuple[tuple[float, int], ...]:
    """The form of ``ArmReading.latency``: (lower edge in ms, requests), ascending, empty bins left out."""
    filled = counts.nonzero()[0]
    return tuple(zip(EDGES[filled].tolist(), counts[filled].tolist(), strict=True))
