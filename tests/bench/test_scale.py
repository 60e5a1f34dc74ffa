"""The scale bench, reduced: its shape, and that what it counts adds up."""

import json

import pytest

from bench import scale

KEYS = set(scale.Figures.__struct_fields__)


def test_virtual_time(capsys: pytest.CaptureFixture[str]) -> None:
    code = scale.main(["--json", "--rollouts", "20", "--seconds", "20", "--mode", "cpu"])
    printed = json.loads(capsys.readouterr().out)
    assert (code, printed["missed"]) == (0, [])
    (row,) = printed["rows"]
    assert set(row) == KEYS
    assert row["readings"] == row["expected"] == 80
    assert 0 < row["journal_share"] < row["cpu_share"]
    assert row["world_share"] > 0
    assert row["lag_p99"] is None
    assert row["journal_bytes_per_reading"] > 100


def test_real_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "INTERVAL", 0.5)
    monkeypatch.setattr(scale, "WARM", 0.5)
    row = scale.run("lag", 5, 1.0)
    assert 0 < row.readings <= row.expected + 5
    assert row.lag_median is not None
    assert row.lag_p99 is not None
    assert row.lag_max is not None
    assert 0 <= row.lag_median <= row.lag_p99 <= row.lag_max
    monkeypatch.setattr(scale, "run", lambda *_: row)
    assert scale.main(["--rollouts", "5", "--mode", "lag"]) == 0
    printed = capsys.readouterr().out
    assert "5 rollouts" in printed
    assert "lag median" in printed


def test_a_missed_bar_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "BAR", 0.0)
    assert scale.main(["--json", "--rollouts", "3", "--seconds", "5", "--mode", "cpu"]) == 1
    assert "3 rollouts" in json.loads(capsys.readouterr().out)["missed"][0]
