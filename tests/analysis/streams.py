"""Streams of readings for the tests of this room: simulated counters, and policies with one line each."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from shipway.analysis.judge import JudgeState, begin, begin_step, observe
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading

ERRORS = Indicator(name="errorRate", kind="errors")
SLOW = Indicator(name="latency > 200ms", kind="latency", threshold_ms=200.0)
STEP = Step(weight=5, at_least=300.0)


def policy(*indicators: Indicator, **changes: object) -> JudgePolicy:
    return JudgePolicy(indicators=indicators or (ERRORS,), **changes)  # type: ignore[arg-type]  # tests name the fields


def readings(
    ticks: Iterable[tuple[int, int, int, int]], *, weight: float = 0.05, start: float = 0.0, every: float = 1.0
) -> Iterator[Reading]:
    """Cumulative readings from (canary bad, canary total, baseline bad, baseline total) per tick, a zero reading first."""
    sums = [0, 0, 0, 0]
    yield Reading(start, ArmReading(0, 0), ArmReading(0, 0), weight)
    for i, tick in enumerate(ticks, 1):
        sums = [total + new for total, new in zip(sums, tick, strict=True)]
        yield Reading(start + i * every, ArmReading(sums[3], sums[2]), ArmReading(sums[1], sums[0]), weight)


def traffic(  # noqa: PLR0917  # the order of the words of a scenario
    seed: int, seconds: int, rps: float, p0: float, p1: float, weight: float = 0.05
) -> list[tuple[int, int, int, int]]:
    """Poisson arrivals with independent errors, one tuple per second."""
    rng = np.random.default_rng(seed)
    canary, baseline = rng.poisson(rps * weight, seconds), rng.poisson(rps * (1 - weight), seconds)
    bad_c, bad_b = rng.binomial(canary, p1), rng.binomial(baseline, p0)
    return [tuple(int(v) for v in row) for row in zip(bad_c, canary, bad_b, baseline, strict=True)]


def history(seconds: int = 1800, rps: float = 100.0, p: float = 0.005, seed: int = 7) -> list[tuple[float, ArmReading]]:
    """Cumulative readings of a baseline, every 10 s, ending at time 0."""
    rng = np.random.default_rng(seed)
    total = np.cumsum(rng.poisson(rps * 10, seconds // 10))
    bad = np.cumsum(rng.poisson(rps * 10 * p, seconds // 10))
    return [(10.0 * (i + 1) - seconds, ArmReading(int(total[i]), int(bad[i]))) for i in range(seconds // 10)]


def fold(
    how: JudgePolicy, stream: Sequence[Reading], step: Step = STEP, past: Sequence[tuple[float, ArmReading]] = ()
) -> JudgeState:
    """The state after a whole stream."""
    state = begin_step(how, begin(how, stream[0].at, past), step, stream[0].at)
    for reading in stream:
        state = observe(how, state, reading)
    return state
