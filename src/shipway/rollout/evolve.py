"""The one door: state and event in, next state out. Called by ``engine`` for live events and by replays for old ones.

First the event's facts are noted (an instance counted, a reading judged), then the transition table is asked. An event
that is illegal in the present phase, late, or seen twice returns the very same state object.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from shipway.analysis.judge import judge, observe
from shipway.analysis.readings import Reading
from shipway.analysis.verdict import Verdict
from shipway.model.ids import AppName, ReleaseId, release_id
from shipway.rollout import events as e
from shipway.rollout.actions import stop
from shipway.rollout.decide import may_stop
from shipway.rollout.states import FINAL, JUDGED, Delivery, Pending, Phase, Release
from shipway.rollout.transitions import INDEX, Row

LOGIC = 1
"""Number of the logic in this file and in ``analysis``. A history is replayed under the number it was recorded with."""

_MOST_STEPS = 8
"""More state-triggered transitions than this after one event is a cycle in the table."""


def initial(app: AppName) -> Delivery:
    """An application nobody has heard of yet."""
    return Delivery(app=app)


def evolve(state: Delivery, event: e.Event) -> Delivery:
    """The state after ``event``; the same object when the event changes nothing."""
    noted = _note(state, event)
    row = _match(noted, type(event), event)
    if row is None and noted is state:
        return state
    if row is not None:
        noted = _take(noted, row, event)
    return _settle(noted, event)


def _settle(state: Delivery, event: e.Event) -> Delivery:
    """Follow the rows without an event until none holds."""
    for _ in range(_MOST_STEPS):
        row = _match(state, None, event)
        if row is None:
            return state
        state = _take(state, row, event)
    raise AssertionError(f"the transition table cycles in phase {state.phase} after {event!r}")


def _match(state: Delivery, kind: type[e.Event] | None, event: e.Event) -> Row | None:
    return next((row for row in INDEX.get((state.phase, kind), ()) if row.when(state, event)), None)


def _take(state: Delivery, row: Row, event: e.Event) -> Delivery:
    moved = row.then(state, event)
    assert moved.rollout is not None
    return replace(moved, rollout=replace(moved.rollout, phase=row.target, phase_at=event.at))


# --- facts --------------------------------------------------------------------------------------------------------


def _note(state: Delivery, event: e.Event) -> Delivery:
    note = _NOTES.get(type(event))
    return note(state, event) if note else state


def _release_requested(state: Delivery, event: e.ReleaseRequested) -> Delivery:
    release = Release(
        id=release_id(len(state.releases) + 1),
        label=event.label,
        document=event.document,
        plan=replace(event.plan, workload=replace(event.plan.workload, release=release_id(len(state.releases) + 1))),
        at=event.at,
        by=event.by,
        logic=event.logic,
    )
    return replace(
        state,
        port=event.plan.port,
        releases={**state.releases, release.id: release},
        pending=Pending(release.id, "canary", event.by, event.history),
    )


def _undo_requested(state: Delivery, event: e.UndoRequested) -> Delivery:
    target = event.to or _undo_target(state)
    if target is None or target not in state.releases or (target == state.live and state.phase is not Phase.PROMOTING):
        return state
    return replace(state, pending=Pending(target, "undo", event.by))


def _undo_target(state: Delivery) -> ReleaseId | None:
    """A plain undo in the middle of a trial only ends the trial; afterwards it goes to what was live before."""
    if state.rollout is None or state.phase in FINAL:
        return state.previous
    return state.rollout.baseline if state.phase is Phase.PROMOTING else None


def _retry_requested(state: Delivery, event: e.RetryRequested) -> Delivery:
    rollout = state.rollout
    if rollout is None or rollout.phase not in {Phase.ROLLED_BACK, Phase.ABORTED} or rollout.kind == "undo":
        return state
    return replace(state, pending=Pending(rollout.release, rollout.kind, event.by, event.history))


def _instances_changed(state: Delivery, event: e.InstancesChanged) -> Delivery:
    release = state.releases.get(event.release)
    if release is None or release.run != "running" or release.ready == event.ready:
        return state
    failure = "" if event.ready >= release.plan.workload.replicas else release.failure
    return _changed(state, event.release, ready=event.ready, failure=failure)


def _release_failed(state: Delivery, event: e.ReleaseFailed) -> Delivery:
    release = state.releases.get(event.release)
    if release is None or release.run != "running" or release.failure == event.reason:
        return state
    return _changed(state, event.release, failure=event.reason)


def _release_stopped(state: Delivery, event: e.ReleaseStopped) -> Delivery:
    release = state.releases.get(event.release)
    if release is None or release.run != "stopping":
        return state
    return _changed(state, event.release, run="stopped", ready=0)


def _routes_applied(state: Delivery, event: e.RoutesApplied) -> Delivery:
    if not state.routes_applied < event.generation <= state.routes_generation:
        return state
    return replace(state, routes_applied=event.generation, trouble="")


def _observed(state: Delivery, event: e.Observed) -> Delivery:
    rollout = state.rollout
    if rollout is None or rollout.judge is None or rollout.phase not in JUDGED or event.reading.at <= rollout.read_at:
        return state
    policy = state.releases[rollout.release].plan.judge
    judge_state = observe(policy, rollout.judge, event.reading)
    judgement = judge(policy, judge_state, event.at)
    changes = {
        "judge": judge_state,
        "judgement": judgement,
        "failed": rollout.failed or judgement.verdict is Verdict.FAIL,
        "missed": 0,
        "read_at": event.reading.at,
    }
    return replace(state, rollout=replace(rollout, **changes))


def _reading_missed(state: Delivery, event: e.ReadingMissed) -> Delivery:
    rollout = state.rollout
    if rollout is None or rollout.judge is None or rollout.phase not in JUDGED:
        return state
    policy = state.releases[rollout.release].plan.judge
    judge_state = observe(policy, rollout.judge, Reading(event.at, None, None, rollout.weight / 100))
    judgement = judge(policy, judge_state, event.at)
    missed = rollout.missed + 1
    return replace(state, rollout=replace(rollout, judge=judge_state, judgement=judgement, missed=missed))


def _command_failed(state: Delivery, event: e.CommandFailed) -> Delivery:
    return replace(state, trouble=f"{event.command}: {event.reason}")


def _deadline_reached(state: Delivery, event: e.DeadlineReached) -> Delivery:
    for release in state.releases.values():
        if release.stop_at is not None and release.stop_at <= event.at and may_stop(state, release.id):
            state = stop(state, release.id)
    return state


def _changed(state: Delivery, release: ReleaseId, **changes: Any) -> Delivery:
    return replace(state, releases={**state.releases, release: replace(state.releases[release], **changes)})


_NOTES: dict[type[e.Event], Callable[[Delivery, Any], Delivery]] = {
    e.ReleaseRequested: _release_requested,
    e.UndoRequested: _undo_requested,
    e.RetryRequested: _retry_requested,
    e.InstancesChanged: _instances_changed,
    e.ReleaseFailed: _release_failed,
    e.ReleaseStopped: _release_stopped,
    e.RoutesApplied: _routes_applied,
    e.Observed: _observed,
    e.ReadingMissed: _reading_missed,
    e.CommandFailed: _command_failed,
    e.DeadlineReached: _deadline_reached,
}
