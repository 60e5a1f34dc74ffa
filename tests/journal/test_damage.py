"""Whatever happens to the file: either everything is there, or the journal says so and `repair` brings back what is intact."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.engine.ports import Append
from shipway.journal.pages import PAGE
from shipway.journal.repair import repair
from shipway.journal.salvage import salvage
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import JournalError
from tests.journal.samples import Content, content, is_prefix, lost, write, write_with_log

BATCHES = 24
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Written:
    """A journal as bytes, what is in it, and (where there is one) its write-ahead log."""

    def __init__(self, path: Path, whole: Content) -> None:
        log = path.with_name("journal.db-wal")
        self.data, self.log, self.whole = path.read_bytes(), log.read_bytes() if log.exists() else b"", whole


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    path = tmp_path_factory.mktemp("written") / "journal.db"
    whole = write(path, BATCHES)
    return Written(path, whole)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Written:
    path = tmp_path_factory.mktemp("logged") / "journal.db"
    whole = write_with_log(path, BATCHES)
    return Written(path, whole)


@pytest.fixture(scope="module")
def lost_with_page(written: Written, tmp_path_factory: pytest.TempPathFactory) -> list[set[tuple[str, int]]]:
    """For each page, the events that are gone when it is."""
    data, whole = written.data, written.whole
    path = tmp_path_factory.mktemp("pages") / "journal.db"
    gone = []
    for start in range(0, len(data), PAGE):
        path.write_bytes(data[:start] + bytes(PAGE) + data[start + PAGE :])
        gone.append(lost(salvaged(path), whole))
    return gone


def salvaged(path: Path) -> Content:
    kept: Content = {}
    for row in salvage(path).events:
        e = row.event
        kept.setdefault(e.stream, []).append((e.version, e.at, e.kind, e.data))
    return kept


def opened(path: Path) -> Content:
    journal = SqliteJournal.open(path)
    try:
        journal.verify()
        return content(journal)
    finally:
        journal.close()


def repaired(path: Path) -> Content:
    """What is there after a repair, which must leave a journal that is whole and takes events."""
    before = path.read_bytes()
    report = repair(path)
    if report.damaged:
        assert Path(report.damaged).read_bytes() == before
    kept = opened(path)
    assert report.events == sum(map(len, kept.values()))
    assert repair(path).damaged is None
    journal = SqliteJournal.open(path)
    journal.append([Append(name, len(events), 0.0, "k", b"goes on") for name, events in kept.items()])
    journal.close()
    return kept


def fresh(directory: Path, data: bytes, log: bytes = b"") -> Path:
    for left in directory.iterdir():
        left.unlink()
    if log:
        (directory / "journal.db-wal").write_bytes(log)
    path = directory / "journal.db"
    path.write_bytes(data)
    return path


def test_events_are_on_many_pages(lost_with_page: list[set[tuple[str, int]]]) -> None:
    assert sum(bool(gone) for gone in lost_with_page) > 10
    assert not all(lost_with_page), "index pages cost no event"


def test_truncation_at_every_page_is_noticed_and_loses_nothing_before_it(
    written: Written, lost_with_page: list[set[tuple[str, int]]], tmp_path: Path
) -> None:
    data, whole = written.data, written.whole
    for pages in range(len(data) // PAGE):
        path = fresh(tmp_path, data[: pages * PAGE])
        with pytest.raises(JournalError) as caught:
            SqliteJournal.open(path)
        assert "damaged" in caught.value.message
        assert f"shipway journal repair {path}" in caught.value.hint
        kept = repaired(path)
        assert is_prefix(kept, whole)
        assert lost(kept, whole) <= set().union(*lost_with_page[pages:])


def test_truncation_within_a_page_is_noticed(written: Written, tmp_path: Path) -> None:
    data, whole = written.data, written.whole
    for size in (1, 99, 100, 2_000, len(data) // 2 + 17, len(data) - 1):
        path = fresh(tmp_path, data[:size])
        with pytest.raises(JournalError, match="damaged"):
            opened(path)
        assert is_prefix(repaired(path), whole)


def test_the_message_names_the_last_event_before_the_damage(written: Written, tmp_path: Path) -> None:
    data, whole = written.data, written.whole
    marker = bytes([3, 20]) * (7 * 20 + 1)  # the content of app-3's event in batch 20: the 104th of the journal
    at = data.index(marker) + 5
    path = fresh(tmp_path, data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(JournalError) as caught:
        opened(path)
    assert "damaged after event 103 (2027-01-15 08:00:20 UTC)" in caught.value.message
    assert "Everything up to there is intact" in caught.value.message
    report = repair(path)
    assert (report.last_sequence, report.cut) == (103, (("app-3", 20),))
    assert lost(opened(path), whole) == {("app-3", version) for version in range(21, BATCHES + 1)}


@EXAMPLES
@given(flips=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 255)), min_size=1, max_size=4), at=st.data())
def test_flipped_bytes_cost_no_event_on_another_page(
    written: Written, lost_with_page: list[set[tuple[str, int]]], tmp_path: Path, flips, at
) -> None:
    data, whole = written.data, written.whole
    damaged = bytearray(data)
    for position, change in flips:
        damaged[position % len(data)] ^= change
    path = fresh(tmp_path, bytes(damaged))
    touched = {position % len(data) // PAGE for position, _ in flips}
    allowed = set().union(*(lost_with_page[page] for page in touched))
    try:
        assert opened(path) == whole
    except JournalError:
        kept = repaired(path)
        assert is_prefix(kept, whole)
        assert lost(kept, whole) <= allowed


@EXAMPLES
@given(position=st.integers(0, 10**9), change=st.integers(1, 255))
def test_a_flipped_byte_in_the_log_costs_at_most_the_last_batch_in_silence(
    logged: Written, tmp_path: Path, position: int, change: int
) -> None:
    data, log, whole = logged.data, logged.log, logged.whole
    damaged = bytearray(log)
    damaged[position % len(log)] ^= change
    path = fresh(tmp_path, data, bytes(damaged))
    try:
        kept = opened(path)
        assert {version for _, version in lost(kept, whole)} <= {BATCHES}
    except JournalError:
        kept = repaired(path)
    assert is_prefix(kept, whole)


def test_an_intact_log_is_read(logged: Written, tmp_path: Path) -> None:
    data, log, whole = logged.data, logged.log, logged.whole
    assert salvaged(fresh(tmp_path, data, log)) == whole
    assert opened(fresh(tmp_path, data, log)) == whole


def test_a_log_torn_in_its_last_write_opens_with_all_batches_before(logged: Written, tmp_path: Path) -> None:
    data, log, whole = logged.data, logged.log, logged.whole
    kept = opened(fresh(tmp_path, data, log[:-100]))
    assert lost(kept, whole) == {(f"app-{i}", BATCHES) for i in range(5)}


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=3 * PAGE))
def test_salvage_of_junk_finds_nothing_and_does_not_fail(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.db"
    path.write_bytes(b"\x0d\0\0\0\x40" + junk)
    assert salvage(path).events == ()
