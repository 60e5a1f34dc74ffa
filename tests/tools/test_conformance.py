"""The page about conformance says what the runs gave, and bars are bars."""

from pathlib import Path

import pytest

from shipway.testing.conformance import Case
from tools import conformance

SUITE = conformance.Suite("CEL", "cel", lambda _: [], {"core": 1.0, "ext": 0.5})
CASES = [Case("core", "a", True), Case("ext", "b", True), Case("ext", "c", False, "expected 1,\n got 2")]


def test_the_page_lists_every_failure_with_its_cause() -> None:
    text = conformance.page([(SUITE, CASES)])
    assert "| CEL | ext | 2 | 1 | 50 % | 50 % |" in text
    assert "## Failures: 1\n\n* `ext` c: expected 1, got 2\n" in text


def test_a_part_below_its_bar_is_missed() -> None:
    assert conformance.missed([(SUITE, CASES)]) == []
    assert conformance.missed([(SUITE, [Case("core", "a", False)])]) == ["core: 0 of 1 passed, expected 100 %"]


def test_shares_are_rounded_down() -> None:
    cases = [Case("core", str(number), number > 0) for number in range(100_000)]
    assert "99.99 %" in conformance.page([(SUITE, cases)])


def test_absent_data_is_no_failure_and_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance.main(["--data", str(tmp_path)]) == 0
    assert "skipped: no cel" in capsys.readouterr().out
