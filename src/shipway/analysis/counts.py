"""The two sequential tests on counts of bad events. Used by ``judge`` for one rollout and by ``vector`` for many.

Arithmetic only: what a reading is, and which counts make an indicator, is ``track``'s business.

* relative: is a bad event likelier to come from the canary than its share of the traffic explains?  Conditional on a bad
  event its arm is a coin, whatever the rates do (Lindon & Malek, arXiv:2011.03567), so everything that hits both arms
  alike cancels.
* absolute: does the canary fail more often than a floor, or than a limit that a person wrote?

Each is an equal mixture of likelihood ratios over a grid of alternatives, a non-negative supermartingale under its null
(Robbins 1970), so that by Ville's inequality it crosses 1/alpha with probability at most alpha however often it is
looked at. Both must cross: that controls the union of the nulls.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, log, log1p

import msgspec

GRID = 20
"""Alternatives per test."""

_LN_GRID = log(GRID)

MEMORY = 100.0
"""Requests over which the measured exposure is smoothed. A second of a quiet service holds
one or two requests of the canary, and a bad one among them would look like a large share; over more requests than these
a share that drifts would be missed. Given the requests of a window, each bad event is equally likely to be any of them,
so counting the bad ones in keeps the test honest."""


def spaced(low: float, high: float) -> tuple[float, ...]:
    """``GRID`` log-spaced points from ``low`` to ``high``."""
    ratio = log(high / low) / (GRID - 1)
    return tuple(low * exp(i * ratio) for i in range(GRID))


class Relative(msgspec.Struct, frozen=True):
    """Grid of the relative test for one tolerance r0."""

    tolerance: float
    alternatives: tuple[tuple[float, float], ...]
    """(r - 1, ln(r/r0)) for rate ratios r from 1.3*r0 to 3000*r0."""


class Absolute(msgspec.Struct, frozen=True):
    """Grid of the absolute test for one floor d0."""

    alternatives: tuple[tuple[float, float], ...]
    """(ln(d/d0), ln((1-d)/(1-d0))) for rates d from 2*d0 to 0.9."""


@lru_cache(maxsize=256)
def relative_grid(tolerance: float) -> Relative:
    """Rate ratios that the relative test looks for."""
    grid = spaced(1.3 * tolerance, 3000.0 * tolerance)
    return Relative(tolerance, tuple((r - 1, log(r / tolerance)) for r in grid))


@lru_cache(maxsize=256)
def absolute_grid(floor: float) -> Absolute:
    """Rates that the absolute test looks for; above a floor of 40 % both ends move in, to stay between it and 1."""
    low = 2 * floor if floor < 0.4 else floor + (1 - floor) / 10
    grid = spaced(low, max(0.9, (low + 1) / 2))
    return Absolute(tuple((log(d / floor), log((1 - d) / (1 - floor))) for d in grid))


def mixture(logs: Sequence[float]) -> float:
    """``logsumexp - ln(GRID)``: the log of the equal mixture."""
    top = max(logs)
    return top + log(sum([exp(value - top) for value in logs])) - _LN_GRID


class Events(msgspec.Struct, frozen=True):
    """Bad events between two readings."""

    canary: float
    both: float
    share: float
    """The canary's share of all requests, measured."""
    phi: float


def relative(logs: Sequence[float], grid: Relative, events: Events) -> tuple[float, ...]:
    """The relative test's logs after some bad events.

    ln(q(r)/q0) = ln(r/r0) - g and ln((1-q(r))/(1-q0)) = -g with g = ln((1-W+W*r)/(1-W+W*r0)): one logarithm per
    alternative.
    """
    share, canary, both = events.share, events.canary / events.phi, events.both / events.phi
    base = both * log1p(share * (grid.tolerance - 1))
    return tuple(
        [
            value + (canary * log_ratio - (both * log1p(share * excess) - base))
            for value, (excess, log_ratio) in zip(logs, grid.alternatives, strict=True)
        ]
    )


def absolute(grid: Absolute, bad: float, good: float) -> float:
    """Log evidence for a rate above the floor from (tempered) counts. Linear in the counts: nothing else is stored."""
    return mixture([bad * log_bad + good * log_good for log_bad, log_good in grid.alternatives])
