"""The report's cards say what was recorded, in words, numbers and pictures; and what nobody knows, with the reason."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shipway.cli.recalling.records import records
from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.facts.home import JOURNAL
from shipway.facts.learning import Learned, learn
from shipway.facts.usages import Sample, UsageFiles
from shipway.journal.sqlite import SqliteJournal
from shipway.rollout.codec import encode
from shipway.rollout.events import ReleaseRequested
from shipway.testing.recordings import APP, shop
from shipway.web.report import Section, cards, render_report
from tests.web.test_report import Page

MIB = 2.0**20
DAYS = 4
SPEC = {
    "archetype": "web-app",
    "command": ["run"],
    "port": 8080,
    "resources": {"cpu": "500m", "memory": "256Mi"},
    "slo": {"availability": "99%", "latency": ["95% < 60ms"]},
    "budget": "$20/month",
}
DOCUMENT = json.dumps(
    {
        "application": {
            "apiVersion": "shipway.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": APP, "team": "web"},
            "spec": SPEC,
        },
        "origins": {},
    }
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Learned]:
    """Four releases of the demo's simulated shop, and days of use after them."""
    home = tmp_path_factory.mktemp("home")
    events = [
        msgspec.structs.replace(one, document=DOCUMENT) if isinstance(one, ReleaseRequested) else one for one in shop()
    ]
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        appends = [Append(f"{STREAM}{APP}", i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)]
        journal.append(appends)
    end = math.ceil(events[-1].at / 86400) * 86400
    UsageFiles(home).append([used(end + 60.0 * n) for n in range(1, DAYS * 1440 + 1)])
    with records(home) as opened:
        yield learn(home, opened, opened.timelines(), end + DAYS * 86400)


def used(at: float) -> Sample:
    cpu = 0.2 + 0.1 * math.sin(2 * math.pi * at / 86400)
    return Sample(at, APP, "v2", cpu, 80 * MIB, round(300 * (1 + cpu)), 0, 60.0, ((cpu, 80 * MIB),))


def card(known: Learned, title: str) -> Section:
    return next(one for one in cards.sections(known) if one.title.startswith(title))


def test_budgets_burn_down_from_the_readings_of_the_journal(known: Learned) -> None:
    found = card(known, "Promises")
    rows = {row[1]: row for row in found.rows}
    (app,) = known.promises.applications
    for status in app.statuses:
        course = known.courses[APP][status.name]
        assert course[-1][1] == pytest.approx(status.spending.remaining)  # type: ignore[union-attr]  # there are events enough
        assert f"{100 * course[-1][1]:.1f} %" in rows[status.name]
    assert min(left for _, left in known.courses[APP]["availability"] if math.isfinite(left)) < 1
    (picture,) = found.pictures
    assert "availability" in picture.svg
    assert "availability: " in picture.svg.split("aria-label=")[1].split('"')[1]


def test_cost_beside_its_estimate_and_the_day_of_the_budget(known: Learned) -> None:
    found = card(known, "Cost")
    (row,) = found.rows
    hours = DAYS * 24
    assert float(known.cost.rows[0].estimate or 0) == pytest.approx(hours * (0.5 * 0.031611 + 0.25 * 0.004237))
    assert row[0] == f"{APP} v2"
    assert row[2] == row[3]  # less is used than is requested
    assert "OpenCost's defaults" in found.note
    assert any("budget" in line for line in found.absent)
    assert len(found.pictures) == 2
    assert "What the month will cost" in found.pictures[1].svg


def test_sizes_are_beside_what_is_requested(known: Learned) -> None:
    found = card(known, "Right-sizing")
    assert [row[5] for row in found.rows] == ["vpa", "krr", "shipway"]
    assert {row[1] for row in found.rows} == {"0.5"}
    assert {row[3] for row in found.rows} == {"256 MiB"}
    assert "requested" in found.pictures[0].svg


def test_forecasts_have_a_band_behind_what_was_measured(known: Learned) -> None:
    found = card(known, "Forecast")
    assert [row[1] for row in found.rows] == ["15 min", "7 d"]
    assert all("forecast, with 90 % band" in one.svg and "measured" in one.svg for one in found.pictures)
    assert "90 % within" in found.pictures[0].svg


def test_delivery_and_the_risk_of_every_release_with_its_end(known: Learned) -> None:
    delivery, risk = card(known, "Delivery"), card(known, "Risk")
    assert delivery.rows[0][1] == "4"
    assert "4 deployments, 2 of them failed or were rolled back" in delivery.pictures[0].svg
    assert [(row[0], row[-1]) for row in risk.rows] == [
        (f"{APP}-4", "rolled back"),
        (f"{APP}-3", "rolled back"),
        (f"{APP}-2", "promoted"),
        (f"{APP}-1", "promoted"),
    ]
    assert all("%" in row[1] for row in risk.rows)


def test_the_page_has_every_card_with_a_text_for_every_picture(known: Learned) -> None:
    page = Page(render_report((), "Known", known.at, cards.sections(known)))
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 9
    assert all((one.get("aria-label") or "") and one.get("role") == "img" for one in pictures)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_releases_are_side_by_side(known: Learned) -> None:
    found = card(known, "Releases side by side")
    assert found.columns == ("Release", "Requests", "A request costs", "P95", "Errors")
    rows = {row[0]: row for row in found.rows}
    compared = {f"{one.application} {one.release}": one for one in known.scorecard.comparison.releases if one.requests}
    assert rows.keys() == compared.keys() != set()
    assert "%" in next(iter(rows.values()))[4]
    assert "Rank correlations over releases: Cost of a request against P95" in found.note


def test_nothing_known_is_said_in_every_card(home: Path) -> None:
    with closing(SqliteJournal.open(home / JOURNAL)), records(home) as journal:
        found = cards.sections(learn(home, journal, [], 1e9))
    assert [bool(one.absent) for one in found] == [True] * len(found)
    html = render_report((), "Nothing", 1e9, found)
    assert "$0.00" not in html
    assert "<svg" not in html
