"""How good forecasts, margins and anomalies are on public series: ``python -m bench.forecasts [--json]``.

Series are those of the Numenta Anomaly Benchmark in a folder (``--data``, by default beside the repository); only those that
look like load are forecast. Rival: statsforecast's MSTL with ETS, when it is installed, on a sample of the same origins.

    fifteen_minutes   5-minute values, 4 weeks of them, the next three; error in units of the seasonal naive of a day
    seven_days        the same by the hour, the next 168; error in units of the seasonal naive of a week
    scaling           a week of reactive, predictive and cost-aware scaling on each series
    anomalies         NAB's score, standard profile
"""

import argparse
import csv
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipway.insight.forecasting import Forecast, forecast
from shipway.insight.scaling import Bounds
from shipway.insight.series import Floats, Series
from shipway.insight.simulating import POLICIES, Outcome, simulate
from shipway.testing.nab import corpus, detections, score

Figures = dict[str, Any]
DATA = (
    Path(os.environ.get("SHIPWAY_CONFORMANCE", Path(__file__).resolve().parents[2] / "shared" / "conformance")) / "nab"
)
LOAD = ("realTweets/*.csv", "realKnownCause/cpu_utilization_asg*.csv", "realKnownCause/nyc_taxi.csv")
BARS = {"fifteen_minutes": 0.80, "seven_days": 1.00}
CASES: dict[str, tuple[float, int, int, int]] = {
    "fifteen_minutes": (300.0, 8064, 3, 288),
    "seven_days": (3600.0, 672, 168, 168),
}
"""(step in seconds, values seen, values ahead, values of a season)."""
MILLISECONDS, COVERAGE, PEAKS, NAB, FASTER = 60.0, (0.88, 0.95), 0.94, 45.0, 20.0


def load(data: Path) -> dict[str, Floats]:
    """Five-minute values by name (half-hourly ones of the taxis are left to ``seven_days``)."""
    found = {}
    for pattern in LOAD:
        for path in sorted((data / "data").glob(pattern)):
            with path.open(encoding="utf-8", newline="") as file:
                found[path.stem] = np.array([float(row["value"]) for row in csv.DictReader(file)])
    return found


