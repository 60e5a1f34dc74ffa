"""How the promises of a running application stand, from the counters that were read of it. Called by ``service``.

The journal has every reading of every trial, and with each release the readings of the live one before it; the loop has those
since, and one is taken at the moment of the question. What lies between is kept every ten seconds (:class:`Count`) by whoever
runs the controller, so that neither its end nor the proxy's loses the past. Every release counts, a canary that failed too:
its users were users.
What a release answered between its last reading (every half second in a trial) and losing its traffic is not seen.
Readings closer than :data:`RESOLUTION` are thinned, which loses no event, because counters are cumulative.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from shipway.analysis.latency import edge
from shipway.analysis.readings import ArmReading
from shipway.engine.past import RESTART, Readings
from shipway.engine.ports import Recorded
from shipway.model.ids import ReleaseId
from shipway.render.slo.levels import Window
from shipway.render.slo.promises import AVAILABILITY, latency_name, of_application
from shipway.rollout.codec import decode
from shipway.rollout.events import Observed, ReleaseRequested, RetryRequested
from shipway.rollout.states import Delivery, Rollout
from shipway.slo.budget import Spending, Status, Unknown, begin, judge, spent, unmeasured
from shipway.slo.counters import Sample, counted, usable
from shipway.spec import Application
from shipway.spec.platform import Metric

RESOLUTION = 5.0
"""Seconds between two readings that are kept; the shortest window of an alert is five minutes."""

MOST = 4000
"""Readings of one release that are kept; of more, every other of the older half goes. Some 20 MB with their histograms."""

_KINDS = frozenset({Observed.__name__, ReleaseRequested.__name__, RetryRequested.__name__})


class Count(msgspec.Struct, frozen=True, array_like=True):
    """The counters of one release at one moment, as they were kept."""

    at: float
    release: ReleaseId
    reading: ArmReading


class Ledger:
    """The readings of every release of one application, ascending in time.

    ``kept`` are those that outlived an earlier controller, in order of time; the journal's are fitted in between.
    """

    def __init__(self, kept: Iterable[Count] = ()) -> None:
        self._early = deque(kept)
        self._begun: dict[ReleaseId, float] = {}
        """When each release was first tried: its counters began at nothing then."""
        self.version = 0
        """Last event of the journal that was read."""
        self._kept: dict[ReleaseId, list[tuple[float, ArmReading]]] = {}
        self._last: dict[ReleaseId, tuple[float, ArmReading]] = {}

    def read_on(self, events: Iterable[Recorded], state: Delivery) -> None:
        """Note what the journal says beyond ``version``; ``state`` is the application's present one."""
        rollouts = (*state.past, *((state.rollout,) if state.rollout else ()))
        for one in rollouts:
            self._begun.setdefault(one.release, one.started_at)
        for recorded in events:
            self.version = recorded.version
            if recorded.kind in _KINDS:
                event = decode(recorded.data, where=f"event {recorded.sequence}")
                if isinstance(event, Observed):
                    self._observed(event, rollouts)
                elif isinstance(event, ReleaseRequested | RetryRequested):
                    self.recall(_live_before(rollouts, event.at), event.history)

    def recall(self, release: ReleaseId | None, readings: Readings) -> None:
        """Readings of a release from outside a trial: those since the last change of the live release are its own."""
        begin = max((index + 1 for index, (_, one) in enumerate(readings) if one == RESTART), default=0)
        for at, reading in readings[begin:] if release else ():
            self.add(at, release, reading)

    def add(self, at: float, release: ReleaseId | None, reading: ArmReading | None) -> None:
        """One reading; those from before the last of the same release are known already."""
        self._catch_up(at)
        self._add(at, release, reading)

    def _catch_up(self, until: float) -> None:
        while self._early and self._early[0].at <= until:
            one = self._early.popleft()
            self._add(one.at, one.release, one.reading)

    def _add(self, at: float, release: ReleaseId | None, reading: ArmReading | None) -> None:
        last = self._last.get(release) if release else None
        if release is None or reading is None or (last is not None and at <= last[0]):
            return
        begun = self._begun.get(release, at)
        kept = self._kept.setdefault(release, [(begun, ArmReading(0, 0))] if begun < at else [])
        if not kept or at >= kept[-1][0] + RESOLUTION or _restarted(last, reading):
            if last is not None and _restarted(last, reading) and last is not kept[-1]:
                kept.append(last)
            kept.append((at, reading))
            self._last[release] = kept[-1]
            if len(kept) > MOST:
                self._kept[release] = _thinned(kept)
        else:
            self._last[release] = (at, reading)

    def series(self, now: Mapping[ReleaseId, ArmReading], at: float) -> list[list[tuple[float, ArmReading]]]:
        """Of each release what was kept, what was read last, and what was read just ``now``."""
        self._catch_up(at)
        found = {
            release: [*kept, *([last] if (last := self._last[release]) is not kept[-1] else [])]
            for release, kept in self._kept.items()
        }
        for release, reading in now.items():
            readings = found.setdefault(release, [])
            if not readings or at > readings[-1][0]:
                readings.append((at, reading))
        return list(found.values())

    def by_release(self, at: float) -> dict[ReleaseId, list[tuple[float, ArmReading]]]:
        """The readings of each release up to ``at``."""
        series = self.series({}, at)
        return dict(zip(self._kept, series, strict=True))

    def _observed(self, event: Observed, rollouts: Sequence[Rollout]) -> None:
        rollout = next((one for one in reversed(rollouts) if one.started_at <= event.at), None)
        if rollout is not None:
            self.add(event.at, rollout.baseline, event.reading.baseline)
            if event.canary in {None, rollout.release}:
                self.add(event.at, rollout.release, event.reading.canary)


