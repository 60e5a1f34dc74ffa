"""What a step can see before it starts, and which weight an exposure budget allows. Called by ``plan`` and by the ramp.

Expected behaviour of the tests in ``counts``, not a judgement: one look at the end of a step, rates as given, evidence of
earlier steps left out. The judge looks every second and remembers, so that it sees a little more than is said here.
"""

from collections.abc import Callable, Sequence
from math import exp, inf, lgamma, log, sqrt
from statistics import NormalDist

import msgspec

from shipway.analysis import counts
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.track import absolute_evidence, evidence_limit

POWER = 0.95
"""Probability with which a rate counts as detected."""

USEFUL = 0.05
"""A step that cannot see one request in twenty fail (or five times what is usual) guards against nothing."""

PHI = 1.2
"""Dispersion assumed when none has been measured: independent errors after ten minutes of history."""

WEIGHTS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Weights that are proposed, in percent."""

_DURATIONS = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)
_ERRORS = Indicator(name="errorRate", kind="errors")
_REACTION = 2.0
"""Seconds from the evidence to weight 0: a reading and the proxy's change."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What one step can see."""

    requests: float
    """Canary requests expected in it."""
    rate: float | None
    """Smallest bad share detected with 95 % probability, 0..1; None when not even 100 % would be."""
    useful: bool
    weight: float | None = None
    """Percent: a weight that would see something useful in the same time."""
    seconds: float | None = None
    """A duration that would, at the same weight."""
    sentence: str


def detectable(policy: JudgePolicy, rps: float, baseline_rate: float, step: Step, *, phi: float = PHI) -> float | None:
    """Smallest error rate that ``step`` detects with 95 % probability in its minimum duration.

    Args:
        policy: its errors indicator is asked, or its first count indicator.
        rps: requests per second of both arms together.
        baseline_rate: bad share of the baseline, 0..1.
        step: weight and ``at_least``.
        phi: dispersion of bad events, if it has been measured.
    """
    share, requests = step.weight / 100, rps * step.at_least
    return _smallest(policy, requests * share, requests * (1 - share), baseline_rate, phi)


def sight(policy: JudgePolicy, rps: float, baseline_rate: float, step: Step, *, phi: float = PHI) -> Sight:
    """:func:`detectable` as a sentence, with a weight or a duration that would do when the step sees nothing useful."""
    rate = detectable(policy, rps, baseline_rate, step, phi=phi)
    requests = rps * step.at_least * step.weight / 100
    wanted = max(USEFUL, 5 * baseline_rate)
    what = f"{step.weight:g} % for {_duration(step.at_least)} at {rps:g} rps = {requests:,.0f} requests"
    if rate is not None and rate <= wanted:
        sentence = f"{what}: detects an error rate of {_percent(rate)} or more with 95 % probability"
        return Sight(requests=requests, rate=rate, useful=True, sentence=sentence)

    def sees(weight: float, seconds: float) -> bool:
        other = detectable(policy, rps, baseline_rate, Step(weight=weight, at_least=seconds), phi=phi)
        return other is not None and other <= wanted

    weight = next((one for one in WEIGHTS if one > step.weight and sees(one, step.at_least)), None)
    seconds = next((one for one in _DURATIONS if one > step.at_least and sees(step.weight, one)), None)
    found = "nothing useful" if rate is None else f"only an error rate of {_percent(rate)} or more"
    return Sight(
        requests=requests,
        rate=rate,
        useful=False,
        weight=weight,
        seconds=seconds,
        sentence=f"{what}: detects {found}; {_proposal(wanted, weight, seconds)}",
    )


def expected_loss(
    policy: JudgePolicy, rps: float, baseline_rate: float, step: Step, *, phi: float = PHI, worst_rate: float = 1.0
) -> float:
    """Failed requests that the worst release costs in ``step`` before it is detected, or before the step ends.

    The worst over all error rates up to ``worst_rate`` (evidence may have ruled out the rest): a total failure is seen at
    once, a slight one costs little; the maximum lies between.
    """
    share = step.weight / 100
    most = rps * share * step.at_least
    rate, worst = max(baseline_rate, 1e-4), 0.0
    while rate < worst_rate:
        rate = min(rate * 1.25, worst_rate)
        needed = min(most, _until_detected(policy, share, baseline_rate, rate, phi=phi, most=most))
        worst = max(worst, (rate - baseline_rate) * min(most, needed + rps * share * _REACTION))
    return worst


