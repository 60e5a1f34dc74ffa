"""The judge by example: each verdict, what it says, and what is never evidence."""

from math import inf

import pytest
from msgspec.structs import replace

from shipway.analysis.judge import LOGIC, begin, begin_step, judge, observe
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Judgement, Verdict
from tests.analysis.streams import ERRORS, SLOW, STEP, fold, history, policy, readings, traffic


def test_logic_is_versioned() -> None:
    assert LOGIC == 1


def test_a_bad_release_fails_with_its_numbers_in_one_sentence() -> None:
    stream = list(readings([(1, 7, 0, 134)] * 9))
    verdict = judge(policy(), fold(policy(), stream), 9.0)
    assert verdict.verdict is Verdict.FAIL
    (evidence,) = verdict.indicators
    assert evidence.verdict is Verdict.FAIL
    assert evidence.e == min(evidence.e_relative, evidence.e_absolute) > evidence.limit
    assert (evidence.canary_bad, evidence.baseline_bad) == (evidence.canary_total / 7, 0)
    assert verdict.sentence.startswith(
        f"canary failed {evidence.canary_bad:.0f} of {evidence.canary_total} requests, baseline 0 of"
    )
    assert verdict.sentence.endswith("if it were no worse")
    assert " 1 in " in verdict.sentence
    assert evidence.canary_band is not None
    assert evidence.baseline_band is not None
    low, high = evidence.canary_band
    assert 0 < low < 1 / 7 < high
    assert evidence.baseline_band[0] == 0


def test_fail_is_sticky() -> None:
    how = policy()
    state = fold(how, list(readings([(1, 7, 0, 134)] * 9)))
    failed = judge(how, state, 9.0)
    for i in range(1, 200):
        good = Reading(9.0 + i, ArmReading(1206 + 1000 * i, 50 * i), ArmReading(63 + 50 * i, 9), 0.05)
        state = observe(how, state, good)
    assert state.read_at == 208
    now = judge(how, state, 300.0)
    assert now.verdict is Verdict.FAIL
    assert now.sentence == failed.sentence
    assert judge(how, begin_step(how, state, STEP, 300.0), 300.0).verdict is Verdict.FAIL


def test_a_good_release_passes_when_time_and_sample_are_there_and_not_before() -> None:
    how, stream = policy(), list(readings(traffic(1, 300, 200, 0.005, 0.005)))
    early = judge(how, fold(how, stream[:100]), 99.0)
    assert early.verdict is Verdict.INCONCLUSIVE
    assert early.more_requests == 0
    assert "left" in early.sentence
    done = judge(how, fold(how, stream), 300.0)
    assert done.verdict is Verdict.PASS
    assert done.sample > 2500
    assert done.exposure == pytest.approx(0.05, abs=0.01)


def test_a_quiet_service_waits_for_its_sample_and_says_how_many_more() -> None:
    how, stream = policy(), list(readings([(0, 1, 0, 19)] * 20))
    verdict = judge(how, fold(how, stream, Step(weight=5, at_least=10.0, min_requests=50)), 400.0 - 380.0)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert (verdict.sample, verdict.more_requests) == (20, 30)


def test_an_outage_of_both_arms_holds_and_ends() -> None:
    how = policy(replace(ERRORS, slo=0.01))
    outage = [(3, 10, 57, 190)] * 60
    held = judge(how, fold(how, list(readings(outage))), 60.0)
    assert held.verdict is Verdict.HOLD
    assert held.indicators[0].verdict is Verdict.HOLD
    assert "both releases" in held.sentence
    over = [*outage, *[(0, 10, 0, 190)] * 300]
    assert judge(how, fold(how, list(readings(over))), 360.0).verdict is Verdict.PASS


def test_trouble_of_the_canary_alone_is_no_hold() -> None:
    how = policy(replace(ERRORS, slo=0.01))
    assert judge(how, fold(how, list(readings([(3, 10, 0, 190)] * 60))), 60.0).verdict is Verdict.FAIL


def test_a_limit_that_a_person_wrote_is_judged_alone() -> None:
    how = policy(Indicator(name="errorRate < 1%", kind="errors", limit=0.01))
    verdict = judge(how, fold(how, list(readings([(3, 10, 57, 190)] * 60))), 60.0)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.indicators[0].e_relative == -inf
    assert verdict.sentence.endswith("if it kept the limit of 1 %")
    kept = judge(how, fold(how, list(readings(traffic(5, 300, 200, 0.005, 0.005)))), 300.0)
    assert kept.verdict is Verdict.PASS


def test_a_rate_below_the_floor_stops_nobody() -> None:
    """1 in a million becoming 3 in 10,000 is a ratio of 300, and still nothing to roll back for."""
    how = policy()
    ticks = [(1 if i % 3 == 0 else 0, 1000, 0, 19_000) for i in range(600)]
    state = fold(how, list(readings(ticks)))
    verdict = judge(how, state, 600.0)
    assert verdict.verdict is Verdict.PASS
    assert verdict.indicators[0].e_relative > verdict.indicators[0].limit
    assert verdict.indicators[0].e_absolute < verdict.indicators[0].limit


