"""Files of what instances used: ``<home>/usage/<application>/<day>.jsonl``. Written by ``recording``, read by the verbs.

A line is a :class:`Sample`; it is also a row of ``shipway cost actual FILE``. A line that a crash or a full disk cut off
is skipped when read, and the next one begins on a line of its own. Days older than two weeks are removed.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from shipway.cost.usage import UsageRow

DAYS = 14
"""That are kept, besides today."""


class Sample(msgspec.Struct, frozen=True):
    """All instances of a release over the ``seconds`` that end at ``at``; see :class:`~shipway.cost.usage.UsageRow`."""

    at: float
    app: str
    release: str
    cpu: float
    """Cores, of all instances together."""
    memory: float
    """Bytes, of all instances together."""
    requests: int
    failed: int
    seconds: float
    each: tuple[tuple[float, float], ...] = ()
    """(cores, bytes) of every instance, in their order."""

    def row(self) -> UsageRow:
        """As it is paid for."""
        return UsageRow(
            at=self.at,
            app=self.app,
            release=self.release,
            cpu=self.cpu,
            memory=self.memory,
            requests=self.requests,
            seconds=self.seconds,
            failed=self.failed,
            instances=len(self.each) or None,
        )


class UsageFiles:
    """The files of one home."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "usage"

    def append(self, samples: Sequence[Sample]) -> None:
        """Add samples.

        Raises:
            OSError: the disk is full or read-only; some of them may be missing.
        """
        for sample in samples:
            _append(self._file(sample), msgspec.json.encode(sample))

    def prune(self, at: float) -> None:
        """Remove the days that are too old."""
        oldest = f"{_day(at) - timedelta(days=DAYS)}.jsonl"
        for file in self._directory.glob("*/*.jsonl"):
            if file.name < oldest:
                file.unlink(missing_ok=True)

    def apps(self) -> list[str]:
        """Applications of which anything is recorded, in the order of names."""
        return sorted({file.parent.name for file in self._directory.glob("*/*.jsonl")})

    def read(self, app: str) -> list[Sample]:
        """What is recorded of an application, as it was written. Lines that are damaged are left out."""
        files = sorted((self._directory / app).glob("*.jsonl"))
        return [sample for file in files for line in _lines(file) if (sample := _decoded(line)) is not None]

    def _file(self, sample: Sample) -> Path:
        return self._directory / sample.app / f"{_day(sample.at)}.jsonl"


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _append(file: Path, line: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+", buffering=0) as opened:
        size = opened.seek(0, os.SEEK_END)
        if size:
            opened.seek(size - 1)
        torn = size > 0 and opened.read(1) != b"\n"
        opened.write((b"\n" if torn else b"") + line + b"\n")


def _lines(file: Path) -> Iterator[bytes]:
    try:
        yield from file.read_bytes().splitlines()
    except OSError:  # pruned between the two looks
        return


def _decoded(line: bytes) -> Sample | None:
    try:
        return msgspec.json.decode(line, type=Sample)
    except msgspec.DecodeError:
        return None
