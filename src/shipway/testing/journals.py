"""Journals for tests: one in memory, and one that breaks its promises on purpose."""

from collections.abc import Iterable, Sequence
from typing import Literal

from shipway.engine.ports import Append, Journal, Recorded
from shipway.model.errors import JournalError, VersionConflict


class MemoryJournal:
    """The Journal port on a list. Journals made on one ``store`` see each other's events, as two openings of a file do."""

    def __init__(self, store: list[Recorded] | None = None) -> None:
        self.store = store if store is not None else []
        self._streams: dict[str, list[Recorded]] = {}
        self._seen = 0

    def append(self, appends: Sequence[Append]) -> None:
        """All or nothing; VersionConflict when a stream is not where expected."""
        self._catch_up()
        versions: dict[str, int] = {}
        for event in appends:
            version = versions.get(event.stream, len(self._streams.get(event.stream, ())))
            if version != event.expected:
                raise VersionConflict(f"{event.stream} is at version {version}, not at {event.expected}")
            versions[event.stream] = version + 1
        for event in appends:
            number = len(self.store) + 1
            self.store.append(Recorded(number, event.stream, event.expected + 1, event.at, event.kind, event.data))

    def read(self, stream: str, after: int = 0) -> Iterable[Recorded]:
        """Events of one stream with a version above ``after``, in order."""
        self._catch_up()
        return iter(self._streams.get(stream, [])[after:])

    def streams(self) -> Sequence[str]:
        """Names of all streams, in order of their first event."""
        self._catch_up()
        return list(self._streams)

    def close(self) -> None:
        """Nothing to release."""

    def _catch_up(self) -> None:
        for recorded in self.store[self._seen :]:
            self._streams.setdefault(recorded.stream, []).append(recorded)
        self._seen = len(self.store)


class Crash(BaseException):
    """The process dies here. Not an Exception, so that no handler of the code under test survives it."""


class HostileJournal:
    """Another journal, with every ``every``-th append going wrong.

    ``how``: ``refuse`` raises JournalError and writes nothing (a full disk); ``crash-before`` dies before the write;
    ``crash-after`` dies after it, so that the event is there and nobody has been told.
    """

    def __init__(self, inner: Journal, *, every: int, how: Literal["refuse", "crash-before", "crash-after"]) -> None:
        if every < 1:
            raise ValueError("every must be at least 1")
        self.inner, self.every, self.how = inner, every, how
        self.appends = 0
        """How many appends were asked for."""

    def append(self, appends: Sequence[Append]) -> None:
        """Append through the inner journal, or fail as told."""
        self.appends += 1
        fails = self.appends % self.every == 0
        if fails and self.how == "refuse":
            raise JournalError("no space is left on the disk that holds the journal", hint="Free some space.")
        if fails and self.how == "crash-before":
            raise Crash
        self.inner.append(appends)
        if fails:
            raise Crash

    def read(self, stream: str, after: int = 0) -> Iterable[Recorded]:
        """As the inner journal."""
        return self.inner.read(stream, after)

    def streams(self) -> Sequence[str]:
        """As the inner journal."""
        return self.inner.streams()

    def close(self) -> None:
        """As the inner journal."""
        self.inner.close()
