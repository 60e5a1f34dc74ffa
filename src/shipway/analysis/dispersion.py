"""phi: how many bad events count as one. Used by ``counts`` (one rollout) and ``vector`` (many); formulas shared.

Errors come in clusters: one failing batch job makes many errors out of one cause, and a test that takes each for a
cause of its own rolls back good releases. phi is learnt from 10 s blocks of the baseline alone, before and during the
rollout; the canary never speaks for its own dispersion.
"""

from typing import Any

import msgspec

BLOCK = 10.0
"""Seconds per block: longer than a burst of retries, shorter than the waves that must not count."""

FIRST = 1.0
"""Seconds of the very first block; each is twice as long as the one before until :data:`BLOCK`. A service without a
history would otherwise be judged on the prior alone for its first twenty seconds."""

SPREAD_OF_SPREAD = 3.0
"""The estimate is itself uncertain, by a relative sqrt(3 / pairs of blocks) (a mean of chi-squared terms with one degree
of freedom, neighbours overlapping); one such deviation is added. After ten minutes that is a factor of 1.2, after an
hour 1.09, after three blocks 1.7. An overestimate costs a little time, an underestimate a good release."""

PRIOR = 2.0
"""What phi is taken for while nothing bad has been seen."""

PRIOR_EVENTS = 8.0
"""Bad events after which the baseline's own record outweighs the prior."""

CLIP = 16.0
"""One pair of blocks weighs at most this many times what is expected of it: the edges of an outage that hits both arms
look like two enormous clusters, and unclipped they would blind the test for the rest of the rollout."""

EARLY = 1e-6
"""Seconds by which a reading may be early for rounding's sake."""

SHARE = 0.1
"""A pair whose smaller block holds less than this share of its requests says nothing (restart, gap, cut-over)."""


class Dispersion(msgspec.Struct, frozen=True):
    """What the baseline's blocks have shown so far. Times in seconds, counts of one indicator."""

    opened: float
    """When the block under way began."""
    bad: float = 0.0
    total: float = 0.0
    last_bad: float = 0.0
    """The block before it; ``last_total`` is 0 when there is none to compare with."""
    last_total: float = 0.0
    spread: float = 0.0
    """Sum of squared deviations of blocks from their local mean, in units of bad events."""
    events: float = 0.0
    """Bad events that the sum rests on."""
    pairs: int = 0
    """Pairs of blocks that had bad events."""
    length: float = FIRST
    """Seconds after which the block under way is closed."""

    def add(self, at: float, bad: float, total: float) -> "Dispersion":
        """The baseline's events up to the reading at ``at``; closes the block when its time is over.

        Readings further apart than a block are blocks of their own: :func:`pair` allows for unequal lengths.
        """
        bad, total = self.bad + bad, self.total + total
        if at - self.opened < self.length - EARLY:
            return msgspec.structs.replace(self, bad=bad, total=total)
        spread, events = pair(self.last_bad, self.last_total, bad, total, learnt(self.spread, self.events, self.pairs))
        return Dispersion(
            opened=at,
            last_bad=bad,
            last_total=total,
            spread=self.spread + spread,
            events=self.events + events,
            pairs=self.pairs + (events > 0),
            length=min(BLOCK, 2 * self.length),
        )


def learnt(spread: Any, events: Any, pairs: Any, burst: Any = PRIOR) -> Any:
    """phi from what the blocks have shown, shrunk towards ``burst`` while few bad events have been seen.

    ``burst`` is ``max(2, bad events of one arm in the reading at hand)``: as long as nothing is known about clusters, the
    bad events of one arm between two looks may all have one cause. Works on floats and on arrays alike.
    """
    safety = 1 + (SPREAD_OF_SPREAD / (pairs + SPREAD_OF_SPREAD)) ** 0.5
    return (safety * spread + PRIOR_EVENTS * burst) / (events + PRIOR_EVENTS)


def pair(bad_1: float, total_1: float, bad_2: float, total_2: float, phi: float) -> tuple[float, float]:
    """What two neighbouring blocks add to (spread, events).

    Given the sum B of both, the second holds B*s bad events on average, s its share of the requests, with variance
    phi*B*s*(1-s): the mean is as local as it can be (von Neumann's successive differences), so that a slow wave in rate
    or traffic cancels.
    """
    total, bad = total_1 + total_2, bad_1 + bad_2
    if total_1 <= 0 or total_2 <= 0 or bad <= 0:
        return 0.0, 0.0
    share = total_2 / total
    if not SHARE <= share <= 1 - SHARE:
        return 0.0, 0.0
    squared = (bad_2 - bad * share) ** 2 / (share * (1 - share))
    return min(squared, CLIP * phi * bad) / 2, bad / 2
