"""How the promises of a running application stand, from the counters that were read of it. Called by ``service``.

The journal has every reading of every trial, and with each release the readings of the live one before it; the loop has those
since, and one is taken at the moment of the question. Every release counts, a canary that failed too: its users were users.
What a release answered between its last reading (every half second in a trial) and losing its traffic is not seen.
Readings closer than :data:`RESOLUTION` are thinned, which loses no event, because counters are cumulative.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from shipway.analysis.latency import edge
from shipway.analysis.readings import ArmReading
from shipway.engine.past import RESTART, Readings
from shipway.engine.ports import Recorded
from shipway.model.ids import ReleaseId
from shipway.render.slo.promises import AVAILABILITY, latency_name, of_application
from shipway.rollout.codec import decode
from shipway.rollout.events import Observed, ReleaseRequested, RetryRequested
from shipway.rollout.states import Delivery, Rollout
from shipway.slo.budget import Status, judge, unmeasured
from shipway.slo.counters import Sample
from shipway.spec import Application
from shipway.spec.platform import Metric

RESOLUTION = 5.0
"""Seconds between two readings that are kept; the shortest window of an alert is five minutes."""

MOST = 4000
"""Readings of one release that are kept; of more, every other of the older half goes. Some 20 MB with their histograms."""

_KINDS = frozenset({Observed.__name__, ReleaseRequested.__name__, RetryRequested.__name__})


class Ledger:
    """The readings of every release of one application, ascending in time."""

    def __init__(self) -> None:
        self.version = 0
        """Last event of the journal that was read."""
        self._kept: dict[ReleaseId, list[tuple[float, ArmReading]]] = {}
        self._last: dict[ReleaseId, tuple[float, ArmReading]] = {}

    def read_on(self, events: Iterable[Recorded], state: Delivery) -> None:
        """Note what the journal says beyond ``version``; ``state`` is the application's present one."""
        rollouts = (*state.past, *((state.rollout,) if state.rollout else ()))
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
        last = self._last.get(release) if release else None
        if release is None or reading is None or (last is not None and at <= last[0]):
            return
        kept = self._kept.setdefault(release, [])
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
        found = {
            release: [*kept, *([last] if (last := self._last[release]) is not kept[-1] else [])]
            for release, kept in self._kept.items()
        }
        for release, reading in now.items():
            readings = found.setdefault(release, [])
            if not readings or at > readings[-1][0]:
                readings.append((at, reading))
        return list(found.values())

    def _observed(self, event: Observed, rollouts: Sequence[Rollout]) -> None:
        rollout = next((one for one in reversed(rollouts) if one.started_at <= event.at), None)
        if rollout is not None:
            self.add(event.at, rollout.baseline, event.reading.baseline)
            if event.canary in {None, rollout.release}:
                self.add(event.at, rollout.release, event.reading.canary)


Count = Callable[[ArmReading], tuple[float, float]]
"""Cumulative (failed, all) requests of a reading."""


def statuses(
    application: Application, series: Sequence[Sequence[tuple[float, ArmReading]]], at: float
) -> tuple[Status, ...]:
    """Every promise of an application. The proxy counts its requests; what nothing here measures is unknown and says so."""
    levels = of_application(application, metrics=_unqueried(application))
    counts = _counts(application)
    return tuple(
        judge(level, [[Sample(when, *count(reading)) for when, reading in one] for one in series], at)
        if (count := counts.get(level.name))
        else unmeasured(level, at, f"nothing on this machine measures {level.name}")
        for level in levels
    )


def offline(application: Application, events: Iterable[Recorded], state: Delivery, at: float) -> tuple[Status, ...]:
    """The same from a journal alone, without a reading of this moment."""
    ledger = Ledger()
    ledger.read_on(events, state)
    return statuses(application, ledger.series({}, at), at)


def _counts(application: Application) -> dict[str, Count]:
    slow = {latency_name(one): _slow(one.threshold * 1000) for one in application.spec.slo.latency}
    return {AVAILABILITY: lambda reading: (reading.errors, reading.requests), **slow}


def _slow(threshold_ms: float) -> Count:
    at_least = edge(threshold_ms).judged - 0.5  # edges are whole milliseconds, printed as floats
    return lambda reading: (
        sum(requests for lower, requests in reading.latency if lower >= at_least),
        sum(requests for _, requests in reading.latency),
    )


def _unqueried(application: Application) -> dict[str, Metric]:
    """Stands for the Platform's metrics, of which only the name matters here."""
    return {
        one.metric: Metric(unit="ratio", good=one.metric, total=one.metric) for one in application.spec.slo.objectives
    }


def _live_before(rollouts: Sequence[Rollout], at: float) -> ReleaseId | None:
    """Who had the traffic when something was asked for; None while a rollout was under way, whose readings say more."""
    if any(one.started_at < at and (one.ended_at is None or one.ended_at > at) for one in rollouts):
        return None
    return next((one.baseline for one in rollouts if one.started_at >= at), None)


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
