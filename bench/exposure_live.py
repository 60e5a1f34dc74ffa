"""What bad releases cost on the real thing: ``python -m bench.exposure_live --json``.

The local runtime as a user has it: a controller in a process of its own that is asked through its API, real processes, the
real proxy, an open-loop load on loopback. Everything is timed from the clients' side, from their own answers:

    seconds         from the end of the first bad answer that the canary gave to the end of its last answer of any kind
    from_traffic    the same from its first answer of any kind
    failed          bad answers of the canary: 5xx, none, or slower than the objective

The judge has two indicators (errors, and ``latency: 99% < 100ms``), so each has half of alpha, and the history that the
baseline has gathered in this run. ``--rows`` measures four rows of ``bench.exposure`` and simulates them beside it with
the same policy, the same history and readings one second apart.
"""

import argparse
import asyncio
import json
import math
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

import msgspec

from bench import exposure, live
from bench.traffic import Scenario, World
from shipway.analysis.policy import Indicator, JudgePolicy
from shipway.runtimes.local.ports import free_port
from shipway.testing.load import Load, Shot

LIMIT = 0.1
"""Seconds: the latency objective, and from where an answer is slow."""

SLO = {"latency": "99% < 100ms"}
SLOW = 0.15
"""Seconds that a slow answer takes."""

WEIGHT = 5.0
PATIENCE = 280.0
"""Seconds after which a release that was not rolled back counts as missed."""

MOST_SECONDS = 3600.0
"""A load's length is bounded whatever happens."""

BAR_MEDIAN, BAR_MAX = 2.0, 4.0
"""Seconds to weight 0 for 50 % errors at 500 rps."""

Fault = Literal["errors", "slow"]


class Case(msgspec.Struct, frozen=True):
    """One bad release: the share of bad answers (errors, or slow ones) of baseline and canary."""

    fault: Fault
    rps: float
    p0: float
    p1: float
    repetitions: int
    history: float = 30.0
    """Seconds of load on the baseline before the first repetition."""
    noise: tuple[float, float] = (0.001, 0.0)
    """Shares of errors and of slow answers that every release has."""

    def env(self, share: float) -> dict[str, object]:
        """The service's settings for this share of bad answers."""
        errors, slow = self.noise
        if self.fault == "errors":
            errors = share
        else:
            slow = share
        return {"ERRORS": errors, "SLOW_SHARE": slow, "SLOW": SLOW}


CASES = (
    Case("errors", 500, 0.001, 0.50, 20),
    Case("errors", 500, 0.001, 0.10, 5),
    Case("errors", 500, 0.001, 0.02, 5),
    Case("slow", 500, 0.0, 1.0, 5),
    Case("errors", 50, 0.001, 0.50, 5),
    Case("errors", 50, 0.001, 0.10, 5),
    Case("errors", 50, 0.001, 0.02, 2),
    Case("slow", 50, 0.0, 1.0, 5),
)

ROWS = (
    Case("errors", 200, 0.005, 0.10, 5, 300, (0.005, 0.01)),
    Case("slow", 200, 0.01, 0.08, 5, 300, (0.005, 0.01)),
    Case("errors", 200, 0.005, 0.025, 5, 300, (0.005, 0.01)),
    Case("errors", 20, 0.001, 0.50, 5, 60, (0.001, 0.0)),
)


class Trial(msgspec.Struct, frozen=True):
    """One bad release, as its clients saw it. None: not rolled back in time, or never bad."""

    seconds: float | None
    from_traffic: float | None
    failed: int
    requests: int
    """Answers that the canary gave."""
    history: float
    """Seconds of baseline that the judge knew."""


class Row(msgspec.Struct, frozen=True):
    """One case's figures."""

    fault: str
    rps: float
    p0: float
    p1: float
    repetitions: int
    rolled_back: float
    median_seconds: float | None
    max_seconds: float | None
    median_seconds_from_traffic: float | None
    mean_failed_canary_requests: float
    mean_canary_requests: float
    simulated_seconds_from_traffic: float | None = None
    simulated_failed_canary_requests: float | None = None


class Good(msgspec.Struct, frozen=True):
    """A release that is no worse, under load for long."""

    rps: float
    minutes: float
    requests: int
    failed: int
    """5xx, and no answer at all."""
    unanswered: int
    """Of those, without any answer: dropped by the platform."""
    phase: str
    verdict: str
    reason: str


