"""Why an application is as it is, in words: what happens, on what evidence, what comes next, what a person can do.

Called by ``service`` for ``explain`` and for refusals. It reads the state and decides nothing.
"""

from collections.abc import Iterator

from shipway.model.ids import ReleaseId
from shipway.model.quantities import format_duration
from shipway.rollout.states import Delivery, Phase, Rollout

_WENT: dict[Phase, str] = {
    Phase.PROMOTED: "is live",
    Phase.ROLLED_BACK: "was rolled back",
    Phase.ABORTED: "was aborted",
}


def in_words(state: Delivery, now: float, trouble: str = "") -> str:
    """Everything worth saying, a line each. ``trouble`` is the controller's own."""
    return "\n".join(line for line in _lines(state, now, trouble) if line)


def where_it_stands(state: Delivery, now: float) -> str:
    """The first of those lines: the last rollout, and why it is where it is."""
    rollout = state.rollout
    if rollout is None:
        return f"{state.app} has had no rollout yet"
    what = f"{rollout.id}: {_named(state, rollout.release)}"
    if rollout.phase in _WENT:
        took = _after(rollout.started_at, rollout.ended_at)
        return f"{what} {_WENT[rollout.phase]}, {took} after it began: {rollout.reason}"
    return f"{what} {_doing(rollout)} (for {_duration(now - rollout.phase_at)}): {_why(state, rollout)}"


def _lines(state: Delivery, now: float, trouble: str) -> Iterator[str]:
    yield _sentence(where_it_stands(state, now))
    rollout = state.rollout
    if rollout is not None:
        yield _evidence(rollout)
        yield from (f"  | {line}" for line in rollout.log_tail)
        yield _next(state, rollout)
    if state.pending:
        yield f"{_named(state, state.pending.release)} begins when this rollout has ended."
    if state.live and not (rollout and rollout.phase is Phase.PROMOTED and rollout.release == state.live):
        yield f"Live is {_named(state, state.live)}."
    if not state.live and (rollout is None or not rollout.is_active):
        yield "Nothing is live. Mend it and deploy again."
    for what in (state.trouble, trouble):
        if what:
            yield f"Trouble: {_sentence(what)} It is tried again until it works."


def _named(state: Delivery, release: ReleaseId) -> str:
    label = state.releases[release].label
    return f"{release} ({label})" if label and label != release else str(release)


def _doing(rollout: Rollout) -> str:
    share = f"{rollout.weight:g} %"
    return {
        Phase.STARTING: "is starting",
        Phase.SHIFTING: f"is moving to {share} of the traffic",
        Phase.OBSERVING: f"is judged at {share} of the traffic",
        Phase.HOLDING: f"holds at {share} of the traffic",
        Phase.PAUSED: f"is paused at {share} of the traffic",
        Phase.AWAITING: f"waits for approval at {share} of the traffic",
        Phase.PROMOTING: "is being promoted",
        Phase.REVERTING: "is being taken back",
    }.get(rollout.phase, rollout.phase.value)


def _why(state: Delivery, rollout: Rollout) -> str:
    release = state.releases[rollout.release]
    if rollout.phase is Phase.STARTING:
        ready = f"{release.ready} of {release.plan.workload.replicas} instances are ready"
        return f"{ready}, and {_duration(release.plan.ready_within)} are allowed for it"
    if rollout.phase is Phase.OBSERVING and rollout.judgement:
        return rollout.judgement.sentence
    return rollout.reason


def _evidence(rollout: Rollout) -> str:
    """What each indicator has shown, unless the first line has said just that."""
    if rollout.judgement is None or rollout.kind != "canary":
        return ""
    said = {rollout.reason, rollout.judgement.sentence if rollout.phase is Phase.OBSERVING else ""}
    found = [f"{one.name}: {one.sentence}" for one in rollout.judgement.indicators if one.sentence not in said]
    return "Seen so far: " + "; ".join(found) + "." if found else ""


def _next(state: Delivery, rollout: Rollout) -> str:
    """What comes of itself, and what a person can do."""
    onward = _onward(state, rollout)
    if rollout.phase is Phase.HOLDING and rollout.failed:
        return f"`shipway rollout abort {state.app}` takes it back."
    if rollout.phase is Phase.OBSERVING:
        more = rollout.judgement.more_requests if rollout.judgement else None
        when = f" after about {more:,} more requests to it" if more else ""
        return f"Next is {onward}{when}, unless something speaks against it."
    if rollout.phase is Phase.PROMOTED and state.previous:
        return f"`shipway undo {state.app}` goes back to {_named(state, state.previous)}."
    decide = (
        f"`shipway rollout promote {state.app}` goes on to {onward}, `shipway rollout abort {state.app}` takes it back."
    )
    again = f"`shipway rollout retry {state.app}` tries the same release again." if rollout.kind != "undo" else ""
    return {
        Phase.HOLDING: f"It goes on by itself when that is over. {decide}",
        Phase.AWAITING: decide,
        Phase.PAUSED: f"`shipway rollout resume {state.app}` lets it go on.",
        Phase.ROLLED_BACK: again,
        Phase.ABORTED: again,
    }.get(rollout.phase, "")


def _onward(state: Delivery, rollout: Rollout) -> str:
    steps = state.releases[rollout.release].plan.steps
    return f"{steps[rollout.step + 1].weight:g} %" if rollout.step + 1 < len(steps) else "promotion"


def _after(start: float, end: float | None) -> str:
    return _duration((end or start) - start)


def _duration(seconds: float) -> str:
    """Rounded as people would say it."""
    seconds = max(0.0, seconds)
    return format_duration(round(seconds, 1) if seconds < 10 else float(round(seconds)))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
