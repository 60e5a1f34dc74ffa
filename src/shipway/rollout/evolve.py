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
from shipway.rollout.states import JUDGED, TRIAL, Delivery, Pending, Phase, Release
from shipway.rollout.transitions import INDEX, Row

LOGIC = 1
"""Number of the logic in this file and in ``analysis``. A history is replayed under the number it was recorded with."""

_FACTS = (e.Observed, e.ReadingMissed, e.ReleaseFailed)
"""What the world says: without news nothing follows. (People may say again what they want.)"""

_MOST_STEPS = 8
"""More state-triggered transitions than this after one event is a cycle in the table."""


def initial(app: AppName) -> Delivery:
    """An application nobody has heard of yet."""
    return Delivery(app=app)


def evolve(state: Delivery, event: e.Event) -> Delivery:
    """The state after ``event``; the same object when the event changes nothing."""
    noted = _note(state, event)
    if noted is state and isinstance(event, _FACTS):
        return state  # late, or seen before: what it would lead to has happened
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
    began = moved.rollout.phase_at if row.target is row.source else event.at
    return replace(moved, rollout=replace(moved.rollout, phase=row.target, phase_at=began))


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
        commit=event.commit,
    )
    # Once it is reached on a port it stays there; an install that failed has nobody to cut off, and may have failed of it.
    reached = state.live is not None or (state.rollout is not None and state.rollout.is_active)
    return replace(
        state,
        port=state.port if reached else event.plan.port,
        releases={**state.releases, release.id: release},
        pending=Pending(release.id, "canary", event.by, event.history),
    )


def _undo_requested(state: Delivery, event: e.UndoRequested) -> Delivery:
    """A plain undo during a rollout only ends the rollout; afterwards it goes to what was live before."""
    rollout = state.rollout if state.rollout and state.rollout.is_active else None
    target = event.to or (None if rollout else state.previous)
    if target is None or target not in state.releases or target == state.live:
        return state
    if rollout and target == rollout.release:
        return state
    return replace(state, pending=Pending(target, "undo", event.by))


def _retry_requested(state: Delivery, event: e.RetryRequested) -> Delivery:
    rollout = state.rollout
    if rollout is None or rollout.phase not in {Phase.ROLLED_BACK, Phase.ABORTED} or rollout.kind == "undo":
        return state
    return replace(state, pending=Pending(rollout.release, rollout.kind, event.by, event.history))


def _instances_changed(state: Delivery, event: e.InstancesChanged) -> Delivery:
    release = _of_present_run(state, event, "running")
    if release is None or event.at < release.counted_at:
        return state
    failure = "" if event.ready >= release.plan.workload.replicas else release.failure
    if (release.ready, release.failure) == (event.ready, failure):
        return state
    changes = {"ready": event.ready, "failure": failure, "counted_at": event.at}
    return _relieved(_changed(state, release.id, **changes), release.id)


def _release_failed(state: Delivery, event: e.ReleaseFailed) -> Delivery:
    release, reason = _of_present_run(state, event, "running"), event.reason or "its processes do not stay up"
    if release is None or release.failure == reason:
        return state
    state, rollout = _changed(state, release.id, failure=reason), state.rollout
    if rollout and rollout.release == release.id and rollout.phase in TRIAL:
        return replace(state, rollout=replace(rollout, failed=True))
    return state


def _release_stopped(state: Delivery, event: e.ReleaseStopped) -> Delivery:
    release = _of_present_run(state, event, "stopping")
    if release is None:
        return state
    return _relieved(_changed(state, release.id, run="stopped", ready=0), release.id)


def _routes_applied(state: Delivery, event: e.RoutesApplied) -> Delivery:
    if not state.routes_applied < event.generation <= state.routes_generation:
        return state
    return _relieved(replace(state, routes_applied=event.generation), "routes")


def _observed(state: Delivery, event: e.Observed) -> Delivery:
    rollout = state.rollout
    if rollout is None or rollout.judge is None or rollout.phase not in JUDGED:
        return state
    if event.reading.at <= rollout.read_at or event.reading.at < rollout.judge.begun:
        return state
    if event.canary not in {None, rollout.release}:
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
    trouble = f"{event.command}: {event.reason}"
    return state if state.trouble == trouble else replace(state, trouble=trouble)


def _deadline_reached(state: Delivery, event: e.DeadlineReached) -> Delivery:
    for release in state.releases.values():
        if release.stop_at is not None and release.stop_at <= event.at and may_stop(state, release.id):
            state = stop(state, release.id)
    return state


def _of_present_run(
    state: Delivery, event: e.InstancesChanged | e.ReleaseFailed | e.ReleaseStopped, run: str
) -> Release | None:
    """The release, if the news is of its present start or stop."""
    release = state.releases.get(event.release)
    if release is None or release.run != run or event.generation not in {e.ANY, release.run_generation}:
        return None
    return release


def _relieved(state: Delivery, subject: str) -> Delivery:
    """A command for ``subject`` has worked: trouble with it is over. (Its id begins ``<app>/<subject>/``.)"""
    return replace(state, trouble="") if state.trouble.startswith(f"{state.app}/{subject}/") else state


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
