"""The journal in one SQLite file: the default for a single controller. Named by ``cli.wiring`` only.

An append that returned survives the death of the process and of the machine (write-ahead log, ``synchronous=FULL``).
Opening finds damage that SQLite would report late or never. One thing cannot be told from a crash while writing: bytes
lost from the last transaction of the write-ahead log.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from shipway.engine.ports import Recorded
from shipway.journal.files import beside, discard, finish, sync, sync_directory
from shipway.journal.pages import PAGE, log_breaks
from shipway.journal.salvage import Salvage, salvage
from shipway.journal.schema import events, metadata
from shipway.journal.sql import COLUMNS, Damaged, SqlJournal, moment, recorded
from shipway.journal.sqlite_errors import denied, explain, file_errors, is_damage
from shipway.model.errors import JournalError

FORMAT = 1
"""Rises when an older Shipway could no longer read the file. It is in the header twice, so that damage is told from it."""

MAGIC = int.from_bytes(b"SHP")
"""The upper bytes of the header's application id, with the format as the lowest: tells a journal from any other file."""

SQLITE = b"SQLite format 3\0"
"""How every file of SQLite begins (its documentation, "Database File Format", 1.3.1)."""

TAIL = 1_000
"""Events at the end whose digests are checked at every opening."""

THOROUGH_BYTES = 64 * 1024 * 1024
"""Up to this size opening compares every index entry with its row; above, the structure of the pages only."""

CHECKPOINT_PAGES = 4_000
"""Pages in the write-ahead log at which it is folded into the file: large batches touch the same index pages each time."""


class DamagedFile(Damaged):
    """Damage, and what can be saved."""

    def __init__(self, message: str, *, hint: str, found: Salvage) -> None:
        super().__init__(message, hint=hint)
        self.found = found


class SqliteJournal(SqlJournal):
    """The Journal port on a file. Made by :meth:`open`."""

    def __init__(self, path: Path, *, read_only: bool, busy_timeout: float) -> None:
        super().__init__(engine_for(path, read_only=read_only, busy_timeout=busy_timeout))
        self.path = path

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False, busy_timeout: float = 5.0) -> Self:
        """Open the journal at ``path`` (made if missing) after a quick check of it.

        ``read_only`` never writes, and works beside a running controller. ``busy_timeout`` is how long (seconds) an
        append waits for another writer.

        Raises:
            JournalError: damaged (the message says after which event), locked, forbidden, or not a journal.
        """
        path = Path(path).absolute()
        with file_errors(path):
            _prepare(path, read_only=read_only)
        journal = cls(path, read_only=True, busy_timeout=busy_timeout)
        journal.inspect(thorough=not read_only)
        if read_only:
            return journal
        journal.close()
        return cls(path, read_only=False, busy_timeout=busy_timeout)

    def inspect(self, *, thorough: bool = True) -> None:
        """Check that this is a journal and the digests of its tail; ``thorough`` adds the pages and the write-ahead log.

        Raises:
            JournalError: it is damaged, or something else.
        """
        if self.path.stat().st_size < PAGE:  # `create` never leaves less, and SQLite takes it for a new file
            if not SQLITE.startswith(self.path.read_bytes()[: len(SQLITE)]):
                raise self._foreign()
            raise self._damage("the file is cut off")
        if thorough and log_breaks(self.path):
            raise self._damage("its write-ahead log")
        self._check_header()
        if thorough:
            self._check_pages()
        if last := self.last():
            self.verify(after=max(0, last.sequence - TAIL))

    def last(self) -> Recorded | None:
        """The newest event of all."""
        rows = self._rows(select(*COLUMNS).order_by(events.c.sequence.desc()).limit(1))
        return recorded(rows[0]) if rows else None

    def _check_header(self) -> None:
        identity, version = self._pragma("application_id"), self._pragma("user_version")
        if identity >> 8 != MAGIC and not salvage(self.path).events:
            raise self._foreign()
        if identity >> 8 != MAGIC or identity & 0xFF != version:
            raise self._damage("its header")
        if version > FORMAT:
            raise JournalError(f"the journal {self.path} was written by a newer Shipway", hint="Upgrade this one.")

    def _foreign(self) -> JournalError:
        return JournalError(f"{self.path} is not a journal of Shipway", hint="Name another file, or move it away.")

    def _check_pages(self) -> None:
        if self._pragma("journal_mode") != "wal":  # SQLite would pass over the write-ahead log
            raise self._damage("its header")
        check = "integrity_check(1)" if self.path.stat().st_size <= THOROUGH_BYTES else "quick_check(1)"
        if (found := self._pragma(check)) != "ok":
            raise self._damage(str(found))

    def _pragma(self, name: str) -> Any:
        with self._translated(), self._reading() as connection:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    def _translate(self, error: DBAPIError) -> JournalError:
        return self._damage(str(error.orig)) if is_damage(error) else explain(error, self.path)

    def _damage(self, what: str) -> JournalError:
        # Reading the file beside SQLite would drop SQLite's locks when it is closed: let go of them first.
        self._engine.dispose()
        with file_errors(self.path):
            found = salvage(self.path)
        last = found.last
        where = f"after event {last.sequence} ({moment(last.at)})" if last else "from its first event on"
        kept = "Everything up to there is intact" if last else "No event before the damage"
        return DamagedFile(
            f"the journal {self.path} is damaged {where}: {what}. {kept}; {len(found.events)} events can be saved in all",
            hint=f"Stop the controller and run `shipway journal repair {self.path}`: it copies every intact event into "
            "a new journal and keeps the damaged file beside it.",
            found=found,
        )