def test_a_reading_without_an_arm_is_never_evidence_and_the_next_covers_the_gap() -> None:
    how = policy()
    whole = list(readings([(0, 10, 1, 190), (2, 10, 0, 190), (1, 10, 0, 190)]))
    gap = [whole[0], whole[1], Reading(2.0, whole[2].baseline, None, 0.05), whole[3]]
    state = fold(how, gap)
    assert state.sample == 30
    assert judge(how, state, 3.0).indicators[0].canary_bad == 3


def test_five_readings_without_an_arm_are_an_error_until_one_comes_back() -> None:
    how, stream = policy(), list(readings([(0, 10, 0, 190)] * 5))
    state = fold(how, stream)
    verdicts = []
    for i in range(1, 6):
        state = observe(how, state, Reading(5.0 + i, None, ArmReading(60, 0), 0.05))
        verdicts.append(judge(how, state, 5.0 + i).verdict)
    assert verdicts == [Verdict.INCONCLUSIVE] * 4 + [Verdict.ERROR]
    assert "could not measure" in judge(how, state, 10.0).sentence
    state = observe(how, state, Reading(11.0, ArmReading(2000, 0), ArmReading(110, 0), 0.05))
    assert judge(how, state, 11.0).verdict is Verdict.INCONCLUSIVE


def test_silence_is_an_error_too() -> None:
    how = policy()
    fresh = begin_step(how, begin(how, 100.0), STEP, 100.0)
    assert judge(how, fresh, 120.0).verdict is Verdict.INCONCLUSIVE
    assert judge(how, fresh, 131.0).verdict is Verdict.ERROR
    state = fold(how, list(readings([(0, 10, 0, 190)] * 5)))
    assert judge(how, state, 36.0).verdict is Verdict.ERROR
    slow = fold(how, list(readings([(0, 150, 0, 2850)] * 5, every=60.0)))
    assert judge(how, slow, 300.0 + 200.0).verdict is not Verdict.ERROR


def test_counters_that_start_again_count_from_zero() -> None:
    how = policy()
    stream = [
        Reading(0.0, ArmReading(1000, 5), ArmReading(100, 1), 0.05),
        Reading(1.0, ArmReading(1190, 6), ArmReading(110, 1), 0.05),
        Reading(2.0, ArmReading(180, 2), ArmReading(120, 1), 0.05),
        Reading(3.0, ArmReading(370, 2), ArmReading(8, 3), 0.05),
    ]
    (evidence,) = judge(how, fold(how, stream), 3.0).indicators
    assert (evidence.baseline_bad, evidence.baseline_total) == (1 + 2 + 0, 190 + 180 + 190)
    assert (evidence.canary_bad, evidence.canary_total) == (0 + 0 + 3, 10 + 10 + 8)


def test_old_and_repeated_readings_change_nothing() -> None:
    how, stream = policy(), list(readings(traffic(3, 50, 200, 0.01, 0.02)))
    state = fold(how, stream)
    assert observe(how, state, stream[-1]) is state
    assert observe(how, state, stream[10]) is state


