"""The exposure bench, reduced: its shape, and the bars that matter most, with fixed seeds."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench import exposure, rivals
from bench.exposure import BAD, CASES, CLUSTERED, GOOD, INDEPENDENT, LASTING, REPETITIONS, Case, main, missed, run
from bench.traffic import Scenario, World
from shipway.analysis import judge_stream
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Verdict

KEYS = {
    "judge",
    "scenario",
    "rps",
    "p0",
    "p1",
    "repetitions",
    "rolled_back",
    "median_seconds",
    "mean_failed_canary_requests",
}


def test_the_table_has_every_row_of_the_method() -> None:
    good = Counter(case.scenario.name for case in CASES if case.rolled_back_at_most == 0.01)
    assert set(good.values()) == {9}
    assert len(good) == len(GOOD) == 8
    assert len(BAD) == 6
    assert REPETITIONS["shipway"] >= 400


def test_json_and_the_plot(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "exposure.svg"
    code = main(["--json", "--scenario", "latency", "--repetitions", "20", "--plot", str(picture)])
    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [row["judge"] for row in printed["rows"]] == ["shipway", "argo", "flagger", "kayenta"]
    assert all(set(row) == KEYS for row in printed["rows"])
    assert all(0 <= row["rolled_back"] <= 1 and row["repetitions"] == 20 for row in printed["rows"])
    assert picture.read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case.scenario.name}-{case.p0}-{case.p1}")
def test_bad_releases_are_caught_in_time(case: Case) -> None:
    assert missed(case, run(case, "shipway", 400, 1)) == []


@pytest.mark.parametrize("scenario", [CLUSTERED, *GOOD[3:6]], ids=lambda scenario: scenario.name)
def test_good_releases_stay(scenario: Scenario) -> None:
    case = Case(scenario, 20, 0.01, 0.01, rolled_back_at_most=0.01)
    assert missed(case, run(case, "shipway", 400, 1)) == []


def test_a_missed_bar_is_said() -> None:
    row = run(Case(INDEPENDENT, 20, 0.001, 0.5), "shipway", 20, 1)
    assert (
        len(
            missed(
                Case(INDEPENDENT, 20, 0.001, 0.5, rolled_back_at_most=0.0, median_at_most=0.5, cost_at_most=0.1), row
            )
        )
        == 3
    )


def test_the_same_seed_gives_the_same_row() -> None:
    case = BAD[0]
    assert run(case, "shipway", 30, 3) == run(case, "shipway", 30, 3)
    assert run(case, "shipway", 30, 3) != run(case, "shipway", 30, 4)


def test_the_world_has_the_rates_it_says() -> None:
    for scenario in GOOD:
        world = World(scenario, 20, 0.01, 0.01, 4000, 5)
        counts = world.draw(100.0, 300.0, 0.25)
        expected = 1.0 if not scenario.wave else None
        if expected is not None and not scenario.outage:
            assert counts.canary_total.mean() == pytest.approx(1500, rel=0.02)
            assert counts.baseline_bad.mean() == pytest.approx(45, rel=0.05)
    lasting = World(LASTING[1], 20, 0.01, 0.01, 2000, 5).draw(0.0, 60.0, 0.25)
    assert lasting.baseline_bad.mean() == pytest.approx(9 * 55.5 / 60, rel=0.05)
    start = World(GOOD[-1], 20, 0.01, 0.01, 4000, 5)
    assert start.draw(0.0, 30.0, 0.5).canary_bad.mean() == pytest.approx(150, rel=0.02)
    assert start.draw(30.0, 30.0, 0.5).canary_bad.mean() == pytest.approx(3, rel=0.1)


def test_rivals_behave_as_documented() -> None:
    """Argo's example is blind below 5 % and needs four failures; Flagger acts one interval after its tenth failed check."""
    blind, _ = rivals.argo(World(INDEPENDENT, 200, 0.005, 0.025, 50, 1))
    assert np.isinf(blind).all()
    late, _ = rivals.argo(World(INDEPENDENT, 200, 0.005, 0.5, 50, 1))
    assert (late == 600 + 3 * 300).all()
    tenth, _ = rivals.flagger(World(INDEPENDENT, 200, 0.005, 0.5, 50, 1))
    assert (tenth == 660).all()
    borderline, _ = rivals.flagger(World(INDEPENDENT, 200, 0.01, 0.01, 200, 1))
    assert 0.3 < np.isfinite(borderline).mean() < 0.6
    hour, _ = rivals.kayenta(World(INDEPENDENT, 200, 0.005, 0.1, 10, 1))
    assert (hour == 3600).all()


def test_the_public_judge_agrees_with_the_bench_on_the_same_traffic() -> None:
    """Every repetition fails in the same second when its readings go through ``judge_stream`` one by one."""
    world, twin = (World(INDEPENDENT, 40, 0.005, 0.05, 8, 9) for _ in range(2))
    at, _ = exposure.shipway(world, history=600.0)
    past = [twin.draw(start, 10.0, 0.0) for start in np.arange(-600.0, 0, 10.0)]
    ticks = [twin.draw(second, 1.0, 0.05 if second < 300 else 0.25) for second in range(int(at.max()) + 1)]
    policy = JudgePolicy(indicators=(Indicator(name="errorRate", kind="errors"),))
    steps = [Step(weight=w * 100, at_least=300.0, min_requests=0) for w in (0.05, 0.25)]
    for i in range(8):
        totals = np.cumsum([[one.baseline_total[i], one.baseline_bad[i]] for one in past], axis=0).astype(int)
        history = [
            (-600.0, ArmReading(0, 0)),
            *((-590.0 + 10 * j, ArmReading(int(n), int(x))) for j, (n, x) in enumerate(totals)),
        ]
        sums, stream = np.zeros(4, dtype=int), [Reading(0.0, ArmReading(0, 0), ArmReading(0, 0), 0.05)]
        for second, one in enumerate(ticks, 1):
            sums += np.array(
                [one.canary_total[i], one.canary_bad[i], one.baseline_total[i], one.baseline_bad[i]]
            ).astype(int)
            arms = ArmReading(int(sums[2]), int(sums[3])), ArmReading(int(sums[0]), int(sums[1]))
            stream.append(Reading(float(second), *arms, 0.05 if second <= 300 else 0.25))
        *_, (reading, judgement) = judge_stream(stream, policy=policy, steps=steps, history=history)
        assert judgement.verdict is Verdict.FAIL
        assert reading.at == at[i]
