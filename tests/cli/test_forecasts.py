"""``shipway forecast --simulate`` and ``--anomalies``, ``rightsize --pool``: on good tables, on bad ones, and on nothing."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.cli.insight.scaling import Asked, simulated
from shipway.insight.anomalies import looked_at
from shipway.insight.scaling import HOURS_PER_MONTH
from shipway.insight.workloads import History, Moment, Now
from tests.cli.shell import Shell
from tests.cli.test_advising import BEGIN, daily, keep, table

SIMULATE = ("--simulate", "--capacity", "4")
MONEY = ("--price", "$0.05/hour", "--budget", "$90/month")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("traces") / "shop.csv", 2, 1800.0)


def test_three_ways_of_scaling_side_by_side(shipway: Shell, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "scaling.html"
    words = ("forecast", "--csv", shop, *SIMULATE, *MONEY)
    (found,) = shipway(*words, "--plot", page, "--json").data["simulations"]
    rows = {row["policy"]: row for row in found["outcomes"]}
    assert list(rows) == ["reactive", "predictive", "cost-aware"]
    assert rows["predictive"]["overloaded"] <= rows["reactive"]["overloaded"]
    cap = 90 / 730
    assert found["cap"] == pytest.approx(cap)
    assert rows["cost-aware"]["dearest"] <= cap
    assert rows["predictive"]["dearest"] > cap
    assert rows["cost-aware"]["conflict"].startswith("5 instances are needed, the budget pays for 2")
    for row in rows.values():
        assert row["cost"] == pytest.approx(row["instance_hours"] * 0.05)
        assert len(row["instances"]) == len(found["load"]) == 48  # the second half
    html = page.read_text()
    assert html.count("<svg ") == 2
    assert "Overload against money" in html
    assert "No release yet" not in html
    out = shipway(*words).out
    assert "Conflict of cost-aware: 5 instances are needed" in out
    assert "only cost-aware heeds it" in out


def test_a_picture_of_its_own_is_wellformed_svg(shipway: Shell, shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "scaling.svg"
    assert shipway("forecast", "--csv", shop, *SIMULATE, "--plot", file).code == 0
    text = file.read_text()
    ET.fromstring(text)  # noqa: S314  # our own text
    assert "--canary:" in text
    assert "prefers-color-scheme: dark" in text


def test_without_a_price_money_is_unknown_and_never_nothing(shipway: Shell, shop: Path) -> None:
    result = shipway("forecast", "--csv", shop, *SIMULATE)
    assert result.out.count("unknown") == 6
    assert "$0.00" not in result.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--simulate",), "nobody knows what one instance carries"),
        ((*SIMULATE[:2], "0"), "nobody knows what one instance carries"),
        ((*SIMULATE[:2], "nan"), "nobody knows what one instance carries"),
        ((*SIMULATE, "--budget", "$3/month"), "the price of an instance is unknown"),
        ((*SIMULATE, "--budget", "€3/month", "--price", "$1/hour"), "EUR and USD cannot be added"),
        ((*SIMULATE, "--price", "5"), "--price: expected an amount"),
        ((*SIMULATE, "--price", "$5"), "--price: expected an amount for a time"),
        ((*SIMULATE, "--startup", "soon"), "--startup: "),
        ((*SIMULATE, "--min", "3", "--max", "2"), "expected --min from 0 to --max, got 3 and 2"),
        ((*SIMULATE, "--plot", "x.png"), "ends in .html or .svg"),
        ((*SIMULATE, "--anomalies"), "got both"),
        (("--capacity", "3"), "belong to --simulate"),
        (("--plot", "x.svg"), "belong to --simulate"),
    ],
)
def test_options_that_make_no_sense(shipway: Shell, shop: Path, words: tuple[str, ...], said: str) -> None:
    result = shipway("forecast", "--csv", shop, *words, "--json")
    assert result.code == 2
    assert said in result.error["message"]


@settings(max_examples=25)
@given(
    st.lists(st.floats(0, 1e4) | st.just(math.nan), min_size=2, max_size=60),
    st.floats(1e-3, 1e3),
    st.decimals("0.01", "5", places=2),
    st.decimals("0.01", "5000", places=2),
)
def test_no_hour_ever_costs_more_than_the_cap(
    values: list[float], capacity: float, price: object, budget: object
) -> None:
    moments = tuple(Moment(BEGIN + 900.0 * n, (), value) for n, value in enumerate(values))
    asked = Asked(
        capacity=capacity, price=f"${price}/hour", budget=f"${budget}/month", least=1, most=10**6, startup="2m"
    )
    found = simulated(History("shop", moments), Now(), asked)
    if found.absent:
        return
    aware = next(one for one in found.outcomes if one.policy == "cost-aware")
    assert found.cap == pytest.approx(float(str(budget)) / HOURS_PER_MONTH)
    assert aware.dearest is not None
    assert aware.dearest <= found.cap * (1 + 1e-9)
    assert bool(aware.conflicts) == bool(aware.conflict)


def test_a_scaler_says_what_an_instance_carries_and_its_requests_what_it_costs() -> None:
    moments = tuple(Moment(BEGIN + 900.0 * n, (), daily(900.0 * n)) for n in range(40))
    asked = Asked(capacity=None, price=None, budget=None, least=1, most=10, startup="2m")
    found = simulated(History("shop", moments), Now(cpu=1.0, memory=2.0**30, carries=5.0), asked)
    assert found.capacity == 5
    assert found.price == pytest.approx(0.031611 + 0.004237)


def odd(path: Path) -> Path:
    """A week of a business metric by five minutes, some of it below 0, with one wild value."""
    values = [100 * math.sin(2 * math.pi * n / 288) for n in range(7 * 288)]
    values[1500] = 5000.0
    lines = [f"{BEGIN + 300 * n:.0f},{value:.3f},7" for n, value in enumerate(values)]
    path.write_text("\n".join(["at,profit,tills", *lines]))
    return path


def test_what_was_unusual_and_what_is_usual(shipway: Shell, tmp_path: Path) -> None:
    profit, tills = shipway("forecast", "--anomalies", "--csv", odd(tmp_path / "books.csv"), "--json").data["metrics"]
    assert (profit["name"], tills["name"]) == ("profit", "tills")
    assert BEGIN + 300 * 1500 in [one["at"] for one in profit["anomalies"]]
    assert profit["low"] == pytest.approx(-98, abs=3)
    assert (tills["baseline"], tills["anomalies"]) == (7, [])
    out = shipway("forecast", "--anomalies", "--csv", tmp_path / "books.csv").out
    assert "5000" in out


def test_recorded_metrics_have_baselines_too(shipway: Shell, home: Path) -> None:
    keep(home, 200, step=60.0)
    found = shipway("forecast", "storefront", "--anomalies", "--json").data["metrics"]
    assert [one["name"] for one in found] == ["requests a second", "share of errors", "cores", "memory, bytes"]
    assert found[2]["baseline"] == pytest.approx(0.7)
    assert "no use of nobody was recorded" in shipway("forecast", "nobody", "--anomalies", "--json").error["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at,x\n", "0 usable samples"),
        ("at,x\n5,1\n", "1 usable samples"),
        ("at,x\n5,1\n5,1\n", "same time"),
        ("at,x\n5,\n6,\n", "0 usable samples"),
        ("at,x\n5,1\n6,1\n7,-1\n", "what is usual shows after"),
        ("at,x\n0,1\n1,1\n2,1\n9e10,1\n", "clock jumped"),
    ],
)
def test_too_little_to_say_is_said(shipway: Shell, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    (metric,) = shipway("forecast", "--anomalies", "--csv", file, "--json").data["metrics"]
    assert said in metric["absent"]
    assert metric["anomalies"] == []
    assert "unknown" in shipway("forecast", "--anomalies", "--csv", file).out
    file.write_text(text.replace("at,x", "at,requests").replace("-1", "1"))
    (ran,) = shipway("forecast", *SIMULATE, "--csv", file, "--json").data["simulations"]
    assert ran["absent"] or "-1" in text


@pytest.mark.parametrize("text", ["at\n5\n", "when,x\n1,2\n", "at,x\nsoon,1\n5,nan\n", "at,x\n5,1 EUR\n", "\x00"])
def test_tables_that_cannot_be_read_are_refused(shipway: Shell, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    result = shipway("forecast", "--anomalies", "--csv", file, "--json")
    assert result.code == 2
    assert "Traceback" not in result.err


def test_gaps_and_a_wrong_order_change_nothing() -> None:
    times = [BEGIN + 300 * n for n in range(600)]
    values = [daily(at) for at in times]
    whole = looked_at("shop", "x", times, values)
    shuffled = looked_at("shop", "x", times[::-1], values[::-1])
    assert shuffled == whole
    holes = looked_at("shop", "x", times[:200] + times[220:], values[:200] + values[220:])
    assert holes.samples == 600
    assert [one.at for one in holes.anomalies] == [one.at for one in whole.anomalies]


def apart(path: Path, shift: float) -> Path:
    """A day on which work is done at one time or the other."""
    lines = ["at,cpu,memory"]
    for n in range(288):
        busy = 2.0 if (n + shift) % 288 < 100 else 0.2
        lines.append(f"{BEGIN + 300 * n:.0f},{busy},{2**30}")
    path.write_text("\n".join(lines))
    return path


def test_peaks_at_different_hours_are_worth_sharing(shipway: Shell, tmp_path: Path) -> None:
    files = ("--csv", apart(tmp_path / "day.csv", 0), "--csv", apart(tmp_path / "night.csv", 144))
    found = shipway("rightsize", *files, "--pool", "--node", "4/8Gi", "--json").data
    assert found["alone"] == {"day": 2.0, "night": 2.0}
    assert found["together"] == pytest.approx(2.2)
    assert found["saving"] == pytest.approx(1.8)
    assert found["nodes"] == [["day-1", "night-1"]]
    out = shipway("rightsize", *files, "--pool", "--node", "1/8Gi").out
    assert "Together 2.2 cores do instead of 4: 45 % less" in out.replace("45%", "45 %")
    assert "larger than a node: day-1, night-1" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--node", "4/8Gi"), "--node belongs to --pool"),
        (("--pool", "--node", "4"), "--node: "),
        (("--pool", "--node", "/"), "--node: "),
    ],
)
def test_machines_that_make_no_sense(shipway: Shell, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = shipway("rightsize", "--csv", apart(tmp_path / "day.csv", 0), *words, "--json")
    assert said in result.error["message"]


def test_one_application_has_nobody_to_share_with(shipway: Shell, tmp_path: Path) -> None:
    file = apart(tmp_path / "day.csv", 0)
    assert "at least two applications" in shipway("rightsize", "--csv", file, "--pool").out
    (tmp_path / "later.csv").write_text(
        "at,cpu,memory\n" + "".join(f"{BEGIN + 1e6 + 300 * n:.0f},1,1\n" for n in range(200))
    )
    result = shipway("rightsize", "--csv", file, "--csv", tmp_path / "later.csv", "--pool", "--json")
    assert "0 samples of all workloads together" in json.loads(result.out)["absent"]
