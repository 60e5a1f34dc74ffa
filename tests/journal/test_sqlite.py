"""What is particular to the journal in a file: who may write, what errors say, and what survives."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipway.engine.ports import Append
from shipway.journal.repair import repair
from shipway.journal.sqlite import FORMAT, MAGIC, SqliteJournal
from shipway.model.errors import JournalError, VersionConflict
from tests.journal.samples import batch, content, write

WRITER = """
import sys
from shipway.journal.sqlite import FORMAT, MAGIC, SqliteJournal
from tests.journal.samples import batch
journal = SqliteJournal.open(sys.argv[1])
number = len(list(journal.read("app-0")))
while True:
    journal.append(batch(number))
    number += 1
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)


@pytest.mark.e2e
def test_every_acknowledged_event_survives_kill_9(path: Path) -> None:
    acknowledged = 0
    for pause in (0.0, 0.01, 0.05, 0.11, 0.02):
        writer = start_writer(path)
        assert writer.stdout
        acknowledged = int(writer.stdout.readline())  # it has come up and written at least once
        time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.stdout.close()
        writer.wait()
        with closing(SqliteJournal.open(path)) as journal:
            journal.verify()
            there = content(journal)
        versions = {len(events) for events in there.values()}
        assert len(versions) == 1, "a batch is there whole or not at all"
        assert acknowledged <= versions.pop() <= acknowledged + 1
        assert there["app-3"] == [
            (e.expected + 1, e.at, e.kind, e.data) for n in range(len(there["app-3"])) for e in batch(n)[3:4]
        ]
    assert acknowledged > 5


def test_a_full_disk_refuses_whole_batches_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    written = write(path, 10)
    filler = small_disk / "filler"
    with closing(SqliteJournal.open(path)) as journal:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(free - 64 * 1024))
        large = [Append("large", n, 0.0, "k", bytes(5_000)) for n in range(200)]
        with pytest.raises(JournalError, match="no space is left") as caught:
            journal.append(large)
        assert "Free some space" in caught.value.hint
        assert content(journal) == written
        filler.unlink()
        journal.append(large[:20])
        assert len(list(journal.read("large"))) == 20
        assert journal.verify() == 70
    with closing(SqliteJournal.open(path)) as journal:
        assert journal.verify() == 70


def test_no_journal_is_half_made_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(1024 * 1024 - 16 * 1024))
    with pytest.raises(JournalError, match="no space is left"):
        SqliteJournal.open(small_disk / "journal.db")
    assert [file.name for file in small_disk.iterdir()] == ["filler"]


def test_a_full_database_refuses_whole_batches(path: Path) -> None:
    written = write(path, 3)
    with closing(SqliteJournal.open(path)) as journal:
        with journal._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(JournalError, match="no space is left"):
            journal.append([Append("new", n, 0.0, "k", bytes(3_000)) for n in range(20)])
        assert content(journal) == written


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    written = write(path, 2)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with closing(SqliteJournal.open(path, read_only=True)) as journal:
        assert content(journal) == written
    for name in ("journal.db", "other.db"):
        with pytest.raises(JournalError, match="cannot be opened for writing"):
            SqliteJournal.open(small_disk / name)


def test_a_lock_held_by_another_is_named(path: Path) -> None:
    write(path, 1)
    with (
        closing(SqliteJournal.open(path, busy_timeout=0.05)) as journal,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked by another process"):
            journal.append(batch(1))
        other.execute("ROLLBACK")
        journal.append(batch(1))


@pytest.mark.parametrize("statement", ["UPDATE events SET at = 0", "DELETE FROM events WHERE version = 1"])
def test_the_table_refuses_change(path: Path, statement: str) -> None:
    write(path, 2)
    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET data = x'00' WHERE stream = 'app-2' AND version = 2",
        "UPDATE events SET at = at + 1 WHERE stream = 'app-2' AND version = 2",
        "UPDATE events SET kind = 'Other' WHERE stream = 'app-2' AND version = 2",
        "DELETE FROM events WHERE stream = 'app-2' AND version = 2",
    ],
)
def test_tampering_is_found(path: Path, change: str) -> None:
    whole = write(path, 4)
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"DROP TRIGGER no_{change[:6].lower()}")
        other.execute(change)
        other.commit()
    with pytest.raises(JournalError, match="damaged after event 7 "):
        SqliteJournal.open(path)
    assert repair(path).cut == (("app-2", 1),)
    with closing(SqliteJournal.open(path)) as journal:
        kept = content(journal)
    assert kept == whole | {"app-2": whole["app-2"][:1]}


