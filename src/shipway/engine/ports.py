"""What the engine needs from the world, as Protocols. Adapters implement them; ``shipway.testing`` holds the contract suites.

Adapters translate third-party errors into :mod:`shipway.model.errors`; nothing else may escape from them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from shipway.analysis.readings import ArmReading
from shipway.model.ids import AppName, ReleaseId
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped


class Clock(Protocol):
    """Time, so that a simulation can have its own."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock."""
        ...


class Recorded(msgspec.Struct, frozen=True):
    """One event as the journal keeps it."""

    sequence: int
    """Position in the whole journal, rising, from 1."""
    stream: str
    version: int
    """Position in its stream, from 1 without gaps."""
    at: float
    kind: str
    """The event's type name, so that a reader can skip without decoding."""
    data: bytes


class Append(msgspec.Struct, frozen=True):
    """One event to be appended to ``stream``, which must be at ``expected`` (0: must not exist) when it arrives."""

    stream: str
    expected: int
    at: float
    kind: str
    data: bytes


class Journal(Protocol):
    """An append-only log. Synchronous: an append that returned survives the death of the process."""

    def append(self, appends: Sequence[Append]) -> None:
        """Append all or nothing.

        Raises:
            VersionConflict: a stream is not at its expected version: somebody else has written.
            JournalError: the disk is full or the file is damaged; nothing was written.
        """
        ...

    def read(self, stream: str, after: int = 0) -> Iterable[Recorded]:
        """Events of one stream with a version above ``after``, in order."""
        ...

    def streams(self) -> Sequence[str]:
        """Names of all streams, in order of their first event."""
        ...

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        ...


RuntimeEvent = InstancesChanged | ReleaseFailed | ReleaseStopped
Sink = Callable[[AppName, RuntimeEvent], None]
"""Where a runtime reports; called from the event loop, never blocks, may see the same fact twice."""


class InstanceStatus(msgspec.Struct, frozen=True):
    """One process (or pod), for people."""

    name: str
    state: str
    """starting | ready | unready | backoff | stopping | stopped"""
    pid: int = 0
    port: int = 0
    restarts: int = 0
    started_at: float = 0.0
    memory: int = 0
    detail: str = ""
    """Why it is in that state, when that is not obvious: the last exit, the failing probe."""


class Runtime(Protocol):
    """Runs releases. Everything is idempotent: asked twice, or after a crash, it ends in the same place."""

    async def open(self, sink: Sink, known: Mapping[AppName, Sequence[ReleaseId]]) -> None:
        """Find what already runs, adopt it, end what nobody knows, and report through ``sink`` from now on."""
        ...

    async def start(self, command: StartRelease) -> None:
        """Have the release running. Returns when the processes are asked for; readiness comes through the sink."""
        ...

    async def stop(self, command: StopRelease) -> None:
        """Drain and end the release. Ignored when a newer start was seen. ``ReleaseStopped`` comes through the sink."""
        ...

    def instances(self, app: AppName, release: ReleaseId) -> Sequence[InstanceStatus]:
        """What is there now."""
        ...

    def log_paths(self, app: AppName, release: ReleaseId) -> Sequence[str]:
        """Log files of the release, oldest first, for ``shipway logs``."""
        ...

    async def close(self) -> None:
        """Stop watching. Running releases keep running."""
        ...


class Router(Protocol):
    """Sends requests to releases."""

    async def set_routes(self, command: SetRoutes) -> None:
        """Apply the routes; return when requests follow them. Stale generations are ignored.

        Raises:
            RuntimeFault: the proxy does not run or refuses; the old routes stay in force.
        """
        ...


class ArmQuery(msgspec.Struct, frozen=True):
    """Which release's counters are wanted."""

    app: AppName
    release: ReleaseId


class Absent(msgspec.Struct, frozen=True):
    """A typed absence: the reading could not be had, and why."""

    reason: str


class MetricSource(Protocol):
    """Reads cumulative counters."""

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """One answer per query, in order, all of one instant. Never raises for a missing source: absence is a value.

        A release that exists but has served nothing yet has zero counters, not an absence.
        """
        ...


class Snapshots(Protocol):
    """A place for what is quicker to read than to work out again. Losing it costs time and nothing else."""

    def load(self, name: str) -> bytes | None:
        """What was saved under the name; None when there is nothing, or nothing that can be read."""
        ...

    def save(self, name: str, data: bytes) -> None:
        """Replace it. Never raises: a full disk leaves the old one, or none."""
        ...
