"""What a step can see, and what an exposure budget allows."""

import numpy as np
import pytest

from bench.exposure import INDEPENDENT
from bench.traffic import World
from shipway.analysis.detect import detectable, expected_loss, next_weight, sight
from shipway.analysis.policy import Indicator, Step
from shipway.analysis.vector import Fleet
from tests.analysis.streams import ERRORS, policy

FIVE = Step(weight=5, at_least=300.0)


def test_the_sentence_of_a_useful_step() -> None:
    seen = sight(policy(), 40, 0.001, FIVE)
    assert seen.useful
    assert seen.sentence == (
        "5 % for 5 min at 40 rps = 600 requests: detects an error rate of 2 % or more with 95 % probability"
    )


def test_a_step_that_sees_nothing_useful_says_so_and_what_would() -> None:
    seen = sight(policy(), 2, 0.001, FIVE)
    assert not seen.useful
    assert seen.seconds is not None
    assert "only an error rate of" in seen.sentence
    assert "would see 5 %" in seen.sentence
    better = detectable(policy(), 2, 0.001, Step(weight=5, at_least=seen.seconds))
    assert better is not None
    assert better <= 0.05


def test_a_service_too_quiet_for_any_step() -> None:
    seen = sight(policy(), 0.001, 0.001, FIVE)
    assert seen.rate is None
    assert "nothing useful" in seen.sentence
    assert "too quiet" in seen.sentence


def test_more_traffic_time_or_weight_never_sees_less() -> None:
    rates = [detectable(policy(), rps, 0.005, FIVE) or 1.1 for rps in (1, 5, 20, 100, 500, 5000)]
    assert rates == sorted(rates, reverse=True)
    longer = [detectable(policy(), 20, 0.005, Step(weight=5, at_least=s)) or 1.1 for s in (60, 300, 1200, 7200)]
    assert longer == sorted(longer, reverse=True)
    heavier = [detectable(policy(), 20, 0.005, Step(weight=w, at_least=300.0)) or 1.1 for w in (1, 5, 20, 50)]
    assert heavier == sorted(heavier, reverse=True)
    clustered = detectable(policy(), 200, 0.005, FIVE, phi=9.0)
    assert clustered is not None
    assert clustered > (detectable(policy(), 200, 0.005, FIVE) or 1.1)


@pytest.mark.parametrize(("rps", "p0"), [(40, 0.001), (200, 0.005), (20, 0.01)])
def test_what_is_promised_is_seen_with_95_percent_probability(rps: float, p0: float) -> None:
    rate = detectable(policy(), rps, p0, FIVE)
    assert rate is not None
    world = World(INDEPENDENT, rps, p0, rate, 400, 5)
    fleet = Fleet(policy(), 400, at=-600.0)
    for start in range(-600, 0, 10):
        past = world.draw(start, 10.0, 0.0)
        fleet.learn(start + 10.0, past.baseline_bad[:, None], past.baseline_total[:, None])
    sums = np.zeros((4, 400))
    arms = [one[:, None] for one in sums]
    fleet.open(0.0, (arms[0], arms[1]), (arms[2], arms[3]))
    for second in range(300):
        new = world.draw(second, 1.0, 0.05)
        sums += np.stack([new.canary_bad, new.canary_total, new.baseline_bad, new.baseline_total])
        fleet.observe(second + 1.0, (arms[0], arms[1]), (arms[2], arms[3]))
    assert fleet.failed.mean() >= 0.93, "95 % less what 400 repetitions leave to chance"
    below = detectable(policy(), rps, p0, Step(weight=5, at_least=100.0))
    assert below is None or below > rate, "and not by promising too little"


def test_a_limit_that_a_person_wrote_can_be_asked_too() -> None:
    how = policy(Indicator(name="errorRate < 1%", kind="errors", limit=0.01))
    rate = detectable(how, 200, 0.001, FIVE)
    assert rate is not None
    assert 0.01 < rate < 0.03


def test_the_worst_loss_grows_with_the_weight_and_the_budget_picks_the_largest() -> None:
    losses = [expected_loss(policy(), 200, 0.005, Step(weight=w, at_least=300.0)) for w in (1, 5, 10, 25, 50)]
    assert losses == sorted(losses)
    how = policy(ERRORS, exposure_budget=50.0)
    chosen = next_weight(how, 200, 0.005, seconds=300.0)
    assert chosen is not None
    assert expected_loss(how, 200, 0.005, Step(weight=chosen, at_least=300.0)) <= 50
    assert chosen < (next_weight(how, 200, 0.005, seconds=300.0, budget=200.0) or 0)
    assert next_weight(how, 2, 0.005, seconds=300.0) == 50, "a quiet service cannot lose as much"
    assert next_weight(how, 200, 0.005, seconds=300.0, budget=0.1) is None


def test_evidence_that_rules_out_the_worst_allows_more() -> None:
    how = policy(exposure_budget=50.0)
    known = [next_weight(how, 200, 0.005, seconds=300.0, worst_rate=worst) for worst in (1.0, 0.03, 0.0065)]
    assert known == sorted(known, key=lambda one: one or 0), "the less a release can still be, the more it may be given"
    assert known[0] != known[-1] == 50
    step = Step(weight=50, at_least=300.0)
    assert expected_loss(how, 200, 0.005, step, worst_rate=0.005) == 0, "no worse than the baseline costs nothing"
