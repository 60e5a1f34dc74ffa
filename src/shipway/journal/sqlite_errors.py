"""What SQLite's and the file system's errors mean to a person, and what to do about them. Used by ``sqlite`` and ``repair``."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from shipway.model.errors import JournalError, VersionConflict

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
# SQLITE_ERROR with statements that never change ("no such column") means that the table's own definition is damaged.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def is_damage(error: DBAPIError) -> bool:
    """Whether the file is broken, as opposed to busy, full or forbidden."""
    code = _code(error)
    undecodable = code is None and isinstance(error.orig, sqlite3.OperationalError)  # text that is not UTF-8
    return undecodable or (code is not None and (code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_CORRUPTFS))


def explain(error: DBAPIError, path: Path) -> JournalError:
    """The error tree's name for an error that is not damage. In each case nothing was written."""
    code = _code(error) or 0
    primary = code & 0xFF
    if code in _TAKEN:
        return VersionConflict(
            f"somebody else has written to the journal {path}", hint="Is a second controller running?"
        )
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _no_space(path)):
        return disk_full(path)
    if primary in _LOCKED:
        return JournalError(
            f"the journal {path} is locked by another process",
            hint="Look for a second controller, a backup or an open `sqlite3` shell, and end it; then try again.",
        )
    if primary in _DENIED:
        return denied(path)
    return JournalError(
        f"the journal {path} cannot be read or written: {error.orig}",
        hint="Look at the system's log for errors of the disk that holds it.",
    )


def disk_full(path: Path) -> JournalError:
    """No space left."""
    return JournalError(
        f"no space is left on the disk that holds the journal {path}; nothing was written",
        hint=f"Free some space on the file system of {path.parent}. Writing goes on as soon as there is some.",
    )


def denied(path: Path) -> JournalError:
    """No right to read or write."""
    return JournalError(
        f"the journal {path} cannot be opened for writing or reading; nothing was written",
        hint=f"Let the user who runs Shipway own {path} and its directory, on a file system mounted read-write.",
    )


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn OSError into JournalError."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(path) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise denied(path) from error
        raise JournalError(f"the journal {path} cannot be read or written: {error.strerror}") from error


def _code(error: DBAPIError) -> int | None:
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return code


def _no_space(path: Path) -> bool:
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False
