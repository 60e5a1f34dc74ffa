"""Every event as a plain sentence. Called by ``timeline`` and by whatever shows a history; decides nothing."""

from collections.abc import Callable
from typing import Any

from shipway.analysis.readings import ArmReading
from shipway.analysis.state import Arm
from shipway.rollout import events as e
from shipway.rollout.states import Delivery


def sentence(event: e.Event, before: Delivery, after: Delivery) -> str:
    """What ``event`` says, given the states around it. Contains text from people and services: escape it for HTML."""
    return _SENTENCES[type(event)](event, before, after)


def _plain(text: Callable[[Any], str]) -> Callable[[Any, Delivery, Delivery], str]:
    return lambda event, _before, _after: text(event)


def _undo(event: e.UndoRequested) -> str:
    return f"{event.by} asked to go back to {event.to or 'the release before'}"


def _promote(event: e.PromoteRequested) -> str:
    return f"{event.by} promoted it " + ("in full" if event.full else "to the next step")


def _abort(event: e.AbortRequested) -> str:
    return f"{event.by} aborted it" + (f": {event.reason}" if event.reason else "")


def _routes(event: e.RoutesApplied, _before: Delivery, after: Delivery) -> str:
    if after.weights is None or event.generation != after.routes_generation:
        return "traffic follows routes that are out of date by now"
    return "traffic follows: " + ", ".join(f"{release} {share:g} %" for release, share in after.weights)


def _observed(event: e.Observed, before: Delivery, _after: Delivery) -> str:
    judge = before.rollout.judge if before.rollout else None
    if judge and judge.canary is None and event.reading.canary and event.reading.baseline:
        return "first reading: requests are counted from here"
    canary = _since("canary", judge.canary if judge else None, event.reading.canary)
    return f"{canary}; {_since('baseline', judge.baseline if judge else None, event.reading.baseline)}"


def _since(arm: str, before: Arm | None, now: ArmReading | None) -> str:
    if now is None:
        return f"{arm} could not be read"
    requests, failed = increase(before.raw if before else None, now)
    return f"{arm} {requests:,} requests" + (f", {failed:,} failed" if failed else "")


def increase(before: ArmReading | None, now: ArmReading) -> tuple[int, int]:
    """(requests, failed requests) between two cumulative readings; all of ``now`` when the counters started anew."""
    if before is None or now.requests < before.requests or now.errors < before.errors:
        return now.requests, min(now.errors, now.requests)
    requests = now.requests - before.requests
    return requests, min(now.errors - before.errors, requests)


_SENTENCES: dict[type[e.Event], Callable[[Any, Delivery, Delivery], str]] = {
    e.ReleaseRequested: _plain(lambda event: f"{event.by} released {event.label or 'a new version'}"),
    e.UndoRequested: _plain(_undo),
    e.PauseRequested: _plain(lambda event: f"{event.by} paused it"),
    e.ResumeRequested: _plain(lambda event: f"{event.by} resumed it"),
    e.PromoteRequested: _plain(_promote),
    e.AbortRequested: _plain(_abort),
    e.RetryRequested: _plain(lambda event: f"{event.by} asked to try it again"),
    e.InstancesChanged: _plain(lambda event: f"{event.release}: {event.ready} of {event.wanted} instances ready"),
    e.ReleaseFailed: _plain(lambda event: f"{event.release} failed: {event.reason}"),
    e.ReleaseStopped: _plain(lambda event: f"{event.release}: its last process has ended"),
    e.RoutesApplied: _routes,
    e.Observed: _observed,
    e.ReadingMissed: _plain(lambda event: f"no reading: {event.reason}"),
    e.CommandFailed: _plain(lambda event: f"{event.command} failed and will be tried again: {event.reason}"),
    e.DeadlineReached: _plain(lambda _event: "the time allowed is over"),
}


def duration(seconds: float | None) -> str:
    """``4.2 s``, ``3 min 20 s``, ``2 h 5 min``; a dash for what has not happened."""
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def share(rate: float | None) -> str:
    """``0.12 %``, ``3.4 %``, ``21 %`` for a rate 0..1; a dash when there is none."""
    if rate is None:
        return "–"
    percent = 100 * rate
    if 0 < percent < 0.01:
        return "< 0.01 %"
    digits = 0 if percent == 0 or percent >= 10 else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f} %"
