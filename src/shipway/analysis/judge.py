"""The judge of one rollout: readings in, judgements out. Called by ``rollout`` for every reading, live and in replay.

    state = begin(policy, at, history)          # once
    state = begin_step(policy, state, step, at) # whenever a weight comes into force
    state = observe(policy, state, reading)     # for every reading
    judge(policy, state, at)                    # what now?

Pure: a state is immutable plain data and stays valid after the next one is made; the same calls give the same bits.
Counting and testing live in the tracks; the wording in ``wording``; the step rule here.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import msgspec

from shipway.analysis import track as tracks
from shipway.analysis.continuous import ContinuousTrack, Harm
from shipway.analysis.latency import DistributionTrack, counted
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.rate import RateTrack
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.ruling import judge
from shipway.analysis.state import Arm, Counts, JudgeState, Track
from shipway.analysis.track import CountTrack, Tick

__all__ = ["LOGIC", "JudgeState", "begin", "begin_step", "judge", "observe"]

LOGIC = 1
"""Version of the arithmetic. A rollout records it; a change that moves any verdict gets a new number."""


def begin(policy: JudgePolicy, at: float, history: Sequence[tuple[float, ArmReading]] = ()) -> JudgeState:
    """A rollout's judge before its first reading.

    Args:
        policy: how to judge; the same object (or an equal one) in every later call.
        at: now, in seconds.
        history: raw cumulative readings of the baseline from before the rollout, ascending, about 10 s apart. From them
            the judge knows how errors cluster in this service before the first canary request.
    """
    opened = history[0][0] if history else at
    begun = tuple(_begin_track(indicator, opened) for indicator in policy.indicators)
    state = JudgeState(begun=at, tracks=begun)
    arms = [(when, Arm(raw, _counts(policy, raw))) for when, raw in history]
    for (_, before), (when, after) in pairwise(arms):
        state = _learn(state, when, _since(before, after))
    return state


def begin_step(policy: JudgePolicy, state: JudgeState, step: Step, at: float) -> JudgeState:
    """A step's weight comes into force: its clock and its sample start; evidence already gathered stays."""
    del policy  # part of the contract: a later logic may treat steps by policy
    number = state.step_number + 1
    moved = tuple(_next_step(one, number) for one in state.tracks)
    return msgspec.structs.replace(
        state, step=step, step_at=at, step_number=number, tracks=moved, sample=0, others=0, looks=0
    )


def observe(policy: JudgePolicy, state: JudgeState, reading: Reading) -> JudgeState:
    """The state after one reading.

    An arm that could not be read, or a reading no newer than the last, is never evidence. The first reading only sets
    the counters that later ones are compared with; one after a gap is compared with the last before it.
    """
    if reading.baseline is None or reading.canary is None:
        return msgspec.structs.replace(state, missed=state.missed + 1)
    if reading.at <= state.read_at:
        return state
    canary = Arm(reading.canary, _counts(policy, reading.canary))
    baseline = Arm(reading.baseline, _counts(policy, reading.baseline))
    if state.canary is None or state.baseline is None:
        opened = tuple(_open(one, reading.at) for one in state.tracks)
        return msgspec.structs.replace(
            state, tracks=opened, read_at=reading.at, weight=reading.weight, baseline=baseline, canary=canary, missed=0
        )
    return _observed(policy, state, reading, _since(state.canary, canary), _since(state.baseline, baseline))


class _Delta(msgspec.Struct, frozen=True):
    """What one arm did between two readings."""

    now: Arm
    requests: int
    counts: Counts
    before: ArmReading
    """Zero counters when the process restarted in between."""


class _Interval(msgspec.Struct, frozen=True):
    """What happened between two readings."""

    at: float
    elapsed: float
    canary: _Delta
    baseline: _Delta
    warm: bool
    """Every instance was warm from its beginning: latency counts."""
    moved: bool
    """The weight is not the one of the interval before."""
    weight: float
    """Canary share in force at its end, 0..1."""


_ZERO = ArmReading(requests=0, errors=0)
_COUNTED = frozenset({"errors", "latency"})


def _counts(policy: JudgePolicy, raw: ArmReading) -> Counts:
    return tuple([counted(one, raw) if one.kind in _COUNTED else (0, 0) for one in policy.indicators])


def _since(before: Arm, now: Arm) -> _Delta:
    """Difference of cumulative counters. Any that fell means a restart: then all of them started again from zero."""
    old, new = before.raw, now.raw
    steps = tuple([(n[0] - b[0], n[1] - b[1]) for n, b in zip(now.counts, before.counts, strict=True)])
    if new.requests < old.requests or new.errors < old.errors or any(bad < 0 or total < 0 for bad, total in steps):
        return _Delta(now, new.requests, now.counts, _ZERO)
    return _Delta(now, new.requests - old.requests, steps, old)


