"""One number per request: the asymptotic confidence sequence on block differences."""

from math import exp, inf, log, sqrt

import numpy as np
import pytest

from shipway.analysis.continuous import TUNED_FOR, lower_evidence
from shipway.analysis.judge import judge
from shipway.analysis.policy import Indicator
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Verdict
from tests.analysis.streams import fold, policy

CPU = Indicator(name="cpu increase < 10%", kind="continuous", measure="cpu", margin=0.1)


def stream(seed: int, seconds: int, factor: float, *, reported: bool = True) -> list[Reading]:
    rng = np.random.default_rng(seed)
    cpu, requests, result = [0.0, 0.0], [0, 0], []
    for second in range(seconds + 1):
        for i, (n, f) in enumerate(((10, factor), (90, 1.0))):
            requests[i] += n
            cpu[i] += f * n * max(0.0, rng.normal(0.01, 0.002))
        arms = [ArmReading(n, 0, (), (("cpu", c),) if reported else ()) for n, c in zip(requests, cpu, strict=True)]
        result.append(Reading(float(second), arms[1], arms[0], 0.1))
    return result


def test_evidence_is_the_level_at_which_the_radius_equals_the_mean() -> None:
    level, blocks, variance, mean = log(100), 40, 2.0, 1.5
    alpha = exp(-lower_evidence(blocks, mean, variance, level))
    rho2 = (-2 * log(0.02) + log(-2 * log(0.02) + 1)) / TUNED_FOR
    grown = blocks * rho2 + 1
    radius = sqrt(variance) * sqrt(2 * grown / (blocks**2 * rho2) * log(1 + sqrt(grown) / (2 * alpha)))
    assert radius == pytest.approx(mean)


def test_nothing_is_said_before_twelve_blocks_or_for_an_improvement() -> None:
    assert lower_evidence(11, 100.0, 1.0, 5.0) == -inf
    assert lower_evidence(50, -1.0, 1.0, 5.0) == -inf


def test_a_costlier_release_fails_and_one_within_the_margin_does_not() -> None:
    how = policy(CPU)
    costly = judge(how, fold(how, stream(1, 400, 1.5)), 400.0)
    assert costly.verdict is Verdict.FAIL
    assert costly.indicators[0].canary_band is None
    assert costly.sentence.startswith("cpu per request: canary 0.0146, baseline 0.009")
    assert "1 in 1 million" in costly.sentence, "an asymptotic test claims no more"
    assert judge(how, fold(how, stream(2, 400, 1.05)), 400.0).verdict is Verdict.PASS


def test_a_limit_that_a_person_wrote_needs_no_baseline() -> None:
    how = policy(Indicator(name="cpu < 8ms", kind="continuous", measure="cpu", limit=0.008))
    assert judge(how, fold(how, stream(1, 400, 1.0)), 400.0).verdict is Verdict.FAIL


def test_a_measure_that_nobody_reports_is_no_evidence() -> None:
    how = policy(CPU)
    verdict = judge(how, fold(how, stream(1, 400, 1.5, reported=False)), 400.0)
    assert verdict.verdict is not Verdict.FAIL
    assert verdict.indicators[0].canary_total == 0


def test_false_alarms_are_rare() -> None:
    how = policy(CPU)
    fails = sum(judge(how, fold(how, stream(seed, 900, 1.1)), 900.0).verdict is Verdict.FAIL for seed in range(40))
    assert fails <= 1
