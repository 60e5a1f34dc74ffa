"""SQLite's file format read by hand, to get events out of files that SQLite refuses. Used by ``repair`` and ``sqlite``.

SQLite stops at the first page it cannot make sense of; here every page is looked at by itself, so one bad page costs the
events on it and no others. What is read is not trusted: the caller checks each event against its digest.
Format: https://www.sqlite.org/fileformat2.html (b-tree pages 1.6, records 2.1, the write-ahead log 4).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from struct import Struct, error, unpack_from

import msgspec

from shipway.engine.ports import Recorded

PAGE = 4096
"""Bytes per page in every journal: fixed when the file is made, so that a damaged header need not be asked."""

_LEAF = 0x0D
_OVERFLOW_FROM = PAGE - 35
"""Longest payload that stays on its leaf page (1.6: U - 35)."""
_WAL_HEADER = 32
_FRAME = 24 + PAGE
_frame_header = Struct(">IIII").unpack_from
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_UNREADABLE = (IndexError, ValueError, OverflowError, error)


class Salvaged(msgspec.Struct, frozen=True, gc=False):
    """An event as found on a page, with the digest that was stored beside it. Unchecked."""

    event: Recorded
    digest: bytes


class Image:
    """Every page of a database file and its write-ahead log, including older copies of the same page."""

    def __init__(self, path: Path) -> None:
        self._file = path.read_bytes()
        log = path.with_name(path.name + "-wal")
        self._log = log.read_bytes() if log.exists() else b""
        self._frames = list(_committed(self._log))

    def events(self) -> Iterator[Salvaged]:
        """Every event that can be made out on any page, in no particular order, some more than once."""
        for number, page in self._copies():
            yield from self._on_leaf(page, 100 if number == 1 else 0)

    def _copies(self) -> Iterator[tuple[int, memoryview]]:
        whole = memoryview(self._file)
        for start in range(0, len(whole), PAGE):
            yield start // PAGE + 1, whole[start : start + PAGE]
        for number, start in self._frames:
            yield number, memoryview(self._log)[start : start + PAGE]

    def _on_leaf(self, page: memoryview, header: int) -> Iterator[Salvaged]:
        if len(page) < header + 8 or page[header] != _LEAF:
            return
        cells = int.from_bytes(page[header + 3 : header + 5], "big")
        for index in range(min(cells, PAGE // 2)):
            try:
                (start,) = unpack_from(">H", page, header + 8 + 2 * index)
                size, start = _varint(page, start)
                rowid, start = _varint(page, start)
                yield _event(rowid, _fields(self._payload(page, start, size)))
            except _UNREADABLE:
                continue  # this cell is damaged, or the page is another table's: the next one need not be

    def _payload(self, page: memoryview, start: int, size: int) -> bytes:
        if size <= _OVERFLOW_FROM:
            return _exactly(page, start, size)
        if size > len(self._file) + len(self._log):
            raise ValueError("longer than everything there is")
        least = (PAGE - 12) * 32 // 255 - 23
        local = least + (size - least) % (PAGE - 4)
        local = local if local <= _OVERFLOW_FROM else least
        parts, missing = [_exactly(page, start, local)], size - local
        (following,) = unpack_from(">I", page, start + local)
        while missing > 0:
            overflow = self._newest(following)
            (following,) = unpack_from(">I", overflow, 0)
            parts.append(_exactly(overflow, 4, min(missing, PAGE - 4)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _newest(self, number: int) -> memoryview:
        """A page of the rest of a long event: written once and never changed, so any complete copy will do."""
        if number == 0:
            raise ValueError("the chain of pages ends early")
        for frame, start in reversed(self._frames):
            if frame == number:
                return memoryview(self._log)[start : start + PAGE]
        return memoryview(self._file)[(number - 1) * PAGE : number * PAGE]


def log_breaks(path: Path) -> bool:
    """Whether the write-ahead log of ``path`` is damaged where SQLite would pass over it in silence.

    SQLite takes a bad checksum for the torn end of an unfinished write and forgets everything behind it. But each commit
    is flushed before the next begins, so a bad frame with two commits behind it was flushed once: not torn, damaged.
    """
    log = path.with_name(path.name + "-wal")
    data = log.read_bytes() if log.exists() else b""
    commits = [position for position, (_, start) in enumerate(_committed(data)) if _is_commit(data, start)]
    good = _checksummed(data) if len(commits) > 1 else len(commits)
    return sum(position >= good for position in commits) > 1


def _committed(log: bytes) -> Iterator[tuple[int, int]]:
    """(page number, offset of the page) of the frames up to the last commit, whether their checksums hold or not."""
    frames = list(_frames(log))
    last = max((i for i, (_, start) in enumerate(frames) if _is_commit(log, start)), default=-1)
    yield from frames[: last + 1]


def _frames(log: bytes) -> Iterator[tuple[int, int]]:
    """Frames of the log's present round, told from leftovers of earlier rounds by their salt."""
    # The header and the first two frames have the same salt; one of them may be damaged.
    places = (16, _WAL_HEADER + 8, _WAL_HEADER + _FRAME + 8)
    ((salt, _),) = Counter(log[place : place + 8] for place in places).most_common(1)
    for start in range(_WAL_HEADER, len(log) - _FRAME + 1, _FRAME):
        if log[start + 8 : start + 16] == salt:
            yield int.from_bytes(log[start : start + 4], "big"), start + 24


