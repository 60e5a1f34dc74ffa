"""Right-sizing beside the field's recommenders: ``python -m bench.sizing [--json]``.

traces   synthetic containers of five kinds (``shipway.testing.traces``; seeds are printed): two weeks are seen, the two after
         are held out. Throttling is wanting more CPU than requested; waste is money for what was requested and not used.
nab      the CPU series of the Numenta Anomaly Benchmark, first half seen, second half held out (CPU alone)
speed    1,000 workloads x 14 days of samples a minute
"""

import argparse
import csv
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.forecasts import DATA
from shipway.insight.sizing import krr, vpa
from shipway.insight.sizing import shipway as ours
from shipway.insight.sizing.usage import Recommendation, Recommender, Usage
from shipway.testing.sizing import judge
from shipway.testing.traces import Trace, trace, traces

Figures = dict[str, Any]
RECOMMENDERS: Mapping[str, Recommender] = {"vpa": vpa.recommend, "krr": krr.recommend, "shipway": ours.recommend}
LESS_WASTE, SECONDS, GIGABYTES = 0.8, 20.0, 1.0


def compared(all_traces: Sequence[Trace]) -> Figures:
    """Mean shares of throttling, kills and waste by recommender."""
    found: Figures = {}
    for name, recommend in RECOMMENDERS.items():
        rows = []
        for one in all_traces:
            half = len(one.cpu) // 2
            advice = recommend(Usage(step=one.step, cpu=one.cpu[None, :half], memory=one.memory[None, :half]))
            if isinstance(advice, Recommendation):
                judged = judge(advice, one, half)
                rows.append((judged.throttling, judged.oom, judged.waste))
        throttling, oom, waste = np.mean(rows, axis=0).tolist()
        found[name] = {"throttling": throttling, "oom": oom, "waste": waste, "traces": len(rows)}
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
    begun = time.perf_counter()
    for number in range(workloads):
        one = base[number % len(base)]
        ours.recommend(Usage(step=60.0, cpu=one.cpu[None] * (1 + number / workloads), memory=one.memory[None]))
    seconds = time.perf_counter() - begun
    return {
        "workloads": workloads,
        "samples": len(base[0].cpu),
        "seconds": seconds,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def missed(found: Figures) -> list[str]:
    """The bars that were not reached."""
    problems = []
    for part in ("traces", "nab"):
        if part not in found:
            continue
        mine = found[part]["shipway"]
        for rival in ("vpa", "krr"):
            other = found[part][rival]
            if mine["throttling"] + mine["oom"] > other["throttling"] + other["oom"]:
                problems.append(f"{part}: more throttling than {rival}")
            if mine["waste"] > LESS_WASTE * other["waste"]:
                problems.append(f"{part}: not 20 % less waste than {rival}")
    if found["speed"]["seconds"] > SECONDS or found["speed"]["peak_gigabytes"] > GIGABYTES:
        problems.append("speed")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the Numenta Anomaly Benchmark")
    parser.add_argument("--each", type=int, default=12, help="traces of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    parts: dict[str, Callable[[], Figures]] = {
        "traces": lambda: compared(list(traces(options.each, options.seed, step=300.0)))
    }
    if options.data.is_dir():
        parts["nab"] = lambda: compared(nab(options.data))
    parts["speed"] = speed
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
