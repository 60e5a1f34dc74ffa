"""A scenario script goes in, a transcript comes out, the difference is reviewed. ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites them.

Together the scenarios take every row of the table.
"""

import os
from pathlib import Path

import pytest

from shipway.rollout import evolve as machine
from shipway.rollout.states import Delivery
from shipway.rollout.transitions import TABLE, Row
from tests.rollout.script import Player

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_transcript(script: Path) -> None:
    transcript = Player().play(script.read_text())
    golden = HERE / "golden" / script.name
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        golden.write_text(transcript)
    assert transcript == golden.read_text()


def test_every_row_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[int] = set()
    take = machine._take

    def note(state: Delivery, row: Row, event: machine.e.Event) -> Delivery:
        taken.add(id(row))
        return take(state, row, event)

    monkeypatch.setattr(machine, "_take", note)
    for script in SCRIPTS:
        Player().play(script.read_text())
    never = [
        f"{row.source} --{row.event.__name__ if row.event else 'as soon as'} [{row.when.__name__}]--> {row.target}"
        for row in TABLE
        if id(row) not in taken
    ]
    assert not never


def test_every_transcript_belongs_to_a_script() -> None:
    assert {path.name for path in (HERE / "golden").iterdir()} == {path.name for path in SCRIPTS}
