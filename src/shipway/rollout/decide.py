"""From a state to what the world should be asked to do. Called by ``engine`` after every event, and after a restart.

The answer depends on the state alone: a command stays in it until its answer has been journalled, so a crash between
any two writes loses nothing. The engine skips ids it has under way; executing one twice is harmless anyway.
"""

import msgspec

from shipway.model.ids import AppName, CommandId, ReleaseId
from shipway.model.routing import CanaryMatch, Routes
from shipway.rollout.commands import Command, SetRoutes, StartRelease, StopRelease
from shipway.rollout.states import FINAL, JUDGED, TRIAL, Delivery, Phase, Release


def decide(state: Delivery) -> tuple[Command, ...]:
    """Every command that the state calls for, in an order that is safe to execute: starts, routes, stops."""
    starts = tuple(_start(r) for r in state.releases.values() if r.run == "running")
    stops = tuple(_stop(state.app, r) for r in state.releases.values() if r.run == "stopping")
    return starts + _routes(state) + stops


def _start(release: Release) -> StartRelease:
    workload = release.plan.workload
    return StartRelease(
        id=CommandId(f"{workload.app}/{release.id}/start/{release.run_generation}"),
        generation=release.run_generation,
        workload=workload,
    )


def _stop(app: AppName, release: Release) -> StopRelease:
    return StopRelease(
        id=CommandId(f"{app}/{release.id}/stop/{release.run_generation}"),
        generation=release.run_generation,
        app=app,
        release=release.id,
    )


def _routes(state: Delivery) -> tuple[SetRoutes, ...]:
    if state.weights is None:
        return ()
    canary = state.rollout.release if state.rollout and _has_canary_side(state) else None
    plan = state.releases[canary or _serving(state)].plan
    routes = Routes(
        app=state.app,
        port=state.port,
        weights=state.weights,
        generation=state.routes_generation,
        canary=canary,
        match=plan.match if canary else CanaryMatch(),
        affinity=plan.affinity,
    )
    return (SetRoutes(CommandId(f"{state.app}/routes/{routes.generation}"), routes.generation, routes),)


def _has_canary_side(state: Delivery) -> bool:
    """Requests may choose the canary by header from its first step until it loses or wins everything."""
    return state.rollout is not None and state.rollout.judge is not None and state.phase in TRIAL


def _serving(state: Delivery) -> ReleaseId:
    assert state.weights is not None
    return max(state.weights.shares, key=lambda share: share[1])[0]


class Watch(msgspec.Struct, frozen=True):
    """Which arms to read next."""

    app: AppName
    baseline: ReleaseId
    canary: ReleaseId | None
    weight: float
    """Share asked for the canary, 0..1."""


def watch(state: Delivery) -> Watch | None:
    """What to read for this application: both arms of a judged rollout, else the live release alone, else nothing."""
    rollout = state.rollout
    if rollout and rollout.phase in JUDGED and rollout.judge is not None and rollout.baseline:
        return Watch(state.app, rollout.baseline, rollout.release, rollout.weight / 100)
    return Watch(state.app, state.live, None, 0.0) if state.live else None


def deadline(state: Delivery) -> float | None:
    """The earliest moment at which ``DeadlineReached`` would change something; None when time alone changes nothing."""
    moments = [r.stop_at for r in state.releases.values() if r.stop_at is not None and may_stop(state, r.id)]
    rollout = state.rollout
    if rollout and rollout.phase is Phase.STARTING:
        moments.append(rollout.phase_at + state.releases[rollout.release].plan.ready_within)
    return min(moments, default=None)


def may_stop(state: Delivery, release: ReleaseId) -> bool:
    """Whether nobody needs the processes of ``release``: no traffic, confirmed, and no rollout from or to it."""
    rollout = state.rollout
    in_use = {state.live, state.pending.release if state.pending else None}
    if rollout and rollout.is_active:
        in_use |= {rollout.release, rollout.baseline}
    return (
        release not in in_use
        and state.releases[release].run == "running"
        and (state.weights is None or state.weights.of(release) == 0)
        and state.routes_applied == state.routes_generation
    )


def is_settled(state: Delivery) -> bool:
    """Whether nothing is under way: no rollout, no unconfirmed routes, no process being stopped."""
    return (
        (state.rollout is None or state.rollout.phase in FINAL)
        and state.pending is None
        and state.routes_applied == state.routes_generation
        and all(r.run != "stopping" for r in state.releases.values())
    )
