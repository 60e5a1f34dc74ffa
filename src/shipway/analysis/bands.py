"""Time-uniform confidence bands for a ratio, and the non-inferiority question. Used by ``verdict``, ``judge`` and plots.

Leaves out anything about two arms sharing traffic: that is ``counts``.
"""

from math import inf, lgamma, log, log1p

PRIOR = 0.5
"""Both parameters of the Beta mixing distribution (Jeffreys): wide enough for 0.01 % and for 50 %."""

_STEPS = 26
"""Bisections: 1e-8 of the whole, far below any rate that is judged."""


def rate_band(bad: float, total: float, alpha: float) -> tuple[float, float]:
    """Confidence sequence for a Bernoulli rate: contains the true rate at *all* times with probability ``1 - alpha``.

    The set of p at which the Beta(1/2, 1/2) mixture of likelihood ratios stays below 1/alpha (Robbins 1970; Ville's
    inequality). Counts may be fractions: dividing both by the dispersion widens the band for clustered events.
    """
    return lower(bad, total, alpha), upper(bad, total, alpha)


def lower(bad: float, total: float, alpha: float) -> float:
    """Lower edge of :func:`rate_band`."""
    return _edge(bad, total, alpha, 0.0)


def upper(bad: float, total: float, alpha: float) -> float:
    """Upper edge of :func:`rate_band`."""
    return _edge(bad, total, alpha, 1.0)


def _edge(bad: float, total: float, alpha: float, outside: float) -> float:
    """Bisection between the estimate, which is inside, and 0 or 1."""
    if total <= 0:
        return outside
    bad = min(bad, total)
    good, inside = total - bad, bad / total
    mixture = _log_beta(bad + PRIOR, good + PRIOR) - _log_beta(PRIOR, PRIOR) + log(alpha)
    if inside == outside:
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if mixture < _log_likelihood(bad, good, middle):
            inside = middle
        else:
            outside = middle
    return outside


def _log_likelihood(bad: float, good: float, p: float) -> float:
    if p <= 0:
        return 0.0 if bad <= 0 else -inf
    if p >= 1:
        return 0.0 if good <= 0 else -inf
    return bad * log(p) + good * log1p(-p)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
