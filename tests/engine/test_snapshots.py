"""A snapshot saves time and changes nothing: the state is what the journal says, whatever lies in the file."""

from pathlib import Path

import pytest

from shipway.engine import snapshot
from shipway.journal.snapshots import FileSnapshots
from shipway.rollout.events import UndoRequested
from shipway.rollout.states import Phase
from shipway.testing.journals import MemoryJournal
from tests.engine.world import GOOD, SHOP, V1, V2, V3, World, simulated


class Counting(MemoryJournal):
    """Counts the events that were read."""

    read_events = 0

    def read(self, stream, after=0):
        for event in super().read(stream, after):
            self.read_events += 1
            yield event


async def two_releases(directory: Path) -> World:
    world = World(snapshot=10)
    world.snapshots = FileSnapshots(directory)
    await world.live()
    world.release(GOOD)
    await world.settled()
    await world.clock.sleep(30)  # until the first release is stopped
    return world


async def reopened(world: World) -> int:
    """A new controller opens; how many events it had to read."""
    await world.die()
    journal = world.journal = Counting(world.store)
    await world.start()
    return journal.read_events


@simulated
async def test_a_controller_begins_where_the_snapshot_ends(tmp_path: Path) -> None:
    world = await two_releases(tmp_path)
    events, past = len(world.store), world.engine.history(SHOP)
    assert events > 20
    assert await reopened(world) < events / 2
    state = world.engine.state(SHOP)
    assert state is not None
    assert (state.live, state.previous, world.rollout().phase) == (V2, V1, Phase.PROMOTED)
    assert [r.run for r in state.releases.values()] == ["stopped", "running"]
    recalled = world.engine.history(SHOP)
    assert recalled == past[: len(recalled)]
    assert recalled
    assert world.rollout().judgement is not None
    world.submit(UndoRequested(at=world.clock.now(), by="ann"))
    assert (await world.settled()).live == V1
    world.release(GOOD)
    assert (await world.settled()).live == V3
    world.check(judge=False)


@simulated
async def test_the_readings_that_no_journal_has_survive_as_well(tmp_path: Path) -> None:
    world = await two_releases(tmp_path)
    await world.clock.sleep(2000)
    past = world.engine.history(SHOP)
    assert len(past) > 190
    await reopened(world)
    recalled = world.engine.history(SHOP)
    assert len(recalled) >= len(past) - 32  # what came since the last snapshot is lost
    assert recalled == past[: len(recalled)]


def test_what_cannot_be_believed_is_not(tmp_path: Path) -> None:
    bad = {
        "empty": lambda _data: b"",
        "cut": lambda data: data[: len(data) // 2],
        "noise": lambda data: bytes(reversed(data)),
        "deep": lambda _data: b"\x91" * 100_000,
        "another logic": lambda data: data.replace(b"/1/1", b"/1/9"),
    }

    @simulated
    async def full_fold(damage) -> None:
        world = await two_releases(tmp_path)
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        events = len(world.store)
        assert await reopened(world) >= events
        world.check()
        file.unlink()

    for damage in bad.values():
        full_fold(damage)


@simulated
async def test_a_snapshot_of_another_journal_is_not_believed(tmp_path: Path) -> None:
    world = await two_releases(tmp_path)
    await world.die()
    (file,) = tmp_path.iterdir()
    other = await two_releases(tmp_path / "other")
    data = file.read_bytes()
    found = snapshot.read(data)
    assert found is not None
    moved = [e for e in other.store if e.version == found.version]
    assert not found.is_of(moved[0]) or moved[0].data == world.store[found.version - 1].data
    assert not found.is_of(world.store[found.version - 2])
    assert found.is_of(world.store[found.version - 1])


@simulated
async def test_a_directory_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory", encoding="utf-8")
    world = await two_releases(blocked)
    events = len(world.store)
    assert await reopened(world) >= events
    world.check()


def test_files_are_for_their_owner_alone_and_names_stay_inside(tmp_path: Path) -> None:
    snapshots = FileSnapshots(tmp_path / "s")
    snapshots.save("../../x", b"1")
    snapshots.save("../../x", b"2")
    (file,) = (tmp_path / "s").iterdir()
    assert (file.stat().st_mode & 0o777, file.read_bytes()) == (0o600, b"2")
    assert snapshots.load("../../x") == b"2"
    assert snapshots.load("nobody") is None


@pytest.mark.parametrize("name", ["..", ".", "a/b", "\0"])
def test_no_name_is_a_problem(tmp_path: Path, name: str) -> None:
    snapshots = FileSnapshots(tmp_path)
    snapshots.save(name, b"x")
    assert snapshots.load(name) == b"x"
