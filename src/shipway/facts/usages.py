"""Files of what instances used: ``<home>/usage/<application>/<day>.jsonl``. Written by ``metrics.recording``.

A line is a :class:`Sample`; it is also a row of ``shipway cost actual FILE``. A line that a crash or a full disk cut off is skipped
when read, and the next one begins on a line of its own. What is older than an hour is kept by the minute, what is older than a day
by five, for two weeks; beyond a size the oldest days go first. A file is rewritten beside itself and then replaced, so that whoever
dies or reads at any moment finds the old one or the new one.
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from shipway.facts.samples import Sample, coarser, credible

DAY_FILES = "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9].jsonl"
DAYS = 14
"""That are kept, besides today."""
COARSER = ((3600.0, 60.0), (86400.0, 300.0))
"""(age, seconds of one sample from that age on)."""
MOST_BYTES = 2**30
"""Of all files together."""


class Kept(msgspec.Struct, frozen=True):
    """What a look at the files found, and left."""

    files: int
    bytes: int
    damaged: int
    """Lines that could not be read and are gone."""


class UsageFiles:
    """The files of one home."""

    def __init__(self, home: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory, self._most_bytes = home / "usage", most_bytes
        self._settled = set[Path]()
        """Files of which nothing changes any more."""

    def append(self, samples: Sequence[Sample]) -> None:
        """Add samples.

        Raises:
            OSError: the disk is full or read-only; some of them may be missing.
        """
        for sample in samples:
            _append(self._directory / sample.app / f"{_day(sample.at)}.jsonl", msgspec.json.encode(sample))

    def tidy(self, at: float) -> Kept:
        """Have the files as they should be at ``at``. Nobody may append meanwhile; anybody may read.

        Raises:
            OSError: the disk is full or read-only. Nothing that should stay is lost.
        """
        files = sorted(self._directory.glob(f"*/{DAY_FILES}"))
        wanted = _wanted({file.stem for file in files}, _day(at))
        for file in files:
            if file.stem not in wanted:
                file.unlink(missing_ok=True)
        left = [file for file in files if file.stem in wanted]
        damaged = sum(self._compacted(file, at) for file in left if file not in self._settled)
        sizes = {file: file.stat().st_size for file in left}
        # The oldest days first, whose applications come and go; today's last.
        for file in sorted(left, key=lambda file: (file.stem, file)):
            if sum(sizes.values()) <= self._most_bytes:
                break
            file.unlink(missing_ok=True)
            del sizes[file]
        return Kept(len(sizes), sum(sizes.values()), damaged)

    def _compacted(self, file: Path, at: float) -> int:
        """Has samples of ``file`` as coarse as they are old; the number of damaged lines."""
        samples, damaged = _read(file)
        kept = samples
        for age, step in COARSER:
            kept = coarser(kept, step, at - age)
        if damaged or len(kept) < len(samples):
            _replace(file, b"".join(msgspec.json.encode(sample) + b"\n" for sample in kept))
        if _day(at - 2 * COARSER[-1][0]) >= date.fromisoformat(file.stem):
            self._settled.add(file)
        return damaged

    def apps(self) -> list[str]:
        """Applications of which anything is recorded, in the order of names."""
        return sorted({file.parent.name for file in self._directory.glob(f"*/{DAY_FILES}")})

    def read(self, app: str) -> list[Sample]:
        """What is recorded of an application, in the order of time, once for each release and moment.

        Left out are lines that are damaged, and samples far from the others, of a clock that was wrong for a while.
        """
        files = sorted((self._directory / app).glob(DAY_FILES))
        found = [sample for file in files for sample in _read(file)[0]]
        return credible(found, (DAYS + 1) * 86400.0)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _wanted(recorded: set[str], today: date) -> set[str]:
    """The days to keep of those on record.

    What the clock says alone must not throw two weeks away: age is told from the day after the last but one on record, and days
    to come are kept as long as there are more of them than of others.
    """
    days = sorted(recorded)
    latest = str(today + timedelta(days=1))
    beyond = [day for day in days if day > latest]
    if 2 * len(beyond) < len(days):
        days = [day for day in days if day <= latest]
    if len(days) < 2:
        return set(days)
    newest = min(today, date.fromisoformat(days[-2]) + timedelta(days=1))
    oldest = str(newest - timedelta(days=DAYS))
    return {day for day in days if day >= oldest}


def _append(file: Path, line: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+", buffering=0) as opened:
        size = opened.seek(0, os.SEEK_END)
        if size:
            opened.seek(size - 1)
        torn = size > 0 and opened.read(1) != b"\n"
        opened.write((b"\n" if torn else b"") + line + b"\n")


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_suffix(".new")
    with beside.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)


def _read(file: Path) -> tuple[list[Sample], int]:
    """(samples, number of damaged lines)."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:  # removed between the two looks
        return [], 0
    found = [sample for line in lines if (sample := _decoded(line)) is not None]
    return found, len(lines) - len(found)


def _decoded(line: bytes) -> Sample | None:
    try:
        return msgspec.json.decode(line, type=Sample)
    except msgspec.DecodeError:
        return None
