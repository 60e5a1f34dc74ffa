"""What must never happen, as sentences. Checked by the tests on every transition and by ``shipway journal check``.

Each takes the state before, the event, and the state after, and answers whether the sentence still holds.
"""

from collections.abc import Callable

from shipway.analysis.verdict import Verdict
from shipway.model.ids import ReleaseId, RolloutId
from shipway.model.weights import FULL
from shipway.rollout.events import AbortRequested, Event, Observed, PromoteRequested
from shipway.rollout.states import FINAL, TRIAL, Delivery, Phase, Rollout
from shipway.rollout.steps import chooses_weights

Invariant = Callable[[Delivery, Event, Delivery], bool]


def _weights_sum_to_100(_before: Delivery, _event: Event, after: Delivery) -> bool:
    shares = [share for _, share in after.weights] if after.weights else [FULL]
    return all(0 <= share <= FULL for share in shares) and abs(sum(shares) - FULL) < 1e-9


def _nothing_with_traffic_is_stopped(_before: Delivery, _event: Event, after: Delivery) -> bool:
    served = {release for release, _ in after.weights} if after.weights else set()
    return all(after.releases[release].run == "running" for release in served)


def _unconfirmed_routes_stop_nothing(before: Delivery, _event: Event, after: Delivery) -> bool:
    """Routes that are not confirmed may still send requests to the old side. (Without a baseline there is no other side.)"""
    stopping = _stopping(after) - _stopping(before)
    if not stopping or before.weights is None or after.weights is None:
        return True
    confirmed = after.routes_applied >= before.routes_generation
    return confirmed and stopping.isdisjoint(release for release, _ in before.weights)


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
    filed = _filed(after, before.rollout.id)
    return filed is not None and filed.phase is before.rollout.phase and after.past[: len(before.past)] == before.past


def _forward_needs_a_pass(before: Delivery, event: Event, after: Delivery) -> bool:
    """Out of a step: a PASS of this very reading. The first step needs none; the ramp may stay where it is."""
    rollout, earlier = after.rollout, before.rollout
    if rollout is None or rollout.kind != "canary" or rollout.step < 0:
        return True
    if earlier is None or earlier.id != rollout.id or earlier.step < 0:
        return rollout.step == 0 or chooses_weights(after.releases[rollout.release].plan)
    if (rollout.step, rollout.weight) <= (earlier.step, earlier.weight):
        return True
    if isinstance(event, PromoteRequested):
        return not earlier.failed
    if not isinstance(event, Observed) or rollout.read_at == earlier.read_at or rollout.judgement is None:
        return False
    lenient = after.releases[rollout.release].plan.inconclusive == "advance"
    return rollout.judgement.verdict in ({Verdict.PASS, Verdict.INCONCLUSIVE} if lenient else {Verdict.PASS})


def _one_live(_before: Delivery, _event: Event, after: Delivery) -> bool:
    if after.rollout and after.rollout.phase is Phase.PROMOTED:
        return after.live == after.rollout.release
    return True


def _abort_ends_it(before: Delivery, event: Event, after: Delivery) -> bool:
    if not isinstance(event, AbortRequested) or before.rollout is None or before.phase in FINAL:
        return True
    its = _filed(after, before.rollout.id)
    return before.phase is Phase.REVERTING or (its is not None and its.phase in {Phase.REVERTING, Phase.ABORTED})


def _traffic_goes_to_what_is_ready(before: Delivery, _event: Event, after: Delivery) -> bool:
    """The way back to the baseline is open even if the baseline is in trouble: there is nowhere else to go."""
    rollout = after.rollout
    if after.weights is None or rollout is None or after.phase in {Phase.REVERTING, *FINAL}:
        return True
    had = before.weights.of(rollout.release) if before.weights else 0.0
    return after.weights.of(rollout.release) <= had or after.releases[rollout.release].is_ready


def _weight_is_asked_for(_before: Delivery, _event: Event, after: Delivery) -> bool:
    rollout = after.rollout
    if rollout is None or rollout.phase not in {*TRIAL, Phase.PROMOTING} or rollout.step < 0:
        return True
    return after.weights is not None and after.weights.of(rollout.release) == round(rollout.weight, 2)


def _trial_keeps_both(_before: Delivery, _event: Event, after: Delivery) -> bool:
    rollout = after.rollout
    if rollout is None or not rollout.is_active:
        return True
    needed = (rollout.release, rollout.baseline)
    return all(after.releases[release].run == "running" for release in needed if release)


def _waiting_begins(_before: Delivery, _event: Event, after: Delivery) -> bool:
    return after.pending is None or (after.rollout is not None and after.rollout.is_active)


def _generations_rise(before: Delivery, _event: Event, after: Delivery) -> bool:
    return after.generation >= before.generation and after.routes_applied <= after.routes_generation <= after.generation


def _same(before: Delivery, after: Delivery) -> bool:
    return bool(before.rollout and after.rollout and before.rollout.id == after.rollout.id)


def _filed(state: Delivery, rollout: RolloutId) -> Rollout | None:
    return next((one for one in (state.rollout, *state.past[::-1]) if one and one.id == rollout), None)


INVARIANTS: dict[str, Invariant] = {
    "weights are 0..100 and sum to 100": _weights_sum_to_100,
    "a release with traffic is never stopped": _nothing_with_traffic_is_stopped,
    "nothing is stopped until routes without it are confirmed": _unconfirmed_routes_stop_nothing,
    "after FAIL the canary's weight never rises again": _failed_never_rises,
    "after FAIL, unless rollback is manual, the canary's weight is 0": _automatic_fail_means_zero,
    "a rollout ends in exactly one of promoted, rolled back, aborted": _ends_once,
    "no forward step without a PASS, unless a person or the written plan says so": _forward_needs_a_pass,
    "what was promoted is live": _one_live,
    "an abort ends the rollout, unless it is decided already": _abort_ends_it,
    "traffic goes only to a release that is ready": _traffic_goes_to_what_is_ready,
    "what a trial says of its weight is what the router is asked": _weight_is_asked_for,
    "both releases of a rollout run until it has ended": _trial_keeps_both,
    "what waits begins as soon as nothing is under way": _waiting_begins,
    "generations only rise": _generations_rise,
}


def violated(before: Delivery, event: Event, after: Delivery) -> list[str]:
    """The sentences that ``before`` -> ``event`` -> ``after`` breaks; empty when all hold."""
    return [sentence for sentence, holds in INVARIANTS.items() if not holds(before, event, after)]
