"""The score of the Numenta Anomaly Benchmark for any detector, by its published formula.

Called by tests and ``bench.know``. Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms", section
II: a detection inside a labelled window earns up to 1, the earlier the more; each one outside costs up to 0.11; a window
without a detection costs 1 (standard profile). The first 15 % of a series, at most 750 values, do not count. 0 is a detector
that says nothing, 100 a perfect one.
"""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.insight.anomalies import Detector
from shipway.insight.series import Floats

FALSE_POSITIVE, MISSED = 0.11, 1.0
"""Weights of the standard profile; a detection weighs 1."""


class Labelled(msgspec.Struct, frozen=True):
    """A series and where its anomalies are."""

    name: str
    step: float
    """Median seconds between two values."""
    values: Floats
    windows: tuple[tuple[int, int], ...]
    """First and last index of each labelled window."""


def corpus(folder: Path) -> Iterable[Labelled]:
    """The series of a folder laid out like NAB's: ``data/**.csv`` and ``combined_windows.json``."""
    labels = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    for path in sorted((folder / "data").glob("*/*.csv")):
        name = f"{path.parent.name}/{path.name}"
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
        times = np.array([time for time, _ in rows])
        windows = tuple(
            (int(np.searchsorted(times, _seconds(begin))), int(np.searchsorted(times, _seconds(end), "right")) - 1)
            for begin, end in labels.get(name, [])
        )
        yield Labelled(name, float(np.median(np.diff(times))), np.array([value for _, value in rows]), windows)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def detections(series: Labelled) -> NDArray[np.bool_]:
    """Where our detector, with its own threshold, says that something is wrong."""
    detector = Detector(series.step)
    return np.array([detector.update(value).anomalous for value in series.values.tolist()])


def score(judged: Iterable[tuple[Labelled, NDArray[np.bool_]]]) -> float:
    """0..100 for detections on a corpus; below 0 for a detector that is worse than silence."""
    raw, windows = 0.0, 0
    for series, detected in judged:
        raw += _raw(series.windows, detected)
        windows += len(series.windows)
    return 100 * (raw + MISSED * windows) / ((1 + MISSED) * windows)


def _raw(windows: Sequence[tuple[int, int]], detected: NDArray[np.bool_]) -> float:
    counted = detected.copy()
    counted[: min(math.floor(0.15 * len(detected)), 750)] = False
    total, previous = 0.0, None
    outside = counted.copy()
    for first, last in windows:
        inside = np.flatnonzero(counted[first : last + 1])
        width = last - first + 1
        total += _sigmoid(-(width - int(inside[0])) / width) / _sigmoid(-1.0) if len(inside) else -MISSED
        outside[first : last + 1] = False
    for place in np.flatnonzero(outside):
        before = [window for window in windows if window[1] < place]
        previous = before[-1] if before else None
        late = (place - previous[1]) / max(1, previous[1] - previous[0]) if previous else math.inf
        total += FALSE_POSITIVE * _sigmoid(late)
    return total


def _sigmoid(position: float) -> float:
    """1 well before 0, -1 well after; position -1 is the beginning of a window, 0 its end."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1
