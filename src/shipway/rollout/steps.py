"""Which step follows: the next one written, or the one that an exposure budget allows. Called by ``guards`` and ``actions``.

With ``exposureBudget`` the ramp chooses its own weights. The written steps then say what holds from their weight on (how long,
how many requests, who must agree), and the last of them is where the ramp ends. The next weight is the largest of which
even the worst release that the evidence still allows is expected to be found before it has cost the budget; never less
than the present one. Where no more is allowed, another step at the same weight adds evidence, which rules out the worst
and so allows more; a person may promote without waiting for it.

Earlier steps are not charged against the budget: the judge remembers their evidence, so that what a bad release costs
until it is found is one sum, however it is spread over steps; and errors that both arms shared are nobody's loss.
"""

from typing import Any, NamedTuple

from msgspec.structs import replace

from shipway.analysis.bands import upper
from shipway.analysis.detect import PHI, WEIGHTS, expected_loss, next_weight
from shipway.analysis.policy import Step
from shipway.analysis.verdict import IndicatorEvidence
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Rollout

SECONDS = 60.0
"""How long a release may stay at a weight unseen when no written step says a longer time."""


class Following(NamedTuple):
    """The step that follows."""

    number: int
    """Of the written step whose terms hold."""
    weight: float
    """Percent."""
    why: str
    """Why the ramp chose this weight; empty when it was written."""


def is_last(plan: DeliveryPlan, rollout: Rollout) -> bool:
    """Whether promotion follows the present step."""
    if chooses_weights(plan):
        return rollout.step >= 0 and rollout.weight >= plan.steps[-1].weight
    return rollout.step + 1 >= len(plan.steps)


def following(plan: DeliveryPlan, rollout: Rollout, *, insist: bool = False) -> Following:
    """The step after the present one, which is not the last. ``insist``: a person wants a larger weight, whatever it may cost."""
    if not chooses_weights(plan):
        return Following(rollout.step + 1, plan.steps[rollout.step + 1].weight, "")
    weight, why = _choose(plan, rollout)
    if insist and weight <= rollout.weight:
        weight = min(one for one in _candidates(plan) if one > rollout.weight)
        why = "as asked, beyond what the exposure budget allows"
    return Following(_terms(plan, weight), weight, why)


def approval(plan: DeliveryPlan, rollout: Rollout) -> str:
    """Who must agree before the step that follows begins; empty: nobody."""
    if is_last(plan, rollout) or not any(step.approval for step in plan.steps):
        return ""
    last = following(plan, rollout).number
    asked = [step.approval for step in plan.steps[rollout.step + 1 : last + 1] if step.approval]
    return " and ".join(asked)


def present(plan: DeliveryPlan, rollout: Rollout) -> Step:
    """The step under way, as it is judged."""
    return replace(plan.steps[rollout.step], weight=rollout.weight)


def chooses_weights(plan: DeliveryPlan) -> bool:
    """Whether the ramp chooses its own weights."""
    return plan.judge.exposure_budget > 0 and bool(plan.steps)


def _terms(plan: DeliveryPlan, weight: float) -> int:
    """The last written step that begins at or below ``weight``; the first holds for anything smaller."""
    return max((i for i, step in enumerate(plan.steps) if step.weight <= weight), default=0)


def _candidates(plan: DeliveryPlan) -> tuple[float, ...]:
    most = plan.steps[-1].weight
    return (*(one for one in WEIGHTS if one < most), most)


def _choose(plan: DeliveryPlan, rollout: Rollout) -> tuple[float, str]:
    evidence, rps = _evidence(rollout), _traffic(rollout)
    if rps <= 0:  # nothing is known about the traffic, so nothing can be promised about it
        weight = max(plan.steps[0].weight, rollout.weight)
        return weight, "the traffic is not known yet"
    seconds = max(step.at_least for step in plan.steps) or SECONDS
    rate, phi, worst = _baseline_rate(rollout, evidence), PHI, 1.0
    if evidence is not None:
        phi = evidence.phi
        worst = upper(evidence.canary_bad / phi, evidence.canary_total / phi, evidence.level)
    smallest, *_ = candidates = _candidates(plan)
    judged: dict[str, Any] = {"phi": phi, "worst_rate": worst}
    chosen = next_weight(plan.judge, rps, rate, seconds=seconds, above=rollout.weight, weights=candidates, **judged)
    told = chosen or next((one for one in candidates if one > rollout.weight), smallest)
    loss = expected_loss(plan.judge, rps, rate, Step(weight=told, at_least=seconds), **judged)
    cost = f"{told:g} % of {_round(rps)} requests/s could cost {_round(loss)} failed requests"
    allowed = f"{plan.judge.exposure_budget:g} are allowed"
    return chosen or max(rollout.weight, smallest), f"{cost}, {allowed}"


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _evidence(rollout: Rollout) -> IndicatorEvidence | None:
    """What is known about the canary's errors, or about its first count when errors are not judged."""
    found = rollout.judgement.indicators if rollout.judgement else ()
    counted = [one for one in found if one.kind in {"errors", "latency"} and one.canary_total > 0]
    return next((one for one in counted if one.kind == "errors"), counted[0] if counted else None)


def _traffic(rollout: Rollout) -> float:
    """Requests per second of both arms: in this step, or else of the baseline before the rollout; 0 when nobody knows."""
    judgement = rollout.judgement
    seconds = rollout.read_at - rollout.step_at
    if judgement and judgement.exposure and seconds > 0:
        return judgement.sample / judgement.exposure / seconds
    return _since_first(rollout)[0]


def _baseline_rate(rollout: Rollout, evidence: IndicatorEvidence | None) -> float:
    if evidence is not None and evidence.baseline_total > 0:
        return evidence.baseline_bad / evidence.baseline_total
    return _since_first(rollout)[1]


def _since_first(rollout: Rollout) -> tuple[float, float]:
    """(requests per second, share of errors) of the history; counters that fell began again at zero."""
    seconds = requests = errors = 0.0
    for (start, before), (end, after) in zip(rollout.history, rollout.history[1:], strict=False):
        began_again = after.requests < before.requests or after.errors < before.errors
        seconds += end - start
        requests += after.requests - (0 if began_again else before.requests)
        errors += after.errors - (0 if began_again else before.errors)
    return (requests / seconds if seconds > 0 else 0.0, errors / requests if requests > 0 else 0.0)
