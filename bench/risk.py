"""How well the risk of releases is told: ``python -m bench.risk [--json] [--plot FILE.svg]``.

Simulated histories (``shipway.testing.histories``; their laws are drawn anew for each seed, so no prior of ours is built in): the
model is fitted on the first 70 % of each and asked about the rest, release by release, knowing what had ended before. The rival in
the same run is churn alone (lines added and removed), which is known to be hard to beat. ``cold`` asks the prior alone.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipway.insight.risk import auc, brier, fit, reliability
from shipway.insight.series import Floats
from shipway.testing.histories import history

Figures = dict[str, Any]
SEEDS = range(20)
BETTER = 1.10
"""Times the AUC of churn alone that ours must reach."""
OFF = 0.05
"""Mean distance of told and seen shares, at most."""


def measure() -> Figures:
    """Everything, of all seeds together."""
    rows: list[Floats] = []
    failed: list[Any] = []
    told: list[Floats] = []
    for seed in SEEDS:
        one, bad, said = _held_out(seed)
        rows.append(one)
        failed.append(bad)
        told.append(said)
    names = ("auc", "auc_cold", "auc_churn", "brier", "brier_constant")
    found: Figures = dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))
    groups = reliability(np.concatenate(failed), np.concatenate(told))
    found["times_churn"] = found["auc"] / found["auc_churn"]
    found["reliability"] = groups
    found["calibration_error"] = sum(abs(said - seen) * n for said, seen, n in groups) / sum(n for *_, n in groups)
    found |= {"seeds": [SEEDS.start, SEEDS.stop - 1], "releases": sum(map(len, told))}
    bars = {"times_churn": found["times_churn"] < BETTER, "calibration_error": found["calibration_error"] > OFF}
    found["missed"] = [name for name, missed in bars.items() if missed]
    return found


def _held_out(seed: int) -> tuple[Floats, Any, Floats]:
    releases = history(seed)
    cut = len(releases) * 7 // 10
    model, cold = fit(releases[:cut]), fit([])
    ours, prior = [], []
    for past in releases[cut:]:
        ours.append(model.risk(past.change).probability)
        prior.append(cold.risk(past.change).probability)
        model.records.add(past)
    failed = np.array([past.result != "success" for past in releases[cut:]])
    lines = np.array([float(past.change.lines or 0) for past in releases[cut:]])
    base = float(np.mean([past.result != "success" for past in releases[:cut]]))
    p = np.array(ours)
    figures = (auc(failed, p), auc(failed, np.array(prior)), auc(failed, lines), brier(failed, p))
    return np.array([*figures, brier(failed, np.full(len(p), base))]), failed, p


def plot(found: Figures, file: Path) -> None:
    """The reliability of what was told, as SVG."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    said, seen, count = (np.array(side) for side in zip(*found["reliability"], strict=True))
    # Two standard errors of a share.
    error = 2 * np.sqrt(np.maximum(seen * (1 - seen), 1e-9) / count)
    top = float(max(said.max(), (seen + error).max())) * 1.05
    axes.plot([0, top], [0, top], color="0.6", linewidth=1, label="perfect")
    axes.errorbar(said, seen, yerr=error, fmt="o-", markersize=4, capsize=2, label="told and seen, tenths of releases")
    axes.set(xlabel="probability that was told", ylabel="share that was rolled back", xlim=(0, top), ylim=(0, top))
    axes.set_title(f"{found['releases']:,} held-out releases: AUC {found['auc']:.3f}, Brier {found['brier']:.3f}")
    axes.legend(frameon=False)
    figure.savefig(file, format="svg", metadata={"Date": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.risk", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    asked = parser.parse_args(arguments)
    found = measure()
    if asked.plot:
        plot(found, asked.plot)
    told = json.dumps(found, indent=2) if asked.json else "\n".join(f"{key} {value}" for key, value in found.items())
    sys.stdout.write(told + "\n")
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
