"""What happened in a rollout, as data: for reports, ``rollout show``, the portal and the end of the demo.

Everything follows from the events by :func:`~shipway.rollout.evolve.evolve`, so a timeline made today of an old rollout
is the one that could have been seen then. Leaves out how it looks (``web.report``, ``cli.live``) and other verdicts that
the same readings could have led to (``replay``).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from shipway.analysis.policy import Indicator
from shipway.analysis.readings import ArmReading
from shipway.analysis.verdict import IndicatorEvidence, Judgement
from shipway.engine.sentences import increase, sentence
from shipway.engine.story import (
    VERDICTS,
    ArmPoint,
    IndicatorPoint,
    IndicatorSeries,
    Line,
    PhaseSpan,
    Point,
    Timeline,
    Verdict,
)
from shipway.model.errors import NotFound
from shipway.model.ids import AppName, ReleaseId, RolloutId
from shipway.rollout.events import Event, Observed
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import JUDGED, Delivery, Phase, Rollout

__all__ = [
    "VERDICTS",
    "ArmPoint",
    "IndicatorPoint",
    "IndicatorSeries",
    "Line",
    "PhaseSpan",
    "Point",
    "Timeline",
    "Verdict",
    "fold",
    "line",
    "present",
    "timeline",
    "timelines",
]

MOST_POINTS = 400
"""Points of a series, at most: more than a plot shows, and a rollout of days stays small."""

DECIDING = frozenset({Phase.PROMOTING, Phase.REVERTING})
"""Phases that a decision leads to. The last one counts: a FAIL takes a promotion back."""


def timeline(events: Iterable[Event], app: AppName, rollout: RolloutId) -> Timeline:
    """The timeline of one rollout from all events of its application, oldest first.

    Raises:
        NotFound: the application has no such rollout.
    """
    found = timelines(events, app, only=rollout)
    if not found:
        raise NotFound(f"{app} has no rollout {rollout}", hint=f"`shipway rollout list {app}` names those there are.")
    return found[0]


def timelines(events: Iterable[Event], app: AppName, *, only: RolloutId | None = None) -> tuple[Timeline, ...]:
    """The timelines of every rollout of an application (or of ``only`` one), oldest first, in one pass."""
    recorders: dict[RolloutId, _Recorder] = {}
    served = Served()
    for event, before, after in fold(events, app):
        for old, new in touched(before, after):
            if only in {None, new.id}:
                recorder = recorders.setdefault(new.id, _Recorder())
                recorder.add(event, before, after, (old, new))
                recorder.count(*served.since(event, old))
        served.note(event, before)
    return tuple(recorder.timeline() for recorder in recorders.values())


def fold(events: Iterable[Event], app: AppName) -> Iterator[tuple[Event, Delivery, Delivery]]:
    """Every event with the states before and after it."""
    state = initial(app)
    for event in events:
        before, state = state, evolve(state, event)
        yield event, before, state


def touched(before: Delivery, after: Delivery) -> Iterator[tuple[Rollout | None, Rollout]]:
    """(before, after) of the rollouts that an event may have concerned: one may end and the next begin by the same event."""
    old, new = before.rollout, after.rollout
    if old and new and old.id != new.id:
        if old.is_active:
            yield old, after.past[-1]
        old = None
    if new:
        yield old, new


class Served:
    """What each release's counters said last, so that what a rollout cost can be counted from there."""

    def __init__(self) -> None:
        self._last: dict[ReleaseId, ArmReading] = {}

    def since(self, event: Event, rollout: Rollout | None) -> tuple[int, int]:
        """(requests, failed requests) that the canary of ``rollout`` has answered since it was read last."""
        if not isinstance(event, Observed) or not _is_read(rollout, event) or event.reading.canary is None:
            return 0, 0
        assert rollout is not None
        return increase(self._last.get(rollout.release), event.reading.canary)

    def note(self, event: Event, before: Delivery) -> None:
        """Keep the counters that ``event`` brought."""
        if not isinstance(event, Observed):
            return
        rollout = before.rollout
        arms = {before.live: event.reading.baseline}
        if rollout and _is_read(rollout, event):
            arms = {rollout.baseline: event.reading.baseline, rollout.release: event.reading.canary}
        self._last |= {release: arm for release, arm in arms.items() if release and arm}


