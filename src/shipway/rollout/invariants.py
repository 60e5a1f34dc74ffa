"""What must never happen, as sentences. Checked by the tests on every transition and by ``shipway journal check``.

Each takes the state before, the event, and the state after, and answers whether the sentence still holds.
"""

from collections.abc import Callable

from shipway.analysis.verdict import Verdict
from shipway.model.ids import ReleaseId
from shipway.model.weights import FULL
from shipway.rollout.events import AbortRequested, Event, PromoteRequested, ResumeRequested
from shipway.rollout.states import FINAL, Delivery, Phase

Invariant = Callable[[Delivery, Event, Delivery], bool]


def _weights_sum_to_100(_before: Delivery, _event: Event, after: Delivery) -> bool:
    shares = [share for _, share in after.weights] if after.weights else [FULL]
    return all(0 <= share <= FULL for share in shares) and abs(sum(shares) - FULL) < 1e-9


def _nothing_with_traffic_is_stopped(_before: Delivery, _event: Event, after: Delivery) -> bool:
    served = {release for release, _ in after.weights} if after.weights else set()
    return all(after.releases[release].run == "running" for release in served)


def _unconfirmed_routes_stop_nothing(before: Delivery, _event: Event, after: Delivery) -> bool:
    """Routes that are not confirmed may still send requests to the old side."""
    if after.routes_applied == after.routes_generation:
        return True
    return _stopping(after) <= _stopping(before)


def _stopping(state: Delivery) -> set[ReleaseId]:
    return {r.id for r in state.releases.values() if r.run == "stopping"}


def _failed_never_rises(before: Delivery, _event: Event, after: Delivery) -> bool:
    if not (_same(before, after) and before.rollout and after.rollout and before.rollout.failed):
        return True
    return after.rollout.weight <= before.rollout.weight and after.rollout.failed


def _automatic_fail_means_zero(_before: Delivery, _event: Event, after: Delivery) -> bool:
    rollout = after.rollout
    if rollout is None or not rollout.failed or after.releases[rollout.release].plan.rollback != "automatic":
        return True
    return rollout.weight == 0.0 and rollout.phase in {Phase.REVERTING, Phase.ROLLED_BACK, Phase.ABORTED}


def _ends_once(before: Delivery, _event: Event, after: Delivery) -> bool:
    if not (before.rollout and before.rollout.phase in FINAL):
        return True
    ended = before.rollout
    filed = after.rollout if _same(before, after) else next((r for r in after.past if r.id == ended.id), None)
    return filed is not None and filed.phase is ended.phase


def _forward_needs_a_pass(before: Delivery, event: Event, after: Delivery) -> bool:
    if not (_same(before, after) and before.rollout and after.rollout and after.rollout.kind == "canary"):
        return True
    if after.rollout.weight <= before.rollout.weight or before.rollout.step < 0:
        return True
    if isinstance(event, PromoteRequested | ResumeRequested):
        return not before.rollout.failed
    judgement, plan = after.rollout.judgement, after.releases[after.rollout.release].plan
    return plan.inconclusive == "advance" or (judgement is not None and judgement.verdict is Verdict.PASS)


def _one_live(_before: Delivery, _event: Event, after: Delivery) -> bool:
    if after.rollout and after.rollout.phase is Phase.PROMOTED:
        return after.live == after.rollout.release
    return True


def _abort_ends_it(before: Delivery, event: Event, after: Delivery) -> bool:
    if not isinstance(event, AbortRequested) or before.rollout is None or before.phase in FINAL:
        return True
    return before.phase in {Phase.PROMOTING, Phase.REVERTING} or after.phase in {
        Phase.REVERTING,
        Phase.ABORTED,
        Phase.STARTING,
    }


def _generations_rise(before: Delivery, _event: Event, after: Delivery) -> bool:
    return after.generation >= before.generation and after.routes_applied <= after.routes_generation <= after.generation


def _same(before: Delivery, after: Delivery) -> bool:
    return bool(before.rollout and after.rollout and before.rollout.id == after.rollout.id)


INVARIANTS: dict[str, Invariant] = {
    "weights are 0..100 and sum to 100": _weights_sum_to_100,
    "a release with traffic is never stopped": _nothing_with_traffic_is_stopped,
    "nothing is stopped while routes are unconfirmed": _unconfirmed_routes_stop_nothing,
    "after FAIL the canary's weight never rises again": _failed_never_rises,
    "after FAIL, unless rollback is manual, the canary's weight is 0": _automatic_fail_means_zero,
    "a rollout ends in exactly one of promoted, rolled back, aborted": _ends_once,
    "no forward step without a PASS, unless a person or the written plan says so": _forward_needs_a_pass,
    "what was promoted is live": _one_live,
    "an abort ends the trial": _abort_ends_it,
    "generations only rise": _generations_rise,
}


def violated(before: Delivery, event: Event, after: Delivery) -> list[str]:
    """The sentences that ``before`` -> ``event`` -> ``after`` breaks; empty when all hold."""
    return [sentence for sentence, holds in INVARIANTS.items() if not holds(before, event, after)]
