"""Exposure: a broken split is an ERROR, a settling one is not."""

import numpy as np
import pytest
from msgspec.structs import replace

from shipway.analysis.judge import begin, begin_step, judge, observe
from shipway.analysis.policy import Step
from shipway.analysis.split import SplitTrack
from shipway.analysis.verdict import Verdict
from tests.analysis.streams import STEP, fold, policy, readings, traffic


def split(rps: float, real: float, weight: float, seconds: int, seed: int = 1) -> SplitTrack:
    rng = np.random.default_rng(seed)
    track = SplitTrack()
    for second in range(seconds):
        track = track.observe(float(second), weight, int(rng.poisson(rps * real)), int(rng.poisson(rps * (1 - real))))
    return track


@pytest.mark.parametrize(("weight", "real"), [(0.05, 0.15), (0.05, 0.0), (0.5, 0.95), (0.25, 0.02), (0.05, 1.0)])
def test_a_broken_split_is_found(weight: float, real: float) -> None:
    assert split(200, real, weight, 60).broken


@pytest.mark.parametrize("weight", [0.01, 0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("rps", [2, 200])
def test_the_split_that_was_asked_for_is_not_broken(weight: float, rps: float) -> None:
    assert not any(split(rps, weight, weight, 900, seed).broken for seed in range(10))


def test_one_tick_of_lag_and_requests_in_flight_are_no_broken_split() -> None:
    track = SplitTrack()
    for second in range(20):
        track = track.observe(float(second), 0.05, 10, 190)
    for second, canary in ((20, 10), (21, 12), (22, 60), (23, 98), *((s, 100) for s in range(24, 60))):
        track = track.observe(float(second), 0.5, canary, 200 - canary)
        assert not track.broken


def test_all_or_nothing_is_not_a_split() -> None:
    assert not split(200, 0.5, 0.0, 60).broken
    assert not split(200, 0.5, 1.0, 60).broken


def test_a_split_that_is_repaired_is_soon_believed_again() -> None:
    track = split(200, 0.3, 0.05, 600)
    assert track.broken
    for second in range(600, 660):
        track = track.observe(float(second), 0.05, 10, 190)
    assert not track.broken


def test_a_broken_split_is_an_error_with_its_numbers_and_beaten_only_by_a_fail() -> None:
    how, stream = policy(), list(readings(traffic(1, 60, 200, 0.0, 0.0, weight=0.15), weight=0.05))
    verdict = judge(how, fold(how, stream), 60.0)
    assert verdict.verdict is Verdict.ERROR
    assert "the weight says 5.0%" in verdict.sentence
    assert verdict.exposure == pytest.approx(0.15, abs=0.02)
    unwatched = replace(how, check_exposure=False)
    assert judge(unwatched, fold(unwatched, stream), 60.0).verdict is Verdict.INCONCLUSIVE


def test_a_change_of_weight_between_steps_is_no_broken_split() -> None:
    how = policy()
    stream = [*readings(traffic(1, 100, 200, 0.005, 0.005, 0.05))]
    last = stream[-1]
    state = fold(how, stream)
    state = begin_step(how, state, Step(weight=50, at_least=60.0), 100.0)
    for one in readings(traffic(2, 100, 200, 0.005, 0.005, 0.5), weight=0.5, start=101.0):
        assert one.canary is not None
        assert one.baseline is not None
        assert last.canary is not None
        assert last.baseline is not None
        canary = replace(
            one.canary,
            requests=one.canary.requests + last.canary.requests,
            errors=one.canary.errors + last.canary.errors,
        )
        baseline = replace(
            one.baseline,
            requests=one.baseline.requests + last.baseline.requests,
            errors=one.baseline.errors + last.baseline.errors,
        )
        state = observe(how, state, replace(one, canary=canary, baseline=baseline))
        assert judge(how, state, one.at).verdict in {Verdict.INCONCLUSIVE, Verdict.PASS}
    assert begin(how, 0.0).split == SplitTrack()
    assert STEP.weight == 5
