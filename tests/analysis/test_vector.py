"""Many rollouts at once give what each would get alone."""

import numpy as np
import pytest
from msgspec.structs import replace

from shipway.analysis.judge import begin, begin_step, judge, observe
from shipway.analysis.policy import Indicator, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.track import CountTrack
from shipway.analysis.vector import Array, Fleet
from tests.analysis.streams import ERRORS, SLOW, policy

ROLLOUTS, SECONDS = 12, 150


def bins(bad: int, total: int) -> tuple[tuple[float, int], ...]:
    return ((20.0, total - bad), (250.0, bad))


def world() -> Array:
    """Cumulative (second, rollout, [errors, slow, requests of canary; the same of baseline]), with resets."""
    rng = np.random.default_rng(11)
    steps = np.zeros((SECONDS, ROLLOUTS, 6))
    for arm, mean in ((0, 5.0), (3, 95.0)):
        requests = rng.poisson(mean, (SECONDS, ROLLOUTS))
        p = np.linspace(0.002, 0.03, ROLLOUTS) * (4 if arm == 0 else 1)
        steps[..., arm + 2] = requests
        steps[..., arm] = rng.binomial(requests, p)
        steps[..., arm + 1] = rng.binomial(requests, p / 2)
    sums = np.cumsum(steps, axis=0)
    sums[90:, ::3, 3:] -= sums[89, ::3, 3:]
    sums[40:, ::4, :3] -= sums[39, ::4, :3]
    return sums


def alone(how: object, sums: Array, rollout: int, past: Array) -> list[CountTrack]:
    judged = policy(*how) if isinstance(how, tuple) else policy()
    total = np.cumsum(past[rollout], axis=0)
    history = [(-600.0, ArmReading(0, 0, bins(0, 0)))]
    history += [
        (-590.0 + 10 * i, ArmReading(int(n), int(x), bins(int(s), int(n)))) for i, (x, s, n) in enumerate(total)
    ]
    state = begin_step(judged, begin(judged, 0.0, history), Step(weight=5, at_least=75.0), 0.0)
    for second in range(SECONDS + 1):
        row = sums[second - 1, rollout].astype(int).tolist() if second else [0] * 6
        c, b = row[:3], row[3:]
        reading = Reading(
            float(second), ArmReading(b[2], b[0], bins(b[1], b[2])), ArmReading(c[2], c[0], bins(c[1], c[2])), 0.05
        )
        if second == 76:
            state = begin_step(judged, state, Step(weight=5, at_least=75.0), 75.0)
        state = observe(judged, state, reading)
    assert judge(judged, state, SECONDS).indicators
    return [one for one in state.tracks if isinstance(one, CountTrack)]


@pytest.mark.parametrize(
    "indicators",
    [
        (ERRORS,),
        (ERRORS, SLOW),
        (replace(ERRORS, tolerance=1.5), Indicator(name="errorRate < 5%", kind="errors", limit=0.05)),
    ],
)
def test_a_fleet_agrees_with_every_rollout_judged_alone(indicators: tuple[Indicator, ...]) -> None:
    sums = world()
    rng = np.random.default_rng(12)
    past = np.stack(
        [rng.poisson(9, (ROLLOUTS, 60)), rng.poisson(4, (ROLLOUTS, 60)), rng.poisson(1000, (ROLLOUTS, 60))], axis=2
    )
    column = [1 if one.kind == "latency" else 0 for one in indicators]
    fleet = Fleet(policy(*indicators), ROLLOUTS, at=-600.0)
    for i in range(60):
        total = np.repeat(past[:, i, 2:3], len(indicators), axis=1).astype(float)
        fleet.learn(-590.0 + 10 * i, past[:, i][:, column].astype(float), total)

    def arm(second: int, start: int) -> tuple[Array, Array]:
        now = sums[second - 1] if second else np.zeros((ROLLOUTS, 6))
        return now[:, [start + one for one in column]], np.repeat(
            now[:, start + 2 : start + 3], len(indicators), axis=1
        )

    fleet.open(0.0, arm(0, 0), arm(0, 3))
    for second in range(1, SECONDS + 1):
        if second == 76:
            fleet.next_step()
        fleet.observe(float(second), arm(second, 0), arm(second, 3))

    assert fleet.failed.any()
    assert not fleet.failed.all()
    for rollout in range(ROLLOUTS):
        for k, track in enumerate(alone(indicators, sums, rollout, past)):
            assert track.crossed == fleet.crossed[rollout, k]
            assert track.phi == pytest.approx(fleet.phi[rollout, k], rel=1e-9)
            assert (track.bad, track.good) == pytest.approx((fleet.bad[rollout, k], fleet.good[rollout, k]), rel=1e-9)
            if track.logs:
                assert np.array(track.logs) == pytest.approx(fleet.logs[rollout, k], rel=1e-9, abs=1e-9)


def test_only_counts_are_judged_in_fleets() -> None:
    with pytest.raises(ValueError, match="continuous"):
        Fleet(policy(Indicator(name="cpu", kind="continuous", measure="cpu")), 3)
