"""The usage recorder: every ten seconds, what each running release used and answered. Run by the controller beside the engine.

It only looks. Whatever goes wrong with it (a full disk, a process that is gone) is logged and counted and costs a sample.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from shipway.analysis.latency import next_edge
from shipway.analysis.readings import ArmReading
from shipway.engine.ports import ArmQuery, Clock, MetricSource
from shipway.engine.sentences import increase
from shipway.facts.samples import Sample
from shipway.facts.usages import UsageFiles
from shipway.model.ids import AppName, ReleaseId

log = structlog.get_logger(__name__)

EVERY = 10.0
"""Seconds between two samples."""
MOST = 60.0
"""Seconds that a sample may cover; more is a gap."""
TIDY_EVERY = 3600.0

Key = tuple[AppName, ReleaseId]
Running = Callable[[], Mapping[Key, Sequence[int]]]
"""The pids of each release that runs, instance by instance; 0 for an instance without a process."""


class Meter(Protocol):
    """Reads processes."""

    def read(self, pids: Sequence[int], at: float) -> Mapping[int, tuple[float, float]]:
        """(CPU seconds since the reading before, bytes) of each pid that is there, with its children."""
        ...


class Recorder:
    """Samples what runs into ``files``."""

    def __init__(
        self, files: UsageFiles, *, running: Running, meter: Meter, metrics: MetricSource, clock: Clock
    ) -> None:
        self._files, self._running, self._meter = files, running, meter
        self._metrics, self._clock = metrics, clock
        self._at: float | None = None
        self._tidied = float("-inf")
        self._last: dict[Key, ArmReading | None] = {}
        self.failures = 0
        """Samples that were lost."""

    async def run(self) -> None:
        """For ever, until cancelled."""
        while True:
            await self.turn()
            await self._clock.sleep(EVERY)

    async def turn(self) -> None:
        """Take one sample. Never raises."""
        try:
            await self._turn()
        except Exception as error:  # noqa: BLE001  # whatever it is must not end the controller
            self.failures += 1
            log.warning("usage was not recorded", error=str(error) or type(error).__name__, lost=self.failures)

    async def _turn(self) -> None:
        at, running = self._clock.now(), self._running()
        pids = [pid for inside in running.values() for pid in inside if pid]
        used = await asyncio.to_thread(self._meter.read, pids, at)
        answered = await self._answered(list(running))
        seconds, self._at = 0.0 if self._at is None else at - self._at, at
        if 0 < seconds <= MOST:  # else it is the first sample, or the clock was set, or nobody knows since when
            samples = [_sample((at, seconds), key, running[key], used, answered[key]) for key in running]
            await asyncio.to_thread(self._files.append, samples)
        if abs(at - self._tidied) >= TIDY_EVERY:
            self._tidied = at
            kept = await asyncio.to_thread(self._files.tidy, at)
            if kept.damaged:
                log.warning("lines of recorded usage were damaged and are left out", lines=kept.damaged)

    async def _answered(self, keys: Sequence[Key]) -> "dict[Key, Answered]":
        """What each release has answered since the sample before; nothing where that cannot be told."""
        queries = [ArmQuery(app, release) for app, release in keys]
        readings = await self._metrics.read(queries) if queries else ()
        now = {
            key: reading if isinstance(reading, ArmReading) else None
            for key, reading in zip(keys, readings, strict=True)
        }
        found = {key: self._since(key, reading) for key, reading in now.items()}
        self._last = {key: reading or self._last.get(key) for key, reading in now.items()}
        return found

    def _since(self, key: Key, reading: ArmReading | None) -> "Answered":
        before = self._last.get(key)
        if reading is None or (before is None and key in self._last):
            return Answered()
        return Answered(*increase(before, reading), _p95(before, reading))


class Answered(NamedTuple):
    """Requests over the time of a sample."""

    requests: int = 0
    failed: int = 0
    p95: float | None = None
    """Seconds."""


def _p95(before: ArmReading | None, now: ArmReading) -> float | None:
    """Seconds in which 95 % of the requests between two readings were answered, at most; None when nothing was timed.

    Within the bin that holds it, requests count as spread evenly.
    """
    earlier = dict(before.latency) if before and before.requests <= now.requests else {}
    bins = [(lower, count - earlier.get(lower, 0)) for lower, count in now.latency]
    if any(count < 0 for _, count in bins):  # started anew, and already past where it was
        bins = list(now.latency)
    left = 0.95 * sum(count for _, count in bins)
    for lower, count in bins:
        if 0 < left <= count:
            return (lower + (next_edge(lower) - lower) * left / count) / 1000
        left -= count
    return None


def _sample(
    span: tuple[float, float],
    key: Key,
    pids: Sequence[int],
    used: Mapping[int, tuple[float, float]],
    answered: Answered,
) -> Sample:
    at, seconds = span
    each = tuple((round(used[pid][0] / seconds, 6), used[pid][1]) for pid in pids if pid in used)
    cpu, memory = sum(cores for cores, _ in each), sum(size for _, size in each)
    return Sample(at, key[0], key[1], cpu, memory, answered.requests, answered.failed, seconds, each, answered.p95)
