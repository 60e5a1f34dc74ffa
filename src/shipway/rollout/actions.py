"""Actions of the transition table: fill in what the new phase needs. They choose neither phase nor time. No other callers."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from shipway.analysis.judge import begin as begin_judging
from shipway.analysis.judge import begin_step
from shipway.analysis.verdict import Verdict
from shipway.model.ids import Generation, ReleaseId, rollout_id
from shipway.model.weights import FULL, Weights, split, weights
from shipway.rollout import steps
from shipway.rollout.events import (
    AbortRequested,
    DeadlineReached,
    Event,
    PromoteRequested,
    ReleaseFailed,
    ReleaseRequested,
    UndoRequested,
)
from shipway.rollout.guards import hold_reason
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Delivery, Kind, Outcome, Pending, Phase, Release, Rollout

Action = Callable[[Delivery, Event], Delivery]


def begin(state: Delivery, event: Event) -> Delivery:
    """A rollout of the pending release; the last one is filed."""
    pending = state.pending
    assert pending is not None
    rollout = Rollout(
        id=rollout_id(state.app, len(state.past) + (state.rollout is not None) + 1),
        kind=_kind(state, pending),
        release=pending.release,
        baseline=state.live,
        phase=Phase.STARTING,
        by=pending.by,
        started_at=event.at,
        phase_at=event.at,
        reason="waiting for its instances to be ready",
        history=pending.history,
    )
    past = (*state.past, replace(state.rollout, judge=None, history=())) if state.rollout else state.past
    state = replace(state, rollout=rollout, past=past, pending=None)
    return _run(state, pending.release)


def promote(state: Delivery, event: Event) -> Delivery:
    """All traffic to the release."""
    rollout = _rollout(state)
    state = _route(state, weights({rollout.release: FULL}))
    return _with(state, weight=FULL, reason=_why_promoted(rollout, event))


def finish_promoted(state: Delivery, event: Event) -> Delivery:
    """The release is live; its predecessor's processes are kept for an undo."""
    rollout = _rollout(state)
    state = _with(state, ended_at=event.at)
    if rollout.baseline and rollout.baseline != rollout.release:
        keep = state.releases[rollout.release].plan.keep
        state = _release(state, rollout.baseline, stop_at=event.at + keep)
        state = replace(state, previous=rollout.baseline)
    return replace(_release(state, rollout.release, stop_at=None, failure=""), live=rollout.release)


def next_step(state: Delivery, event: Event) -> Delivery:
    """The next weight is asked of the router. The first step also begins the judgement."""
    rollout, plan = _rollout(state), _plan(state)
    person = event.by if isinstance(event, PromoteRequested) else ""
    index, weight, why = steps.following(plan, rollout, insist=bool(person))
    state = _with(
        state,
        step=index,
        step_at=event.at,
        judge=rollout.judge or begin_judging(plan.judge, event.at, rollout.history),
        history=(),
        weight=weight,
        choice=why,
        reason=_told(f"moving to {weight:g} %", f"{person} promoted" if person else "", why),
    )
    return _route(state, _split(state, weight))


def same_step(state: Delivery, event: Event) -> Delivery:
    """The present step again, from its beginning; the evidence is kept."""
    rollout = _rollout(state)
    by = getattr(event, "by", "somebody")
    state = _with(state, step_at=event.at, reason=f"resumed by {by} at {rollout.weight:g} %")
    return _route(state, _split(state, rollout.weight))


def observe_step(state: Delivery, event: Event) -> Delivery:
    """Traffic follows: the step's clock starts."""
    rollout = _rollout(state)
    assert rollout.judge is not None
    plan = _plan(state)
    judge = begin_step(plan.judge, rollout.judge, steps.present(plan, rollout), event.at)
    return _with(state, judge=judge, step_at=event.at, missed=0, reason=_gathering(rollout))


def observe_on(state: Delivery, _event: Event) -> Delivery:
    """The reason to hold is gone; the step's clock goes on."""
    return _with(state, reason=_gathering(_rollout(state)))


def await_approval(state: Delivery, _event: Event) -> Delivery:
    """The next step waits for people."""
    who = steps.approval(_plan(state), _rollout(state))
    return _with(state, reason=f"waiting for {who} to approve the next step")


def hold(state: Delivery, event: Event) -> Delivery:
    """Neither forward nor back."""
    tail = event.log_tail if isinstance(event, ReleaseFailed) else _rollout(state).log_tail
    return _with(state, reason=hold_reason(state, event), log_tail=tail)


def pause(state: Delivery, event: Event) -> Delivery:
    """Nothing moves until resumed."""
    return _with(state, reason=f"paused by {getattr(event, 'by', 'somebody')}")


def start_on(state: Delivery, _event: Event) -> Delivery:
    """Back to waiting for instances, with the whole time for it."""
    return _with(state, reason="waiting for its instances to be ready")


