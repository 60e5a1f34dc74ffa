"""What a bad release costs, and how often a good one is rolled back: Shipway beside Argo Rollouts, Flagger and Kayenta.

    python -m bench.exposure [--json] [--plot FILE] [--repetitions N] [--scenario NAME] [--seed N]

Simulated traffic (``bench.traffic``), Shipway's own arithmetic (``shipway.analysis.vector``), steps of 5, 25 and 50 % for 300 s
each, a reading per second, and an hour of the baseline's history read every 10 s before. ``rolled_back`` is a
fraction 0..1; ``median_seconds`` is the median, over the repetitions that were rolled back, of seconds since the canary's
first traffic (null when none was); ``mean_failed_canary_requests`` is over all repetitions.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from bench import rivals
from bench.traffic import Array, Counts, Scenario, World
from shipway.analysis.policy import Indicator, JudgePolicy
from shipway.analysis.vector import Fleet

STEPS = ((0.05, 300), (0.25, 300), (0.50, 300))
"""(weight, seconds)."""

HISTORY = 3600.0
"""Seconds of the baseline's past that the judge learns its dispersion from: the hour that ``plan`` looks at, too."""

GOOD = (
    Scenario("independent"),
    Scenario("clusters-of-2", cluster=2),
    Scenario("clusters-of-5", cluster=5),
    Scenario("traffic-wave", wave="traffic"),
    Scenario("error-wave", wave="errors"),
    Scenario("outage-x30", outage=True),
    Scenario("counter-reset", reset=True),
    Scenario("slow-start", slow_start=True, indicator="latency", warm_up=30.0),
)
LASTING = (
    Scenario("clusters-of-5-over-5s", cluster=5, spread=5),
    Scenario("clusters-of-5-over-10s", cluster=5, spread=10),
)
"""Beyond the method's table, without a bar: clusters that no single reading holds."""

INDEPENDENT, CLUSTERED = GOOD[0], GOOD[2]
LATENCY = Scenario("latency", indicator="latency")


@dataclass(frozen=True)
class Case:
    """One row's world, and what Shipway must reach in it (None: reported only)."""

    scenario: Scenario
    rps: float
    p0: float
    p1: float
    rolled_back_at_least: float | None = None
    rolled_back_at_most: float | None = None
    median_at_most: float | None = None
    cost_at_most: float | None = None


@dataclass(frozen=True)
class Row:
    judge: str
    scenario: str
    rps: float
    p0: float
    p1: float
    repetitions: int
    rolled_back: float
    median_seconds: float | None
    mean_failed_canary_requests: float


BAD = (
    Case(INDEPENDENT, 200, 0.005, 0.025, 0.99, None, 40, 12),
    Case(INDEPENDENT, 200, 0.005, 0.10, 0.99, None, 5, 6),
    Case(INDEPENDENT, 20, 0.001, 0.50, 0.99, None, 8, 5),
    Case(INDEPENDENT, 200, 0.005, 0.01, 0.99, None, 360, None),
    Case(CLUSTERED, 200, 0.005, 0.10, 0.99, None, 45, None),
    Case(LATENCY, 200, 0.01, 0.08, 0.99, None, 20, None),
)

CASES = (
    *(
        Case(scenario, rps, p, p, rolled_back_at_most=0.01)
        for scenario in GOOD
        for p in (0.001, 0.005, 0.01)
        for rps in (2, 20, 200)
    ),
    *(Case(scenario, rps, p, p) for scenario in LASTING for p in (0.001, 0.01) for rps in (2, 20, 200)),
    *BAD,
)


def shipway(world: World, history: float = HISTORY, policy: JudgePolicy | None = None) -> rivals.Outcome:
    """Shipway's judge: one indicator, ``history`` seconds of the baseline before the rollout; a default policy if None."""
    kind = world.scenario.indicator
    name = "errorRate" if kind == "errors" else "latency > 200ms"
    policy = policy or JudgePolicy(
        indicators=(Indicator(name=name, kind=kind, threshold_ms=200.0),), warm_up=world.scenario.warm_up
    )
    fleet = Fleet(policy, world.repetitions, at=-history)
    _learn(fleet, world, history)
    counters = _Counters(world)
    at, cost = np.full(world.repetitions, np.inf), np.zeros(world.repetitions)
    fleet.open(0.0, *counters.read())
    clock = 0
    for weight, seconds in STEPS:
        fleet.next_step()
        for _ in range(seconds):
            running = ~fleet.failed
            if not running.any():
                return at, cost
            counts = world.draw(clock, 1.0, weight)
            clock += 1
            cost += np.where(running, counts.canary_bad, 0)
            counters.add(clock, counts)
            warm = kind == "errors" or clock - 1 >= world.scenario.warm_up
            fleet.observe(clock, *counters.read(), counting=np.full((world.repetitions, 1), warm))
            at[running & fleet.failed] = clock
    return at, cost


def _learn(fleet: Fleet, world: World, history: float) -> None:
    for start in np.arange(-history, 0, 10.0):
        counts = world.draw(start, 10.0, 0.0)
        fleet.learn(start + 10, counts.baseline_bad[:, None], counts.baseline_total[:, None])


