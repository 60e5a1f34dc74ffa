"""Recorded histories replay to the verdicts they were recorded with. A change that moves any of them needs a new LOGIC.

The histories were written once, by ``python -m tests.rollout.record``; ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites only the
verdicts, for a change of wording.
"""

import os
from pathlib import Path

import pytest

from shipway.analysis import judge
from shipway.rollout import events as e
from shipway.rollout.codec import decode, encode
from shipway.rollout.evolve import LOGIC, evolve, initial
from shipway.rollout.invariants import violated
from shipway.rollout.states import Delivery, Phase
from tests.rollout.record import HISTORIES
from tests.rollout.samples import SHOP

FILES = sorted(HISTORIES.glob("*.jsonl"))


def replay(path: Path) -> tuple[Delivery, list[str]]:
    """The last state, and a line for every event that moved the rollout or was judged."""
    state, told = initial(SHOP), []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        event = decode(line, where=f"{path.name}:{number}")
        before, state = state, evolve(state, event)
        assert state is not before, f"{path.name}:{number} was recorded because it changed something"
        assert not violated(before, event, state)
        told.append(f"{number:4}  {type(event).__name__:<16} {_told(state, event)}".rstrip())
    return state, told


def _told(state: Delivery, event: e.Event) -> str:
    rollout = state.rollout
    assert rollout is not None
    where = f"{rollout.id} {rollout.release} {rollout.phase.value} {rollout.weight:g} %"
    if isinstance(event, e.Observed) and rollout.judgement:
        return f"{where}: {rollout.judgement.verdict.value}: {rollout.judgement.sentence}"
    return f"{where}: {rollout.reason}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_verdicts_are_the_same(path: Path) -> None:
    _, told = replay(path)
    text, golden = "\n".join(told) + "\n", path.with_suffix(".txt")
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_events_are_written_as_they_were(path: Path) -> None:
    for line in path.read_bytes().splitlines():
        assert decode(encode(decode(line))) == decode(line)


def test_the_present_logic_has_a_history() -> None:
    assert judge.LOGIC == LOGIC, "one number for the machine and the arithmetic"
    assert f"logic-{LOGIC}" in [path.stem for path in FILES]


def test_the_first_history_ended_as_it_should() -> None:
    state, _ = replay(HISTORIES / "logic-1.jsonl")
    assert state.rollout is not None
    ended = [(rollout.kind, rollout.release, rollout.phase) for rollout in (*state.past, state.rollout)]
    assert ended == [
        ("install", "v1", Phase.PROMOTED),
        ("canary", "v2", Phase.PROMOTED),
        ("canary", "v3", Phase.ROLLED_BACK),
        ("canary", "v4", Phase.ROLLED_BACK),
        ("undo", "v1", Phase.PROMOTED),
    ]
