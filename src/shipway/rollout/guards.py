"""Conditions of the transition table: questions about the state and the event, answered yes or no. No other callers."""

from collections.abc import Callable

from shipway.analysis.verdict import Judgement, Verdict
from shipway.rollout import steps
from shipway.rollout.events import Event, PromoteRequested, ReleaseFailed, ReleaseRequested, UndoRequested
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
    """Goes live without a trial: a first install, an undo, `strategy: direct`, a plan without steps."""
    return _rollout(state).kind != "canary" or not _release(state).plan.steps


def is_overdue(state: Delivery, event: Event) -> bool:
    """The time for becoming ready is over."""
    return event.at >= _rollout(state).phase_at + _release(state).plan.ready_within


def canary_failed(state: Delivery, event: Event) -> bool:
    """It is the release on trial whose processes do not stay up, in their present run."""
    is_its = isinstance(event, ReleaseFailed) and event.release == _rollout(state).release
    return is_its and bool(_release(state).failure)


def replaces(_state: Delivery, event: Event) -> bool:
    """The new release does not wait for the end of this rollout."""
    return isinstance(event, ReleaseRequested) and event.plan.supersede == "replace"


def there_is_a_way_back(state: Delivery, event: Event) -> bool:
    """The undo leads away from the release on trial, to one that is known."""
    rollout = _rollout(state)
    target = event.to if isinstance(event, UndoRequested) else None
    return (target or rollout.baseline) in state.releases and target != rollout.release


def traffic_follows(state: Delivery, _event: Event) -> bool:
    """Requests follow the newest routes."""
    return state.routes_applied == state.routes_generation


def evidence_forced_it(state: Delivery, _event: Event) -> bool:
    """The way back was forced by evidence or by failing processes, not wished by a person."""
    return _rollout(state).outcome is Phase.ROLLED_BACK


def has_failed(state: Delivery, _event: Event) -> bool:
    """A FAIL was seen, or its processes do not stay up."""
    return _rollout(state).failed


def has_not_failed(state: Delivery, _event: Event) -> bool:
    """No FAIL was seen."""
    return not _rollout(state).failed


def must_roll_back(state: Delivery, _event: Event) -> bool:
    """A FAIL was seen and the plan says `rollback: automatic`, or no request ever went there."""
    rollout = _rollout(state)
    return rollout.failed and (_release(state).plan.rollback == "automatic" or rollout.step < 0)


def has_not_begun(state: Delivery, _event: Event) -> bool:
    """No step has begun."""
    return _rollout(state).step < 0


def may_be_promoted(state: Delivery, _event: Event) -> bool:
    """The canary can serve and nothing has shown it to be worse."""
    return _release(state).is_ready and not _rollout(state).failed


def may_go_forward(state: Delivery, event: Event) -> bool:
    """Every instance can serve, and PASS; or the time allowed is over and the plan says `onInconclusive: advance`."""
    rollout, release = _rollout(state), _release(state)
    if rollout.failed or rollout.judgement is None:
        return False
    if rollout.judgement.verdict is Verdict.PASS:
        return release.is_ready
    return release.plan.inconclusive == "advance" and _is_out_of_time(state, event) and release.is_ready


def must_hold(state: Delivery, event: Event) -> bool:
    """Both arms are in trouble, nothing can be measured, the time allowed is over, or a person must find the way back."""
    return hold_reason(state, event) != ""


def can_go_on(state: Delivery, event: Event) -> bool:
    """What made the rollout hold is over."""
    return hold_reason(state, event) == ""


def is_blind(state: Delivery, _event: Event) -> bool:
    """Readings have been missing for too long."""
    return _rollout(state).missed >= BLIND_AFTER


def was_last_step(state: Delivery, event: Event) -> bool:
    """No step follows the present one, or there are none."""
    return is_immediate(state, event) or steps.is_last(_release(state).plan, _rollout(state))


def next_step_needs_approval(state: Delivery, _event: Event) -> bool:
    """The step that follows waits for a person's agreement."""
    return steps.approval(_release(state).plan, _rollout(state)) != ""


def wants_full(_state: Delivery, event: Event) -> bool:
    """All remaining steps are to be skipped."""
    return isinstance(event, PromoteRequested) and event.full


def hold_reason(state: Delivery, event: Event) -> str:
    """Why the rollout must hold now, in one sentence; empty when it need not."""
    rollout = _rollout(state)
    if rollout.failed:
        return f"{_why_failed(state)}; `rollback: manual` leaves the way back to a person"
    if rollout.missed >= BLIND_AFTER:
        return f"{rollout.missed} readings in a row could not be had"
    return _doubt(rollout.judgement, state, event) if rollout.judgement else ""


def _doubt(judgement: Judgement, state: Delivery, event: Event) -> str:
    release = _release(state)
    if judgement.verdict in {Verdict.HOLD, Verdict.ERROR}:
        return judgement.sentence
    if release.plan.inconclusive == "hold" and _is_out_of_time(state, event):
        return f"not enough evidence in the time allowed: {judgement.sentence}"
    if judgement.verdict is Verdict.PASS and not release.is_ready:
        return f"nothing speaks against it, but only {release.readiness}"
    return ""


def _why_failed(state: Delivery) -> str:
    judgement = _rollout(state).judgement
    failed = judgement is not None and judgement.verdict is Verdict.FAIL
    return judgement.sentence if judgement and failed else _release(state).failure or "its processes did not stay up"


def _is_out_of_time(state: Delivery, event: Event) -> bool:
    """INCONCLUSIVE although the step's maximum duration is over."""
    rollout = _rollout(state)
    if rollout.judgement is None or rollout.judgement.verdict is not Verdict.INCONCLUSIVE:
        return False
    step = _release(state).plan.steps[rollout.step]
    allowed = step.at_most or 10 * step.at_least
    return allowed > 0 and event.at >= rollout.step_at + allowed


def _rollout(state: Delivery) -> Rollout:
    assert state.rollout is not None
    return state.rollout


def _release(state: Delivery) -> Release:
    return state.releases[_rollout(state).release]
