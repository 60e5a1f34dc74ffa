"""Readings of the live release from before a rollout: traffic, and how its errors cluster. Kept by ``loop`` per application.

The judge takes them when a trial begins and learns the dispersion of the service's errors from them. They are kept across
promotions: clusters come from clients, dependencies and jobs more than from one release. After a restart they begin with
what the journal holds, which is the past of the last rollout and the readings of its trial.
"""

from collections import deque

from shipway.analysis.readings import ArmReading
from shipway.model.ids import ReleaseId
from shipway.rollout.events import Event, Observed, ReleaseRequested, RetryRequested
from shipway.rollout.states import Delivery

Readings = tuple[tuple[float, ArmReading], ...]

RESTART = ArmReading(0, 0)
"""Between the counters of two releases: the judge takes a fall for a restart and compares nothing across it."""

EARLY = 0.5
"""Seconds by which a reading may be early and still count: the loop is never exactly on time."""


class Past:
    """At most ``length`` cumulative readings, ``interval`` seconds apart, ascending in time."""

    def __init__(self, interval: float, length: int) -> None:
        self._interval = interval
        self._readings: deque[tuple[float, ArmReading]] = deque(maxlen=length)
        self._release: ReleaseId | None = None

    def readings(self) -> Readings:
        """All of them."""
        return tuple(self._readings)

    @property
    def release(self) -> ReleaseId | None:
        """Whose the last one is."""
        return self._release

    def restore(self, release: ReleaseId | None, readings: Readings) -> None:
        """As it was."""
        self._readings.clear()
        self._readings.extend(readings)
        self._release = release

    def add(self, at: float, release: ReleaseId, reading: ArmReading) -> None:
        """One more reading of the live release, unless the last is too recent."""
        last = self._readings[-1][0] if self._readings else None
        if last is not None and at < last + self._interval - EARLY:
            return
        if last is not None and release != self._release:
            self._readings.append((last, RESTART))
        self._release = release
        self._readings.append((at, reading))

    def recall(self, state: Delivery, event: Event) -> None:
        """From the journal: what ``event``, which came to ``state``, tells about the past."""
        if isinstance(event, ReleaseRequested | RetryRequested) and event.history:
            self.restore(state.live, event.history)
        elif isinstance(event, Observed) and event.reading.baseline and state.rollout and state.rollout.baseline:
            self.add(event.at, state.rollout.baseline, event.reading.baseline)
