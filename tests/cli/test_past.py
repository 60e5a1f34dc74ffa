"""Verbs about the past, on a journal that holds four real releases; no controller runs."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from shipway.cli.delivering.following import Follower
from shipway.cli.recalling.records import records
from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.engine.timeline import timelines
from shipway.facts.home import JOURNAL
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import NotFound
from shipway.rollout.codec import encode
from shipway.rollout.events import Event
from shipway.testing.recordings import APP, shop
from tests.cli.shell import Shell


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return shop()


@pytest.fixture
def journal(home: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal.open(home / JOURNAL)) as opened:
        yield opened


def keep(journal: SqliteJournal, events: Sequence[Event], after: int = 0) -> None:
    stream = f"{STREAM}{APP}"
    appends = [Append(stream, after + i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)]
    journal.append(appends)


@pytest.fixture
def kept(journal: SqliteJournal, events: list[Event]) -> None:
    keep(journal, events)


def test_history_is_every_rollout_with_its_cost(shipway: Shell, kept: None, events: list[Event]) -> None:
    found = timelines(events, APP)
    rows = shipway("history", APP, "--json").data["rollouts"]
    for row, one in zip(rows, found, strict=True):
        assert all(getattr(one, name) == value for name, value in row.items())
    out = shipway("history", APP).out
    assert len(out.splitlines()) == 1 + len(found)
    assert all(one.rollout in out and one.evidence in out for one in found)


def test_replay_gives_the_same_verdict_and_another_with_another_alpha(shipway: Shell, kept: None) -> None:
    rollout = f"{APP}-3"
    same = shipway("replay", rollout, "--json").data
    assert same["identical"] is True
    assert same["original"] == same["replayed"]
    assert "to the last bit" in shipway("replay", rollout).out
    strict = shipway("replay", rollout, "--alpha", "1e-30", "--json").data
    assert strict["original"]["verdict"] == "rolled_back"
    assert strict["replayed"]["verdict"] == "undecided"
    assert "1e-30" in shipway("replay", rollout, "--alpha", "1e-30").out


def test_an_application_means_its_last_rollout(shipway: Shell, kept: None, events: list[Event]) -> None:
    assert shipway("replay", APP, "--json").data["rollout"] == timelines(events, APP)[-1].rollout


@pytest.mark.parametrize(("words", "message"), [(["--alpha", "2"], "alpha"), (["--tolerance", "0.5"], "tolerance")])
def test_a_wrong_judgement_is_refused(shipway: Shell, kept: None, words: list[str], message: str) -> None:
    result = shipway("replay", f"{APP}-3", *words)
    assert (result.code, message in result.err) == (2, True)


@pytest.mark.parametrize("words", ["replay {}-9", "replay nobody", "history storefrnt", "report {}-2 {}-9"])
def test_names_that_are_not_there(shipway: Shell, kept: None, words: str) -> None:
    result = shipway(*words.format(APP, APP).split())
    assert result.code == 2
    assert "there is no " in result.err
    assert ("did you mean `storefront`?" in result.err) == ("storefrnt" in words)


def test_report(shipway: Shell, kept: None, tmp_path: Path, events: list[Event]) -> None:
    path = tmp_path / "report.html"
    every = [one.rollout for one in timelines(events, APP)]
    assert shipway("report", "-o", path, "--json").data == {"file": str(path), "rollouts": every}
    assert all(name in path.read_text() for name in every)
    shipway("report", every[1], "-o", path)
    assert every[2] not in path.read_text()


def test_a_report_into_nowhere(shipway: Shell, kept: None, tmp_path: Path) -> None:
    result = shipway("report", "-o", tmp_path / "no" / "report.html")
    assert result.code == 1
    assert f"{tmp_path}/no/report.html: No such file or directory" in result.err


def test_journal_check_counts(shipway: Shell, kept: None, events: list[Event]) -> None:
    assert shipway("journal", "check", "--json").data["events"] == len(events)


def test_a_picture_follows_what_is_recorded(home: Path, journal: SqliteJournal, events: list[Event]) -> None:
    def screen() -> str:
        console = Console(width=80, file=StringIO(), color_system=None)
        console.print(follower.picture())
        assert isinstance(console.file, StringIO)
        return console.file.getvalue()

    end = len(events) // 2
    with records(home) as seen:
        assert seen.apps == []
        with pytest.raises(NotFound):
            seen.events(APP)
        keep(journal, events[:end])
        follower = Follower(seen, APP)
        assert "nothing was released yet" in screen()
        follower.update()
        halfway = screen()
        keep(journal, events[end:], after=end)
        follower.update()
        last = timelines(events, APP)[-1]
        assert halfway != screen()
        assert f"{APP} {last.label} {last.release}" in screen()
        assert max(map(len, screen().splitlines())) <= 80