def test_history_of_clusters_makes_the_same_errors_weigh_less() -> None:
    how, stream = policy(), list(readings([(1, 7, 0, 134)] * 3))
    calm = fold(how, stream, past=history())
    total = [(10.0 * i - 1800, ArmReading(1000 * i, 30 * (i // 6))) for i in range(1, 181)]
    rough = fold(how, stream, past=total)
    of_calm, of_rough = judge(how, calm, 3.0).indicators[0], judge(how, rough, 3.0).indicators[0]
    assert of_calm.phi < 1.3
    assert of_rough.phi > 10
    assert of_calm.e_relative > of_rough.e_relative > 0


def test_a_history_with_a_restart_in_it_is_no_dispersion() -> None:
    past = history()
    restarted = [
        *past[:90],
        *(
            (at, ArmReading(one.requests - past[89][1].requests, one.errors - past[89][1].errors))
            for at, one in past[90:]
        ),
    ]
    how, stream = policy(), list(readings([(0, 10, 0, 190)]))
    assert judge(how, fold(how, stream, past=restarted), 1.0).indicators[0].phi == pytest.approx(
        judge(how, fold(how, stream, past=past), 1.0).indicators[0].phi, rel=0.05
    )


@pytest.mark.parametrize(("rps", "seconds"), [(2000, 120), (20_000, 20)])
def test_evidence_lets_a_busy_good_release_through_early(rps: int, seconds: int) -> None:
    how = policy(advance="evidence")
    step = Step(weight=5, at_least=0.0)
    stream = list(readings(traffic(1, seconds, rps, 0.005, 0.005)))
    assert judge(how, fold(how, stream[:3], step), 2.0).verdict is Verdict.INCONCLUSIVE
    assert judge(how, fold(how, stream, step), float(seconds)).verdict is Verdict.PASS


def test_evidence_says_how_many_more_requests_would_do_and_means_it() -> None:
    how, step = policy(advance="evidence"), Step(weight=5, at_least=0.0)
    stream = list(readings([(0, 10, 1, 190)] * 600))
    first = judge(how, fold(how, stream[:61], step), 60.0)
    assert first.verdict is Verdict.INCONCLUSIVE
    assert first.more_requests is not None
    wanted = first.sample + first.more_requests
    passed = next(
        i for i in range(60, 600) if judge(how, fold(how, stream[: i + 1], step), float(i)).verdict is Verdict.PASS
    )
    assert 0.6 < wanted / (10 * passed) < 1.6


def test_evidence_knows_when_no_number_of_requests_would_do() -> None:
    how, step = policy(advance="evidence"), Step(weight=5, at_least=0.0)
    ticks = [(1 if i % 8 == 0 else 0, 10, 1, 190) for i in range(60)]
    verdict = judge(how, fold(how, list(readings(ticks)), step), 60.0)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.more_requests is None


def test_indicators_share_the_error_budget() -> None:
    one, two = policy(ERRORS), policy(ERRORS, replace(ERRORS, name="again"))
    stream = list(readings([(0, 10, 0, 190)] * 3))
    limits = [judge(how, fold(how, stream), 3.0).indicators[0].limit for how in (one, two)]
    assert limits == pytest.approx([4.60517, 5.29832], abs=1e-4)


def test_latency_of_young_instances_does_not_count_but_their_errors_do() -> None:
    how = policy(ERRORS, SLOW, warm_up=30.0)

    def at(second: int) -> Reading:
        slow = ((50.0, 5 * second), (300.0, 5 * second))
        fast = ((50.0, 190 * second),)
        return Reading(
            float(second),
            ArmReading(190 * second, 0, fast),
            ArmReading(10 * second, second, slow, youngest=second + 3.0),
            0.05,
        )

    young = judge(how, fold(how, [at(i) for i in range(28)]), 27.0)
    assert young.indicators[1].canary_total == 0
    assert young.indicators[0].verdict is Verdict.FAIL
    latency = policy(SLOW, warm_up=30.0)
    assert judge(latency, fold(latency, [at(i) for i in range(28)]), 27.0).verdict is Verdict.INCONCLUSIVE
    assert judge(latency, fold(latency, [at(i) for i in range(40)]), 39.0).verdict is Verdict.FAIL


def test_request_rate_against_a_limit() -> None:
    how = policy(Indicator(name="requestRate", kind="requests", limit=150.0, relative=False))
    over = judge(how, fold(how, list(readings([(0, 10, 0, 190)] * 60))), 60.0)
    assert over.verdict is Verdict.FAIL
    assert "requests per second" in over.sentence
    under = policy(Indicator(name="requestRate", kind="requests", limit=250.0, relative=False))
    assert judge(under, fold(under, list(readings([(0, 10, 0, 190)] * 300))), 300.0).verdict is Verdict.PASS


def test_an_indicator_of_which_nothing_is_asked_never_fails() -> None:
    how = policy(Indicator(name="errorRate", kind="errors", relative=False))
    assert judge(how, fold(how, list(readings([(10, 10, 0, 190)] * 300))), 300.0).verdict is Verdict.PASS


def test_without_a_step_nothing_moves() -> None:
    how = policy()
    state = begin(how, 0.0)
    assert judge(how, state, 1.0).verdict is Verdict.INCONCLUSIVE
    assert judge(how, state, 1.0).exposure is None


def test_a_policy_without_indicators_passes_on_time_alone() -> None:
    how = JudgePolicy(indicators=())
    assert judge(how, fold(how, list(readings([(9, 10, 0, 190)] * 300))), 300.0).verdict is Verdict.PASS


def test_a_short_step_does_not_pass_what_looks_bad() -> None:
    """All that fails between two readings is one cause for all the judge can know; it is nothing to go forward on."""
    step = Step(weight=30.0, at_least=1.0, min_requests=10)

    def after(*ticks: tuple[int, int, int, int]) -> Judgement:
        return judge(policy(), fold(policy(), list(readings(ticks, weight=0.3)), step), float(len(ticks)))

    once = after((90, 126, 0, 290))
    assert once.verdict is Verdict.INCONCLUSIVE
    assert "more readings to tell a bad release from one bad moment" in once.sentence
    good, bad = (0, 40, 0, 100), (30, 40, 0, 100)
    thrice = after(good, bad, bad, bad)
    assert thrice.verdict is Verdict.INCONCLUSIVE
    assert thrice.sentence.endswith("too suspicious to go on with, not enough to take it back")
    assert after(bad, bad, bad, bad).verdict is Verdict.FAIL
    assert after(good, good, good, good).verdict is Verdict.PASS
