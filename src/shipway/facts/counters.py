"""Counters that outlive the controller and the proxy: ``<home>/counters/<application>/<day>.jsonl``. Written by ``metrics.kept``.

``engine.promises`` counts from it what happened before the present controller, ``served`` how fast each release answered.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from shipway.engine.promises import Count, thinned

DAYS = 35
"""That are kept, besides today: the longest window of a promise is a month."""
RECENT = 3600.0
"""Seconds for which every count is kept."""
FINE = 60.0
"""Seconds between two counts after that: the shortest window of an alert is five minutes."""
COARSE = 300.0
"""Seconds between two counts of a day that is over; counters are cumulative, so no event is lost."""


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
