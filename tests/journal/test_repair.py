"""A repair can be killed between any two of its steps, and never runs under somebody who uses the journal."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from shipway.engine.ports import Append
from shipway.journal.pages import PAGE
from shipway.journal.repair import repair
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import JournalError
from shipway.testing.journals import Crash
from tests.journal.samples import content, is_prefix, lost, write, write_with_log
from tests.journal.test_sqlite import start_writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // PAGE // 2 * PAGE
    data[middle : middle + PAGE] = bytes(PAGE)
    path.write_bytes(data)


@pytest.mark.parametrize("steps", range(9))
def test_killed_after_any_step_it_is_finished_by_the_next_opening(
    path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_with_log(path, 20)
    damage(path)
    left = steps

    def counted(original):
        def step(*args, **kwargs):
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            return original(*args, **kwargs)

        return step

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "fsync")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            repair(path)
        except Crash:
            assert left == 0
    try:
        with closing(SqliteJournal.open(path)) as journal:
            kept = content(journal)
    except JournalError:
        repair(path)
        with closing(SqliteJournal.open(path)) as journal:
            kept = content(journal)
    assert is_prefix(kept, whole)
    assert {name for name, _ in lost(kept, whole)} < set(whole), "some streams were not touched by the damage"
    assert sum(map(len, kept.values())) > 60
    aside = [file.name for file in path.parent.iterdir() if ".damaged-" in file.name]
    assert len(aside) == 2, "the damaged file and its log are kept together"
    assert aside[0].removesuffix("-wal") == aside[1].removesuffix("-wal")


def test_an_intact_journal_is_left_alone(path: Path) -> None:
    write(path, 5)
    before = path.read_bytes()
    report = repair(path)
    assert (report.damaged, report.events, report.last_sequence, report.cut) == (None, 25, 25, ())
    assert path.read_bytes() == before


def test_a_second_damage_keeps_both_files(path: Path) -> None:
    write(path, 20)
    kept = []
    for _ in range(2):
        damage(path)
        kept.append(repair(path).damaged)
    assert all(name and Path(name).exists() for name in kept)
    assert kept[0] != kept[1]


def test_numbers_close_up_behind_the_damage(path: Path) -> None:
    write(path, 20)
    data = path.read_bytes()
    path.write_bytes(data.replace(bytes([3, 10]) * 71, bytes([3, 11]) * 71, 1))  # app-3's event in batch 10
    report = repair(path)
    with closing(SqliteJournal.open(path)) as journal:
        numbers = sorted(r.sequence for name in journal.streams() for r in journal.read(name))
        last = next(r for name in journal.streams() for r in journal.read(name) if r.sequence == report.last_sequence)
    assert numbers == list(range(1, report.events + 1))
    assert report.last_at == last.at
    assert (report.last_sequence, report.events) == (53, 90), "events behind it, of other streams, are kept too"


def test_nothing_to_repair(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        repair(path)


@pytest.mark.e2e
def test_a_journal_in_use_is_not_repaired(path: Path) -> None:
    writer = start_writer(path)
    assert writer.stdout
    try:
        writer.stdout.readline()
        with pytest.raises(JournalError, match=f"in use by process {writer.pid}"):
            repair(path)
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
    assert repair(path).damaged is None


def test_events_of_every_length_are_salvaged(path: Path) -> None:
    """Around each length at which SQLite moves the rest of a row to another page."""
    lengths = [*range(3_980, 4_110, 3), *range(8_080, 8_200, 7), 50_000]
    with closing(SqliteJournal.open(path)) as journal:
        journal.append([Append("shop", n, float(n), "k", os.urandom(length)) for n, length in enumerate(lengths)])
        whole = content(journal)
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)  # the header: SQLite would not open it at all
    path.write_bytes(data)
    assert repair(path).events == len(lengths)
    with closing(SqliteJournal.open(path)) as journal:
        assert content(journal) == whole
