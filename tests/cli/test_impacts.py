"""What a release did to a metric, from tables and from what was recorded, with whatever such series look like."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from shipway.facts.usages import Sample, UsageFiles
from shipway.testing.recordings import APP
from tests.cli.shell import Shell
from tests.cli.test_scorecard import journalled

HOUR, DAY = 3600.0, 86_400.0
BEGIN = 1_790_000_000.0
RELEASED = datetime.fromtimestamp(BEGIN + 10 * DAY, UTC).isoformat()


def table(file: Path, effect: float, *, control: bool = True, days: int = 14, seed: int = 1) -> Path:
    """Orders an hour with a day's rhythm, and trouble that hits both arms alike."""
    rng = np.random.default_rng(seed)
    lines = ["at,value" + ",control" * control]
    for hour in range(days * 24):
        at = BEGIN + hour * HOUR
        both = 100 + 40 * np.sin(2 * np.pi * hour / 24) - 60 * (hour % 53 == 7)
        value = both + effect * (at >= BEGIN + 10 * DAY) + rng.normal(0, 2)
        lines.append(f"{at},{value}" + f",{both + rng.normal(0, 2)}" * control)
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_business_metric_against_the_other_arm(shipway: Shell, tmp_path: Path) -> None:
    found = shipway("impact", RELEASED, "--csv", table(tmp_path / "orders.csv", -9.0), "--json").data
    assert found["against"] == "the other arm"
    assert found["effect"]["low"] < -9 < found["effect"]["high"] < 0
    out = shipway("impact", RELEASED, "--csv", table(tmp_path / "orders.csv", -9.0)).out
    assert "a change. 96 points since" in " ".join(out.split())
    nothing = shipway("impact", RELEASED, "--csv", table(tmp_path / "same.csv", 0.0)).out
    assert "no change can be told from chance" in " ".join(nothing.split())


def test_against_the_weeks_before(shipway: Shell, tmp_path: Path) -> None:
    at = datetime.fromtimestamp(BEGIN + 21 * DAY, UTC).isoformat()
    file = table(tmp_path / "long.csv", 0.0, control=False, days=28)
    assert shipway("impact", at, "--csv", file, "--json").data["effect"]["low"] < 0
    error = shipway("impact", RELEASED, "--csv", table(tmp_path / "short.csv", 0.0, control=False, days=11), "--json")
    assert "reason" in error.data["effect"] or error.data["effect"]["points"] >= 8


def test_a_recorded_series(shipway: Shell, home: Path) -> None:
    events = journalled(home, [])
    at = events[0].at
    files = UsageFiles(home)
    assert "no use of" in shipway("impact", "v1", "--json").data["effect"]["reason"]
    files.append([Sample(at - 1800 + 60 * n, APP, "v1", 0.5, 1e6, 60, 1, 60.0) for n in range(60)])
    found = shipway("impact", f"{APP}@v1", "--metric", "errorRate", "--json").data
    assert (found["release"], found["metric"], found["released_at"]) == ("v1", "errorRate", at)
    assert "points before the release" in found["effect"]["reason"]


@pytest.mark.parametrize(
    "rows",
    [
        "",
        f"{BEGIN},1,1\n",
        "".join(f"{BEGIN},1,{n}\n" for n in range(30)),
        "".join(f"{BEGIN + n * HOUR},,\n" for n in range(30)),
        f"{BEGIN},1,1\n{BEGIN + 60},1,1\n{BEGIN + 120},1,1\n253402300000,1,1\n",
    ],
)
def test_series_that_say_nothing_have_a_reason(shipway: Shell, tmp_path: Path, rows: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("at,value,control\n" + rows)
    assert shipway("impact", RELEASED, "--csv", file, "--json").data["effect"]["reason"]
    assert "unknown: " in shipway("impact", RELEASED, "--csv", file).out


@pytest.mark.parametrize("cell", ["nan", "inf", "12 EUR", "$3", "1e999", "\x1b[31m", "--"])
def test_a_cell_that_is_no_number_is_named(shipway: Shell, tmp_path: Path, cell: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(f"at,value\n{BEGIN},1\n{BEGIN + 60},{cell}\n")
    result = shipway("impact", RELEASED, "--csv", file)
    assert result.code == 2
    assert f"{file}:3:1" in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    "words", [["--alpha", "0"], ["--alpha", "nan"], ["--weeks", "0"], ["--metric", "joy"], ["--csv", "nowhere.csv"]]
)
def test_questions_that_make_no_sense(shipway: Shell, home: Path, words: list[str]) -> None:
    journalled(home, [])
    assert shipway("impact", "v1", *words).code == 2
    assert shipway("impact", "2026-11-02", *words).code == 2


def test_a_release_needs_a_journal(shipway: Shell, tmp_path: Path) -> None:
    result = shipway("impact", "v4", "--csv", table(tmp_path / "orders.csv", 0.0))
    assert (result.code, "is no time, and there is no journal" in result.err) == (2, True)
