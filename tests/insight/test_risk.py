"""The risk of a release: honest without history, calibrated with it, better than counting lines."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.risk import BASE_RATE, Change, Past, auc, brier, fit, reliability
from shipway.testing.histories import history

USUAL = Change(application="shop", at=1.6e9 + 36 * 3600, lines=50, files=3)


def test_without_history_the_base_rate_and_a_wide_interval() -> None:
    risk = fit([]).risk(USUAL)
    assert risk.probability == pytest.approx(BASE_RATE)
    assert risk.low < 0.03
    assert risk.high > 0.3
    assert "no history" in risk.note


def test_a_large_change_is_riskier_and_says_so() -> None:
    large = Change(application="shop", at=USUAL.at, lines=5000, files=60)
    risk = fit([]).risk(large)
    assert risk.probability > 0.4
    assert [reason.text for reason in risk.reasons] == ["large change", "many files"]


def test_a_service_that_fails_is_riskier_than_one_that_does_not() -> None:
    past, rng = [], np.random.default_rng(8)
    for n in range(200):
        wild = n % 2 == 0
        change = Change(application="wild" if wild else "calm", at=1.6e9 + n * 1000.0)
        past.append(Past(change, "rolled back" if wild and rng.random() < 0.5 else "success"))
    model = fit(past)
    wild, calm = (model.risk(Change(application=name, at=1.6e9 + 2e6)).probability for name in ("wild", "calm"))
    assert wild == pytest.approx(0.5, abs=0.15)
    assert calm < 0.1


def test_held_out_histories() -> None:
    """Brier score, calibration, and at least 10 % more AUC than lines alone, on what the model has not seen."""
    ours, lines, squares, constant, all_failed, all_p = [], [], [], [], [], []
    for seed in range(6):
        releases = history(seed)
        cut = len(releases) * 7 // 10
        model = fit(releases[:cut])
        probabilities = []
        for past in releases[cut:]:
            probabilities.append(model.risk(past.change).probability)
            model.records.add(past)
        failed = np.array([past.result != "success" for past in releases[cut:]])
        p = np.array(probabilities)
        base = np.mean([past.result != "success" for past in releases[:cut]])
        ours.append(auc(failed, p))
        lines.append(auc(failed, np.array([float(past.change.lines or 0) for past in releases[cut:]])))
        squares.append(brier(failed, p))
        constant.append(brier(failed, np.full(len(p), base)))
        all_failed.append(failed)
        all_p.append(p)
    assert np.mean(ours) > 1.1 * np.mean(lines)
    assert np.mean(squares) < 0.92 * np.mean(constant)
    for expected, seen, _ in reliability(np.concatenate(all_failed), np.concatenate(all_p)):
        assert seen == pytest.approx(expected, abs=0.06)


@given(
    st.lists(
        st.tuples(st.integers(-5, 10**7) | st.none(), st.integers(0, 10**5) | st.none(), st.booleans()), max_size=30
    )
)
def test_any_history_gives_a_probability(rows: list[tuple[int | None, int | None, bool]]) -> None:
    past = [
        Past(Change(application="a", at=float(n), lines=lines, files=files), "failed" if bad else "success")
        for n, (lines, files, bad) in enumerate(rows)
    ]
    risk = fit(past).risk(USUAL)
    assert 0 <= risk.low <= risk.probability <= risk.high <= 1


def test_the_measures() -> None:
    failed = np.array([False, False, True, True])
    assert auc(failed, np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert auc(failed, np.array([0.1, 0.3, 0.3, 0.4])) == 0.875
    assert math.isnan(auc(np.array([True]), np.array([1.0])))
    assert brier(failed, np.array([0.0, 0.0, 1.0, 0.0])) == 0.25
    assert reliability(failed, np.array([0.1, 0.2, 0.8, 0.9]), 2) == [
        (pytest.approx(0.15), 0, 2),
        (pytest.approx(0.85), 1, 2),
    ]