class _Counters:
    """Cumulative counters as a proxy would show them, resets included."""

    def __init__(self, world: World) -> None:
        self._canary, self._baseline = np.zeros((2, world.repetitions)), np.zeros((2, world.repetitions))
        never = np.full(world.repetitions, np.inf)
        resets = world.scenario.reset
        self._resets = (world.moments(), world.moments()) if resets else (never, never)

    def add(self, until: float, counts: Counts) -> None:
        """The events of the second that ends at ``until``; where a reset falls into it, what came before is lost."""
        events = (counts.canary_bad, counts.canary_total), (counts.baseline_bad, counts.baseline_total)
        for counters, moment, new in zip((self._canary, self._baseline), self._resets, events, strict=True):
            after = until - moment
            lost = (after >= 0) & (after < 1)
            kept = np.where(lost, after, 1.0)
            for counter, increase in zip(counters, new, strict=True):
                counter[:] = np.where(lost, 0, counter) + np.floor(increase * kept)

    def read(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        canary, baseline = self._canary[:, :, None], self._baseline[:, :, None]
        return (canary[0], canary[1]), (baseline[0], baseline[1])


JUDGES: dict[str, Callable[[World], rivals.Outcome]] = {
    "shipway": shipway,
    "argo": rivals.argo,
    "flagger": rivals.flagger,
    "kayenta": rivals.kayenta,
}
WITHOUT_HISTORY = "shipway-no-history"
"""Shipway on a service that has only just begun to be measured; not part of the table, run with ``--judge``."""
JUDGES[WITHOUT_HISTORY] = lambda world: shipway(world, history=0.0)


def run(case: Case, judge: str, repetitions: int, seed: int) -> Row:
    """One row of the table; the seed of its world follows from ``seed`` and the row's own name."""
    scenario = case.scenario
    name = f"{judge}/{scenario.name}/{case.rps}/{case.p0}/{case.p1}"
    world = World(scenario, case.rps, case.p0, case.p1, repetitions, seed + crc32(name.encode()))
    at, cost = JUDGES[judge](world)
    back = at[np.isfinite(at)]
    return Row(
        judge=judge,
        scenario=scenario.name,
        rps=case.rps,
        p0=case.p0,
        p1=case.p1,
        repetitions=repetitions,
        rolled_back=len(back) / repetitions,
        median_seconds=float(np.median(back)) if len(back) else None,
        mean_failed_canary_requests=float(cost.mean()),
    )


def missed(case: Case, row: Row) -> list[str]:
    """The bars that Shipway's row does not reach."""
    problems = []
    if case.rolled_back_at_least is not None and row.rolled_back < case.rolled_back_at_least:
        problems.append(f"caught {row.rolled_back:.2%}, must be at least {case.rolled_back_at_least:.0%}")
    if case.rolled_back_at_most is not None and row.rolled_back > case.rolled_back_at_most:
        problems.append(f"rolled back {row.rolled_back:.2%}, must be at most {case.rolled_back_at_most:.0%}")
    if case.median_at_most is not None and (row.median_seconds is None or row.median_seconds > case.median_at_most):
        problems.append(f"median {row.median_seconds} s, must be at most {case.median_at_most:g} s")
    if case.cost_at_most is not None and row.mean_failed_canary_requests > case.cost_at_most:
        problems.append(f"cost {row.mean_failed_canary_requests:.1f}, must be at most {case.cost_at_most:g}")
    return problems


REPETITIONS = {"shipway": 2000, WITHOUT_HISTORY: 2000, "argo": 400, "flagger": 400, "kayenta": 60}
"""Per row. Kayenta sorts 32,400 differences per judgement, so it gets fewer."""


DEFAULT = ("shipway", "argo", "flagger", "kayenta")


def results(scenario: str, repetitions: int | None, seed: int, judges: Sequence[str]) -> Iterator[tuple[Case, Row]]:
    for case in CASES:
        if scenario in {"", case.scenario.name}:
            for judge in judges:
                yield case, run(case, judge, repetitions or REPETITIONS[judge], seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when one of Shipway's rows misses its bar."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.exposure", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a picture (.png or .svg)")
    parser.add_argument(
        "--repetitions", type=int, help="per row, for every judge (default: shipway 2000, rivals 400, kayenta 60)"
    )
    parser.add_argument("--scenario", default="", choices=["", *dict.fromkeys(case.scenario.name for case in CASES)])
    parser.add_argument("--judge", default="", choices=["", *JUDGES], help="only this judge")
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", file=sys.stderr)
    rows, problems = [], []
    for case, row in results(
        options.scenario, options.repetitions, options.seed, [options.judge] if options.judge else DEFAULT
    ):
        rows.append(row)
        if row.judge == "shipway":
            problems += [
                f"{row.scenario} {row.rps:g} rps {row.p0:.2%} -> {row.p1:.2%}: {text}" for text in missed(case, row)
            ]
        if not options.json:
            print(_line(row), flush=True)
    if options.json:
        print(json.dumps({"seed": options.seed, "rows": [asdict(row) for row in rows], "missed": problems}, indent=1))
    if options.plot:
        from bench.exposure_plot import plot

        plot(rows, options.plot)
    for problem in problems:
        print(f"BAR MISSED {problem}", file=sys.stderr)
    return 1 if problems else 0


def _line(row: Row) -> str:
    median = "-" if row.median_seconds is None else f"{row.median_seconds:,.0f} s"
    return (
        f"{row.judge:8} {row.scenario:14} {row.rps:5g} rps {row.p0:6.2%} -> {row.p1:6.2%}  rolled back {row.rolled_back:7.2%}"
        f"  median {median:>8}  failed canary requests {row.mean_failed_canary_requests:10,.1f}  ({row.repetitions} repetitions)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