def _observed(policy: JudgePolicy, state: JudgeState, reading: Reading, canary: _Delta, baseline: _Delta) -> JudgeState:
    elapsed = reading.at - state.read_at
    warm = _youngest(canary.now.raw, baseline.now.raw) - elapsed >= policy.warm_up
    interval = _Interval(reading.at, elapsed, canary, baseline, warm, reading.weight != state.weight, reading.weight)
    split = state.split
    if policy.check_exposure:
        split = split.observe(state.read_at, reading.weight, canary.requests, baseline.requests)
    return JudgeState(
        begun=state.begun,
        tracks=tuple([_observe_track(policy, i, one, interval) for i, one in enumerate(state.tracks)]),
        step=state.step,
        step_at=state.step_at,
        step_number=state.step_number,
        read_at=reading.at,
        interval=elapsed,
        weight=reading.weight,
        baseline=baseline.now,
        canary=canary.now,
        sample=state.sample + canary.requests,
        looks=state.looks + 1,
        others=state.others + baseline.requests,
        split=split,
    )


def _youngest(canary: ArmReading, baseline: ArmReading) -> float:
    return min(inf if arm.youngest is None else arm.youngest for arm in (canary, baseline))


def _observe_track(policy: JudgePolicy, i: int, track: Track, interval: _Interval) -> Track:
    indicator, canary, baseline = policy.indicators[i], interval.canary, interval.baseline
    if isinstance(track, CountTrack):
        current = track.forget_exposure() if interval.moved else track
        if indicator.kind == "latency" and not interval.warm:
            return current
        return current.observe(policy, indicator, interval.at, _tick(canary.counts[i], baseline.counts[i]))
    level = tracks.evidence_limit(policy)
    if isinstance(track, DistributionTrack):
        return track.observe(level, indicator.margin, _bins(canary), _bins(baseline)) if interval.warm else track
    if isinstance(track, ContinuousTrack):
        return _observe_continuous(track, indicator, level, interval)
    return track.observe(indicator.limit, level, canary.requests + baseline.requests, interval.elapsed)


def _tick(canary: tuple[int, int], baseline: tuple[int, int]) -> Tick:
    """More bad events than events can only be two counters read at slightly different moments."""
    return Tick(min(canary), canary[1], min(baseline), baseline[1])


def _bins(delta: _Delta) -> dict[float, int]:
    before = dict(delta.before.latency)
    return {lower: n - before.get(lower, 0) for lower, n in delta.now.raw.latency if n > before.get(lower, 0)}


def _observe_continuous(
    track: ContinuousTrack, indicator: Indicator, level: float, interval: _Interval
) -> ContinuousTrack:
    if indicator.least_weight and (interval.moved or interval.weight < indicator.least_weight):
        return msgspec.structs.replace(track, opened=interval.at)
    canary, baseline = _measure(indicator, interval.canary), _measure(indicator, interval.baseline)
    absolute = indicator.limit is not None
    if canary is None or (baseline is None and not absolute):
        return track
    return track.observe(
        interval.at,
        (canary, interval.canary.requests),
        (baseline or 0.0, interval.baseline.requests),
        Harm(scale=0.0 if absolute else 1 + indicator.margin, offset=indicator.limit or 0.0, level=level),
    )


def _measure(indicator: Indicator, delta: _Delta) -> float | None:
    """Increase of the measure; None when the arm does not report it. A fall is a restart of whoever counts it."""
    values, before = dict(delta.now.raw.values), dict(delta.before.values)
    if indicator.measure not in values:
        return None
    new, old = values[indicator.measure], before.get(indicator.measure, 0.0)
    return new - old if new >= old else new


def _begin_track(indicator: Indicator, at: float) -> Track:
    if indicator.kind in _COUNTED:
        return tracks.begin(indicator, at)
    if indicator.kind == "distribution":
        return DistributionTrack()
    return ContinuousTrack(opened=at) if indicator.kind == "continuous" else RateTrack()


def _open(track: Track, at: float) -> Track:
    """Live counting begins: blocks start here, whatever time has passed since the history ended."""
    if isinstance(track, CountTrack):
        return msgspec.structs.replace(track, dispersion=msgspec.structs.replace(track.dispersion, opened=at))
    return msgspec.structs.replace(track, opened=at) if isinstance(track, ContinuousTrack) else track


def _next_step(track: Track, number: int) -> Track:
    if isinstance(track, CountTrack):
        return track.next_step()
    return track.next_step(number) if isinstance(track, DistributionTrack) else track


def _learn(state: JudgeState, at: float, baseline: _Delta) -> JudgeState:
    """Blocks of the baseline's past: only its dispersion is learnt from them."""
    learnt = tuple(
        msgspec.structs.replace(one, dispersion=one.dispersion.add(at, min(counts), counts[1]))
        if isinstance(one, CountTrack)
        else one
        for one, counts in zip(state.tracks, baseline.counts, strict=True)
    )
    return msgspec.structs.replace(state, tracks=learnt)