class Stand:
    """A baseline under load, on which releases are tried one after the other."""

    def __init__(self, controller: live.Controller, port: int, load: Load, began: float) -> None:
        self.controller, self._port, self._load = controller, port, load
        self._began = began

    async def history(self, seconds: float) -> None:
        """Let the load run until the baseline has been seen for ``seconds``."""
        await asyncio.sleep(max(0.0, self._began + seconds - _now()))

    async def try_out(self, case: Case) -> Trial:
        """One repetition."""
        known, begin = _now() - self._began, len(self._load.shots)
        document = live.application(self._port, case.env(case.p1), steps=((WEIGHT, 2 * PATIENCE),), slo=SLO)
        release = await self.controller.deploy(document)
        rollout = await self.controller.ended(PATIENCE)
        if rollout.active:
            await self.controller.abort()
        await asyncio.sleep(1.0)  # answers that are under way
        shots = [shot for shot in self._load.shots[begin:] if shot.arm == release]
        return trial(case.fault, shots, known, caught=rollout.phase == "rolled back")


def trial(fault: Fault, shots: Sequence[Shot], history: float, *, caught: bool) -> Trial:
    """Figures from the canary's answers."""
    bad = [_end(shot) for shot in shots if (shot.failed if fault == "errors" else shot.latency > LIMIT)]
    last, measurable = max(map(_end, shots), default=0.0), caught and bool(bad)
    return Trial(
        seconds=last - min(bad) if measurable else None,
        from_traffic=last - min(map(_end, shots)) if measurable else None,
        failed=len(bad),
        requests=len(shots),
        history=history,
    )


def _end(shot: Shot) -> float:
    return shot.sent + shot.latency


def _now() -> float:
    return asyncio.get_running_loop().time()


async def stand(case: Case) -> AsyncIterator[Stand]:
    """The baseline of ``case`` in a home of its own; yields once."""
    async with live.controller() as controller:
        port = free_port(())
        await controller.deploy(live.application(port, case.env(case.p0), slo=SLO))
        if (found := await controller.ended(30)).phase != "promoted":
            raise RuntimeError(f"the baseline was not installed: {found.reason}")
        load = Load(port, rate=case.rps, seconds=MOST_SECONDS)
        running = asyncio.create_task(load.run())
        try:
            yield Stand(controller, port, load, _now())
        finally:
            load.stop()
            await running


async def measured(cases: Sequence[Case]) -> AsyncIterator[tuple[Case, list[Trial]]]:
    """Every case's repetitions; cases that share a baseline share a controller."""
    for _, group in groupby(cases, key=lambda case: (case.rps, tuple(case.env(case.p0).items()))):
        shared = list(group)
        async for place in stand(shared[0]):
            for case in shared:
                await place.history(case.history)
                yield case, [await place.try_out(case) for _ in range(case.repetitions)]


def row(case: Case, trials: Sequence[Trial], simulated: tuple[float, float] | None = None) -> Row:
    """The figures of one case."""
    seconds = [found.seconds for found in trials if found.seconds is not None]
    traffic = [found.from_traffic for found in trials if found.from_traffic is not None]
    return Row(
        fault=case.fault,
        rps=case.rps,
        p0=case.p0,
        p1=case.p1,
        repetitions=len(trials),
        rolled_back=len(seconds) / len(trials),
        median_seconds=_rounded(statistics.median(seconds)) if seconds else None,
        max_seconds=_rounded(max(seconds)) if seconds else None,
        median_seconds_from_traffic=_rounded(statistics.median(traffic)) if traffic else None,
        mean_failed_canary_requests=_rounded(statistics.fmean(found.failed for found in trials)),
        mean_canary_requests=_rounded(statistics.fmean(found.requests for found in trials)),
        simulated_seconds_from_traffic=simulated and _rounded(simulated[0]),
        simulated_failed_canary_requests=simulated and _rounded(simulated[1]),
    )


def _rounded(value: float) -> float:
    return round(value, 2)


def simulate(case: Case, history: float, repetitions: int = 400) -> tuple[float, float]:
    """(median seconds from the first traffic, mean failed requests) of the same row in ``bench.exposure``'s world."""
    scenario = Scenario("live", indicator="latency" if case.fault == "slow" else "errors")
    errors = Indicator(name="errorRate", kind="errors")
    slow = Indicator(name="latency", kind="latency", threshold_ms=LIMIT * 1000, floor=0.01)
    # One indicator with half of alpha is one of two that share it.
    policy = JudgePolicy(indicators=(slow if case.fault == "slow" else errors,), alpha=0.005)
    world = World(scenario, case.rps, case.p0, case.p1, repetitions, seed=20261121)
    at, cost = exposure.shipway(world, history, policy)
    caught = [float(moment) for moment in at if math.isfinite(moment)]
    return statistics.median(caught) if caught else math.inf, float(cost.mean())


