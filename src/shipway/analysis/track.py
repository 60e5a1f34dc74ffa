"""One count indicator of one rollout: what has been counted and what it says so far. Stepped by ``judge.observe``.

Plain immutable data, so that an old state stays valid and a journalled one can be compared to the bit. Leaves out how
the counts are read (``latency.counted``) and what follows from them (``judge``).
"""

from math import inf, log

import msgspec

from shipway.analysis import counts
from shipway.analysis.dispersion import PRIOR, Dispersion, learnt
from shipway.analysis.policy import Indicator, JudgePolicy

WINDOW = 30.0
"""Seconds of each of the two windows in which common trouble is looked for: an outage that is over holds nobody."""


class Tick(msgspec.Struct, frozen=True):
    """Events of one indicator between two readings."""

    canary_bad: float
    canary_total: float
    baseline_bad: float
    baseline_total: float

    def plus(self, other: "Tick") -> "Tick":
        return Tick(
            self.canary_bad + other.canary_bad,
            self.canary_total + other.canary_total,
            self.baseline_bad + other.baseline_bad,
            self.baseline_total + other.baseline_total,
        )

    def minus(self, other: "Tick") -> "Tick":
        return Tick(
            self.canary_bad - other.canary_bad,
            self.canary_total - other.canary_total,
            self.baseline_bad - other.baseline_bad,
            self.baseline_total - other.baseline_total,
        )


NOTHING = Tick(0, 0, 0, 0)


class CountTrack(msgspec.Struct, frozen=True, tag=True):
    """Accumulators of one count indicator."""

    logs: tuple[float, ...]
    """Relative test: log likelihood ratio per alternative, tempered."""
    dispersion: Dispersion
    bad: float = 0.0
    """Absolute test: the canary's tempered bad and good events; the logs are linear in them."""
    good: float = 0.0
    seen: Tick = NOTHING
    """Raw events since the rollout began."""
    before_step: Tick = NOTHING
    """``seen`` when the step began."""
    memory_canary: float = 0.0
    """Recent requests of the canary, and of both arms, from which exposure is measured."""
    memory_total: float = 0.0
    window_at: float = -inf
    window: Tick = NOTHING
    """Events in the window under way and in the one before it."""
    window_before: Tick = NOTHING
    e_relative: float = -inf
    crossed: bool = False
    """The evidence was above its limit once; the track stands still from then on."""

    def observe(self, policy: JudgePolicy, indicator: Indicator, at: float, tick: Tick) -> "CountTrack":
        """The track after the events of one reading at ``at``."""
        if self.crossed:
            return self
        limit = evidence_limit(policy)
        x_c, n_c, x_b, n_b = tick.canary_bad, tick.canary_total, tick.baseline_bad, tick.baseline_total
        phi = max(
            1.0, learnt(self.dispersion.spread, self.dispersion.events, self.dispersion.pairs, max(PRIOR, x_c, x_b))
        )
        memory_c, memory_n = self.memory_canary + n_c, self.memory_total + n_c + n_b
        logs, e_relative = self.logs, self.e_relative
        if x_c + x_b > 0 and indicator.limit is None and indicator.relative:
            events = counts.Events(x_c, x_c + x_b, memory_c / memory_n, phi)
            logs = counts.relative(logs, counts.relative_grid(indicator.tolerance), events)
            e_relative = counts.mixture(logs)
        bad, good = self.bad + x_c / phi, self.good + (n_c - x_c) / phi
        crossed = False
        if x_c > 0 and may_cross(indicator, e_relative, limit):
            # Only a bad event of the canary raises either evidence, so nothing is missed between two of them.
            crossed = absolute_evidence(indicator, bad, good) > limit
        shrink = min(1.0, counts.MEMORY / memory_n) if memory_n else 1.0
        rolled = at - self.window_at >= WINDOW
        return CountTrack(
            logs=logs,
            dispersion=self.dispersion.add(at, x_b, n_b),
            bad=bad,
            good=good,
            seen=self.seen.plus(tick),
            before_step=self.before_step,
            memory_canary=memory_c * shrink,
            memory_total=memory_n * shrink,
            window_at=at if rolled else self.window_at,
            window=tick if rolled else self.window.plus(tick),
            window_before=self.window if rolled else self.window_before,
            e_relative=e_relative,
            crossed=crossed,
        )

    @property
    def phi(self) -> float:
        """Dispersion as known now, at least 1."""
        return max(1.0, float(learnt(self.dispersion.spread, self.dispersion.events, self.dispersion.pairs)))

    @property
    def step(self) -> Tick:
        """Raw events since the step began."""
        return self.seen.minus(self.before_step)

    def next_step(self) -> "CountTrack":
        """A step begins: evidence stays, the measured exposure starts anew."""
        return msgspec.structs.replace(self, before_step=self.seen, memory_canary=0.0, memory_total=0.0)

    def forget_exposure(self) -> "CountTrack":
        """The weight has changed: what was measured before says nothing about the split from now on."""
        return msgspec.structs.replace(self, memory_canary=0.0, memory_total=0.0)


def begin(indicator: Indicator, at: float) -> CountTrack:
    """A track that has seen nothing."""
    if indicator.relative and indicator.limit is None:
        return CountTrack(logs=(0.0,) * counts.GRID, dispersion=Dispersion(opened=at), e_relative=0.0)
    return CountTrack(logs=(), dispersion=Dispersion(opened=at))


def absolute_evidence(indicator: Indicator, bad: float, good: float) -> float:
    """E_abs against the limit that a person wrote or else the floor."""
    if indicator.limit is None and not indicator.relative:
        return -inf
    null = indicator.floor if indicator.limit is None else indicator.limit
    return counts.absolute(counts.absolute_grid(null), bad, good)


def may_cross(indicator: Indicator, e_relative: float, limit: float) -> bool:
    """Whether E_abs alone is left to decide."""
    return indicator.limit is not None or e_relative > limit


def evidence_limit(policy: JudgePolicy) -> float:
    """ln(K / alpha): K indicators share the chance of a false rollback evenly."""
    return log(max(1, len(policy.indicators)) / policy.alpha)
