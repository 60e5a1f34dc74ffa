"""The step rule: what the evidence gathered so far means for the step under way. Called through ``judge.judge``.

Order matters: evidence against the release comes before doubts about the measurement, those before trouble that both
arms share, and only then the question whether the step has seen enough.
"""

from math import log, sqrt

from shipway.analysis import bands, wording
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.state import JudgeState
from shipway.analysis.track import CountTrack
from shipway.analysis.verdict import Judgement, Verdict

MISSED = 5
"""Readings in a row without both arms that make an ERROR: fewer are a hiccup of the source."""

SILENCE = 30.0
"""Seconds, and :data:`MISSED` intervals, without any reading that make an ERROR."""

SUSPICION = 0.1
"""No step forward on evidence that a release that is no worse would show, at any time, in at most this share of rollouts:
short steps would otherwise be over before an obviously bad release has failed often enough to be blamed."""

LEAST_LOOKS = 4
"""Readings of both arms in a step before it may pass. While the dispersion is unknown, all that fails between two readings
counts as one cause, so a single reading can show nothing, however bad it is."""


def judge(policy: JudgePolicy, state: JudgeState, at: float) -> Judgement:
    """What now, with the step under way? ``at`` is the present time in seconds; judging changes nothing."""
    failed = [i for i, one in enumerate(state.tracks) if one.crossed]
    if failed:
        return _judgement(policy, state, Verdict.FAIL, "", failed=failed)
    if doubt := _unmeasured(state, at):
        return _judgement(policy, state, Verdict.ERROR, doubt)
    if policy.check_exposure and state.split.broken:
        return _judgement(policy, state, Verdict.ERROR, wording.broken_split(state.split))
    common = [i for i, one in enumerate(policy.indicators) if _common_trouble(one, state, i)]
    if common:
        return _judgement(policy, state, Verdict.HOLD, "", held=common)
    if state.step is None:
        return _judgement(policy, state, Verdict.INCONCLUSIVE, "no step is under way")
    return _progress(policy, state, state.step, at)


def _unmeasured(state: JudgeState, at: float) -> str:
    """Why nothing can be said about the present, or an empty string."""
    if state.missed >= MISSED:
        return f"could not measure: {state.missed} readings in a row lacked an arm"
    since = state.begun if state.canary is None else state.read_at
    allowed = max(SILENCE, MISSED * state.interval)
    if at - since > allowed:
        return f"could not measure: no reading of both arms for {at - since:.0f} s"
    return ""


def _common_trouble(indicator: Indicator, state: JudgeState, i: int) -> bool:
    """Both arms break the SLO now: over the last 30 to 60 s, by more than chance explains."""
    track = state.tracks[i]
    if indicator.slo is None or not isinstance(track, CountTrack):
        return False
    recent = track.window.plus(track.window_before)
    return _breaks(recent.canary_bad, recent.canary_total, indicator.slo, track.phi) and _breaks(
        recent.baseline_bad, recent.baseline_total, indicator.slo, track.phi
    )


def _breaks(bad: float, total: float, slo: float, phi: float) -> bool:
    """Two standard deviations and one event above what the SLO allows: a hold costs time only, so this need not be as
    sure as a rollback."""
    return total > 0 and bad > total * slo + 2 * sqrt(phi * total * slo) + 1


def _progress(policy: JudgePolicy, state: JudgeState, step: Step, at: float) -> Judgement:
    missing = max(0, step.min_requests - state.sample)
    left = step.at_least - (at - state.step_at)
    if missing:
        return _judgement(
            policy, state, Verdict.INCONCLUSIVE, wording.few(state.sample, step.min_requests), more=missing
        )
    if left > 1e-6:
        return _judgement(policy, state, Verdict.INCONCLUSIVE, wording.early(state.sample, left), more=0)
    if policy.advance == "evidence":
        more = _until_no_worse(policy, state)
        if more != 0:
            return _judgement(policy, state, Verdict.INCONCLUSIVE, wording.not_shown(state.sample, more), more=more)
    if state.looks < LEAST_LOOKS:
        return _judgement(policy, state, Verdict.INCONCLUSIVE, wording.unseen(state.sample, LEAST_LOOKS - state.looks))
    passed = _judgement(policy, state, Verdict.PASS, "")
    suspect = max(passed.indicators, key=lambda one: one.e, default=None)
    if suspect is not None and suspect.e > log(len(policy.indicators) / SUSPICION):
        return _judgement(policy, state, Verdict.INCONCLUSIVE, wording.suspicious(suspect))
    return passed


def _until_no_worse(policy: JudgePolicy, state: JudgeState) -> int | None:
    """Canary requests until every indicator is shown to be no worse: 0 when all are; None when one may never be."""
    worst = 0
    for indicator, track in zip(policy.indicators, state.tracks, strict=True):
        if not isinstance(track, CountTrack) or no_worse(policy, indicator, track):
            continue
        more = _more(policy, indicator, track)
        if more is None:
            return None
        worst = max(worst, more)
    return worst


def no_worse(policy: JudgePolicy, indicator: Indicator, track: CountTrack, times: float = 1.0) -> bool:
    """Non-inferiority in this step: canary < tolerance x baseline + margin, or below the limit that a person wrote.

    Two time-uniform bands, each at half the indicator's share of alpha: the canary's upper edge against the baseline's
    lower edge. ``times`` asks the same of so many times the counts.
    """
    if indicator.limit is None and not indicator.relative:
        return True
    level = policy.alpha / len(policy.indicators) / 2
    step, scale = track.step, times / track.phi
    worst = bands.upper(step.canary_bad * scale, step.canary_total * scale, level)
    if indicator.limit is not None:
        return worst < indicator.limit
    least = bands.lower(step.baseline_bad * scale, step.baseline_total * scale, level)
    return worst < indicator.tolerance * least + policy.advance_margin


def _more(policy: JudgePolicy, indicator: Indicator, track: CountTrack) -> int | None:
    """How many more canary requests at the rates seen so far, to about a tenth; None beyond a million times as many."""
    low, high = 0.0, 20.0
    if not no_worse(policy, indicator, track, 2.0**high):
        return None
    while high - low > 1 / 8:
        middle = (low + high) / 2
        low, high = (low, middle) if no_worse(policy, indicator, track, 2.0**middle) else (middle, high)
    more: float = track.step.canary_total * (2.0**high - 1)
    return max(1, round(more))


def _judgement(
    policy: JudgePolicy,
    state: JudgeState,
    verdict: Verdict,
    sentence: str,
    *,
    more: int | None = None,
    failed: list[int] | None = None,
    held: list[int] | None = None,
) -> Judgement:
    evidence = tuple(
        wording.evidence(policy, i, state.tracks[i], Verdict.HOLD if held and i in held else verdict)
        for i in range(len(state.tracks))
    )
    if failed:
        sentence = wording.strongest([evidence[i] for i in failed])
    elif held:
        sentence = wording.common(evidence[held[0]])
    elif verdict is Verdict.PASS:
        sentence = wording.passed(evidence, state.sample)
    requests = state.sample + state.others
    return Judgement(
        verdict=verdict,
        sentence=sentence,
        indicators=evidence,
        more_requests=more,
        exposure=state.sample / requests if requests else None,
        sample=state.sample,
    )
