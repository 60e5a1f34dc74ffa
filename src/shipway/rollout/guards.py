"""Conditions of the transition table: questions about the state and the event, answered yes or no. No other callers."""

from collections.abc import Callable

from shipway.analysis.verdict import Verdict
from shipway.rollout.events import Event, PromoteRequested, ReleaseFailed, ReleaseRequested
from shipway.rollout.states import Delivery, Phase, Release, Rollout

BLIND_AFTER = 5
"""Consecutive missing readings after which a rollout holds: one lost scrape is normal, five are a lost source."""

Guard = Callable[[Delivery, Event], bool]


def always(_state: Delivery, _event: Event) -> bool:
    """No condition."""
    return True


def both(first: Guard, second: Guard) -> Guard:
    """Both conditions hold. Named after its parts, for the diagram."""
    if second is always:
        return first

    def guard(state: Delivery, event: Event) -> bool:
        return first(state, event) and second(state, event)

    guard.__name__ = f"{first.__name__}, {second.__name__}"
    return guard


def something_is_pending(state: Delivery, _event: Event) -> bool:
    """A release waits for its turn."""
    return state.pending is not None


def is_ready(state: Delivery, _event: Event) -> bool:
    """Every instance of the release on trial can serve."""
    return _release(state).is_ready


def is_immediate(state: Delivery, _event: Event) -> bool:
    """Goes live without a trial: a first install, an undo, `strategy: direct`."""
    return _rollout(state).kind != "canary"


def is_overdue(state: Delivery, event: Event) -> bool:
    """The time for becoming ready is over."""
    return event.at >= _rollout(state).phase_at + _release(state).plan.ready_within


def canary_failed(state: Delivery, event: Event) -> bool:
    """It is the release on trial whose processes do not stay up."""
    return isinstance(event, ReleaseFailed) and event.release == _rollout(state).release


def replaces(_state: Delivery, event: Event) -> bool:
    """The new release does not wait for this rollout."""
    return isinstance(event, ReleaseRequested) and event.plan.supersede == "replace"


def traffic_follows(state: Delivery, _event: Event) -> bool:
    """Requests follow the newest routes."""
    return state.routes_applied == state.routes_generation


def evidence_forced_it(state: Delivery, _event: Event) -> bool:
    """The way back was forced by evidence or by failing processes, not wished by a person."""
    return _rollout(state).outcome is Phase.ROLLED_BACK


def has_failed(state: Delivery, _event: Event) -> bool:
    """A FAIL was seen."""
    return _rollout(state).failed


def has_not_failed(state: Delivery, _event: Event) -> bool:
    """No FAIL was seen."""
    return not _rollout(state).failed


def must_roll_back(state: Delivery, _event: Event) -> bool:
    """A FAIL was seen and the plan says `rollback: automatic`."""
    return _rollout(state).failed and _release(state).plan.rollback == "automatic"


def has_not_begun(state: Delivery, _event: Event) -> bool:
    """No step has begun."""
    return _rollout(state).step < 0


def may_be_promoted(state: Delivery, _event: Event) -> bool:
    """The canary can serve and nothing has shown it to be worse."""
    return _release(state).is_ready and not _rollout(state).failed


def may_go_forward(state: Delivery, event: Event) -> bool:
    """PASS; or nothing shown in the time allowed and the plan says `onInconclusive: advance`."""
    rollout = _rollout(state)
    if rollout.failed or rollout.judgement is None:
        return False
    if rollout.judgement.verdict is Verdict.PASS:
        return True
    return _is_out_of_time(state, event) and _release(state).plan.inconclusive == "advance"


def must_hold(state: Delivery, event: Event) -> bool:
    """Both arms are in trouble, the split is broken, or the time allowed is over and the plan says so."""
    return hold_reason(state, event) != ""


def can_go_on(state: Delivery, event: Event) -> bool:
    """What made the rollout hold is over."""
    return not _rollout(state).failed and hold_reason(state, event) == ""


def is_blind(state: Delivery, _event: Event) -> bool:
    """Readings have been missing for too long."""
    return _rollout(state).missed >= BLIND_AFTER


def was_last_step(state: Delivery, _event: Event) -> bool:
    """No step follows the present one."""
    return _rollout(state).step + 1 >= len(_release(state).plan.steps)


def next_step_needs_approval(state: Delivery, _event: Event) -> bool:
    """The step that follows waits for a person's agreement."""
    rollout, steps = _rollout(state), _release(state).plan.steps
    following = rollout.step + 1
    return following < len(steps) and bool(steps[following].approval)


def wants_full(_state: Delivery, event: Event) -> bool:
    """All remaining steps are to be skipped."""
    return isinstance(event, PromoteRequested) and event.full


def hold_reason(state: Delivery, event: Event) -> str:
    """Why the rollout must hold now, in one sentence; empty when it need not."""
    rollout = _rollout(state)
    if rollout.failed:
        return "worse than the baseline; `rollback: manual` leaves the way back to a person"
    if rollout.missed >= BLIND_AFTER:
        return f"{rollout.missed} readings in a row could not be had"
    if rollout.judgement is None:
        return ""
    if rollout.judgement.verdict in {Verdict.HOLD, Verdict.ERROR}:
        return rollout.judgement.sentence
    if _is_out_of_time(state, event) and _release(state).plan.inconclusive == "hold":
        return f"not enough evidence in the time allowed: {rollout.judgement.sentence}"
    return ""


def _is_out_of_time(state: Delivery, event: Event) -> bool:
    """INCONCLUSIVE although the step's maximum duration is over."""
    rollout, steps = _rollout(state), _release(state).plan.steps
    if rollout.judgement is None or rollout.judgement.verdict is not Verdict.INCONCLUSIVE:
        return False
    if not 0 <= rollout.step < len(steps):
        return False
    allowed = steps[rollout.step].at_most or 10 * steps[rollout.step].at_least
    return allowed > 0 and event.at >= rollout.step_at + allowed


def _rollout(state: Delivery) -> Rollout:
    assert state.rollout is not None
    return state.rollout


def _release(state: Delivery) -> Release:
    return state.releases[_rollout(state).release]
