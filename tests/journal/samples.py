"""Journals with a known content, as bytes, for the tests of this room."""

import shutil
from pathlib import Path

from shipway.engine.ports import Append, Journal
from shipway.journal.sqlite import SqliteJournal

Content = dict[str, list[tuple[int, float, str, bytes]]]
"""Per stream: (version, at, kind, data) of every event."""


def content(journal: Journal) -> Content:
    return {name: [(r.version, r.at, r.kind, r.data) for r in journal.read(name)] for name in journal.streams()}


def batch(number: int, streams: int = 5) -> list[Append]:
    """The ``number``-th batch: one event per stream, of very different lengths (some longer than a page)."""
    return [
        Append(
            f"app-{i}",
            number,
            1_800_000_000.0 + number + i / 8,
            "Observed",
            bytes([i, number % 256]) * (7 * number + 1 if i else 3 * number**2),
        )
        for i in range(streams)
    ]


def write(path: Path, batches: int) -> Content:
    journal = SqliteJournal.open(path)
    for number in range(batches):
        journal.append(batch(number))
    written = content(journal)
    journal.close()
    return written


def write_with_log(path: Path, batches: int) -> Content:
    """As :func:`write`, but the last half of the batches is still in the write-ahead log, as after a crash."""
    write(path.with_name("live.db"), batches // 2)
    journal = SqliteJournal.open(path.with_name("live.db"))
    for number in range(batches // 2, batches):
        journal.append(batch(number))
    for suffix in ("", "-wal"):
        shutil.copyfile(path.with_name("live.db" + suffix), path.with_name(path.name + suffix))
    written = content(journal)
    journal.close()
    return written


def is_prefix(kept: Content, whole: Content) -> bool:
    return all(events == whole.get(name, [])[: len(events)] for name, events in kept.items())


def lost(kept: Content, whole: Content) -> set[tuple[str, int]]:
    return {(name, event[0]) for name, events in whole.items() for event in events[len(kept.get(name, [])) :]}
