"""A past rollout judged again from its raw readings, as it was or with another alpha or tolerance. `shipway replay`.

The readings are what the weights of the time produced, so the steps are kept as they were and only the judgement is made
anew: it may FAIL earlier, or not at all. Where the readings end before a verdict, that is the answer.
"""

from collections.abc import Iterable, Sequence

import msgspec

from shipway.analysis.judge import begin, begin_step, judge, observe
from shipway.analysis.policy import JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Judgement, Verdict
from shipway.engine.timeline import DECIDING, VERDICTS, Served, fold, touched
from shipway.model.errors import BadInput, NotFound, Refused
from shipway.model.ids import RolloutId
from shipway.rollout.events import Event, Observed, ReleaseRequested, RetryRequested
from shipway.rollout.states import Delivery, Rollout


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended, or would have."""

    verdict: str
    """``promoted``, ``rolled_back``, ``aborted``, ``under_way``; ``undecided`` when the readings end before a verdict."""
    alpha: float
    tolerance: tuple[float, ...]
    """One per indicator."""
    seconds: float
    """From the first canary traffic to the reading that decided (or to the last)."""
    requests: int
    """Answered by the canary by then."""
    failed_requests: int
    sentence: str
    judgement: Judgement
    """After the last reading that counted."""


class Replay(msgspec.Struct, frozen=True):
    """The original verdict beside the new one."""

    rollout: RolloutId
    original: Outcome
    replayed: Outcome
    identical: bool
    """Whether the original judgement came out again to the last bit; always true without overrides."""


class _Look(msgspec.Struct, frozen=True):
    """One thing that the judge was told: that a step begins, or a reading."""

    at: float
    what: Step | Reading
    requests: int
    """Of the canary since the rollout began."""
    failed: int


class _Script:
    """Everything that one rollout's judge was told, in order."""

    def __init__(self, policy: JudgePolicy, begun: float, history: tuple[tuple[float, ArmReading], ...]) -> None:
        self.policy, self.begun, self.history = policy, begun, history
        self.looks: list[_Look] = []
        self.decided: int | None = None
        """How many looks there were at the decision, if there was one."""
        self.rollout: Rollout
        self._requests = self._failed = 0

    def add(self, event: Event, old: Rollout | None, new: Rollout, served: tuple[int, int]) -> None:
        self.rollout = new
        self._requests, self._failed = self._requests + served[0], self._failed + served[1]
        if new.judge is None:
            return
        before = old.judge if old else None
        if isinstance(event, Observed) and before and before is not new.judge:
            self._look(event.at, event.reading)
        if new.phase in DECIDING and (old is None or old.phase is not new.phase):
            self.decided = len(self.looks)
        if new.judge.step and new.judge.step_number > (before.step_number if before else 0):
            self._look(event.at, new.judge.step)

    def _look(self, at: float, what: Step | Reading) -> None:
        self.looks.append(_Look(at, what, self._requests, self._failed))


def rejudge(
    events: Iterable[Event], rollout: RolloutId, *, alpha: float | None = None, tolerance: float | None = None
) -> Replay:
    """Judge ``rollout`` again from all events of its application, oldest first.

    Args:
        alpha: chance of rolling back a good release, instead of the plan's; above 0 and below 1.
        tolerance: how many times the baseline's bad ratio is fine, at least 1, for every indicator that is compared.

    Raises:
        BadInput: alpha or tolerance is out of range.
        NotFound: there is no such rollout.
        Refused: it never came to a trial, so there is nothing to judge.
    """
    _check(alpha, tolerance)
    script = _script(list(events), rollout)
    policy = _changed(script.policy, alpha, tolerance)
    original, replayed = _judgements(script, script.policy), _judgements(script, policy)
    return Replay(
        rollout,
        _outcome(script, script.policy, original),
        _outcome(script, policy, replayed),
        identical=_last(replayed)[1] == script.rollout.judgement,
    )


def _check(alpha: float | None, tolerance: float | None) -> None:
    if alpha is not None and not 0 < alpha < 1:
        raise BadInput(f"alpha is {alpha:g}", hint="It is a probability: above 0 and below 1, such as 0.01.")
    if tolerance is not None and not 1 <= tolerance < float("inf"):
        raise BadInput(f"tolerance is {tolerance:g}", hint="It is a factor of at least 1, such as 1.5.")


def _changed(policy: JudgePolicy, alpha: float | None, tolerance: float | None) -> JudgePolicy:
    indicators = policy.indicators
    if tolerance is not None:
        indicators = tuple(msgspec.structs.replace(one, tolerance=tolerance) for one in indicators)
    return msgspec.structs.replace(policy, indicators=indicators, alpha=policy.alpha if alpha is None else alpha)


def _script(events: Sequence[Event], wanted: RolloutId) -> _Script:
    app = next((event.plan.app for event in events if isinstance(event, ReleaseRequested)), None)
    script: _Script | None = None
    found, served = False, Served()
    for event, before, after in fold(events, app) if app else ():
        for old, new in touched(before, after):
            if new.id != wanted:
                continue
            found = True
            if script is None and new.judge is not None:
                script = _Script(_policy(after, new), event.at, _history(event, before, old))
            if script is not None:
                script.add(event, old, new, served.since(event, old))
        served.note(event, before)
    if not found:
        raise NotFound(f"there is no rollout {wanted}", hint="`shipway rollout list` names those there are.")
    if script is None or script.rollout.judgement is None:
        raise Refused(f"{wanted} never came to a trial, so there is nothing to judge again")
    return script


def _policy(state: Delivery, rollout: Rollout) -> JudgePolicy:
    return state.releases[rollout.release].plan.judge


def _history(event: Event, before: Delivery, rollout: Rollout | None) -> tuple[tuple[float, ArmReading], ...]:
    """The baseline's past as it was handed to the judge: from the rollout, or from what began it just now."""
    if rollout is not None:
        return rollout.history
    if isinstance(event, ReleaseRequested | RetryRequested):
        return event.history
    return before.pending.history if before.pending else ()


def _judgements(script: _Script, policy: JudgePolicy) -> list[tuple[_Look, Judgement | None]]:
    """Every look with what the judge said to it; None where a step began."""
    state, found = begin(policy, script.begun, script.history), list[tuple[_Look, Judgement | None]]()
    for look in script.looks:
        if isinstance(look.what, Step):
            state = begin_step(policy, state, look.what, look.at)
            found.append((look, None))
        else:
            state = observe(policy, state, look.what)
            found.append((look, judge(policy, state, look.at)))
    return found


def _last(found: Sequence[tuple[_Look, Judgement | None]]) -> tuple[_Look, Judgement]:
    return next((look, judgement) for look, judgement in reversed(found) if judgement is not None)


def _outcome(script: _Script, policy: JudgePolicy, found: list[tuple[_Look, Judgement | None]]) -> Outcome:
    failed = ((look, one) for look, one in found if one is not None and one.verdict is Verdict.FAIL)
    look, judgement = next(failed, None) or _last(found[: script.decided])
    verdict: str = VERDICTS.get(script.rollout.phase, "under_way")
    sentence = judgement.sentence
    if judgement.verdict is Verdict.FAIL:
        verdict = "rolled_back"
    elif script.rollout.failed:
        verdict, sentence = "undecided", f"not shown by the {look.requests:,} canary requests there are: {sentence}"
    return Outcome(
        verdict=verdict,
        alpha=policy.alpha,
        tolerance=tuple(one.tolerance for one in policy.indicators),
        seconds=look.at - script.begun,
        requests=look.requests,
        failed_requests=look.failed,
        sentence=sentence,
        judgement=judgement,
    )
