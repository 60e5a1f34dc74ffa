"""The last lines of log files, and every new one, through rotations and releases that come and go. Used by ``logs``."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from shipway.engine.views import LogFile

_POLL = 0.2
"""Seconds between two looks at the files."""

_RELIST = 2.0
"""Seconds between two questions which files there are: a new release, a new instance."""

_MOST = 1 << 20
"""Bytes read at a time; a line longer than that is broken."""


class Line(msgspec.Struct, frozen=True):
    """One line of one instance."""

    release: str
    instance: str
    text: str


class _Followed:
    """One open log file: what was written since the last look, in whole lines."""

    def __init__(self, file: LogFile) -> None:
        self.file = file
        self._handle = Path(file.path).open("rb")  # noqa: SIM115  # held across looks; closed by close()
        self._rest = b""

    def is_rotated(self) -> bool:
        """Whether another file has this name now."""
        try:
            return Path(self.file.path).stat().st_ino != self._inode()
        except FileNotFoundError:
            return True

    def _inode(self) -> int:
        return os.fstat(self._handle.fileno()).st_ino

    def lines(self) -> Iterator[Line]:
        while data := self._handle.read(_MOST):
            *whole, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > _MOST:
                whole, self._rest = [*whole, self._rest], b""
            yield from map(self._line, whole)

    def rest(self) -> Iterator[Line]:
        """A last line without its end, once nothing will follow."""
        if self._rest:
            yield self._line(self._rest)
            self._rest = b""

    def close(self) -> None:
        self._handle.close()

    def _line(self, raw: bytes) -> Line:
        return Line(self.file.release, self.file.instance, raw.decode(errors="replace").rstrip("\r"))


def tail(files: Callable[[], Sequence[LogFile]], *, count: int, follow: bool) -> Iterator[Line]:
    """The last ``count`` lines of each instance, then with ``follow`` new ones for ever.

    Args:
        files: asks for the files there are now, each instance's oldest first.
    """
    followed: dict[str, _Followed] = {}
    try:
        for _, group in _by_instance(files()):
            yield from _last(group, count, followed)
        if follow:
            yield from _follow(files, followed)
    finally:
        for one in followed.values():
            one.close()


def _by_instance(files: Sequence[LogFile]) -> Iterator[tuple[tuple[str, str], list[LogFile]]]:
    groups: dict[tuple[str, str], list[LogFile]] = {}
    for file in files:
        groups.setdefault((file.release, file.instance), []).append(file)
    yield from groups.items()


def _last(group: Sequence[LogFile], count: int, followed: dict[str, _Followed]) -> Iterator[Line]:
    """Last lines of one instance; its files stay open where the reading ended."""
    kept: deque[Line] = deque(maxlen=count)
    for file in group:
        if (one := _opened(file)) is None:
            continue
        kept.extend(one.lines())
        if file is group[-1]:
            followed[file.path] = one
        else:
            kept.extend(one.rest())
            one.close()
    yield from kept


def _follow(files: Callable[[], Sequence[LogFile]], followed: dict[str, _Followed]) -> Iterator[Line]:
    listed = time.monotonic()
    while True:
        for path, one in list(followed.items()):
            yield from one.lines()
            if one.is_rotated():
                yield from one.lines()
                yield from one.rest()
                one.close()
                del followed[path]
                if (again := _opened(one.file)) is not None:
                    followed[path] = again
        if time.monotonic() - listed > _RELIST:
            listed = time.monotonic()
            for _, group in _by_instance(files()):
                if group[-1].path not in followed and (new := _opened(group[-1])) is not None:
                    followed[group[-1].path] = new
        time.sleep(_POLL)


def _opened(file: LogFile) -> _Followed | None:
    try:
        return _Followed(file)
    except FileNotFoundError:  # rotated away, or its release was forgotten, since the list was made
        return None