def _is_commit(log: bytes, start: int) -> bool:
    return log[start - 20 : start - 16] != b"\0\0\0\0"


def _checksummed(log: bytes) -> int:
    """How many frames from the start SQLite accepts (4.4: a running checksum over pairs of 32-bit words)."""
    magic = int.from_bytes(log[:4], "big")
    if magic not in {0x377F0682, 0x377F0683} or _sum(log[:24], (0, 0), magic & 1) != _words(log[24:32]):
        return 0
    running, count = _words(log[24:32]), 0
    for start in range(_WAL_HEADER, len(log) - _FRAME + 1, _FRAME):
        running = _sum(log[start : start + 8] + log[start + 24 : start + _FRAME], running, magic & 1)
        if log[start + 8 : start + 16] != log[16:24] or running != _words(log[start + 16 : start + 24]):
            break
        count += 1
    return count


def _words(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")


def _sum(data: bytes, running: tuple[int, int], big: int) -> tuple[int, int]:
    first, second = running
    for x, y in Struct(">II" if big else "<II").iter_unpack(data):
        first = (first + x + second) & 0xFFFFFFFF
        second = (second + y + first) & 0xFFFFFFFF
    return first, second


def _exactly(page: memoryview, start: int, size: int) -> bytes:
    piece = bytes(page[start : start + size])
    if len(piece) != size:
        raise ValueError("the page ends early")
    return piece


def _varint(data: memoryview | bytes, start: int) -> tuple[int, int]:
    """(value, offset behind it) of a big-endian base-128 number of at most nine bytes (1.6)."""
    value = 0
    for offset in range(start, start + 8):
        value = value << 7 | data[offset] & 0x7F
        if data[offset] < 0x80:
            return value, offset + 1
    return value << 8 | data[start + 8], start + 9


def _fields(record: bytes) -> list[int | float | str | bytes | None]:
    end, at = _varint(record, 0)
    body, fields = end, []
    while at < end:
        serial, at = _varint(record, at)
        value, body = _value(record, body, serial)
        fields.append(value)
    return fields


def _value(record: bytes, start: int, serial: int) -> tuple[int | float | str | bytes | None, int]:
    """One column's value by its serial type (2.1), and the offset behind it."""
    if serial == 0:
        return None, start
    if serial in {8, 9}:
        return serial - 8, start
    size = 8 if serial == 7 else _INTEGERS.get(serial) or (serial - 12) // 2
    raw = _exactly(memoryview(record), start, size)
    if serial == 7:
        return Struct(">d").unpack(raw)[0], start + size
    if serial in _INTEGERS:
        return int.from_bytes(raw, "big", signed=True), start + size
    return (raw.decode() if serial % 2 else raw), start + size


def _event(rowid: int, fields: list[int | float | str | bytes | None]) -> Salvaged:
    match fields:
        case [None, str(stream), int(version), int(at) | float(at), str(kind), bytes(data), bytes(digest)]:
            return Salvaged(Recorded(rowid, stream, version, float(at), kind, data), digest)
    raise ValueError("not a row of the journal's table")
