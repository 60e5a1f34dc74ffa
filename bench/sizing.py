"""Right-sizing beside the field's recommenders: ``python -m bench.sizing [--json]``.

traces   synthetic containers of six kinds over four weeks (``shipway.testing.traces``; the seed is printed)
nab      the CPU series of the Numenta Anomaly Benchmark (CPU alone)
speed    1,000 workloads x 14 days of samples a minute; seconds of the processor, as other work on the machine should not count

Evaluation is the same for all recommenders. ``once``: each is asked after the first half of a series, and judged on the second.
``weekly`` and ``daily``: after a first week, each is asked again every week, or every day, about the two weeks before, and its advice
holds until the next. Every moment that is judged lies after what was seen. Throttling is wanting more
CPU than requested; waste is money for what was requested and not used over money for what was used. Three comparisons:

raw               as each comes, ours with its default aim
at_their_risk     ours with one aim for all series, the highest whose risk (throttling + kills) is no more than the rival's.
                  The bar: at least 20 % less waste.
at_our_risk       the rival's CPU requests times one factor for all series, the least whose risk is no more than that of our default
"""

import argparse
import csv
import functools
import json
import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.forecasts import DATA
from shipway.insight.series import DAY, Absent
from shipway.insight.sizing import krr, vpa
from shipway.insight.sizing import shipway as ours
from shipway.insight.sizing.usage import Recommendation, Recommender, Usage
from shipway.testing.sizing import Judged, mean, rolled, scaled
from shipway.testing.traces import Trace, trace, traces

Figures = dict[str, Any]
RIVALS: Mapping[str, Recommender] = {"vpa": vpa.recommend, "krr": krr.recommend}
CADENCES: Mapping[str, float | None] = {"once": None, "weekly": 7 * DAY, "daily": DAY}
AIMS, FACTORS = (0.5, 0.01), (1 / 16, 16.0)
"""From the riskiest to the safest."""
HALVINGS = 8
LESS_WASTE, SECONDS, GIGABYTES = 0.8, 20.0, 1.0


def with_aim(aim: float) -> Recommender:
    """Ours, throttling at most so much of the time."""

    def recommend(usage: Usage) -> Recommendation | Absent:
        return ours.recommend(usage, ours.Aim(throttling=aim))

    return recommend


def compared(all_traces: Sequence[Trace], every: float | None) -> Figures:
    """The three comparisons, advice taken anew ``every`` seconds, or once."""

    def judged(recommend: Recommender) -> Judged:
        found = [one for trace in all_traces if (one := _rolled(recommend, trace, every)) is not None]
        assert len(found) == len(all_traces)
        return mean(found)

    default = judged(ours.recommend)
    rivals = {name: judged(recommend) for name, recommend in RIVALS.items()}
    by_aim = functools.cache(lambda aim: judged(with_aim(aim)))
    return {
        "traces": len(all_traces),
        "raw": {name: _figures(one) for name, one in {**rivals, "shipway": default}.items()},
        "at_their_risk": {name: _ours(one, by_aim) for name, one in rivals.items()},
        "at_our_risk": {name: _rival(recommend, default, judged) for name, recommend in RIVALS.items()},
    }


def _rolled(recommend: Recommender, trace: Trace, every: float | None) -> Judged | None:
    half = len(trace.cpu) // 2 * trace.step
    return rolled(recommend, trace, half + trace.step, half) if every is None else rolled(recommend, trace, every)


def _risk(one: Judged) -> float:
    return one.throttling + one.oom


def _figures(one: Judged) -> Figures:
    return {"throttling": one.throttling, "oom": one.oom, "waste": one.waste}


def _ours(rival: Judged, by_aim: Callable[[float], Judged]) -> Figures | None:
    """Ours at the rival's risk; None when no aim is that safe."""
    aim = _riskiest(AIMS, _risk(rival), by_aim)
    if aim is None:
        return None
    return {"aim": aim, **_figures(by_aim(aim)), "waste_over_theirs": by_aim(aim).waste / rival.waste}


def _rival(recommend: Recommender, mine: Judged, judged: Callable[[Recommender], Judged]) -> Figures | None:
    """The rival at our risk; None when no factor is that safe."""
    by_factor = functools.cache(lambda factor: judged(scaled(recommend, factor)))
    factor = _riskiest(FACTORS, _risk(mine), by_factor)
    if factor is None:
        return None
    one = by_factor(factor)
    return {"factor": factor, **_figures(one), "our_waste_over_theirs": mine.waste / one.waste}


def _riskiest(ends: tuple[float, float], most: float, judged: Callable[[float], Judged]) -> float | None:
    """The knob's setting between ``ends`` (riskiest first) that is about the riskiest with at most that risk."""
    risky, safe = ends
    found = None
    for _ in range(HALVINGS):
        middle = math.sqrt(risky * safe)
        if _risk(judged(middle)) <= most:
            safe = found = middle
        else:
            risky = middle
    return found


def nab(data: Path) -> list[Trace]:
    """CPU series in units of the first half's mean; next to no memory, so that only CPU counts."""
    found = []
    for path in sorted((data / "data").glob("*/*cpu_util*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            values = np.array([float(row["value"]) for row in csv.DictReader(file)])
        cpu = values / values[: len(values) // 2].mean()
        found.append(Trace("diurnal", 0, 300.0, cpu, np.ones(len(cpu))))
    return found


def speed(workloads: int = 1000) -> Figures:
    """Ours on 20,160 samples each, one after the other, as they would be read."""
    base = [trace(kind, 1, weeks=2) for kind in ("diurnal", "bursty", "batch")]
    begun, worked = time.perf_counter(), time.process_time()
    for number in range(workloads):
        one = base[number % len(base)]
        ours.recommend(Usage(step=60.0, cpu=one.cpu[None] * (1 + number / workloads), memory=one.memory[None]))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    return {
        "workloads": workloads,
        "samples": len(base[0].cpu),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _cadences(all_traces: Sequence[Trace]) -> Figures:
    return {name: compared(all_traces, every) for name, every in CADENCES.items()}


def missed(found: Figures) -> list[str]:
    """The bars that were not reached."""
    problems = []
    for part in ("traces", "nab"):
        for cadence, figures in found.get(part, {}).items():
            for rival, mine in figures["at_their_risk"].items():
                if mine is None or mine["waste_over_theirs"] > LESS_WASTE:
                    problems.append(f"{part}, {cadence}: not 20 % less waste than {rival} at its risk")
    if found["speed"]["seconds"] > SECONDS or found["speed"]["peak_gigabytes"] > GIGABYTES:
        problems.append("speed")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the Numenta Anomaly Benchmark")
    parser.add_argument("--each", type=int, default=6, help="traces of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    parts: dict[str, Callable[[], Figures]] = {
        "speed": speed,
        "traces": lambda: _cadences(list(traces(options.each, options.seed, step=300.0))),
    }
    if options.data.is_dir():
        parts["nab"] = lambda: _cadences(nab(options.data))
    found: Figures = {"seed": options.seed}
    for name, part in parts.items():
        found[name] = part()
        if not options.json:
            print(name, json.dumps(found[name]), flush=True)
    found["missed"] = missed(found)
    if options.json:
        print(json.dumps(found, indent=1))
    for problem in found["missed"]:
        print(f"BAR MISSED {problem}", file=sys.stderr)
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
