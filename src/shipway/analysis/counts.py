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

from math import exp, inf, log, log1p

GRID = 20
"""Alternatives per test."""

MEMORY = 100.0
"""Requests over which the measured exposure is smoothed, see :func:`exposure`."""


def spaced(low: float, high: float) -> tuple[float, ...]:
    """``GRID`` log-spaced points from ``low`` to ``high``."""
    ratio = log(high / low) / (GRID - 1)
    return tuple(low * exp(i * ratio) for i in range(GRID))


def ratios(tolerance: float) -> tuple[float, ...]:
    """Rate ratios that the relative test looks for."""
    return spaced(1.3 * tolerance, 3000.0 * tolerance)


def rates(floor: float) -> tuple[float, ...]:
    """Rates that the absolute test looks for. Above a floor of 45 % the lower end moves in, to stay under 0.95."""
    low = 2 * floor if floor < 0.4 else floor + (0.95 - floor) / GRID
    return spaced(low, max(0.9, (low + 1) / 2))


def mixture(logs: list[float] | tuple[float, ...]) -> float:
    """``logsumexp - ln(GRID)``: the log of the equal mixture."""
    top = max(logs)
    if top == -inf:
        return -inf
    return top + log(sum([exp(value - top) for value in logs])) - log(len(logs))


def relative(
    logs: tuple[float, ...],
    ratio_grid: tuple[float, ...],
    tolerance: float,
    canary: float,
    both: float,
    share: float,
    phi: float,
) -> tuple[float, ...]:
    """The relative test's logs after ``both`` bad events, ``canary`` of them on the canary, at a canary share ``share``.

    ln(q(r)/q0) = ln(r/r0) - g and ln((1-q(r))/(1-q0)) = -g with g = ln((1-W+W*r)/(1-W+W*r0)): one logarithm per
    alternative.
    """
    base = log1p(share * (tolerance - 1))
    return tuple(
        [
            value + (canary * log(r / tolerance) - both * (log1p(share * (r - 1)) - base)) / phi
            for value, r in zip(logs, ratio_grid, strict=True)
        ]
    )


def absolute(rate_grid: tuple[float, ...], floor: float, bad: float, good: float) -> float:
    """Log evidence for a rate above ``floor`` from (tempered) counts. Linear in the counts: nothing else is stored."""
    return mixture([bad * log(d / floor) + good * log((1 - d) / (1 - floor)) for d in rate_grid])
