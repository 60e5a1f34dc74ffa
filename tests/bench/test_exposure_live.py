"""The live exposure bench, reduced: one bad release on real processes, and how figures are made from clients' answers."""

import asyncio
import json
import math
from itertools import product

import pytest

from bench import exposure_live as bench
from bench import live
from bench.exposure_live import CASES, ROWS, Case, Good, Row, missed, row, simulate, trial
from shipway.testing.load import Shot


def test_the_cases_are_those_of_the_issue() -> None:
    wanted = {("errors", rps, p) for rps, p in product((50, 500), (0.02, 0.10, 0.50))} | {
        ("slow", rps, 1.0) for rps in (50, 500)
    }
    assert {(case.fault, case.rps, case.p1) for case in CASES} == wanted
    assert {(case.fault, case.rps, case.p0, case.p1) for case in ROWS} == {
        ("errors", 200, 0.005, 0.025),
        ("errors", 200, 0.005, 0.10),
        ("errors", 20, 0.001, 0.50),
        ("slow", 200, 0.01, 0.08),
    }
    assert next(case for case in CASES if (case.rps, case.p1) == (500, 0.5)).repetitions == 20


def test_a_trial_is_timed_by_its_answers() -> None:
    shots = [Shot(10.0, 0.01, 200), Shot(11.0, 0.5, 500), Shot(12.0, 0.2, 200), Shot(13.0, 0.25, 503)]
    errors = trial("errors", shots, 60.0, caught=True)
    assert (errors.seconds, errors.failed, errors.requests) == (pytest.approx(13.25 - 11.5), 2, 4)
    assert errors.from_traffic == pytest.approx(13.25 - 10.01)
    slow = trial("slow", shots, 60.0, caught=True)
    assert slow.failed == 3
    assert trial("errors", shots, 60.0, caught=False).seconds is None
    assert trial("errors", shots[:1], 60.0, caught=True).seconds is None
    assert trial("errors", [], 60.0, caught=False).requests == 0


def test_bars() -> None:
    case = Case("errors", 500, 0.001, 0.5, 3)
    quick = trial("errors", [Shot(0.0, 0.1, 500), Shot(1.0, 0.1, 500)], 9.0, caught=True)
    late = trial("errors", [Shot(0.0, 0.1, 500), Shot(5.0, 0.1, 500)], 9.0, caught=True)
    escaped = trial("errors", [Shot(0.0, 0.1, 500)], 9.0, caught=False)
    assert missed([row(case, [quick, quick, quick])], None) == []
    assert "at most 5.0 s" in missed([row(case, [quick, quick, late])], None)[0]
    assert "67% rolled back" in missed([row(case, [quick, quick, escaped])], None)[0]
    good = Good(500, 10.0, 1000, 5, 0, "promoted", "pass", "fine")
    assert missed([], good) == []
    back = Good(500, 10.0, 1000, 5, 2, "rolled back", "fail", "canary failed")
    assert [text.split()[0] for text in missed([], back)] == ["a", "2"]


def test_the_simulation_beside_it() -> None:
    seconds, cost = simulate(Case("errors", 200, 0.005, 0.10, 1), 60.0, repetitions=50)
    assert 1 < seconds < 30
    assert 1 < cost < 30
    never, _ = simulate(Case("slow", 2, 0.0, 0.0, 1), 10.0, repetitions=3)
    assert math.isinf(never)


@pytest.mark.e2e
def test_one_bad_release(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--json", "--rate", "50", "--share", "0.5", "--repetitions", "1", "--history", "1"]
    bench.main([*arguments, "--good-minutes", "0"])
    printed = json.loads(capsys.readouterr().out)
    assert (printed["missed"], printed["good"]) == ([], None)
    (found,) = printed["rows"]
    assert set(found) == set(Row.__struct_fields__)
    assert found["rolled_back"] == 1.0
    assert 0 < found["median_seconds"] <= found["median_seconds_from_traffic"]
    assert 0 < found["mean_failed_canary_requests"] <= found["mean_canary_requests"]


@pytest.mark.e2e
def test_a_good_release_is_promoted() -> None:
    found = live.run(bench.good(300, 0.1))
    assert found.phase == "promoted"
    assert found.unanswered == 0
    assert found.requests > 300 * 0.1 * 60


@pytest.mark.e2e
def test_an_interrupted_bench_ends_what_it_started() -> None:
    homes = []

    async def interrupted() -> None:
        async with live.controller() as controller:
            homes.append(controller._client.home)
            raise asyncio.CancelledError

    with pytest.raises(SystemExit, match="has been ended"):
        live.run(interrupted())
    assert not homes[0].exists()
