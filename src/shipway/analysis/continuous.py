"""One number per request where no count exists: CPU, cost, revenue. Used by ``judge``.

Asymptotic confidence sequence (Waudby-Smith et al., arXiv:2103.06476) on differences between the arms, 10 s blocks each:
blocks make neighbouring values independent enough, differences cancel what hits both arms alike.
"""

from math import exp, expm1, inf, log, log1p

import msgspec

from shipway.analysis.dispersion import BLOCK

TUNED_FOR = 60.0
"""Blocks (ten minutes) at which the sequence is tightest."""

BURN_IN = 12
"""Blocks before anything is said: the sequence is asymptotic."""

_QUIET = 1e-3
"""Least standard deviation, as a share of the baseline's mean: a constant has no variance to reason with."""


class Harm(msgspec.Struct, frozen=True):
    """What counts as worse: canary > scale * baseline + offset, per request."""

    scale: float
    offset: float
    level: float
    """Evidence that makes a FAIL: ln(K/alpha)."""


class ContinuousTrack(msgspec.Struct, frozen=True, tag=True):
    """Block under way, and mean and squared deviations (Welford) of the blocks before it."""

    opened: float
    canary: tuple[float, float] = (0.0, 0.0)
    """(measure, requests) of the block under way."""
    baseline: tuple[float, float] = (0.0, 0.0)
    blocks: int = 0
    mean: float = 0.0
    squares: float = 0.0
    canary_mean: float = 0.0
    baseline_mean: float = 0.0
    requests: tuple[int, int] = (0, 0)
    """(canary, baseline) requests judged."""
    evidence: float = -inf
    crossed: bool = False

    def observe(
        self, at: float, canary: tuple[float, float], baseline: tuple[float, float], harm: Harm
    ) -> "ContinuousTrack":
        """After one reading: (increase of the measure, requests) of both arms."""
        if self.crossed:
            return self
        canary = (self.canary[0] + canary[0], self.canary[1] + canary[1])
        baseline = (self.baseline[0] + baseline[0], self.baseline[1] + baseline[1])
        if at - self.opened < BLOCK - 1e-6:
            return msgspec.structs.replace(self, canary=canary, baseline=baseline)
        return self._close(at, canary, baseline, harm)

    def _close(
        self, at: float, canary: tuple[float, float], baseline: tuple[float, float], harm: Harm
    ) -> "ContinuousTrack":
        if canary[1] <= 0 or (baseline[1] <= 0 and harm.scale > 0):
            return msgspec.structs.replace(self, opened=at, canary=(0.0, 0.0), baseline=(0.0, 0.0))
        per_canary = canary[0] / canary[1]
        per_baseline = baseline[0] / baseline[1] if baseline[1] > 0 else 0.0
        blocks = self.blocks + 1
        difference = per_canary - harm.scale * per_baseline - harm.offset
        mean = self.mean + (difference - self.mean) / blocks
        squares = self.squares + (difference - self.mean) * (difference - mean)
        baseline_mean = self.baseline_mean + (per_baseline - self.baseline_mean) / blocks
        least = _QUIET * max(abs(baseline_mean), abs(harm.offset))
        evidence = lower_evidence(blocks, mean, max(squares / blocks, least * least), harm.level)
        return ContinuousTrack(
            opened=at,
            blocks=blocks,
            mean=mean,
            squares=squares,
            canary_mean=self.canary_mean + (per_canary - self.canary_mean) / blocks,
            baseline_mean=baseline_mean,
            requests=(self.requests[0] + int(canary[1]), self.requests[1] + int(baseline[1])),
            evidence=evidence,
            crossed=evidence > harm.level,
        )


def lower_evidence(blocks: int, mean: float, variance: float, level: float) -> float:
    """-ln of the alpha at which the one-sided asymptotic confidence sequence just excludes 0 from below.

    Radius: sigma sqrt(2(N rho^2+1)/(N^2 rho^2) ln(1 + sqrt(N rho^2+1)/(2 alpha))), rho tuned for 60 blocks at e^-level.
    """
    if blocks < BURN_IN or mean <= 0 or variance <= 0:
        return -inf
    two_alpha = min(0.99, 2 * exp(-level))
    rho2 = (-2 * log(two_alpha) + log1p(-2 * log(two_alpha))) / TUNED_FOR
    grown = blocks * rho2 + 1
    exponent = mean * mean * blocks * blocks * rho2 / (2 * grown * variance)
    # ln(2 (e^T - 1)) written so that neither a tiny nor a huge T loses its digits.
    excess = log(expm1(exponent)) if exponent < 30 else exponent
    return log(2) + excess - log(grown) / 2