async def good(rps: float, minutes: float) -> Good:
    """A release exactly like its baseline, 5 %, 25 % and 50 % for a third of the time each."""
    case = Case("errors", rps, 0.005, 0.005, 1)
    steps = tuple((weight, minutes * 20) for weight in (5.0, 25.0, 50.0))
    async with live.controller() as controller:
        port = free_port(())
        await controller.deploy(live.application(port, case.env(case.p0), slo=SLO))
        await controller.ended(30)
        load = Load(port, rate=rps, seconds=minutes * 60 + 60)
        running = asyncio.create_task(load.run())
        try:
            await controller.deploy(live.application(port, {**case.env(case.p0), "VERSION": 2}, steps=steps, slo=SLO))
            rollout = await controller.ended(minutes * 60 + 30, poll=0.5)
        finally:
            load.stop()
            shots = await running
    return Good(
        rps=rps,
        minutes=minutes,
        requests=len(shots),
        failed=sum(shot.failed for shot in shots),
        unanswered=sum(shot.status in {0, 502, 503, 504} for shot in shots),
        phase=rollout.phase,
        verdict=rollout.verdict,
        reason=rollout.reason,
    )


def missed(rows: Sequence[Row], found: Good | None) -> list[str]:
    """The bars that were not reached."""
    problems = []
    for one in rows:
        if (one.fault, one.rps, one.p1) != ("errors", 500, 0.5):
            continue
        if one.rolled_back < 1 or one.median_seconds is None or one.max_seconds is None:
            problems.append(f"50 % errors at 500 rps: only {one.rolled_back:.0%} rolled back")
        elif one.median_seconds > BAR_MEDIAN or one.max_seconds > BAR_MAX:
            text = f"median {one.median_seconds} s and at most {one.max_seconds} s"
            problems.append(f"50 % errors at 500 rps: {text}, must be {BAR_MEDIAN:g} s and {BAR_MAX:g} s")
    if found and found.phase in {"rolled back", "aborted", "reverting"}:
        problems.append(f"a good release was rolled back: {found.reason}")
    if found and found.unanswered:
        problems.append(f"{found.unanswered} requests to a good release were dropped")
    return problems


def chosen(options: argparse.Namespace) -> Iterator[Case]:
    """The cases that the options ask for."""
    for case in ROWS if options.rows else CASES:
        if options.rate in {None, case.rps} and options.fault in {"", case.fault} and options.share in {None, case.p1}:
            yield msgspec.structs.replace(
                case,
                repetitions=options.repetitions or case.repetitions,
                history=case.history if options.history is None else options.history,
            )


async def measure(options: argparse.Namespace) -> tuple[list[Row], Good | None]:
    """Everything asked for; prints each line as soon as it is known."""
    rows: list[Row] = []
    async for case, trials in measured(list(chosen(options))):
        simulated = None
        if options.rows:
            known = statistics.fmean(found.history for found in trials)
            simulated = await asyncio.to_thread(simulate, case, known)
        rows.append(row(case, trials, simulated))
        if not options.json:
            print(_line(rows[-1]), flush=True)
    found = await good(500, options.good_minutes) if options.good_minutes else None
    if found and not options.json:
        print(f"good release, {found.minutes:g} min at {found.rps:g} rps: {found.phase} ({found.reason})")
    return rows, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.exposure_live", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--rows", action="store_true", help="four rows of bench.exposure instead, simulated beside it")
    parser.add_argument("--rate", type=float, help="only cases at this many requests per second")
    parser.add_argument("--fault", default="", choices=["", "errors", "slow"], help="only cases of this kind")
    parser.add_argument("--share", type=float, help="only cases with this share of bad answers (0..1)")
    parser.add_argument("--repetitions", type=int, help="per case")
    parser.add_argument("--history", type=float, help="seconds of load before the first release")
    parser.add_argument("--good-minutes", type=float, default=1.0, help="length of the good release's trial; 0: none")
    options = parser.parse_args(arguments)
    rows, found = live.run(measure(options))
    problems = missed(rows, found)
    if options.json:
        shown: dict[str, Any] = {"rows": [msgspec.to_builtins(one) for one in rows], "missed": problems}
        print(json.dumps({**shown, "good": msgspec.to_builtins(found)}, indent=1))
    for problem in problems:
        print(f"BAR MISSED {problem}", file=sys.stderr)
    return int(bool(problems))


def _line(one: Row) -> str:
    text = (
        f"{one.fault:6} {one.rps:4g} rps {one.p0:5.1%} -> {one.p1:6.1%}  rolled back {one.rolled_back:4.0%}  "
        f"median {one.median_seconds} s, max {one.max_seconds} s after the first bad answer, "
        f"{one.median_seconds_from_traffic} s after the first; {one.mean_failed_canary_requests:.1f} of "
        f"{one.mean_canary_requests:.1f} canary requests bad ({one.repetitions} repetitions)"
    )
    if one.simulated_seconds_from_traffic is not None:
        text += f"; simulated {one.simulated_seconds_from_traffic} s, {one.simulated_failed_canary_requests}"
    return text


if __name__ == "__main__":
    sys.exit(main())
