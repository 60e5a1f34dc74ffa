"""The usage recorder on real processes and scripted counters, and its files with whatever may befall them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from shipway.analysis.readings import ArmReading
from shipway.cli.recording import EVERY, Key, Recorder
from shipway.cli.usages import Sample, UsageFiles
from shipway.engine.ports import Absent, ArmQuery
from shipway.model.ids import AppName, ReleaseId
from shipway.runtimes.local.usage import ProcessMeter

DAY = 86400.0
SHOP: Key = (AppName("shop"), ReleaseId("v1"))


class World:
    """A clock, processes and counters that do as they are told."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0
        self.reading: ArmReading | Absent = ArmReading(100, 1)

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        return [self.reading for _ in queries]


class Processes:
    def read(self, pids: Sequence[int], at: float) -> Mapping[int, tuple[float, float]]:  # noqa: ARG002  # the port has it
        return {pid: (5.0, 1e6) for pid in pids if pid != 99}


def recorder(world: World, files: UsageFiles, running: dict[Key, list[int]]) -> Recorder:
    return Recorder(files, running=lambda: running, meter=Processes(), metrics=world, clock=world)


def turns(one: Recorder, world: World, *readings: ArmReading | Absent) -> None:
    async def play() -> None:
        for reading in readings:
            world.reading = reading
            await one.turn()
            await world.sleep(EVERY)

    asyncio.run(play())


def sample(at: float, app: str = "shop") -> Sample:
    return Sample(at, app, "v1", 0.5, 1e6, 10, 0, 10.0)


def test_a_sample_is_what_happened_since_the_one_before(tmp_path: Path) -> None:
    world, files = World(), UsageFiles(tmp_path)
    begin = world.at
    turns(
        recorder(world, files, {SHOP: [7, 0, 99, 8]}), world, ArmReading(100, 1), ArmReading(130, 3), ArmReading(5, 0)
    )
    first, second = files.read("shop")
    assert first == Sample(begin + 10, "shop", "v1", 1.0, 2e6, 30, 2, 10.0, ((0.5, 1e6), (0.5, 1e6)))
    assert (second.requests, second.failed) == (5, 0)
    assert files.apps() == ["shop"]


def test_counters_that_cannot_be_read_lose_and_invent_nothing(tmp_path: Path) -> None:
    world, files = World(), UsageFiles(tmp_path)
    readings = (Absent("down"), ArmReading(100, 1), ArmReading(110, 1), Absent("down"), ArmReading(130, 1))
    turns(recorder(world, files, {SHOP: [7]}), world, *readings)
    assert [one.requests for one in files.read("shop")] == [0, 10, 0, 20]


def test_a_clock_that_is_set_back_makes_no_sample(tmp_path: Path) -> None:
    world, files = World(), UsageFiles(tmp_path)
    one = recorder(world, files, {SHOP: [7]})
    turns(one, world, ArmReading(1, 0))
    world.at -= 3600
    turns(one, world, ArmReading(2, 0), ArmReading(3, 0))
    assert len(files.read("shop")) == 1


def test_a_disk_that_refuses_costs_samples_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("not a directory")
    world = World()
    one = recorder(world, UsageFiles(tmp_path), {SHOP: [7]})
    turns(one, world, ArmReading(1, 0), ArmReading(2, 0), ArmReading(3, 0))
    assert one.failures == 2
    (tmp_path / "usage").unlink()
    turns(one, world, ArmReading(9, 0))
    assert [found.requests for found in UsageFiles(tmp_path).read("shop")] == [6]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_line_is_skipped_and_the_next_stands_alone(tmp_path: Path, cut: int) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(1000), sample(1010)])
    (file,) = tmp_path.glob("usage/shop/*.jsonl")
    os.truncate(file, file.stat().st_size - cut)
    files.append([sample(1020)])
    found = [one.at for one in files.read("shop")]
    assert found == ([1000, 1010, 1020] if cut == 1 else [1000, 1020])


def test_only_two_weeks_are_kept(tmp_path: Path) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(day * DAY) for day in range(100, 120)])
    files.prune(119 * DAY)
    assert [one.at / DAY for one in files.read("shop")] == list(range(105, 120))


def test_the_meter_counts_children_and_forgets_the_dead() -> None:
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    child = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn + 'print(1, flush=True); input()'!r}])"
    )
    meter = ProcessMeter()
    assert meter.read([], 0.0) == {}
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        cpu, memory = meter.read([process.pid], 1e12)[process.pid]
        assert cpu >= 0.3
        assert memory > 1e6
        assert meter.read([process.pid], 1e12)[process.pid][0] < 0.3
        process.communicate(b"\n")
    assert meter.read([process.pid], 1e12) == {}