def _is_read(rollout: Rollout | None, event: Observed) -> bool:
    """Whether the reading is of this rollout's arms, of its time, and the first of its moment: as ``evolve`` has it."""
    if rollout is None or rollout.judge is None or rollout.phase not in JUDGED:
        return False
    in_time = event.reading.at > rollout.read_at and event.reading.at >= rollout.judge.begun
    return in_time and event.canary in {None, rollout.release}


class _Recorder:
    """Collects one rollout's timeline while its events pass by."""

    def __init__(self) -> None:
        self._judged: list[tuple[Point, Judgement]] = []
        self._phases: list[PhaseSpan] = []
        self._weights: list[tuple[float, float]] = []
        self._lines: list[Line] = []
        self._requests = self._failed = 0

    def add(self, event: Event, before: Delivery, after: Delivery, change: tuple[Rollout | None, Rollout]) -> None:
        old, new = change
        self._state, self._rollout = after, new
        moved = _moved(old, new)
        if moved:
            self._phases.append(PhaseSpan(event.at, new.phase, new.weight, new.reason))
        if old is None or old.weight != new.weight:
            self._weights.append((event.at, new.weight))
        if new.judgement and (old is None or new.judgement is not old.judgement) and isinstance(event, Observed):
            point = Point(event.at, 100 * event.reading.weight, new.judgement.exposure, new.judgement.verdict.value)
            self._judged.append((point, new.judgement))
        if moved or _is_told(event, before, after, new):
            self._lines.append(_line(event, before, after, new if moved else None))

    def count(self, requests: int, failed: int) -> None:
        self._requests += requests
        self._failed += failed

    def timeline(self) -> Timeline:
        return _made(
            self._state,
            self._rollout,
            _Story(
                judged=_thin(self._judged),
                phases=self._phases,
                weights=self._weights,
                lines=self._lines,
                served=(self._requests, self._failed),
                seconds=seconds_to_verdict(self._phases),
            ),
        )


class _Story(NamedTuple):
    """What a rollout's state alone does not tell."""

    judged: Sequence[tuple[Point, Judgement]]
    phases: Sequence[PhaseSpan]
    weights: Sequence[tuple[float, float]]
    lines: Sequence[Line]
    served: tuple[int, int]
    seconds: float | None


def present(state: Delivery, lines: Sequence[Line] = ()) -> Timeline | None:
    """The rollout under way (or the last) as it stands: a timeline with the latest point alone, for whoever watches.

    Costs nothing that grows with the rollout. Its requests are the canary's counters, not counted across restarts,
    and the time to the verdict is left out. None when nothing was ever released. ``lines`` are those to be shown beside it.
    """
    rollout = state.rollout
    if rollout is None:
        return None
    judged, raw = [], ArmReading(0, 0)
    if rollout.judge and rollout.judge.canary and rollout.judgement:
        raw, weight = rollout.judge.canary.raw, 100 * rollout.judge.weight
        point = Point(rollout.read_at, weight, rollout.judgement.exposure, rollout.judgement.verdict.value)
        judged = [(point, rollout.judgement)]
    phases = [PhaseSpan(rollout.phase_at, rollout.phase, rollout.weight, rollout.reason)]
    story = _Story(judged, phases, [(rollout.phase_at, rollout.weight)], lines, (raw.requests, raw.errors), None)
    return _made(state, rollout, story)


def line(event: Event, before: Delivery, after: Delivery) -> Line:
    """One event in words, given the states around it: for whoever tells events as they come."""
    return _line(event, before, after, after.rollout if _moved(before.rollout, after.rollout) else None)


def _moved(old: Rollout | None, new: Rollout | None) -> bool:
    """Whether a phase began: another one, or the same for another step or rollout."""
    if old is None or new is None:
        return new is not None
    return (old.id, old.phase, old.step) != (new.id, new.phase, new.step)


def _line(event: Event, before: Delivery, after: Delivery, moved: Rollout | None) -> Line:
    phase, reason = (moved.phase.value, moved.reason) if moved else ("", "")
    return Line(event.at, type(event).__name__, sentence(event, before, after), phase, reason)


