"""Counters that outlive the controller and the proxy: ``<home>/counters/<application>/<day>.jsonl``. Wired by ``wiring``.

:class:`Kept` stands before the proxy's metrics where the usage recorder reads them every ten seconds, and writes down what has
changed. ``engine.promises`` counts from it what happened before the present controller, ``charging`` how fast each release
answered. A controller that is killed loses nothing, as the proxy counts on; a proxy that ends takes the last ten seconds with it.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery, Clock, MetricSource
from shipway.engine.promises import Count, thinned

log = structlog.get_logger(__name__)

DAYS = 35
"""That are kept, besides today: the longest window of a promise is a month."""
RECENT = 3600.0
"""Seconds for which every count is kept."""
FINE = 60.0
"""Seconds between two counts after that: the shortest window of an alert is five minutes."""
COARSE = 300.0
"""Seconds between two counts of a day that is over; counters are cumulative, so no event is lost."""
PRUNE_EVERY = 3600.0


class CounterFiles:
    """The files of one home."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "counters"

    def append(self, app: str, counts: Sequence[Count]) -> None:
        """Add counts.

        Raises:
            OSError: the disk is full or read-only; some of them may be missing.
        """
        for one in counts:
            file = self._directory / app / f"{_day(one.at)}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as opened:
                # A line break first: a line that a crash cut off must not spoil this one.
                opened.write(b"\n" + msgspec.json.encode(one))

    def read(self, app: str, since: float = 0.0) -> Iterator[Count]:
        """What is kept of an application, by time, read day by day. Lines that are damaged are left out."""
        for file in sorted((self._directory / app).glob("*.jsonl")):
            if file.stem >= f"{_day(since)}":
                yield from sorted((one for one in _counts(file) if one.at >= since), key=lambda one: one.at)

    def prune(self, at: float) -> None:
        """Remove the days that are too old, make those that are over coarser, each once, and today's beyond the last hour.

        Raises:
            OSError: the disk is full or read-only; what was there is whole.
        """
        oldest, today = f"{_day(at) - timedelta(days=DAYS)}", f"{_day(at)}"
        for file in self._directory.glob("*/*.jsonl"):
            if file.stem < oldest:
                file.unlink(missing_ok=True)
            elif file.stem < today and not (done := file.with_suffix(".coarse")).exists():
                _replace(file, thinned(_counts(file), COARSE))
                done.touch()
            elif file.stem == today:
                counts = _counts(file)
                recent = [one for one in counts if one.at > at - RECENT]
                _replace(file, [*thinned((one for one in counts if one.at <= at - RECENT), FINE), *recent])
        for mark in self._directory.glob("*/*.coarse"):
            if not mark.with_suffix(".jsonl").exists():
                mark.unlink(missing_ok=True)


class Kept:
    """A :class:`~shipway.engine.ports.MetricSource` that keeps what it reads."""

    def __init__(self, metrics: MetricSource, files: CounterFiles, clock: Clock) -> None:
        self._metrics, self._files, self._clock = metrics, files, clock
        self._last: dict[ArmQuery, ArmReading] = {}
        self._pruned = float("-inf")

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """As the source behind says. A disk that refuses is logged and changes no answer."""
        answers = await self._metrics.read(queries)
        try:
            await asyncio.to_thread(self._keep, queries, answers, self._clock.now())
        except OSError as error:
            log.warning("counters were not kept", error=str(error))
        return answers

    def _keep(self, queries: Sequence[ArmQuery], answers: Sequence[ArmReading | Absent], at: float) -> None:
        for query, answer in zip(queries, answers, strict=True):
            if isinstance(answer, Absent):
                continue
            counters = ArmReading(answer.requests, answer.errors, answer.latency)
            if self._last.get(query) != counters:
                self._files.append(query.app, [Count(at, query.release, counters)])
                self._last[query] = counters
        if abs(at - self._pruned) >= PRUNE_EVERY:
            self._pruned = at
            self._files.prune(at)


def _day(at: float) -> date:
    return datetime.fromtimestamp(max(at, 0.0), UTC).date()


def _counts(file: Path) -> list[Count]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError:  # pruned between the two looks
        return []
    return [one for line in lines if line and (one := _decoded(line)) is not None]


def _decoded(line: bytes) -> Count | None:
    try:
        return msgspec.json.decode(line, type=Count)
    except msgspec.MsgspecError:
        return None


def _replace(file: Path, counts: Iterable[Count]) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("wb") as opened:
        opened.writelines(b"\n" + msgspec.json.encode(one) for one in counts)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)
