"""Which schedules are cron lines."""

import pytest

from shipway.spec.cron import cron_error


@pytest.mark.parametrize(
    "line", ["0 3 * * *", "*/15 8-18 * jan,jul mon-fri", "59 23 31 12 7", "0 0 1-31/2 * SUN", "5,10,15 * * * *"]
)
def test_cron_lines(line: str) -> None:
    assert cron_error(line) == ""


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * foo *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * fri-mon", "day of week"),
        ("*/0 * * * *", "minute"),
        ("5- * * * *", "minute"),
        (", * * * *", "minute"),
        ("@daily", "five fields"),
        ("* * * *", "five fields"),
    ],
)
def test_what_is_no_cron_line(line: str, field: str) -> None:
    assert field in cron_error(line)