def _made(state: Delivery, rollout: Rollout, story: _Story) -> Timeline:
    release = state.releases[rollout.release]
    baseline = state.releases.get(rollout.baseline) if rollout.baseline else None
    return Timeline(
        app=state.app,
        rollout=rollout.id,
        kind=rollout.kind,
        release=rollout.release,
        label=release.label,
        baseline=rollout.baseline,
        baseline_label=baseline.label if baseline else "",
        by=rollout.by,
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
        phase=rollout.phase,
        phase_at=rollout.phase_at,
        steps=release.plan.steps if rollout.kind == "canary" else (),
        step=rollout.step,
        step_at=rollout.step_at,
        sample=rollout.judgement.sample if rollout.judgement else 0,
        verdict=VERDICTS.get(rollout.phase, "under_way"),
        seconds_to_verdict=story.seconds,
        requests=story.served[0],
        failed_requests=story.served[1],
        evidence=_evidence(rollout),
        log_tail=rollout.log_tail,
        weights=tuple(story.weights),
        points=tuple(point for point, _ in story.judged),
        indicators=tuple(_series(release.plan.judge.indicators, story.judged)),
        phases=tuple(story.phases),
        events=tuple(story.lines),
        commit=release.commit,
    )


def seconds_to_verdict(phases: Sequence[PhaseSpan]) -> float | None:
    """See :attr:`Timeline.seconds_to_verdict`; None while there is no decision."""
    shifted = next((span.at for span in phases if span.phase is Phase.SHIFTING), None)
    if shifted is not None:
        return next((span.at - shifted for span in reversed(phases) if span.phase in DECIDING), None)
    return next((span.at - phases[0].at for span in phases if span.phase in VERDICTS), None)


def _is_told(event: Event, before: Delivery, after: Delivery, rollout: Rollout) -> bool:
    """Whether an event that moved nothing belongs to the story: always while it runs, later only what changes something."""
    if before.rollout is None or before.rollout.id != rollout.id or before.rollout.is_active:
        return True
    return after is not before and not isinstance(event, Observed)


def _evidence(rollout: Rollout) -> str:
    if rollout.phase is Phase.OBSERVING and rollout.judgement:
        return rollout.judgement.sentence
    return rollout.reason


def _thin(judged: Sequence[tuple[Point, Judgement]]) -> Sequence[tuple[Point, Judgement]]:
    """At most about :data:`MOST_POINTS`: every n-th, both ends of every weight, and the last."""
    stride = -(-len(judged) // MOST_POINTS)
    if stride <= 1:
        return judged
    edges = {i for i, (one, other) in enumerate(pairwise(judged)) if one[0].weight != other[0].weight}
    kept = edges | {i + 1 for i in edges} | {len(judged) - 1}
    return [one for i, one in enumerate(judged) if i % stride == 0 or i in kept]


def _series(indicators: Sequence[Indicator], judged: Sequence[tuple[Point, Judgement]]) -> Iterator[IndicatorSeries]:
    for i, indicator in enumerate(indicators):
        allowed = indicator.slo if indicator.limit is None else indicator.limit
        found = [judgement.indicators[i] for _, judgement in judged]
        last = found[-1].sentence if found else ""
        yield IndicatorSeries(indicator.name, indicator.kind, allowed, last, tuple(_point(one) for one in found))


def _point(one: IndicatorEvidence) -> IndicatorPoint:
    canary = _arm(one, one.canary_bad, one.canary_total, one.canary_band)
    baseline = _arm(one, one.baseline_bad, one.baseline_total, one.baseline_band)
    return IndicatorPoint(canary, baseline, None if one.e == float("-inf") else one.e, one.limit)


def _arm(one: IndicatorEvidence, bad: float, total: int, band: tuple[float, float] | None) -> ArmPoint:
    if total == 0 or one.kind not in {"errors", "latency", "continuous"}:
        return ArmPoint(bad, total, None)
    return ArmPoint(bad, total, bad / total, *band) if band else ArmPoint(bad, total, bad)
