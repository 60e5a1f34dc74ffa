"""The usage recorder on real processes and scripted counters, and its files with whatever may befall them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from shipway.analysis.readings import ArmReading
from shipway.cost.usage import measured
from shipway.engine.ports import Absent, ArmQuery
from shipway.facts.samples import Sample, coarser, spread
from shipway.facts.usages import UsageFiles
from shipway.metrics.recording import EVERY, Key, Recorder
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


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_is_set_makes_no_sample(tmp_path: Path, jump: float) -> None:
    world, files = World(), UsageFiles(tmp_path)
    one = recorder(world, files, {SHOP: [7]})
    turns(one, world, ArmReading(1, 0))
    world.at += jump
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


def test_how_long_it_took_is_told_from_what_was_added_to_the_histogram(tmp_path: Path) -> None:
    world, files = World(), UsageFiles(tmp_path)
    readings = (
        ArmReading(100, 0, ((5.0, 100),)),
        ArmReading(200, 0, ((5.0, 150), (200.0, 50))),  # half at 200..210 ms
        ArmReading(200, 0, ((5.0, 150), (200.0, 50))),
        ArmReading(10, 0, ((3.0, 10),)),  # started anew
    )
    turns(recorder(world, files, {SHOP: [7]}), world, *readings)
    found = [one.p95 for one in files.read("shop")]
    assert found == [pytest.approx(0.209), None, pytest.approx(0.00395)]
    assert files.read("shop")[0].row().p95 == found[0]


def test_only_two_weeks_are_kept(tmp_path: Path) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(day * DAY) for day in range(100, 120)])
    files.tidy(119 * DAY)
    assert [one.at / DAY for one in files.read("shop")] == list(range(105, 120))


def test_what_is_old_is_kept_by_the_minute_and_what_is_older_by_five(tmp_path: Path) -> None:
    files, now = UsageFiles(tmp_path), 20000 * DAY + 7200
    begin = now - 2 * DAY
    files.append([sample(begin + 10 * n) for n in range(1, 2 * 8640 + 1)])
    before = files.read("shop")
    kept = files.tidy(now)
    found = files.read("shop")
    steps = [round(b.at - a.at) for a, b in pairwise(found)]
    # A sample that ends at midnight is the first of its day's file.
    assert [steps.count(step) for step in (300, 60, 10)] == pytest.approx([288, 1380, 360], abs=2)
    assert sum(one.requests for one in found) == sum(one.requests for one in before)
    assert sum(one.cpu * one.seconds for one in found) == pytest.approx(sum(one.cpu * one.seconds for one in before))
    assert measured(one.row() for one in found).gaps == {}
    assert files.tidy(now) == kept
    assert files.read("shop") == found
    spread_out = list(spread(found, 60.0))
    assert max(b.at - a.at for a, b in pairwise(spread_out)) == 60


def test_several_samples_as_one() -> None:
    one = Sample(60.0, "shop", "v1", 1.0, 10.0, 30, 3, 10.0, ((0.5, 7.0), (0.5, 3.0)), 0.1)
    other = Sample(50.0, "shop", "v1", 4.0, 40.0, 10, 0, 20.0, ((4.0, 9.0),), 0.5)
    silent = Sample(40.0, "shop", "v1", 4.0, 40.0, 0, 0, 0.5)
    (found,) = coarser([one, other], 60.0, 60.0)
    assert found == Sample(60.0, "shop", "v1", 3.0, 30.0, 40, 3, 30.0, ((2.25, 9.0), (0.5, 3.0)), 0.2)
    assert coarser([one, other], 60.0, 59.0) == [other, one]
    # The clock was set back: the time that two of them cover counts once.
    (set_back,) = coarser([msgspec.structs.replace(other, at=58.0), one], 60.0, 60.0)
    assert (set_back.seconds, set_back.requests) == (22.0, 40)
    assert coarser([silent, msgspec.structs.replace(silent, at=41.0)], 60.0, 60.0)[0].p95 is None


@pytest.mark.parametrize(
    ("recorded", "today", "kept"),
    [
        (range(100, 116), 115, range(101, 116)),
        ([*range(100, 115), 480], 480, [*range(101, 115), 480]),  # the clock jumped a year ahead
        ([*range(100, 115), 480], 115, range(100, 115)),  # and is right again
        ([0, *range(100, 115)], 0, [0, *range(100, 115)]),  # it fell back to 1970
        ([0, *range(101, 116)], 115, range(101, 116)),
        ([*range(100, 115), 145, 146], 146, [145, 146]),  # nothing ran for a month
        ([5], 5, [5]),
    ],
)
def test_a_wrong_clock_throws_nothing_away(
    tmp_path: Path, recorded: Sequence[int], today: int, kept: Sequence[int]
) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(day * DAY + 1) for day in recorded])
    files.tidy(today * DAY + 2)
    days = sorted(tmp_path.glob("usage/shop/*.jsonl"))
    assert [file.stem for file in days] == [str(date(1970, 1, 1) + timedelta(days=day)) for day in kept]


def test_a_wrong_clock_s_samples_and_duplicates_are_not_read(tmp_path: Path) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(at) for at in (1e9 + 20, 1e9, 1e9 + 10, 1e9 + 10, 5.0, 2e9)])
    assert [one.at for one in files.read("shop")] == [1e9, 1e9 + 10, 1e9 + 20]


def test_beyond_a_size_the_oldest_days_go(tmp_path: Path) -> None:
    files = UsageFiles(tmp_path, most_bytes=500)
    files.append([sample(day * DAY, app) for day in range(100, 104) for app in ("shop", "cart")])
    kept = files.tidy(103 * DAY)
    assert kept.bytes <= 500
    assert {one.at / DAY for app in ("shop", "cart") for one in files.read(app)} == {102, 103}


def test_damaged_lines_are_counted_and_gone(tmp_path: Path) -> None:
    files = UsageFiles(tmp_path)
    files.append([sample(1000), sample(2000)])
    (file,) = tmp_path.glob("usage/shop/*.jsonl")
    file.write_bytes(file.read_bytes()[:-20] + b"\n\xff\x00 nonsense\n{}\n")
    assert files.tidy(2000).damaged == 3
    assert files.tidy(2000).damaged == 0
    assert [one.at for one in files.read("shop")] == [1000]


def test_whoever_is_killed_while_writing_loses_a_sample_at_most(tmp_path: Path) -> None:
    """Appends and tidies as fast as it can, each sample with one request; killed at moments that nobody chose."""
    script = (
        "import sys; from pathlib import Path\n"
        "from shipway.facts.samples import Sample; from shipway.facts.usages import UsageFiles\n"
        "files = UsageFiles(Path(sys.argv[1]))\n"
        "at = max([one.at for one in files.read('shop')], default=9e8)\n"
        "while True:\n"
        "    for _ in range(50):\n"
        "        at += 10; files.append([Sample(at, 'shop', 'v1', 0.5, 1e6, 1, 0, 10.0)])\n"
        "    files.tidy(at); print(flush=True)\n"
    )
    for seconds in (0.05, 0.11, 0.23, 0.31):
        with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        found = UsageFiles(tmp_path).read("shop")
        assert sum(one.requests for one in found) == pytest.approx((found[-1].at - 9e8) / 10)


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
