"""Counters on disk: kept as they change, whole after a crash, coarser when they are old, and harmless when the disk is full."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery
from shipway.engine.promises import Count, Ledger, thinned
from shipway.facts.counters import COARSE, DAYS, CounterFiles
from shipway.metrics.kept import Kept
from shipway.model.ids import AppName, ReleaseId
from shipway.slo.counters import Sample, counted, usable

V1 = ReleaseId("v1")
QUERY = ArmQuery(AppName("shop"), V1)
BEGIN = 1_790_000_000.0
DAY = 86_400.0


class Source:
    """A clock and counters that do as they are told."""

    def __init__(self) -> None:
        self.at, self.answer = BEGIN, ArmReading(0, 0)

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        return [self.answer if self.answer.requests >= 0 else Absent("down") for _ in queries]


def readings(files: CounterFiles, *requests: int) -> Source:
    source = Source()
    kept = Kept(source, files, source)

    async def play() -> None:
        for count in requests:
            source.answer = ArmReading(count, 0, ((1.0, count),), (("cpuSeconds", 1.0),), 3.0)
            assert (await kept.read([QUERY]))[0] in (source.answer, Absent("down"))
            await source.sleep(10)

    asyncio.run(play())
    return source


def test_what_has_changed_is_kept(tmp_path: Path) -> None:
    files = CounterFiles(tmp_path)
    readings(files, 5, 5, 9, -1, 9, 2)
    assert [(one.at - BEGIN, one.reading.requests) for one in files.read("shop")] == [(0, 5), (20, 9), (50, 2)]
    assert next(files.read("shop")).reading == ArmReading(5, 0, ((1.0, 5),))
    assert list(files.read("nobody")) == []
    assert [one.at - BEGIN for one in files.read("shop", BEGIN + 15)] == [20, 50]


def test_after_an_hour_a_count_a_minute_is_kept(tmp_path: Path) -> None:
    files, midnight = CounterFiles(tmp_path), BEGIN - BEGIN % DAY
    files.append("shop", [Count(midnight + 10 * n, V1, ArmReading(n, 0)) for n in range(720)])
    for _ in range(2):
        files.prune(midnight + 7200)
        at = [one.at - midnight for one in files.read("shop")]
        assert at[:3] == [0, 60, 120]
        assert len([one for one in at if one <= 3600]) == 61
        assert len([one for one in at if one > 3600]) == 359


def test_a_torn_line_is_left_out_and_the_next_stands_alone(tmp_path: Path) -> None:
    files = CounterFiles(tmp_path)
    files.append("shop", [Count(BEGIN, V1, ArmReading(1, 0)), Count(BEGIN + 10, V1, ArmReading(2, 0))])
    (file,) = tmp_path.glob("counters/shop/*.jsonl")
    file.write_bytes(file.read_bytes()[:-4])
    files.append("shop", [Count(BEGIN + 20, V1, ArmReading(3, 0))])
    assert [one.reading.requests for one in files.read("shop")] == [1, 3]


def test_counts_that_cannot_be_change_no_budget(tmp_path: Path) -> None:
    """Negative counters, clocks that jumped, doubles, other people's lines: what is left is what happened."""
    files = CounterFiles(tmp_path)
    files.append("shop", [Count(BEGIN + 10 * n, V1, ArmReading(100 * n, n)) for n in range(30)])
    (file,) = tmp_path.glob("counters/shop/*.jsonl")
    good = file.read_bytes()
    lines = (
        f'[{BEGIN + 55},"v1",[-5,0]]',
        f'[{BEGIN + 65},"v1",[700,-1]]',
        '[1e17,"v1",[9,9]]',
        '[-1e17,"v1",[9,9]]',
        f'[{BEGIN + 70},"v1",[700,7]]',
        f'[{BEGIN + 70},"v1",[1e999,7]]',
        f'[{BEGIN + 70},"v1","nan"]',
        '{"at": 1}',
        "\x00\x1b[2J",
        "[" * 2000,
    )
    file.write_bytes(good + b"".join(b"\n" + line.encode() for line in lines))
    (series,) = Ledger(files.read("shop")).series({}, BEGIN + 300)
    samples = usable([Sample(at, one.errors, one.requests) for at, one in series], BEGIN + 300)
    found = counted([samples], BEGIN, BEGIN + 300)
    assert (found.total, found.bad) == (2900, 29)


def test_a_disk_that_refuses_changes_no_answer(tmp_path: Path) -> None:
    (tmp_path / "counters").write_text("not a directory")
    readings(CounterFiles(tmp_path), 1, 2, 3)


def test_old_days_become_coarser_and_older_ones_go(tmp_path: Path) -> None:
    files = CounterFiles(tmp_path)
    files.append("shop", [Count(BEGIN + 10.0 * n, V1, ArmReading(3 * n, n)) for n in range(360)])
    files.prune(BEGIN + DAY)
    kept = list(files.read("shop"))
    assert len(kept) <= 3600 / COARSE + 2
    assert (kept[0].reading.requests, kept[-1].reading.requests) == (0, 3 * 359)
    files.prune(BEGIN + DAY + 3600)
    assert list(files.read("shop")) == kept
    files.prune(BEGIN + (DAYS + 1) * DAY)
    files.prune(BEGIN + (DAYS + 1) * DAY)
    assert list(tmp_path.glob("counters/*/*")) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), min_size=1, max_size=60))
def test_thinning_loses_no_event(steps: list[tuple[bool, int]]) -> None:
    """Whatever the counters do, a restart among it, the same events are counted before and after."""
    counts, total = [], 0
    for place, (restarts, more) in enumerate(steps):
        total = more if restarts else total + more
        counts.append(Count(BEGIN + 10.0 * place, V1, ArmReading(total, 0)))

    def events(found: Sequence[Count]) -> float:
        series = [Sample(one.at, 0, one.reading.requests) for one in found]
        return counted([series], 0, BEGIN + 1e6).total

    thin = thinned(counts, 100.0)
    assert events(thin) == events(counts)
    assert [one for one in counts if one in thin] == thin
