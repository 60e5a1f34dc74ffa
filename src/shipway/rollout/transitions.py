"""The rollout machine as a table: in which phase, on which event, under which condition, to which phase.

``evolve`` is the one door that reads it; the diagram in the docs is drawn from it; the tests walk every row. Rows of one
phase are tried in order and the first whose condition holds is taken. No row: nothing changes.

A row without an event is taken whenever its condition holds: after every event such rows are followed until none holds
any more. So "instances are ready" or "traffic follows" are facts of the state, and it does not matter whether they were
noted before or after the phase that waits for them began.

Conditions look at the state after the event's facts were noted (a reading judged, an instance counted). Actions fill in
what the new phase needs; they never choose a phase.
"""

from typing import NamedTuple

from shipway.rollout import actions, guards
from shipway.rollout.actions import Action
from shipway.rollout.events import (
    AbortRequested,
    DeadlineReached,
    Event,
    Observed,
    PauseRequested,
    PromoteRequested,
    ReadingMissed,
    ReleaseFailed,
    ReleaseRequested,
    ResumeRequested,
    UndoRequested,
)
from shipway.rollout.guards import Guard
from shipway.rollout.states import TRIAL, Phase


class Row(NamedTuple):
    """One arrow of the diagram. ``event`` None: taken as soon as ``when`` holds."""

    source: Phase
    event: type[Event] | None
    target: Phase
    when: Guard
    then: Action


REST = (Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED)
"""No rollout under way: the next may begin."""

UNDECIDED = (Phase.STARTING, *TRIAL)
"""The release may still win or lose."""

TAKEN_BACK = (*UNDECIDED, Phase.PROMOTING)
"""The way back is open: all traffic is not yet known to follow the release."""

Choice = tuple[Phase, Guard, Action]


def _on(event: type[Event] | None, sources: tuple[Phase, ...], *choices: Choice) -> tuple[Row, ...]:
    return tuple(Row(source, event, *choice) for source in sources for choice in choices)


def _if(guard: Guard, *choices: Choice) -> tuple[Choice, ...]:
    return tuple((target, guards.both(guard, when), then) for target, when, then in choices)


_REVERT: Choice = (Phase.REVERTING, guards.always, actions.revert)
_PROMOTION: Choice = (Phase.PROMOTING, guards.was_last_step, actions.promote)
_PROMOTE_FULLY: Choice = (Phase.PROMOTING, guards.wants_full, actions.promote)
_STEP: Choice = (Phase.SHIFTING, guards.always, actions.next_step)
_NEXT: tuple[Choice, ...] = (
    (Phase.AWAITING, guards.next_step_needs_approval, actions.await_approval),
    _STEP,
)

TABLE: tuple[Row, ...] = (
    # What follows from the state alone.
    *_on(None, REST, (Phase.STARTING, guards.something_is_pending, actions.begin)),
    *_on(
        None,
        (Phase.STARTING,),
        *_if(guards.is_ready, (Phase.PROMOTING, guards.is_immediate, actions.promote), *_NEXT),
    ),
    *_on(None, (Phase.SHIFTING,), (Phase.OBSERVING, guards.traffic_follows, actions.observe_step)),
    *_on(None, (Phase.PROMOTING,), (Phase.PROMOTED, guards.traffic_follows, actions.finish_promoted)),
    *_on(
        None,
        (Phase.REVERTING,),
        *_if(
            guards.traffic_follows,
            (Phase.ROLLED_BACK, guards.evidence_forced_it, actions.finish_reverted),
            (Phase.ABORTED, guards.always, actions.finish_reverted),
        ),
    ),
    # The evidence speaks. A FAIL counts in every phase in which the canary may have traffic.
    *_on(Observed, (*TRIAL, Phase.PROMOTING), (Phase.REVERTING, guards.must_roll_back, actions.revert)),
    *_on(Observed, (Phase.SHIFTING, Phase.PAUSED, Phase.AWAITING), (Phase.HOLDING, guards.has_failed, actions.hold)),
    *_on(Observed, (Phase.OBSERVING, Phase.HOLDING), *_if(guards.may_go_forward, _PROMOTION, *_NEXT)),
    *_on(Observed, (Phase.OBSERVING, Phase.HOLDING), (Phase.HOLDING, guards.must_hold, actions.hold)),
    *_on(Observed, (Phase.HOLDING,), (Phase.OBSERVING, guards.can_go_on, actions.observe_on)),
    *_on(ReadingMissed, (Phase.OBSERVING, Phase.HOLDING), (Phase.HOLDING, guards.is_blind, actions.hold)),
    # The processes speak. A crash loop is a FAIL.
    *_on(
        ReleaseFailed,
        TRIAL,
        *_if(
            guards.canary_failed,
            (Phase.REVERTING, guards.must_roll_back, actions.revert),
            (Phase.HOLDING, guards.always, actions.hold),
        ),
    ),
    *_on(
        ReleaseFailed,
        (Phase.STARTING, Phase.PROMOTING),
        (Phase.REVERTING, guards.canary_failed, actions.revert),
    ),
    *_on(DeadlineReached, (Phase.STARTING,), (Phase.REVERTING, guards.is_overdue, actions.revert)),
    # People speak. A new release that replaces, or an undo, waits in `pending` until this rollout has ended.
    *_on(ReleaseRequested, UNDECIDED, *_if(guards.replaces, _REVERT)),
    *_on(UndoRequested, TAKEN_BACK, *_if(guards.there_is_a_way_back, _REVERT)),
    *_on(AbortRequested, TAKEN_BACK, _REVERT),
    *_on(
        PauseRequested,
        (Phase.STARTING, Phase.SHIFTING, Phase.OBSERVING, Phase.HOLDING, Phase.AWAITING),
        (Phase.PAUSED, guards.has_not_failed, actions.pause),
    ),
    *_on(
        ResumeRequested,
        (Phase.PAUSED,),
        (Phase.STARTING, guards.has_not_begun, actions.start_on),
        (Phase.SHIFTING, guards.has_not_failed, actions.same_step),
    ),
    *_on(
        PromoteRequested,
        (Phase.AWAITING,),
        *_if(guards.may_be_promoted, _PROMOTE_FULLY, _STEP),
    ),
    *_on(
        PromoteRequested,
        tuple(phase for phase in TRIAL if phase is not Phase.AWAITING),
        *_if(guards.may_be_promoted, _PROMOTE_FULLY, _PROMOTION, _STEP),
    ),
)

INDEX: dict[tuple[Phase, type[Event] | None], tuple[Row, ...]] = {}
for _row in TABLE:
    INDEX[_row.source, _row.event] = (*INDEX.get((_row.source, _row.event), ()), _row)
