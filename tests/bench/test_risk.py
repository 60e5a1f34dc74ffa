"""The bench of risk meets its bars and draws what it found."""

from pathlib import Path

import pytest

from bench import risk


def test_bars_and_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "SEEDS", range(20, 24))
    found = risk.measure()
    assert found["missed"] == []
    assert found["auc_cold"] < found["auc"]
    assert found["brier"] < found["brier_constant"]
    risk.plot(found, tmp_path / "reliability.svg")
    assert "<svg" in (tmp_path / "reliability.svg").read_text()