def hourly(name: str, values: Floats) -> Floats:
    """Means of an hour."""
    per = 2 if name == "nyc_taxi" else 12
    return np.asarray(values[: len(values) // per * per].reshape(-1, per).mean(axis=1))


def chosen(data: Path, case: str) -> dict[str, Floats]:
    """The series of a case."""
    series = load(data)
    if case == "seven_days":
        return {name: hourly(name, values) for name, values in series.items()}
    return {name: values for name, values in series.items() if name != "nyc_taxi"}


def ahead(series: dict[str, Floats], case: tuple[float, int, int, int], origins: int) -> Figures:
    """Errors, coverage and times of forecasts from random origins; ``case``: step, window, horizon, season."""
    step, window, horizon, season = case
    errors, inside, took, naive = [], [], [], []
    for values in series.values():
        rng = np.random.default_rng(1)
        for origin in rng.integers(window, len(values) - horizon, origins):
            seen, truth = values[origin - window : origin], values[origin : origin + horizon]
            scale = float(np.abs(seen[season:] - seen[:-season]).mean())
            begun = time.perf_counter()
            found = forecast(Series(0.0, step, seen), horizon)
            took.append(time.perf_counter() - begun)
            if isinstance(found, Forecast):
                errors.append(float(np.abs(found.mean - truth).mean()) / scale)
                inside.append(float(np.mean((truth >= found.low) & (truth <= found.high))))
                naive.append(float(np.abs(seen[-season:][:horizon] - truth).mean()) / scale)
    return {
        "origins": len(errors),
        "mase_mean": statistics.fmean(errors),
        "mase_median": statistics.median(errors),
        "seasonal_naive_mase_mean": statistics.fmean(naive),
        "coverage_of_90_percent": statistics.fmean(inside),
        "median_milliseconds": statistics.median(took) * 1000,
    }


def rival(series: dict[str, Floats], case: tuple[float, int, int, int], origins: int) -> Figures | None:
    """MSTL and AutoETS of statsforecast on some of the same origins; None when it is not installed."""
    try:
        from statsforecast.models import MSTL, AutoETS  # type: ignore[import-not-found,unused-ignore]  # a rival, when installed
    except ImportError:
        return None
    _, window, horizon, season = case
    errors, took = [], []
    for values in series.values():
        for origin in np.random.default_rng(1).integers(window, len(values) - horizon, origins):
            seen, truth = values[origin - window : origin], values[origin : origin + horizon]
            begun = time.perf_counter()
            model = MSTL(season_length=[season], trend_forecaster=AutoETS(model="ZZN"))
            found = model.forecast(y=seen, h=horizon)["mean"]
            took.append(time.perf_counter() - begun)
            errors.append(float(np.abs(found - truth).mean() / np.abs(seen[season:] - seen[:-season]).mean()))
    return {
        "origins": len(errors),
        "mase_mean": statistics.fmean(errors),
        "median_milliseconds": statistics.median(took) * 1000,
    }


def scaling(series: dict[str, Floats]) -> Figures:
    """A week after four weeks of history; eight instances carry what nine in ten moments need, and are paid for."""
    found: Figures = {}
    for name, values in series.items():
        if len(values) < 8064 + 2016:
            continue
        trace = Series(0.0, 300.0, values[: 8064 + 2016])
        capacity = max(float(np.quantile(values[:8064], 0.9)) / 8, 1e-6)
        bounds = Bounds(capacity, least=2, most=200, price=0.05, budget=0.05 * 730 * 8)
        rows = [one for policy in POLICIES if isinstance(one := simulate(trace, 8064, policy, bounds), Outcome)]
        found[name] = {
            one.policy: {
                "overloaded": one.overloaded,
                "unserved": one.unserved,
                "cost": one.cost,
                "conflicts": one.conflicts,
                "covered": one.covered,
            }
            for one in rows
        }
    return found


def measure(data: Path, origins: int) -> Figures:
    """Everything, and the bars that were missed."""
    found: Figures = {}
    missed = []
    for name, case in CASES.items():
        series = chosen(data, name)
        found[name] = ahead(series, case, origins if name == "fifteen_minutes" else max(1, origins // 5))
        found[name]["statsforecast"] = rival(series, case, 2)
        missed += [f"{name}: {text}" for text in _missed(name, found[name])]
    found["scaling"] = scaling(chosen(data, "fifteen_minutes"))
    covered = [one["predictive"]["covered"] for one in found["scaling"].values()]
    if min(covered) < PEAKS:
        missed.append(f"scaling: {min(covered):.1%} of peaks covered")
    found["anomalies"] = {"nab_score": score((one, detections(one)) for one in corpus(data)), "bar": NAB}
    if found["anomalies"]["nab_score"] <= NAB:
        missed.append("anomalies: NAB score")
    return {**found, "missed": missed}


def _missed(name: str, figures: Figures) -> list[str]:
    other = figures["statsforecast"]
    checks: dict[str, Callable[[], bool]] = {
        "error": lambda: figures["mase_mean"] <= BARS[name],
        "coverage": lambda: COVERAGE[0] <= figures["coverage_of_90_percent"] <= COVERAGE[1],
        "time": lambda: figures["median_milliseconds"] < MILLISECONDS,
        "faster than statsforecast": lambda: (
            other is None or other["median_milliseconds"] >= FASTER * figures["median_milliseconds"]
        ),
    }
    return [text for text, holds in checks.items() if not holds()]


def plot(scaled: Figures, file: Path) -> None:
    """Overload against money, one point per series and policy."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for policy in POLICIES:
        points = [(row[policy]["cost"], 100 * row[policy]["overloaded"]) for row in scaled.values()]
        axes.scatter(*zip(*points, strict=True), label=policy)
    axes.set(xlabel="cost of a week", ylabel="time overloaded, %", xscale="log")
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecasts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the Numenta Anomaly Benchmark")
    parser.add_argument("--origins", type=int, default=200, help="forecasts per series, 15 minutes ahead")
    parser.add_argument("--plot", type=Path, help="write overload against money as SVG")
    options = parser.parse_args(arguments)
    if not options.data.is_dir():
        print(f"there is no {options.data}: name the folder with --data", file=sys.stderr)
        return 2
    found = measure(options.data, options.origins)
    if options.plot:
        plot(found["scaling"], options.plot)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, figures in found.items():
            print(name, json.dumps(figures))
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
