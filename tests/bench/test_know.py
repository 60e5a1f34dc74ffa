"""The bench of knowing and spending, once through with less to do."""

import json

import pytest

from bench import know


def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(know, "SERVICES", 3)
    know.main(["rules", "--json"])  # its exit code depends on how busy the machine is
    found = json.loads(capsys.readouterr().out)["rules"]
    assert found["shipway"]["rules"] == 3 * (24 + 24)
    assert found["sloth_style"]["rules"] == 3 * 2 * 17


def test_sizing_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(know, "WORKLOADS", 3)
    know.main(["sizing", "--json"])
    found = json.loads(capsys.readouterr().out)["sizing"]
    assert (found["workloads"], found["samples"]) == (3, 14 * 1440)
    assert found["bars"] == {"seconds": 20.0, "peak_gigabytes": 1.0}


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        know.main(["rulez"])
    assert "there is no part rulez" in capsys.readouterr().err
