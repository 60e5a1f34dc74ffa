"""The count tests of ``track``, the same arithmetic for many rollouts at once. Used by benchmarks and by fleets.

Arrays are shaped (rollouts, indicators), with the grid of alternatives behind. A test shows that every rollout gets the
evidence that ``judge`` gives it alone, up to the last bits of a logarithm. Unlike the judge's states a :class:`Fleet` is
changed in place: copying thousands of grids per tick would be most of the work.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.analysis import counts
from shipway.analysis.dispersion import BLOCK, CLIP, CLIP_EVENTS, EARLY, FIRST, PRIOR, SHARE, learnt, usual
from shipway.analysis.policy import JudgePolicy
from shipway.analysis.track import evidence_limit

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Fleet:
    """Evidence of ``rollouts`` rollouts under one policy whose indicators are all counts."""

    def __init__(self, policy: JudgePolicy, rollouts: int, at: float = 0.0) -> None:
        kinds = {one.kind for one in policy.indicators}
        if not kinds <= {"errors", "latency"}:
            raise ValueError(f"only errors and latency are judged here, not {sorted(kinds - {'errors', 'latency'})}")
        shape = (rollouts, len(policy.indicators))
        self.limit = evidence_limit(policy)
        self._asked = np.array([one.relative and one.limit is None for one in policy.indicators])
        self._absolute = np.array([one.limit is not None for one in policy.indicators])
        self._tolerance = np.array([one.tolerance for one in policy.indicators])
        relative = np.array([counts.relative_grid(one.tolerance).alternatives for one in policy.indicators])
        self._excess, self._log_ratio = relative[..., 0], relative[..., 1]
        nulls = [one.floor if one.limit is None else one.limit for one in policy.indicators]
        absolute = np.array([counts.absolute_grid(null).alternatives for null in nulls])
        self._log_bad, self._log_good = absolute[..., 0], absolute[..., 1]
        self.logs: Array = np.zeros((*shape, counts.GRID))
        zeros = [np.zeros(shape) for _ in range(13)]
        self.bad, self.good, self.memory_canary, self.memory_total, self.spread, self.events = zeros[:6]
        self._block_bad, self._block_total = zeros[6:8]
        self._previous: list[Array] = zeros[8:12]
        self.pairs = zeros[12]
        self._opened: Array = np.full(shape, float(at))
        self._last: Array = np.zeros((2, *shape))
        self._last_but_one: Array = np.zeros((2, *shape))
        self._length: Array = np.full(shape, FIRST)
        self.e_relative: Array = np.full(shape, -np.inf)
        self.e_absolute: Array = np.full(shape, -np.inf)
        self.crossed = np.zeros(shape, dtype=np.bool_)

    @property
    def phi(self) -> Array:
        """Dispersion as known now, at least 1; (rollouts, indicators)."""
        phi: Array = np.maximum(1.0, learnt(self.spread, self.events, self.pairs))
        return phi

    @property
    def failed(self) -> Mask:
        """Rollouts of which any indicator has crossed its limit."""
        failed: Mask = np.logical_or.reduce(self.crossed, axis=1)
        return failed

    def learn(self, at: float, bad: Array, total: Array) -> None:
        """Baseline events between two readings of the history, the later of them at ``at``."""
        self._add_block(at, bad, total, ~self.crossed)

    def open(self, at: float, canary: tuple[Array, Array], baseline: tuple[Array, Array]) -> None:
        """First reading: cumulative (bad, total) of both arms, each (rollouts, indicators)."""
        self._previous = [np.array(one, dtype=float) for one in (*canary, *baseline)]
        self._opened[:] = at

    def next_step(self) -> None:
        """Weights change everywhere: exposure is measured anew."""
        self.memory_canary[:] = 0
        self.memory_total[:] = 0

    def observe(
        self, at: float, canary: tuple[Array, Array], baseline: tuple[Array, Array], counting: Mask | None = None
    ) -> None:
        """A reading of every rollout: cumulative (bad, total) per arm.

        ``counting``, shaped (rollouts, indicators), is False where the events of the reading must not count: warm-up.
        """
        # Copied: the caller may count on in the same arrays.
        now = [np.array(one, dtype=float) for one in (*canary, *baseline)]
        x_c, n_c = _increase(self._previous[:2], now[:2])
        x_b, n_b = _increase(self._previous[2:], now[2:])
        self._previous = now
        use = ~self.crossed
        if counting is not None:
            use &= counting
        x_c, n_c, x_b, n_b = (np.where(use, one, 0.0) for one in (x_c, n_c, x_b, n_b))
        phi = np.maximum(1.0, learnt(self.spread, self.events, self.pairs, np.maximum(PRIOR, np.maximum(x_c, x_b))))
        self.memory_canary += n_c
        self.memory_total += n_c + n_b
        self._relative(x_c, x_c + x_b, phi)
        self.bad += x_c / phi
        self.good += (n_c - x_c) / phi
        self._cross(x_c)
        shrink = np.minimum(1.0, counts.MEMORY / np.maximum(self.memory_total, 1.0))
        self.memory_canary *= shrink
        self.memory_total *= shrink
        self._add_block(at, x_b, n_b, use)

    def _relative(self, canary: Array, both: Array, phi: Array) -> None:
        rows, k = np.nonzero((both > 0) & self._asked)
        if not rows.size:
            return
        share = (self.memory_canary[rows, k] / self.memory_total[rows, k])[:, None]
        base = np.log1p(share * (self._tolerance[k] - 1)[:, None])
        expected = np.log1p(share * self._excess[k]) - base
        x_c, x = canary[rows, k][:, None], both[rows, k][:, None]
        logs = self.logs[rows, k] + (x_c * self._log_ratio[k] - x * expected) / phi[rows, k][:, None]
        self.logs[rows, k] = logs
        self.e_relative[rows, k] = mixture(logs)

    def _cross(self, canary_bad: Array) -> None:
        rows, k = np.nonzero((canary_bad > 0) & (self._absolute | (self.e_relative > self.limit)) & ~self.crossed)
        if not rows.size:
            return
        logs = self.bad[rows, k][:, None] * self._log_bad[k] + self.good[rows, k][:, None] * self._log_good[k]
        self.e_absolute[rows, k] = mixture(logs)
        self.crossed[rows, k] = self.e_absolute[rows, k] > self.limit

    def _add_block(self, at: float, bad: Array, total: Array, use: Mask) -> None:
        self._block_bad += bad
        self._block_total += total
        closed = (at - self._opened >= self._length - EARLY) & use
        if not closed.any():
            return
        phi = learnt(self.spread, self.events, self.pairs)
        new = np.stack([self._block_bad, self._block_total])
        old = np.where(self._last_but_one[1] > 0, self._last_but_one, self._last)
        spread, events = pairs(old, new, phi, usual(self.events, self.pairs))
        self.spread += spread * closed
        self.events += events * closed
        self.pairs += closed & (events > 0)
        self._last_but_one = np.where(closed, self._last, self._last_but_one)
        self._last = np.where(closed, new, self._last)
        self._block_bad = np.where(closed, 0.0, self._block_bad)
        self._block_total = np.where(closed, 0.0, self._block_total)
        self._opened = np.where(closed, at, self._opened)
        self._length = np.where(closed, np.minimum(BLOCK, 2 * self._length), self._length)


def mixture(logs: Array) -> Array:
    """:func:`shipway.analysis.counts.mixture` along the last axis."""
    top = logs.max(axis=-1)
    mixed: Array = top + np.log(np.exp(logs - top[..., None]).sum(axis=-1)) - np.log(logs.shape[-1])
    return mixed


def pairs(one: Array, other: Array, phi: Any, usual_bad: Any) -> tuple[Array, Array]:
    """:func:`shipway.analysis.dispersion.pair` for arrays whose first axis is (bad, total)."""
    bad, total = one + other
    share = np.divide(other[1], total, out=np.zeros_like(total), where=total > 0)
    told = (one[1] > 0) & (other[1] > 0) & (bad > 0) & (share >= SHARE) & (share <= 1 - SHARE)
    squared = np.divide((other[0] - bad * share) ** 2, share * (1 - share), out=np.zeros_like(total), where=told)
    weight = np.minimum(1.0, CLIP_EVENTS * usual_bad / np.maximum(bad, 1.0)) / 2 * told
    return np.minimum(squared, CLIP * phi * bad) * weight, bad * weight


def _increase(before: list[Array], now: list[Array]) -> tuple[Array, Array]:
    """Increase of (bad, total); where either fell, the process restarted and both count from zero."""
    restarted = (now[0] < before[0]) | (now[1] < before[1])
    bad, total = (np.where(restarted, new, new - old) for old, new in zip(before, now, strict=True))
    return np.minimum(bad, total), total
