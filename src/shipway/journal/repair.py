"""Every intact event out of a damaged journal into a new one. Behind ``shipway journal repair``."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import asdict
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from shipway.engine.ports import Recorded
from shipway.journal.files import beside, discard, finish, refuse_if_in_use, sync, sync_directory
from shipway.journal.pages import Salvaged
from shipway.journal.salvage import Salvage
from shipway.journal.schema import events
from shipway.journal.sql import CHUNK
from shipway.journal.sqlite import DamagedFile, SqliteJournal, create, engine_for
from shipway.journal.sqlite_errors import explain, file_errors
from shipway.model.errors import JournalError


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did."""

    journal: str
    """Path of the journal, intact now."""
    damaged: str | None
    """Where the damaged file was put (its write-ahead log beside it); None when nothing was wrong and nothing touched."""
    events: int
    """Events in the journal now."""
    last_sequence: int
    """The last event before the damage. Everything up to it was kept, and all that could be proven behind it."""
    last_at: float
    """Its time, seconds since the epoch; 0 when there is none."""
    cut: tuple[tuple[str, int], ...] = ()
    """(stream, last version kept) where a later event was seen but not intact. The end of a stream may be gone without
    a trace."""


def repair(path: str | Path) -> RepairReport:
    """Replace a damaged journal by one with every intact event; leave an intact one alone. Safe to repeat after a kill.

    Raises:
        JournalError: there is no journal, it is in use, or the disk is full; the damaged file is then where it was.
    """
    path = Path(path).absolute()
    with file_errors(path):
        finish(path)
        if not path.exists():
            raise JournalError(
                f"there is no journal at {path}", hint="Name the file, for example `.shipway/journal.db`."
            )
        refuse_if_in_use(path)
        return _repaired(path)


def _repaired(path: Path) -> RepairReport:
    try:
        with closing(SqliteJournal.open(path, read_only=True)) as journal:
            journal.inspect(thorough=True)
            count, last = journal.verify(), journal.last()
    except DamagedFile as error:
        return _replaced(path, error.found)
    return _report(path, None, count, last, ())


def _replaced(path: Path, found: Salvage) -> RepairReport:
    draft = beside(path, ".repairing")
    discard(draft)
    create(draft)
    _fill(draft, found.events)
    sync(draft)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    draft.rename(beside(path, f".repaired-{stamp}"))
    sync_directory(path.parent)
    finish(path)
    return _report(path, f"{path}.damaged-{stamp}", len(found.events), found.last, found.cut)


def _fill(path: Path, rows: Sequence[Salvaged]) -> None:
    engine = engine_for(path, read_only=False)
    try:
        with engine.begin() as connection:
            for start in range(0, len(rows), CHUNK):
                chunk = rows[start : start + CHUNK]
                connection.execute(insert(events), [{**asdict(row.event), "digest": row.digest} for row in chunk])
    except DBAPIError as error:
        raise explain(error, path) from error
    finally:
        engine.dispose()


def _report(
    path: Path, damaged: str | None, count: int, last: Recorded | None, cut: tuple[tuple[str, int], ...]
) -> RepairReport:
    sequence, at = (last.sequence, last.at) if last else (0, 0.0)
    return RepairReport(journal=str(path), damaged=damaged, events=count, last_sequence=sequence, last_at=at, cut=cut)
