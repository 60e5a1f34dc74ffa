"""Every journal keeps the same promises."""

from pathlib import Path

import pytest

from shipway.engine.ports import Append, Recorded
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import JournalError
from shipway.testing.contracts import journal as contract
from shipway.testing.journals import Crash, HostileJournal, MemoryJournal


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_journal_contract(check, kind: str, tmp_path: Path) -> None:
    store: list[Recorded] = []
    check((lambda: MemoryJournal(store)) if kind == "memory" else (lambda: SqliteJournal.open(tmp_path / "journal.db")))


def test_the_suite_lists_every_check() -> None:
    written = {
        name for name, value in vars(contract).items() if callable(value) and value.__module__ == contract.__name__
    }
    assert {check.__name__ for check in contract.CHECKS} == {
        name for name in written if "_" in name.strip("_") and name[0] != "_"
    }


@pytest.mark.parametrize(
    ("how", "error", "kept"), [("refuse", JournalError, 1), ("crash-before", Crash, 1), ("crash-after", Crash, 2)]
)
def test_a_hostile_journal_fails_as_told(how, error, kept: int) -> None:
    inner = MemoryJournal()
    hostile = HostileJournal(inner, every=2, how=how)
    hostile.append([Append("shop", 0, 0.0, "k", b"")])
    with pytest.raises(error):
        hostile.append([Append("shop", 1, 0.0, "k", b"")])
    assert len(list(hostile.read("shop"))) == kept
    assert hostile.streams() == ["shop"]
    hostile.append([Append("shop", kept, 0.0, "k", b"")])
    hostile.close()
    assert len(inner.store) == kept + 1


def test_a_hostile_journal_needs_a_period() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        HostileJournal(MemoryJournal(), every=0, how="refuse")
