"""judge_stream: any stream of readings, and the example of its documentation."""

import re
from pathlib import Path

import pytest

from shipway.analysis import judge_stream
from shipway.analysis.policy import Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Verdict
from tests.analysis.streams import history, policy, readings, traffic

STEPS = (Step(weight=5, at_least=60.0), Step(weight=25, at_least=60.0))
DOCUMENT = Path(__file__).parents[2] / "docs" / "how-releases-are-judged.md"


def test_it_steps_on_pass_and_ends_after_the_last() -> None:
    stream = readings(traffic(1, 1000, 200, 0.005, 0.005))
    said = list(judge_stream(stream, policy=policy(check_exposure=False), steps=STEPS, history=history()))
    passes = [reading.at for reading, judgement in said if judgement.verdict is Verdict.PASS]
    assert passes == [60.0, 120.0]
    assert said[-1][0].at == 120.0


def test_it_ends_with_a_fail() -> None:
    said = list(judge_stream(readings(traffic(1, 1000, 200, 0.005, 0.2)), policy=policy(), steps=STEPS))
    assert [one.verdict for _, one in said].count(Verdict.FAIL) == 1
    assert said[-1][1].verdict is Verdict.FAIL
    assert said[-1][0].at < 15


def test_it_ends_with_the_readings() -> None:
    said = list(judge_stream(readings(traffic(1, 30, 200, 0.005, 0.005)), policy=policy(), steps=STEPS))
    assert [one.verdict for _, one in said] == [Verdict.INCONCLUSIVE] * 31
    assert list(judge_stream([], policy=policy(), steps=STEPS)) == []


def test_it_needs_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        list(judge_stream([], policy=policy(), steps=()))


def test_a_generator_may_react_to_what_was_said() -> None:
    weight = 0.05

    def world() -> object:
        sums = [0, 0]
        for second in range(1000):
            sums[0] += int(200 * weight)
            sums[1] += 200 - int(200 * weight)
            yield Reading(float(second), ArmReading(sums[1], 0), ArmReading(sums[0], 0), weight)

    seen = []
    for reading, judgement in judge_stream(world(), policy=policy(), steps=STEPS):  # type: ignore[arg-type]  # a generator
        seen.append((reading.weight, judgement.verdict))
        if judgement.verdict is Verdict.PASS:
            weight = 0.25
    assert {one for one, _ in seen} == {0.05, 0.25}
    assert not any(verdict is Verdict.ERROR for _, verdict in seen)


def test_the_example_in_the_document_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[:2]
    exec(compile(code, str(DOCUMENT), "exec"), {})  # noqa: S102  # our own document
    assert capsys.readouterr().out == printed
