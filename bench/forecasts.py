"""How good forecasts, margins and anomalies are on public series: ``python -m bench.forecasts [--json]``.

Series are those of the Numenta Anomaly Benchmark in a folder (``--data``, by default beside the repository); only those that
look like load are forecast. Rival: statsforecast, when it is installed, on a sample of the same origins: several of its models that
know seasons, each at its defaults. Ours must have no higher error than any of them, and take a twentieth of the time of the most
exact one that is fitted (baselines that copy or average a season take no time at all); what all of them take and miss is printed. Times are of the processor, single-threaded, so that other work on the machine does not count.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
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
PARTS = ("fifteen_minutes", "seven_days", "scaling", "anomalies")
BARS = {"fifteen_minutes": 0.80, "seven_days": 1.00}
Case = tuple[float, int, int, int]
"""Seconds of a step, values in the window, in the horizon and in the season that errors are measured by."""
CASES: dict[str, Case] = {
    "fifteen_minutes": (300.0, 8064, 3, 288),
    "seven_days": (3600.0, 672, 168, 168),
}
RIVAL_ORIGINS = {"fifteen_minutes": 2, "seven_days": 20}
BASELINES = frozenset({"SeasonalNaive", "SeasonalWindowAverage"})
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


def ahead(series: dict[str, Floats], case: Case, origins: int) -> Figures:
    """Errors, coverage and times of forecasts from random origins."""
    step, _, horizon, season = case
    errors, inside, took, naive = [], [], [], []
    for seen, truth in _origins(series, case, origins):
        begun = time.process_time()
        found = forecast(Series(0.0, step, seen), horizon)
        took.append(time.process_time() - begun)
        if isinstance(found, Forecast):
            errors.append(_error(found.mean, seen, truth, season))
            inside.append(float(np.mean((truth >= found.low) & (truth <= found.high))))
            naive.append(_error(seen[-season:][:horizon], seen, truth, season))
    return {
        "origins": len(errors),
        "mase_mean": statistics.fmean(errors),
        "mase_median": statistics.median(errors),
        "seasonal_naive_mase_mean": statistics.fmean(naive),
        "coverage_of_90_percent": statistics.fmean(inside),
        "median_milliseconds": statistics.median(took) * 1000,
    }


def _origins(series: dict[str, Floats], case: Case, count: int) -> Iterator[tuple[Floats, Floats]]:
    """(what is seen, what comes), the same ones for everybody."""
    _, window, horizon, _ = case
    for values in series.values():
        for origin in np.random.default_rng(1).integers(window, len(values) - horizon, count):
            yield values[origin - window : origin], values[origin : origin + horizon]


def _error(found: Floats, seen: Floats, truth: Floats, season: int) -> float:
    """In units of the seasonal naive forecast inside what was seen."""
    return float(np.abs(found - truth).mean() / np.abs(seen[season:] - seen[:-season]).mean())


def rival(series: dict[str, Floats], case: Case, origins: int) -> Figures | None:
    """statsforecast's models beside ours on some of the same origins; None when it is not installed."""
    try:
        from statsforecast import models as rivals  # type: ignore[import-not-found,unused-ignore]  # a rival, when installed
    except ImportError:
        return None
    _, _, horizon, season = case
    ets = rivals.AutoETS(model="ZZN")
    made = {
        "SeasonalNaive": rivals.SeasonalNaive(season),
        "SeasonalWindowAverage": rivals.SeasonalWindowAverage(season, 3),
        "SeasonalExponentialSmoothingOptimized": rivals.SeasonalExponentialSmoothingOptimized(season),
        "MSTL + AutoETS": rivals.MSTL(season_length=[season], trend_forecaster=ets),
        "MSTL + HistoricAverage": rivals.MSTL(season_length=[season], trend_forecaster=rivals.HistoricAverage()),
        "MSTL + SES": rivals.MSTL(
            season_length=[season], trend_forecaster=rivals.SimpleExponentialSmoothingOptimized()
        ),
    }
    if season == 168:  # over 5-minute seasons it takes minutes
        made["AutoTheta"] = rivals.AutoTheta(24)
    found: Figures = {}
    for name, model in made.items():
        rows = []
        for seen, truth in _origins(series, case, origins):
            begun = time.process_time()
            mean = model.forecast(y=seen, h=horizon)["mean"]
            rows.append((time.process_time() - begun, _error(mean, seen, truth, season)))
        found[name] = _both(rows)
    best = min(found.keys() - BASELINES, key=lambda name: found[name]["mase_mean"])
    return {"ours": _both(_timed(series, case, origins)), "best": {"model": best, **found[best]}, "all": found}


def _timed(series: dict[str, Floats], case: Case, origins: int) -> Iterator[tuple[float, float]]:
    for seen, truth in _origins(series, case, origins):
        begun = time.process_time()
        found = forecast(Series(0.0, case[0], seen), case[2])
        took = time.process_time() - begun
        assert isinstance(found, Forecast)
        yield took, _error(found.mean, seen, truth, case[3])


def _both(rows: Iterable[tuple[float, float]]) -> Figures:
    times, errors = zip(*rows, strict=True)
    figures = {"origins": len(errors), "mase_mean": statistics.fmean(errors)}
    return {**figures, "median_milliseconds": statistics.median(times) * 1000}


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


def measure(data: Path, origins: int, parts: Sequence[str] = PARTS) -> Figures:
    """The parts asked for, and the bars that were missed."""
    found: Figures = {}
    missed = []
    for name, case in CASES.items():
        if name in parts:
            series = chosen(data, name)
            found[name] = ahead(series, case, origins if name == "fifteen_minutes" else max(1, origins // 5))
            found[name]["statsforecast"] = rival(series, case, RIVAL_ORIGINS[name])
            missed += [f"{name}: {text}" for text in _missed(name, found[name])]
    if "scaling" in parts:
        found["scaling"] = scaling(chosen(data, "fifteen_minutes"))
        covered = [one["predictive"]["covered"] for one in found["scaling"].values()]
        if min(covered) < PEAKS:
            missed.append(f"scaling: {min(covered):.1%} of peaks covered")
    if "anomalies" in parts:
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
            other is None or other["best"]["median_milliseconds"] >= FASTER * other["ours"]["median_milliseconds"]
        ),
        "better than statsforecast": lambda: other is None or other["ours"]["mase_mean"] <= other["best"]["mase_mean"],
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
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="which [default: all]")
    parser.add_argument("--plot", type=Path, help="write overload against money as SVG")
    options = parser.parse_args(arguments)
    if not options.data.is_dir():
        print(f"there is no {options.data}: name the folder with --data", file=sys.stderr)
        return 2
    found = measure(options.data, options.origins, options.parts)
    if options.plot and "scaling" in found:
        plot(found["scaling"], options.plot)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, figures in found.items():
            print(name, json.dumps(figures))
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
