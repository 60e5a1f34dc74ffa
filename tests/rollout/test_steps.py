"""Which step follows, above all when an exposure budget chooses the weights."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.analysis.detect import WEIGHTS
from shipway.analysis.readings import ArmReading
from shipway.analysis.verdict import IndicatorEvidence, Judgement, Verdict
from shipway.model.ids import RolloutId
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Phase, Rollout
from shipway.rollout.steps import approval, chooses_weights, following, is_last, present
from tests.rollout.samples import V1, V2, plan


def ramp(*weights: float, approvals: tuple[str, ...] = (), budget: float = 50.0) -> DeliveryPlan:
    """Steps of five minutes under an exposure budget."""
    how = plan(*weights, approvals=approvals, budget=budget)
    return replace(how, steps=tuple(replace(step, at_least=300.0) for step in how.steps))


HISTORY = tuple((10.0 * i, ArmReading(2000 * i, 2 * i)) for i in range(7))
"""200 requests per second, of which one in a thousand fails."""


def rollout(**more: Any) -> Rollout:
    fields: dict[str, Any] = {"history": HISTORY, "phase": Phase.STARTING} | more
    return Rollout(
        id=RolloutId("shop-2"), kind="canary", release=V2, baseline=V1, by="ann", started_at=0.0, phase_at=0.0, **fields
    )


def seen(canary: tuple[float, int], baseline: tuple[float, int], *, sample: int, phi: float = 1.2) -> Judgement:
    """A PASS with the errors of both arms since the rollout began."""
    errors = IndicatorEvidence(
        name="errorRate",
        kind="errors",
        verdict=Verdict.PASS,
        canary_bad=canary[0],
        canary_total=canary[1],
        baseline_bad=baseline[0],
        baseline_total=baseline[1],
        e_relative=0.0,
        e_absolute=0.0,
        limit=4.6,
        phi=phi,
        level=0.01,
        sentence="",
    )
    return Judgement(
        verdict=Verdict.PASS, sentence="", indicators=(errors,), more_requests=None, exposure=0.1, sample=sample
    )


def passed(weight: float, canary: tuple[float, int], **more: Any) -> Rollout:
    """After a step of 60 s at 200 requests per second, a tenth of them the canary's."""
    judgement = seen(canary, (canary[1] * 0.009, canary[1] * 9), sample=1200)
    return rollout(
        phase=Phase.OBSERVING, step=0, weight=weight, step_at=100.0, read_at=160.0, judgement=judgement, **more
    )


class TestWrittenSteps:
    HOW = plan(5.0, 25.0, 50.0, approvals=("", "ops"))

    def test_one_after_the_other(self) -> None:
        assert following(self.HOW, rollout()) == (0, 5.0, "")
        assert following(self.HOW, rollout(step=0, weight=5.0)) == (1, 25.0, "")
        assert not is_last(self.HOW, rollout(step=1))
        assert is_last(self.HOW, rollout(step=2))
        assert present(self.HOW, rollout(step=1, weight=25.0)) == self.HOW.steps[1]

    def test_approval_belongs_to_the_step_that_follows(self) -> None:
        assert [approval(self.HOW, rollout(step=step)) for step in (-1, 0, 1, 2)] == ["", "ops", "", ""]


class TestBudget:
    HOW = ramp(5.0, 25.0, 50.0, approvals=("", "", "leads"))

    def test_unknown_traffic_begins_as_written(self) -> None:
        assert following(self.HOW, rollout(history=())) == (0, 5.0, "the traffic is not known yet")

    def test_the_first_weight_is_the_largest_within_the_budget(self) -> None:
        chosen = following(self.HOW, rollout())
        assert chosen.weight == 10.0
        assert chosen.number == 0, "the terms of 5 % hold until 25 %"
        assert chosen.why == "10 % of 200 requests/s could cost 42.7 failed requests, 50 are allowed"

    @pytest.mark.parametrize("budget", [5.0, 20.0, 100.0, 1000.0])
    def test_a_larger_budget_never_means_a_smaller_weight(self, budget: float) -> None:
        less = following(ramp(50.0, budget=budget), rollout()).weight
        more = following(ramp(50.0, budget=2 * budget), rollout()).weight
        assert less <= more

    def test_busier_services_begin_lower(self) -> None:
        busy = tuple((at, ArmReading(10 * arm.requests, 10 * arm.errors)) for at, arm in HISTORY)
        assert following(self.HOW, rollout(history=busy)).weight < following(self.HOW, rollout()).weight

    def test_nothing_within_the_budget_is_the_smallest_weight_there_is(self) -> None:
        chosen = following(ramp(50.0, budget=0.01), rollout())
        assert chosen.weight == min(WEIGHTS)
        assert chosen.why == "0.1 % of 200 requests/s could cost 2.59 failed requests, 0.01 are allowed"

    def test_evidence_allows_more(self) -> None:
        little, much = passed(10.0, (0.0, 30)), passed(10.0, (60.0, 60_000))
        assert 10.0 < following(self.HOW, little).weight < following(self.HOW, much).weight == 50.0

    def test_it_never_falls_below_the_present_weight(self) -> None:
        """A fifth of everything fails at times: even what it has is too much, but the way back is for a FAIL."""
        chosen = following(self.HOW, passed(40.0, (4.0, 20)))
        assert chosen.weight == 40.0
        assert chosen.why.startswith("50 % of 200 requests/s could cost 133"), "which is why it stays"

    def test_a_person_may_insist(self) -> None:
        chosen = following(self.HOW, passed(40.0, (4.0, 20)), insist=True)
        assert chosen.weight == 50.0
        assert "beyond" in chosen.why

    def test_the_terms_and_the_approval_of_the_written_steps_hold_from_their_weight_on(self) -> None:
        far, near = passed(10.0, (60.0, 60_000)), passed(10.0, (0.0, 30))
        assert (following(self.HOW, far).number, approval(self.HOW, far)) == (2, "leads")
        assert (following(self.HOW, near).number, approval(self.HOW, near)) == (1, "")
        assert approval(self.HOW, passed(50.0, (60.0, 60_000))) == "", "promotion follows"
        assert present(self.HOW, far) == replace(self.HOW.steps[0], weight=10.0)

    def test_the_last_written_weight_ends_the_ramp(self) -> None:
        assert not is_last(self.HOW, rollout())
        assert not is_last(self.HOW, passed(40.0, (1.0, 1000)))
        assert is_last(self.HOW, passed(50.0, (1.0, 1000)))
        odd = ramp(33.0, budget=1e6)
        assert following(odd, rollout()).weight == 33.0, "though it is none of the proposed weights"

    def test_counters_that_began_again_are_no_negative_traffic(self) -> None:
        reset = (*HISTORY[:4], *[(at, ArmReading(arm.requests - 8000, 0)) for at, arm in HISTORY[4:]])
        chosen = following(self.HOW, rollout(history=reset))
        assert chosen.weight >= 10.0

    def test_only_a_budget_chooses(self) -> None:
        assert chooses_weights(self.HOW)
        assert not chooses_weights(plan(5.0))
