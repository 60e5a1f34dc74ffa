"""The picture of ``bench.exposure``: what a bad release costs and when it is noticed, judge by judge; false rollbacks below."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.exposure import Row

COLOURS = {"shipway": "#0b6e4f", "argo": "#e07a5f", "flagger": "#3d5a80", "kayenta": "#9a8c98"}


def plot(rows: "Sequence[Row]", path: Path) -> None:
    """Write the picture; the format follows from the suffix."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    bad, good = [row for row in rows if row.p0 != row.p1], [row for row in rows if row.p0 == row.p1]
    figure, axes = plt.subplots(3, 1, figsize=(11, 13), layout="constrained")
    _bars(axes[0], bad, "mean_failed_canary_requests", "failed canary requests per bad release (log)", log=True)
    _bars(axes[1], bad, "median_seconds", "median seconds until it is rolled back (log; missing: never)", log=True)
    _bars(
        axes[2], _worst(good), "rolled_back", "good releases rolled back: worst row of each scenario (share)", log=False
    )
    axes[2].axhline(0.01, color="black", linewidth=0.8, linestyle="--")
    handles, names = next(
        axis.get_legend_handles_labels() for axis, part in zip(axes[::2], (bad, good), strict=True) if part
    )
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _worst(rows: "Sequence[Row]") -> "list[Row]":
    worst: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.judge, row.scenario)
        if key not in worst or row.rolled_back > worst[key].rolled_back:
            worst[key] = row
    return list(worst.values())


def _bars(axis: "Axes", rows: "Sequence[Row]", name: str, title: str, *, log: bool) -> None:
    labels = list(dict.fromkeys(_label(row) for row in rows))
    judges = [judge for judge in COLOURS if any(row.judge == judge for row in rows)]
    for i, judge in enumerate(judges):
        own = {_label(row): getattr(row, name) for row in rows if row.judge == judge}
        places = [j + 0.8 * (i - (len(judges) - 1) / 2) / max(1, len(judges)) for j in range(len(labels))]
        axis.bar(
            places,
            [own.get(label) or 0.0 for label in labels],
            0.8 / max(1, len(judges)),
            color=COLOURS[judge],
            label=judge,
        )
    axis.set_xticks(range(len(labels)), labels, fontsize=8)
    axis.set_title(title, fontsize=10)
    if not rows:
        return
    if log:
        axis.set_yscale("log")


def _label(row: "Row") -> str:
    if row.p0 == row.p1:
        return row.scenario
    return f"{row.scenario}\n{row.p0:.1%} to {row.p1:.1%}\n{row.rps:g} rps"