Series = Sequence[Sequence[tuple[float, ArmReading]]]
"""Of each release (time, cumulative counters), ascending."""

Counting = Callable[[ArmReading], tuple[float, float]]
"""Cumulative (failed, all) requests of a reading."""


def statuses(application: Application, series: Series, at: float) -> tuple[Status, ...]:
    """Every promise of an application. The proxy counts its requests; what nothing here measures is unknown and says so."""
    levels = of_application(application, metrics=_unqueried(application))
    counts = _counts(application)
    return tuple(
        judge(level, [[Sample(when, *count(reading)) for when, reading in one] for one in series], at)
        if (count := counts.get(level.name))
        else unmeasured(level, at, f"nothing on this machine measures {level.name}")
        for level in levels
    )


def availability(application: Application, series: Series, at: float, *, window: float) -> Status | None:
    """The promise of requests answered without an error, over a ``window`` of seconds; None when it is not made."""
    levels = (one for one in of_application(application, metrics=_unqueried(application)) if one.name == AVAILABILITY)
    level = next(levels, None)
    if level is None:
        return None
    samples = [[Sample(when, reading.errors, reading.requests) for when, reading in one] for one in series]
    return judge(msgspec.structs.replace(level, window=Window(window)), samples, at)


def courses(application: Application, series: Series, times: Sequence[float]) -> dict[str, list[tuple[float, float]]]:
    """How the budget of every promise went: (time, share that was left then); NaN where nobody can tell."""
    counts = _counts(application)
    found: dict[str, list[tuple[float, float]]] = {}
    for level in of_application(application, metrics=_unqueried(application)):
        if count := counts.get(level.name):
            samples = [usable((Sample(at, *count(one)) for at, one in readings), math.inf) for readings in series]
            spendings = (spent(level, counted(samples, begin(level.window, at), at)) for at in times)
            found[level.name] = [(at, _left(one)) for at, one in zip(times, spendings, strict=True)]
    return found


def _left(found: Spending | Unknown) -> float:
    return found.remaining if isinstance(found, Spending) and found.remaining is not None else math.nan


def _counts(application: Application) -> dict[str, Counting]:
    slow = {latency_name(one): _slow(one.threshold * 1000) for one in application.spec.slo.latency}
    return {AVAILABILITY: lambda reading: (reading.errors, reading.requests), **slow}


def _slow(threshold_ms: float) -> Counting:
    at_least = edge(threshold_ms).judged - 0.5  # edges are whole milliseconds, printed as floats
    return lambda reading: (
        sum(requests for lower, requests in reading.latency if lower >= at_least),
        sum(requests for _, requests in reading.latency),
    )


def _unqueried(application: Application) -> dict[str, Metric]:
    """Stands for the Platform's metrics, of which only the name matters here."""
    return {name: Metric(unit="ratio", good=name, total=name) for name in application.spec.slo.objectives}


def _live_before(rollouts: Sequence[Rollout], at: float) -> ReleaseId | None:
    """Who had the traffic when something was asked for; None while a rollout was under way, whose readings say more."""
    if any(one.started_at < at and (one.ended_at is None or one.ended_at > at) for one in rollouts):
        return None
    return next((one.baseline for one in rollouts if one.started_at >= at), None)


def thinned(counts: Iterable[Count], resolution: float) -> list[Count]:
    """At most one count of a release in ``resolution`` seconds, besides its first and last and both sides of every restart."""
    found: list[Count] = []
    for release, inside in _by_release(counts).items():
        pairs = [(one.at, one.reading) for one in inside]
        for index, (at, reading) in enumerate(pairs):
            following = pairs[index + 1][1] if index + 1 < len(pairs) else None
            is_edge = following is None or _restarted((at, reading), following) or index == 0
            if is_edge or _restarted(pairs[index - 1], reading) or at >= found[-1].at + resolution:
                found.append(Count(at, release, reading))
    return sorted(found, key=lambda one: one.at)


def _by_release(counts: Iterable[Count]) -> dict[ReleaseId, list[Count]]:
    groups: dict[ReleaseId, list[Count]] = {}
    for one in sorted(counts, key=lambda one: one.at):
        groups.setdefault(one.release, []).append(one)
    return groups


def _thinned(kept: list[tuple[float, ArmReading]]) -> list[tuple[float, ArmReading]]:
    """Without every other reading of the older half, but with both sides of every restart: no event is lost."""
    half = len(kept) // 2
    older = [
        one
        for index, one in enumerate(kept[:half])
        if index % 2 == 0 or _restarted(one, kept[index + 1][1]) or _restarted(kept[index - 1], one[1])
    ]
    return older + kept[half:]


def _restarted(last: tuple[float, ArmReading] | None, reading: ArmReading) -> bool:
    return last is not None and (reading.requests < last[1].requests or reading.errors < last[1].errors)
