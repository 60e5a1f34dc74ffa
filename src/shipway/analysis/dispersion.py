"""phi: how many bad events count as one. Used by ``counts`` (one rollout) and ``vector`` (many); formulas shared.

Errors come in clusters: one failing batch job makes many errors out of one cause, and a test that takes each for a
cause of its own rolls back good releases. phi is learnt from 10 s blocks of the baseline alone, before and during the
rollout; the canary never speaks for its own dispersion.
"""

from typing import Any

import msgspec

BLOCK = 10.0
"""Seconds per block. A block is compared with the last but one: a cluster that lasts for seconds lies in neighbouring
blocks alike and would hide its size from their difference."""

FIRST = 1.0
"""Seconds of the very first block; each is twice as long as the one before until :data:`BLOCK`. A service without a
history would otherwise be judged on the prior alone for its first twenty seconds."""

SPREAD_OF_SPREAD = 3.0
"""The estimate is itself uncertain, by a relative sqrt(3 / pairs of blocks) (a mean of squared normal differences that
overlap); one such deviation is added. After ten minutes that is a factor of 1.2, after an hour 1.09, after three blocks
1.7. An overestimate costs a little time, an underestimate a good release."""

PRIOR = 2.0
"""What phi is taken for while nothing bad has been seen."""

PRIOR_EVENTS = 8.0
"""Bad events after which the baseline's own record outweighs the prior."""

CLIP = 16.0
"""The deviation of one pair counts at most this many times what is expected of it, and its events at most
:data:`CLIP_EVENTS` times those of an average pair: the edges of an outage that hits both arms look like enormous clusters,
and unclipped they would blind the test for the rest of the rollout."""

CLIP_EVENTS = 4.0

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
    last: tuple[float, float] = (0.0, 0.0)
    """(bad, total) of the block before it."""
    last_but_one: tuple[float, float] = (0.0, 0.0)
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
        old = self.last_but_one if self.last_but_one[1] > 0 else self.last
        spread, events = pair(
            old, (bad, total), learnt(self.spread, self.events, self.pairs), usual(self.events, self.pairs)
        )
        return Dispersion(
            opened=at,
            last=(bad, total),
            last_but_one=self.last,
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


def usual(events: Any, pairs: Any) -> Any:
    """Bad events of an average pair of blocks; a few pairs know too little of that, so they are taken for more."""
    return (2 * events + 20.0) / (pairs + 1.0)


def pair(one: tuple[float, float], other: tuple[float, float], phi: float, usual_bad: float) -> tuple[float, float]:
    """What two blocks (bad, total) close to each other add to (spread, events).

    Given the sum B of both, the other holds B*s bad events on average, s its share of the requests, with variance
    phi*B*s*(1-s): the mean is as local as it can be (von Neumann's successive differences), so that a slow wave in rate
    or traffic cancels.
    """
    total, bad = one[1] + other[1], one[0] + other[0]
    if one[1] <= 0 or other[1] <= 0 or bad <= 0:
        return 0.0, 0.0
    share = other[1] / total
    if not SHARE <= share <= 1 - SHARE:
        return 0.0, 0.0
    squared = (other[0] - bad * share) ** 2 / (share * (1 - share))
    weight = min(1.0, CLIP_EVENTS * usual_bad / bad) / 2
    return min(squared, CLIP * phi * bad) * weight, bad * weight
