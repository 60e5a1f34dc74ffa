"""The controller's half of the keeper: one directory, the keeper in it and the process it keeps.

Used for instances and for Envoy. Everything here is safe to repeat, and none of it remembers anything that is not on
disk: after a crash a new :class:`Kept` over the same directory carries on.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from shipway.model.errors import RuntimeFault
from shipway.runtimes.local import keeper

_POLL = 0.02
"""Seconds between looks while a process ends."""

_STUCK = 10.0
"""Seconds after SIGKILL until a process that still lives is somebody's problem to look at."""


_children: set[int] = set()
"""Keepers that this process has started and not yet waited for: unwaited, they would stay as zombies."""


def _reap() -> None:
    for pid in list(_children):
        with contextlib.suppress(ChildProcessError):  # somebody else has waited for it already
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        _children.discard(pid)


class Child(msgspec.Struct, frozen=True):
    """The process that a keeper keeps now."""

    pid: int
    start: str
    since: float
    """Seconds since the epoch."""

    @property
    def identity(self) -> keeper.Identity:
        """What tells it from a later process with its pid."""
        return (self.pid, self.start)


class Exit(msgspec.Struct, frozen=True):
    """One end of a process."""

    at: float
    reason: str
    ran: float
    asked: bool = False
    """Whether it was stopped on request: not a crash."""


class KeeperState(msgspec.Struct, frozen=True):
    """``state.json`` as the keeper writes it."""

    phase: str = ""
    """running | stopping | backoff | stopped; empty before the keeper's first word."""
    child: Child | None = None
    keeper: tuple[int, str] | None = None
    restarts: int = 0
    exits: tuple[Exit, ...] = ()


class Kept:
    """A directory with a keeper."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._spawned = 0
        self._seen = (0, 0)
        self._state = KeeperState()

    @property
    def log(self) -> Path:
        """What the process writes to stdout and stderr."""
        return self.directory / "output.log"

    def specification(self) -> dict[str, object]:
        """What was last asked of the keeper."""
        return keeper.read_json(str(self.directory / "spec.json"))

    def specify(self, wanted: Mapping[str, object]) -> None:
        """Ask for a process like this; the keeper follows by itself. Raises RuntimeFault when the disk refuses."""
        if self.specification() == wanted:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            keeper.write_json(str(self.directory / "spec.json"), wanted)
        except OSError as error:
            raise RuntimeFault(f"cannot write {self.directory}: {error}", hint="free some disk space") from error
        keeper.send(self.state().keeper, signal.SIGHUP)

    def state(self) -> KeeperState:
        """What the keeper last said."""
        try:
            found = (self.directory / "state.json").stat()
        except FileNotFoundError:
            return self._state
        if self._seen != (found.st_mtime_ns, found.st_ino):
            self._state = msgspec.convert(keeper.read_json(str(self.directory / "state.json")), KeeperState)
            self._seen = (found.st_mtime_ns, found.st_ino)
        return self._state

    def child(self) -> Child | None:
        """The process, if it runs at this moment."""
        found = self.state().child
        return found if found is not None and keeper.alive(found.identity) else None

    def is_kept(self) -> bool:
        """Whether a keeper runs here (or is just starting)."""
        _reap()
        if keeper.identify(self._spawned) is None:
            self._spawned = 0
        return self._spawned > 0 or keeper.alive(self.state().keeper)

    def ensure_keeper(self) -> None:
        """Start a keeper if there is none; it adopts the process that it finds."""
        if self.is_kept():
            return
        output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._spawned = os.posix_spawn(
            sys.executable,
            [sys.executable, "-ISE", keeper.__file__, str(self.directory)],
            {"PATH": os.defpath},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.directory / "keeper.log"), output, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        _children.add(self._spawned)

    def restart(self, reason: str) -> None:
        """Ask the keeper to end the process and start it again."""
        wanted = self.specification()
        number = wanted.get("restart", 0)
        self.specify({**wanted, "restart": (number if isinstance(number, int) else 0) + 1, "restart_reason": reason})

    async def stop(self, grace: float) -> None:
        """End process and keeper: SIGTERM, and SIGKILL after ``grace`` seconds. Returns when both are gone."""
        self.specify({**self.specification(), "wanted": "stopped", "grace": grace})
        deadline = asyncio.get_running_loop().time() + grace + _STUCK
        while self.child() is not None or self.is_kept():
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeFault(f"process {self.state().child} does not end", hint=f"look at {self.log}")
            if self.child() is not None:
                self.ensure_keeper()
            keeper.send(self.state().keeper, signal.SIGHUP)
            await asyncio.sleep(_POLL)

    def log_files(self) -> list[str]:
        """Log files that exist, oldest first."""
        rotated = (self.log.with_name(f"{self.log.name}.{number}") for number in range(99, 0, -1))
        return [str(path) for path in (*rotated, self.log) if path.exists()]

    def log_size(self) -> int:
        """Bytes in the log now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_tail(self, lines: int = 10, *, since: int = 0) -> tuple[str, ...]:
        """The last lines of the log, of those after its first ``since`` bytes."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(since, self.log_size() - 16_384))
                return tuple(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ()