def revert(state: Delivery, event: Event) -> Delivery:
    """All traffic to the baseline. Without one there are no routes to change."""
    rollout = _rollout(state)
    outcome, reason, tail = _why_back(state, event)
    state = _with(state, outcome=outcome, reason=reason, log_tail=tail, weight=0.0)
    if state.weights is None or rollout.baseline is None:
        return state
    back = weights({rollout.baseline: FULL})
    if state.weights == back and rollout.step < 0:
        return state  # it never had traffic, so nothing has to move
    return _route(state, back)


def finish_reverted(state: Delivery, event: Event) -> Delivery:
    """The release lost: its processes end. (It may be the next to start, for an undo: `_run` takes that back.)"""
    rollout = _rollout(state)
    state = _with(state, ended_at=event.at)
    if rollout.baseline is None and state.weights is not None:
        state = replace(state, weights=None)
    return stop(_release(state, rollout.release, failure=rollout.reason), rollout.release)


def stop(state: Delivery, release: ReleaseId) -> Delivery:
    """The processes of ``release`` are to end. Also called by ``evolve`` when they were kept long enough."""
    generation = Generation(state.generation + 1)
    state = _release(state, release, run="stopping", run_generation=generation, ready=0, stop_at=None)
    return replace(state, generation=generation)


def _run(state: Delivery, release: ReleaseId) -> Delivery:
    """The processes of ``release`` are to run (again). Those that do not stay up are started afresh."""
    if state.releases[release].run == "running" and not state.releases[release].failure:
        return _release(state, release, stop_at=None)
    generation = Generation(state.generation + 1)
    state = _release(state, release, run="running", run_generation=generation, ready=0, stop_at=None, failure="")
    return replace(state, generation=generation)


def _route(state: Delivery, wanted: Weights) -> Delivery:
    generation = Generation(state.generation + 1)
    return replace(state, weights=wanted, generation=generation, routes_generation=generation)


def _split(state: Delivery, weight: float) -> Weights:
    rollout = _rollout(state)
    assert rollout.baseline is not None
    return split(rollout.baseline, rollout.release, weight)


def _kind(state: Delivery, pending: Pending) -> Kind:
    if pending.kind == "undo":
        return "undo"
    if state.live is None:
        return "install"
    return "canary" if state.releases[pending.release].plan.strategy == "canary" else "direct"


def _told(what: str, *because: str) -> str:
    """``moving to 10 % (ann promoted)``; empty reasons are left out."""
    given = [reason for reason in because if reason]
    return f"{what} ({'; '.join(given)})" if given else what


def _gathering(rollout: Rollout) -> str:
    return _told(f"gathering evidence at {rollout.weight:g} %", rollout.choice)


def _why_promoted(rollout: Rollout, event: Event) -> str:
    if isinstance(event, PromoteRequested):
        return f"promoted by {event.by}"
    if rollout.judgement is None or rollout.kind != "canary":
        return {"install": "installed", "undo": f"undone by {rollout.by}"}.get(rollout.kind, "all instances are ready")
    if rollout.judgement.verdict is Verdict.PASS:
        return rollout.judgement.sentence
    return f"`onInconclusive: advance`: {rollout.judgement.sentence}"


def _why_back(state: Delivery, event: Event) -> tuple[Outcome, str, tuple[str, ...]]:
    rollout = _rollout(state)
    match event:
        case ReleaseFailed():
            return Phase.ROLLED_BACK, state.releases[rollout.release].failure, event.log_tail
        case DeadlineReached():
            seconds = _plan(state).ready_within
            readiness = state.releases[rollout.release].readiness
            return Phase.ROLLED_BACK, f"not ready within {seconds:g} s: {readiness}", ()
        case AbortRequested():
            return Phase.ABORTED, event.reason or f"aborted by {event.by}", ()
        case UndoRequested():
            return Phase.ABORTED, f"undone by {event.by}", ()
        case ReleaseRequested():
            return Phase.ABORTED, f"replaced by {state.pending.release if state.pending else 'a newer release'}", ()
        case _:
            assert rollout.judgement is not None
            return Phase.ROLLED_BACK, rollout.judgement.sentence, ()


def _rollout(state: Delivery) -> Rollout:
    assert state.rollout is not None
    return state.rollout


def _plan(state: Delivery) -> DeliveryPlan:
    return state.releases[_rollout(state).release].plan


def _with(state: Delivery, **changes: Any) -> Delivery:
    return replace(state, rollout=replace(_rollout(state), **changes))


def _release(state: Delivery, release: ReleaseId, **changes: Any) -> Delivery:
    changed: Release = replace(state.releases[release], **changes)
    return replace(state, releases={**state.releases, release: changed})
