"""Which events of a damaged file are proven intact. Called by ``sqlite`` to say where damage begins, and by ``repair``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from shipway.engine.ports import Append, Recorded
from shipway.journal.chain import GENESIS, link
from shipway.journal.pages import Image, Salvaged


class Salvage(msgspec.Struct, frozen=True):
    """The events of a damaged file that are proven by their digests, without gaps within each stream."""

    events: tuple[Salvaged, ...]
    """Ordered; numbers are as they were up to the damage and close up behind it."""
    last: Recorded | None
    """The last event before the damage: the end of the unbroken run of sequence numbers from 1."""
    cut: tuple[tuple[str, int], ...]
    """(stream, last version kept) where a later event of the stream was seen that could not be kept."""


def salvage(path: Path) -> Salvage:
    """Read what can be proven from ``path`` and its write-ahead log. Needs memory of about the file's size."""
    found: dict[str, dict[int, list[Salvaged]]] = {}
    for row in Image(path).events():
        found.setdefault(row.event.stream, {}).setdefault(row.event.version, []).append(row)
    proven = {stream: tuple(_proven(versions)) for stream, versions in found.items()}
    cut = tuple((stream, len(proven[stream])) for stream in sorted(found) if len(proven[stream]) < len(found[stream]))
    kept = sorted((row for rows in proven.values() for row in rows), key=lambda row: row.event.sequence)
    unbroken = [row.event for number, row in enumerate(kept, 1) if row.event.sequence == number]
    return Salvage(tuple(_numbered(kept)), unbroken[-1] if unbroken else None, cut)


def _proven(versions: dict[int, list[Salvaged]]) -> Iterator[Salvaged]:
    """The events of one stream from version 1 up to the first that is missing or not what was written."""
    previous, version = GENESIS, 1
    while good := next((row for row in versions.get(version, ()) if _digest(previous, row.event) == row.digest), None):
        yield good
        previous, version = good.digest, version + 1


def _digest(previous: bytes, event: Recorded) -> bytes:
    return link(previous, Append(event.stream, event.version - 1, event.at, event.kind, event.data))


def _numbered(rows: Iterable[Salvaged]) -> Iterator[Salvaged]:
    for number, row in enumerate(rows, 1):
        event = row.event
        yield row if event.sequence == number else replace(row, event=replace(event, sequence=number))
