"""Simulated traffic for ``bench.exposure``: Poisson arrivals over many repetitions at once, with the field's troubles.

One world serves every judge: what differs between them is only the weight they ask for and what they look at.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WAVE_PERIOD = 720.0
WAVE_DEPTH = 0.8
OUTAGE_SECONDS = 60.0
OUTAGE_FACTOR = 30.0
SLOW_START_SECONDS = 30.0
SLOW_START_SHARE = 0.5
HORIZON = 900.0
"""Seconds within which an outage or a reset falls: the length of Shipway's rollout."""


@dataclass(frozen=True)
class Scenario:
    """What is the matter with the traffic, apart from the release."""

    name: str
    cluster: int = 1
    """Mean size of a cluster of bad events (geometric): all on one arm."""
    spread: int = 1
    """Seconds over which the events of a cluster fall."""
    wave: str = ""
    """``traffic`` or ``errors``: which of them swings by 80 % with a period of 12 min, at a random phase."""
    outage: bool = False
    """60 s at a random moment in which both arms fail 30 times as often (at most 90 %)."""
    reset: bool = False
    """Each arm's counters restart once, at a random moment, in the middle of a second."""
    slow_start: bool = False
    """Half of the canary's requests are slow in its first 30 s; ``p0`` of them after that."""
    indicator: Literal["errors", "latency"] = "errors"
    warm_up: float = 5.0
    """Seconds of a new instance that do not count for latency: Shipway's default locally; 30 on Kubernetes."""


@dataclass
class Counts:
    """Events of one interval, one entry per repetition."""

    canary_bad: Array
    canary_total: Array
    baseline_bad: Array
    baseline_total: Array


@dataclass
class World:
    """``repetitions`` independent services of ``rps`` requests per second; bad shares p0 (baseline) and p1 (canary)."""

    scenario: Scenario
    rps: float
    p0: float
    p1: float
    repetitions: int
    seed: int
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.phase = self.rng.uniform(0, 2 * np.pi, self.repetitions)
        self.outage_at = self.rng.uniform(0, HORIZON - OUTAGE_SECONDS, self.repetitions)
        self._coming = [np.zeros((self.repetitions, self.scenario.spread), dtype=np.int64) for _ in range(2)]

    def draw(self, start: float, seconds: float, weight: Array | float) -> Counts:
        """What both arms count in ``[start, start + seconds)`` when the canary gets ``weight`` (0..1) of the traffic."""
        if self.scenario.spread > 1 and seconds > 1:
            parts = [self.draw(start + i, 1.0, weight) for i in range(round(seconds))]
            return Counts(*(np.sum([getattr(one, name) for one in parts], axis=0) for name in Counts.__annotations__))
        # The swings are slow against any interval but an outage's edge, which is integrated exactly.
        swing = 1 + WAVE_DEPTH * np.sin(2 * np.pi * (start + seconds / 2) / WAVE_PERIOD + self.phase)
        requests = self.rps * seconds * (swing if self.scenario.wave == "traffic" else np.ones(self.repetitions))
        factor = swing if self.scenario.wave == "errors" else np.ones(self.repetitions)
        overlap = np.zeros(self.repetitions)
        if self.scenario.outage:
            inside = np.minimum(start + seconds, self.outage_at + OUTAGE_SECONDS) - np.maximum(start, self.outage_at)
            overlap = np.clip(inside / seconds, 0, 1)
        canary_p, baseline_p = (self._share(p, factor, overlap) for p in (self.p1, self.p0))
        if self.scenario.slow_start:
            slow = np.clip((SLOW_START_SECONDS - start) / seconds, 0, 1) if start >= 0 else 0.0
            canary_p = slow * SLOW_START_SHARE + (1 - slow) * canary_p
        return Counts(*self._arm(0, requests * weight, canary_p), *self._arm(1, requests * (1 - weight), baseline_p))

    def moments(self) -> Array:
        """Random moments of the rollout, one per repetition."""
        return self.rng.uniform(0, HORIZON, self.repetitions)

    @staticmethod
    def _share(p: float, factor: Array, overlap: Array) -> Array:
        share: Array = np.minimum(0.9, p * factor) * (1 - overlap) + np.minimum(0.9, p * OUTAGE_FACTOR) * overlap
        return share

    def _arm(self, arm: int, requests: Array, p: Array | float) -> tuple[Array, Array]:
        good = self.rng.poisson(requests * (1 - p))
        causes = self.rng.poisson(requests * p / self.scenario.cluster)
        bad = causes.copy()
        if self.scenario.cluster > 1:
            hit = np.nonzero(causes)
            bad[hit] += self.rng.negative_binomial(causes[hit], 1 / self.scenario.cluster)
        if self.scenario.spread > 1:
            bad = self._spread(arm, bad)
        return bad.astype(float), (good + bad).astype(float)

    def _spread(self, arm: int, begun: NDArray[np.int64]) -> NDArray[np.int64]:
        """Events of this second, when those ``begun`` fall anywhere in the next seconds."""
        rows = np.repeat(np.arange(self.repetitions), begun)
        np.add.at(self._coming[arm], (rows, self.rng.integers(0, self.scenario.spread, len(rows))), 1)
        now = self._coming[arm][:, 0].copy()
        self._coming[arm] = np.roll(self._coming[arm], -1, axis=1)
        self._coming[arm][:, -1] = 0
        return now
