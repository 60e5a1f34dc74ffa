"""What every Journal promises (``engine.ports.Journal``). Run on SQLite and on the fake in memory."""

from collections.abc import Callable, Sequence

from shipway.engine.ports import Append, Journal, Recorded
from shipway.model.errors import VersionConflict
from shipway.testing.contracts import require

OpenJournal = Callable[[], Journal]
"""Opens the store under test; called again, it opens the same store again."""


def event(stream: str, expected: int, data: bytes = b"{}", *, at: float = 0.25) -> Append:
    """An event to append, of kind ``Observed``."""
    return Append(stream, expected, at, "Observed", data)


def what_was_appended_is_read_in_order(open_journal: OpenJournal) -> None:
    journal = open_journal()
    awkward = bytes(range(256)) * 64  # longer than a page, every byte value
    appends = [event("shop", 0, b""), event("shop", 1, awkward, at=1e9 / 3), event("shop", 2, at=-1.0)]
    journal.append(appends)
    expected = [Recorded(n, "shop", n, a.at, a.kind, a.data) for n, a in enumerate(appends, 1)]
    require(list(journal.read("shop")) == expected, "read returns exactly what was appended, versions from 1")
    journal.close()


def read_after_a_version_returns_the_rest(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("shop", n) for n in range(5)])
    require(_versions(journal, "shop", 3) == [4, 5], "read(after=3) returns versions 4 and 5")
    require(_versions(journal, "shop", 5) == [], "read after the last version returns nothing")
    require(_versions(journal, "shop", 9) == [], "read after a version that is not there returns nothing")
    require(_versions(journal, "nobody") == [], "an unknown stream is empty")
    journal.close()


def a_batch_over_many_streams_keeps_each_in_order(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event(f"app-{n % 3}", n // 3, str(n).encode()) for n in range(30)])
    for number in range(3):
        read = [int(recorded.data) for recorded in journal.read(f"app-{number}")]
        require(read == list(range(number, 30, 3)), "every stream has its events of the batch, in the batch's order")
    sequences = sorted(r.sequence for name in journal.streams() for r in journal.read(name))
    require(len(set(sequences)) == 30, "no two events have one sequence number")
    journal.close()


def an_empty_batch_does_nothing(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([])
    require(list(journal.streams()) == [], "there are no streams")
    journal.close()


def streams_come_in_order_of_their_first_event(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("zebra", 0), event("ant", 0), event("zebra", 1)])
    journal.append([event("mole", 0), event("ant", 1)])
    require(list(journal.streams()) == ["zebra", "ant", "mole"], "streams in order of their first event")
    journal.close()


def a_wrong_expected_version_is_a_conflict(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("shop", 0), event("shop", 1)])
    for expected in (0, 1, 3, 7):
        _require_conflict(journal, [event("shop", expected)])
    _require_conflict(journal, [event("new", 1)])
    require(_versions(journal, "shop") == [1, 2], "a refused append leaves no trace")
    journal.append([event("shop", 2)])
    require(_versions(journal, "shop") == [1, 2, 3], "the right version is accepted afterwards")
    journal.close()


def one_conflict_refuses_the_whole_batch(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("shop", 0)])
    for wrong in (event("shop", 0), event("stock", 5)):
        _require_conflict(journal, [event("bank", 0), event("shop", 1), wrong, event("late", 0)])
    require(list(journal.streams()) == ["shop"], "nothing of a refused batch is in the journal")
    require(_versions(journal, "shop") == [1], "nothing of a refused batch is in the journal")
    journal.append([event("bank", 0), event("shop", 1)])
    require(_versions(journal, "shop") == [1, 2], "the streams of a refused batch are where they were")
    journal.close()


def everything_is_there_when_opened_again(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("shop", 0, b"first"), event("bank", 0)])
    before = list(journal.read("shop"))
    journal.close()
    journal.close()  # twice is safe
    again = open_journal()
    require(list(again.read("shop")) == before, "events survive closing")
    require(list(again.streams()) == ["shop", "bank"], "streams survive closing")
    again.append([event("shop", 1)])
    require(_versions(again, "shop") == [1, 2], "the stream goes on where it ended")
    again.close()


def of_two_writers_one_gets_a_conflict(open_journal: OpenJournal) -> None:
    one, other = open_journal(), open_journal()
    one.append([event("shop", 0, b"one")])
    _require_conflict(other, [event("shop", 0, b"other")])
    other.append([event("shop", 1, b"other")])
    _require_conflict(one, [event("bank", 0), event("shop", 1, b"one")])
    one.append([event("shop", 2, b"one")])
    read = [recorded.data for recorded in other.read("shop")]
    require(read == [b"one", b"other", b"one"], "each writer's accepted events are there, once, in order")
    require(list(one.streams()) == ["shop"], "nothing of the refused batch is there")
    one.close()
    other.close()


def a_long_stream_is_read_whole_while_it_grows(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.append([event("shop", n) for n in range(4_500)])
    versions = []
    for recorded in journal.read("shop"):
        versions.append(recorded.version)
        if recorded.version == 4_400:
            journal.append([event("bank", 0)])  # a reader in the middle holds up no writer
    require(versions == list(range(1, 4_501)), "no event of a long stream is skipped or repeated")
    journal.close()


CHECKS: tuple[Callable[[OpenJournal], None], ...] = (
    what_was_appended_is_read_in_order,
    read_after_a_version_returns_the_rest,
    a_batch_over_many_streams_keeps_each_in_order,
    an_empty_batch_does_nothing,
    streams_come_in_order_of_their_first_event,
    a_wrong_expected_version_is_a_conflict,
    one_conflict_refuses_the_whole_batch,
    everything_is_there_when_opened_again,
    of_two_writers_one_gets_a_conflict,
    a_long_stream_is_read_whole_while_it_grows,
)


def _versions(journal: Journal, stream: str, after: int = 0) -> list[int]:
    return [recorded.version for recorded in journal.read(stream, after)]


def _require_conflict(journal: Journal, appends: Sequence[Append]) -> None:
    try:
        journal.append(appends)
    except VersionConflict:
        return
    require(False, "an append that expects another version raises VersionConflict")
