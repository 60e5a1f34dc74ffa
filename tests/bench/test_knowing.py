"""The benches of sizing, forecasts and recording, reduced: their shape; figures are not judged here."""

import asyncio
from pathlib import Path

import numpy as np

from bench import forecasts, recording, sizing
from shipway.insight.series import DAY
from shipway.testing.traces import trace


def test_recommenders_are_compared_at_equal_risk() -> None:
    found = sizing.compared(
        [trace("bursty", 1, weeks=2, step=3600.0), trace("diurnal", 1, weeks=2, step=3600.0)], 7 * DAY
    )
    assert found["raw"].keys() == {"vpa", "krr", "shipway"}
    for rival, mine in found["at_their_risk"].items():
        theirs = found["raw"][rival]
        assert mine["throttling"] + mine["oom"] <= theirs["throttling"] + theirs["oom"]
    for theirs in found["at_our_risk"].values():
        assert theirs is None or theirs["throttling"] <= found["raw"]["shipway"]["throttling"] + 1e-12


def test_forecasts_are_measured_from_the_same_origins() -> None:
    hours = np.arange(1000)
    series = {"day": 10 + np.sin(hours / 24 * 2 * np.pi) + 0.1 * np.random.default_rng(1).standard_normal(1000)}
    found = forecasts.ahead(series, (3600.0, 672, 24, 24), 3)
    assert found["origins"] == 3
    assert found["mase_mean"] < 1


def test_the_recorder_s_cost_is_measured(tmp_path: Path) -> None:
    found = asyncio.run(recording.measure(2, 2, tmp_path))
    assert found["failures"] == 0
    assert found["milliseconds_a_reading"] > 0
