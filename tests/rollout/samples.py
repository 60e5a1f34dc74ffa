"""Plans, and counters that behave: what the tests of this room are made of."""

from typing import Any

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.model.ids import AppName, ReleaseId
from shipway.model.workload import Workload
from shipway.rollout.decide import Watch
from shipway.rollout.events import ReleaseRequested
from shipway.rollout.plan import DeliveryPlan

SHOP = AppName("shop")
V1, V2, V3 = ReleaseId("v1"), ReleaseId("v2"), ReleaseId("v3")

ERRORS = Indicator(name="errorRate", kind="errors", slo=0.01)


def steps(*weights: float, approvals: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Steps of at least 5 s and at most 30 s, fifty requests each."""
    who = (*approvals, *[""] * len(weights))
    return tuple(Step(weight=w, at_least=5.0, at_most=30.0, approval=a) for w, a in zip(weights, who, strict=False))


def plan(
    *weights: float, approvals: tuple[str, ...] = (), replicas: int = 1, budget: float = 0.0, **more: Any
) -> DeliveryPlan:
    """A plan of the shop: 5 % and 50 % unless told otherwise."""
    fields = {"strategy": "canary", "keep": 60.0, "ready_within": 20.0, **more}
    return DeliveryPlan(
        app=SHOP,
        port=8080,
        workload=Workload(SHOP, ReleaseId(""), ("serve",), "/srv", replicas=replicas),
        steps=steps(*(weights or (5.0, 50.0)), approvals=approvals),
        judge=JudgePolicy(indicators=(ERRORS,), exposure_budget=budget),
        **fields,
    )


def release(at: float, how: DeliveryPlan | None = None, label: str = "", **more: Any) -> ReleaseRequested:
    """Ann asks for a release."""
    return ReleaseRequested(at=at, plan=how or plan(), label=label, document="{}", by="ann", logic=1, **more)


class Counters:
    """Cumulative counters of every release, fed by weights and moods; a thousand requests each time."""

    REQUESTS = 1000
    RATES = dict.fromkeys(("few", "broken", "still"), (0.0, 0.0)) | {
        "good": (0.002, 0.002),
        "bad": (0.002, 0.4),
        "trouble": (0.3, 0.3),
    }
    """Error rates of (baseline, canary). few: the canary gets one request, and the baseline its share to that. broken: it
    gets one of a thousand. still: nobody gets any."""

    def __init__(self) -> None:
        self._of: dict[ReleaseId, tuple[int, int]] = {}

    def reading(self, at: float, told: Watch, share: float, mood: str) -> Reading:
        """After one more interval in which ``share`` (0..1) of the traffic went to the canary, whatever was told."""
        baseline, canary, weight = told.baseline, told.canary or V2, told.weight
        if mood in {"no-canary", "no-baseline"}:
            arms = [
                None if mood == "no-baseline" else self._arm(baseline),
                None if mood == "no-canary" else self._arm(canary),
            ]
            return Reading(at, arms[0], arms[1], weight)
        requests = {"still": 0, "few": round(1 / share) if share else 1}.get(mood, self.REQUESTS)
        its = 1 if mood in {"few", "broken"} else round(requests * share)
        rates = self.RATES[mood]
        self._serve(baseline, requests - its, rates[0])
        self._serve(canary, its, rates[1])
        return Reading(at, self._arm(baseline), self._arm(canary), weight)

    def _serve(self, which: ReleaseId, requests: int, rate: float) -> None:
        before = self._of.get(which, (0, 0))
        self._of[which] = before[0] + requests, before[1] + round(requests * rate)

    def _arm(self, which: ReleaseId) -> ArmReading:
        return ArmReading(*self._of.get(which, (0, 0)))