def create(path: Path) -> None:
    """Make an empty journal at ``path`` unless there is a file; a file that is there is never half made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = beside(path, f".new-{os.getpid()}")
    discard(draft)
    # Config and environment of releases are in the journal: for its owner alone. SQLite gives -wal and -shm the same mode.
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _lay_out(draft)
        sync(draft)
        path.hardlink_to(draft)
    except FileExistsError:
        return  # another process was faster
    finally:
        discard(draft)
    sync_directory(path.parent)


def _lay_out(path: Path) -> None:
    engine = engine_for(path, read_only=False)
    try:
        with engine.connect().execution_options(shipway_begin=None) as connection:  # no pragma within a transaction
            for pragma in (
                f"page_size={PAGE}",
                "journal_mode=WAL",
                f"application_id={MAGIC << 8 | FORMAT}",
                f"user_version={FORMAT}",
            ):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
        with engine.begin() as connection:
            metadata.create_all(connection)
    except DBAPIError as error:
        raise explain(error, path) from error
    finally:
        engine.dispose()


def _prepare(path: Path, *, read_only: bool) -> None:
    if path.is_dir():
        raise JournalError(f"{path} is a directory, not a journal", hint=f"Name a file, such as {path / 'journal.db'}.")
    if read_only:
        if not path.exists():
            raise JournalError(
                f"there is no journal at {path}", hint="`shipway up` makes one; or name the right directory."
            )
        return
    if path.parent.exists():
        if not os.access(path.parent, os.W_OK):
            raise denied(path)
        finish(path)
    if not path.exists():
        create(path)


def engine_for(path: Path, *, read_only: bool, busy_timeout: float = 5.0) -> Engine:
    """SQLAlchemy's engine for the file, which must exist. ``busy_timeout`` in seconds."""
    uri = f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}"
    if read_only and not os.access(path.parent, os.W_OK) and not beside(path, "-wal").exists():
        uri += "&immutable=1"  # SQLite cannot make its shared memory here, and nobody can be writing

    def connect() -> sqlite3.Connection:
        # The pool hands a connection to one thread at a time; transactions are begun below, not by the driver.
        return sqlite3.connect(uri, uri=True, timeout=busy_timeout, check_same_thread=False, isolation_level=None)

    # Values of people's environments must never reach a log through an error message.
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute("PRAGMA cell_size_check=ON")


def _begin(connection: Connection) -> None:
    # A transaction that will write takes the lock at once: taking it later fails without waiting for the other writer.
    if statement := connection.get_execution_options().get("shipway_begin", "BEGIN IMMEDIATE"):
        connection.exec_driver_sql(statement)
