"""The Journal port over a SQLAlchemy engine. ``sqlite`` opens it for a file; a PostgreSQL adapter would do so for a URL.

Leaves out where the database is, how it is made durable, and what its errors mean.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from shipway.engine.ports import Append, Recorded
from shipway.journal.chain import GENESIS, link
from shipway.journal.schema import events
from shipway.model.errors import JournalError, VersionConflict

CHUNK = 2_000
"""Rows fetched per statement: no cursor stays open between them, so a slow reader never blocks a writer."""

COLUMNS = (
    events.c.sequence,
    events.c.stream,
    events.c.version,
    events.c.at,
    events.c.kind,
    events.c.data,
    events.c.digest,
)

_NEW = (0, GENESIS)
"""(version, digest) of a stream without events."""


class Damaged(JournalError):
    """What is stored is not what was written."""


def moment(at: float) -> str:
    """``at`` (seconds since the epoch) for people, in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError):  # a damaged number need not be a date
        return f"at {at!r}"


class SqlJournal(ABC):
    """An append-only log in one SQL table. Reading checks the digests it passes; an adapter names the errors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Only a short cut: the UNIQUE constraint decides, whatever is remembered here.
        self._heads: dict[str, tuple[int, bytes]] = {}

    @abstractmethod
    def _translate(self, error: DBAPIError) -> JournalError:
        """A driver's error in the words of the error tree."""

    @abstractmethod
    def _damage(self, what: str) -> JournalError:
        """A :class:`Damaged` that says where the damage begins; ``what`` was noticed."""

    def append(self, appends: Sequence[Append]) -> None:
        """Append all or nothing, durably.

        Raises:
            VersionConflict: a stream is not at its expected version.
            JournalError: the disk is full, the file locked, read-only or damaged; nothing was written.
        """
        if not appends:
            return
        with self._translated():
            try:
                self._append(appends, trusting=True)
            except IntegrityError:
                # Somebody else wrote since the heads were remembered: read them again, under the write lock.
                self._heads.clear()
                self._append(appends, trusting=False)

    def read(self, stream: str, after: int = 0) -> Iterable[Recorded]:
        """Events of one stream with a version above ``after``, in order; each is checked against its digest.

        Raises:
            JournalError: the events cannot be read, or one is not what was written.
        """
        with self._translated(), self._reading() as connection:
            previous = self._digest(connection, stream, after)
        while rows := self._rows(self._after(stream, after)):
            for row in rows:
                previous = self._checked(row, after + 1, previous)
                after = row.version
                yield recorded(row)
        if previous is not None:
            self._heads[stream] = (after, previous)

    def streams(self) -> Sequence[str]:
        """Names of all streams, in order of their first event."""
        first = select(events.c.stream).where(events.c.version == 1).order_by(events.c.sequence)
        return [row.stream for row in self._rows(first)]

    def verify(self, after: int = 0) -> int:
        """Check every digest of the events with a sequence above ``after``; return how many were checked.

        Raises:
            Damaged: an event is not what was written, or its predecessor is gone.
        """
        before = events.alias("before")
        joined = events.outerjoin(
            before, (before.c.stream == events.c.stream) & (before.c.version == events.c.version - 1)
        )
        query = select(*COLUMNS, before.c.digest.label("previous")).select_from(joined).order_by(events.c.sequence)
        checked = 0
        while rows := self._rows(query.where(events.c.sequence > after).limit(CHUNK)):
            for row in rows:
                self._checked(row, row.version, GENESIS if row.version == 1 else row.previous)
            after, checked = rows[-1].sequence, checked + len(rows)
        return checked

    def close(self) -> None:
        """Release the database. Safe to call twice."""
        self._engine.dispose()

    def _append(self, appends: Sequence[Append], *, trusting: bool) -> None:
        heads: dict[str, tuple[int, bytes]] = {}
        with self._engine.begin() as connection:
            rows = [self._linked(connection, heads, event, trusting=trusting) for event in appends]
            connection.execute(insert(events), rows)
        self._heads.update(heads)

    def _linked(
        self, connection: Connection, heads: dict[str, tuple[int, bytes]], event: Append, *, trusting: bool
    ) -> dict[str, object]:
        known = heads.get(event.stream) or self._heads.get(event.stream) or (_NEW if trusting else None)
        if known is None or (known[0] != event.expected and event.stream not in heads):
            known = self._head(connection, event.stream)
        version, previous = known
        if version != event.expected:
            raise VersionConflict(
                f"{event.stream} is at version {version} in the journal, not at {event.expected}: somebody else has written",
                hint="Is a second controller running on this state directory? Stop it; this one reads the journal again.",
            )
        digest = link(previous, event)
        heads[event.stream] = (version + 1, digest)
        return {
            "stream": event.stream,
            "version": version + 1,
            "at": event.at,
            "kind": event.kind,
            "data": event.data,
            "digest": digest,
        }

    def _head(self, connection: Connection, stream: str) -> tuple[int, bytes]:
        last = select(events.c.version, events.c.digest).where(events.c.stream == stream)
        row = connection.execute(last.order_by(events.c.version.desc()).limit(1)).one_or_none()
        return _NEW if row is None else (row.version, row.digest)

    def _digest(self, connection: Connection, stream: str, version: int) -> bytes | None:
        if version == 0:
            return GENESIS
        one = select(events.c.digest).where(events.c.stream == stream, events.c.version == version)
        return connection.execute(one).scalar_one_or_none()

    def _after(self, stream: str, version: int) -> Select[Any]:
        later = select(*COLUMNS).where(events.c.stream == stream, events.c.version > version)
        return later.order_by(events.c.version).limit(CHUNK)

    def _reading(self) -> Connection:
        return self._engine.connect().execution_options(shipway_begin="BEGIN")

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._translated(), self._reading() as connection:
            try:
                return connection.execute(query).all()
            except (TypeError, ValueError) as error:  # a column holds another type than was written
                raise self._damage("a row cannot be decoded") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._translate(error) from error

    def _checked(self, row: Row[Any], version: int, previous: bytes | None) -> bytes:
        """The row's digest, if it is the right one behind ``previous``."""
        try:
            digest = link(previous or b"", Append(row.stream, row.version - 1, row.at, row.kind, row.data))
        except (TypeError, AttributeError, struct.error):  # a column holds another type than was written
            digest = b""
        if row.version != version or digest != row.digest:
            raise self._damage(f"event {row.sequence} is not what was written, or one before it is gone")
        return digest


def recorded(row: Row[Any]) -> Recorded:
    """A row of :data:`COLUMNS` in the port's words."""
    return Recorded(row.sequence, row.stream, row.version, row.at, row.kind, row.data)
