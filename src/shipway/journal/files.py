"""Moving journal files about so that a crash at any moment loses none of them. Used by ``sqlite`` and ``repair``.

A repair's steps, each finished before the next begins:

1. write ``J.repairing``, flush it, rename it to ``J.repaired-<stamp>`` (until here the journal has not been touched)
2. rename ``J`` and ``J-wal`` to ``J.damaged-<stamp>`` and ``J.damaged-<stamp>-wal``
3. rename ``J.repaired-<stamp>`` to ``J``

Whoever opens ``J`` next and finds a ``J.repaired-<stamp>`` does steps 2 and 3: :func:`finish`.
"""

import fcntl
import os
from pathlib import Path
from struct import Struct

from shipway.model.errors import JournalError


def beside(path: Path, suffix: str) -> Path:
    """The file named like ``path`` with ``suffix`` behind it."""
    return path.with_name(path.name + suffix)


def discard(path: Path) -> None:
    """Remove a file that never became a journal, and what SQLite put beside it."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink(missing_ok=True)


def finish(path: Path) -> None:
    """Put a completed repair of ``path`` in its place, if there is one. Safe to repeat after being killed."""
    for repaired in sorted(path.parent.glob(f"{path.name}.repaired-*")):
        damaged = beside(path, ".damaged-" + repaired.name.rpartition("-")[2])
        for suffix in ("", "-wal"):
            if beside(path, suffix).exists():
                beside(path, suffix).rename(beside(damaged, suffix))
        beside(path, "-shm").unlink(missing_ok=True)
        sync_directory(path.parent)
        repaired.rename(path)
        sync_directory(path.parent)


def sync(path: Path) -> None:
    """Have a file's content survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


sync_directory = sync
"""The same for renames and new files in a directory."""


def refuse_if_in_use(path: Path) -> None:
    """Raise JournalError when another process has the journal open: SQLite then holds a lock on bytes behind 1 GiB."""
    flock = Struct("hhqqi4x")  # struct flock of 64-bit Linux
    with path.open("rb+") as file:
        asked = flock.pack(fcntl.F_WRLCK, os.SEEK_SET, 0x40000000, 512, 0)
        kind, _, _, _, pid = flock.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    if kind != fcntl.F_UNLCK:
        raise JournalError(f"the journal {path} is in use by process {pid}", hint="Run `shipway down`, then try again.")