def test_reading_finds_damage_that_came_while_open(path: Path) -> None:
    write(path, 4)
    with closing(SqliteJournal.open(path)) as journal, closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER no_update")
        other.execute("UPDATE events SET data = 'text' WHERE stream = 'app-2' AND version = 3")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # otherwise repair finds the page as it was before
        with pytest.raises(JournalError, match="damaged after event 12 "):
            list(journal.read("app-2"))
        assert len(list(journal.read("app-3"))) == 4


def test_a_reader_works_beside_a_writer_and_cannot_write(path: Path) -> None:
    with closing(SqliteJournal.open(path)) as writer:
        writer.append(batch(0))
        with closing(SqliteJournal.open(path, read_only=True)) as reader:
            for number in range(1, 4):
                writer.append(batch(number))
                assert content(reader) == content(writer)
            with pytest.raises(JournalError, match="cannot be opened for writing"):
                reader.append(batch(4))
        writer.append(batch(4))


def test_reading_only_makes_no_journal(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        SqliteJournal.open(path, read_only=True)
    assert not path.exists()


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    with closing(SqliteJournal.open(path / ".." / "deep" / "er" / "journal.db")) as journal:
        journal.append(batch(0))
        for file in journal.path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_any_name_will_do_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "50% of a #1?mode=memory journal.db"
    assert write(path, 2)
    with closing(SqliteJournal.open(path, read_only=True)) as journal:
        assert journal.verify() == 10
    assert path in tmp_path.iterdir()


def test_errors_never_show_what_was_to_be_written(path: Path) -> None:
    with closing(SqliteJournal.open(path)) as journal:
        with pytest.raises(JournalError) as caught:
            journal.append([Append("shop", 0, float("nan"), "Observed", b"sesame")])  # not a time: refused by the table
        chain: BaseException | None = caught.value
        while chain:
            assert "sesame" not in str(chain)
            chain = chain.__cause__
        assert list(journal.streams()) == []


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="is not a journal of Shipway"):
        SqliteJournal.open(path)
    assert path.read_bytes() == before


def test_a_small_file_that_is_no_database_is_not_taken_for_a_cut_off_journal(path: Path) -> None:
    path.write_text("just text")
    for touch in (SqliteJournal.open, repair):
        with pytest.raises(JournalError, match="is not a journal of Shipway"):
            touch(path)
    assert path.read_text() == "just text"
    assert list(path.parent.iterdir()) == [path]


def test_a_directory_is_named_as_one(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(JournalError, match="is a directory"):
            SqliteJournal.open(tmp_path, read_only=read_only)


def test_a_newer_format_is_refused(path: Path) -> None:
    write(path, 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id = {MAGIC << 8 | FORMAT + 1}")
        other.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(JournalError, match="newer Shipway"):
        SqliteJournal.open(path)


def test_two_processes_may_make_the_journal_at_once(path: Path) -> None:
    writers = [start_writer(path) for _ in range(2)]
    codes = []
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    deadline = time.monotonic() + 30
    while all(writer.poll() is None for writer in writers) and time.monotonic() < deadline:
        time.sleep(0.01)  # they write the same streams: one of them meets a conflict
    codes = [writer.poll() for writer in writers]
    for writer in writers:
        writer.kill()
        writer.communicate()
    assert sorted(map(str, codes)) == ["1", "None"]
    with closing(SqliteJournal.open(path)) as journal:
        assert journal.verify() == 5 * len(list(journal.read("app-0")))


def test_a_conflict_says_where_the_stream_is(path: Path) -> None:
    write(path, 3)
    with (
        closing(SqliteJournal.open(path)) as journal,
        pytest.raises(VersionConflict, match=r"app-1 is at version 3 .* not at 1"),
    ):
        journal.append(batch(1)[1:])