def next_weight(
    policy: JudgePolicy,
    rps: float,
    baseline_rate: float,
    *,
    seconds: float,
    budget: float | None = None,
    above: float = 0.0,
    phi: float = PHI,
    weights: Sequence[float] = WEIGHTS,
    worst_rate: float = 1.0,
) -> float | None:
    """Largest weight (percent) of which :func:`expected_loss` in a step of ``seconds`` stays within the budget.

    ``budget`` is what is left of ``policy.exposure_budget``. None when no weight above ``above`` stays within it: then the
    ramp has to stop or a person has to decide.
    """
    left = policy.exposure_budget if budget is None else budget
    for weight in sorted((one for one in weights if one > above), reverse=True):
        step = Step(weight=weight, at_least=seconds)
        if expected_loss(policy, rps, baseline_rate, step, phi=phi, worst_rate=worst_rate) <= left:
            return weight
    return None


def _indicator(policy: JudgePolicy) -> Indicator:
    counted = [one for one in policy.indicators if one.kind in {"errors", "latency"}]
    return next((one for one in counted if one.kind == "errors"), counted[0] if counted else _ERRORS)


def _crosses(policy: JudgePolicy, canary: tuple[float, float], baseline_bad: float, share: float, phi: float) -> bool:
    """Whether ``canary`` (bad, total) beside ``baseline_bad`` is a FAIL."""
    indicator, limit = _indicator(policy), evidence_limit(policy)
    bad, total = canary
    if absolute_evidence(indicator, bad / phi, (total - bad) / phi) <= limit:
        return False
    if indicator.limit is not None:
        return True
    events = counts.Events(bad, bad + baseline_bad, share, phi)
    logs = counts.relative((0.0,) * counts.GRID, counts.relative_grid(indicator.tolerance), events)
    return counts.mixture(logs) > limit


def _smallest(policy: JudgePolicy, canary: float, baseline: float, baseline_rate: float, phi: float) -> float | None:
    if canary <= 0:
        return None
    share = canary / (canary + baseline)
    # Nine equally likely values of what the baseline may show, and the bad events of the canary that would then do.
    spread = sqrt(phi * baseline * baseline_rate)
    shown = [max(0.0, baseline * baseline_rate + spread * NormalDist().inv_cdf((i + 0.5) / 9)) for i in range(9)]

    def enough(bad_b: float) -> Callable[[float], bool]:
        return lambda bad: _crosses(policy, (bad, canary), bad_b, share, phi)

    needed = [_least(enough(bad), canary) for bad in shown]
    return _first(
        lambda rate: sum(_at_least(one / phi, canary * rate / phi) for one in needed) / 9 >= POWER, baseline_rate
    )


def _until_detected(
    policy: JudgePolicy, share: float, baseline_rate: float, rate: float, *, phi: float, most: float
) -> float:
    """Canary requests after which the expected counts cross."""

    def crosses(requests: float) -> bool:
        return _crosses(policy, (requests * rate, requests), requests * (1 - share) / share * baseline_rate, share, phi)

    return _least(crosses, most)


def _least(holds: Callable[[float], bool], most: float) -> float:
    """Smallest value up to ``most`` for which a monotone condition holds, to 0.1 %; ``inf`` when none."""
    if not holds(most):
        return inf
    low, high = 0.0, most
    while high - low > 1e-3 * high + 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _first(holds: Callable[[float], bool], above: float) -> float | None:
    found = _least(lambda rate: holds(max(rate, above)), 1.0)
    return None if found == inf else max(found, above)


def _at_least(count: float, mean: float) -> float:
    """P(X >= count) for a Poisson X; exact for small means, Wilson-Hilferty beyond."""
    if count == inf:
        return 0.0
    k = int(-(-count // 1))
    if k <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    if k > 300:
        return NormalDist().cdf(3 * sqrt(k) * ((mean / k) ** (1 / 3) - 1 + 1 / (9 * k)))
    return max(0.0, 1 - sum(exp(i * log(mean) - mean - lgamma(i + 1)) for i in range(k)))


def _proposal(wanted: float, weight: float | None, seconds: float | None) -> str:
    ways = [f"{weight:g} %"] if weight is not None else []
    ways += [_duration(seconds)] if seconds is not None else []
    if not ways:
        return (
            "no weight up to 50 % and no step of a day would see more: this service is too quiet to be judged by counts"
        )
    return f"{' or '.join(ways)} would see {_percent(wanted)}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
