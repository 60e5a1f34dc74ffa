"""The detector finds what is unusual for its series, keeps quiet otherwise, and forgets in bounded memory."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.anomalies import FIRST, Detector, detect
from shipway.insight.series import Floats, Series
from shipway.testing.nab import Labelled, corpus, detections, score
from tests.conformance import folder


def usual(length: int = 3000, seed: int = 1) -> Floats:
    hours = np.arange(length) / 12
    return 100 + 30 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(seed).normal(0, 3, length)


def alarms(values: Floats) -> list[int]:
    return [index for index, (_, reading) in enumerate(detect(Series(0.0, 300.0, values))) if reading.anomalous]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda values: values + 60 * (np.arange(3000) == 2500), 2500),
        (lambda values: values - 80 * (np.arange(3000) >= 2500), 2500),
        (lambda values: np.where(np.arange(3000) >= 2500, 500.0, values), 2500),
    ],
    ids=["spike", "drop", "stuck high"],
)
def test_what_stands_out_is_found_at_once(change: object, at: int) -> None:
    assert callable(change)
    assert at in alarms(change(usual()))


def test_a_usual_series_is_quiet() -> None:
    assert np.mean([len(alarms(usual(seed=seed))) for seed in range(5)]) < 8


def test_a_constant_series_is_silent_until_it_moves() -> None:
    values = np.full(1000, 5.0)
    assert alarms(values) == []
    values[800] = 5.1
    assert alarms(values) == []  # no record to break: there never was a deviation
    values[900] = 9.0
    assert 900 in alarms(values)


def test_the_unit_does_not_matter() -> None:
    spiky = usual()
    spiky[2500] += 60
    assert alarms(spiky) == alarms(spiky * 1024)


def test_after_an_anomaly_only_a_stronger_one_is_said() -> None:
    values = usual()
    values[2500] += 90
    values[2503] += 70
    found = alarms(values)
    assert 2500 in found
    assert 2503 not in found


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=FIRST + 200))
def test_no_value_breaks_it(values: list[float]) -> None:
    detector = Detector(3600.0)
    for value in values:
        reading = detector.update(value)
        assert math.isfinite(reading.score)
        assert reading.score >= 0


def test_the_score_of_the_benchmark() -> None:
    """Against figures worked out by hand from the formula."""
    quiet = Labelled("quiet", 60.0, np.zeros(1000), ((500, 599),))
    nothing = np.zeros(1000, bool)
    assert score([(quiet, nothing)]) == 0
    early = nothing.copy()
    early[500] = True
    assert score([(quiet, early)]) == pytest.approx(100)
    middle = nothing.copy()
    middle[550] = True  # half of the window is left: sigmoid(-0.5) / sigmoid(-1)
    assert score([(quiet, middle)]) == pytest.approx(50 * (1 + 0.848284 / 0.986614), rel=1e-5)
    wrong = early.copy()
    wrong[[200, 900]] = True  # one before any window, one long after
    assert score([(quiet, wrong)]) == pytest.approx(100 - 50 * 2 * 0.11)
    probation = early.copy()
    probation[100] = True
    assert score([(quiet, probation)]) == pytest.approx(100)


def test_better_than_the_bar_on_public_series() -> None:
    assert score((series, detections(series)) for series in corpus(folder("nab"))) > 50
