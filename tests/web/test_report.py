"""The report is one honest file: everything in it, nothing from outside, whatever people call their releases."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from shipway.analysis.policy import Indicator, JudgePolicy
from shipway.engine.timeline import Timeline, timelines
from shipway.testing.recordings import APP, GOOD, Version, record, shop
from shipway.web.report import Section, render_report
from shipway.web.report.drawing import COLOURS
from shipway.web.report.plots import picture

NASTY = '<script>alert("x")</script> & $x^2$ "\' ☃ 船'


class Page(HTMLParser):
    """Rows of every table as texts, and all tags, attributes and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())


@pytest.fixture(scope="module")
def demo() -> tuple[Timeline, ...]:
    return timelines(shop(), APP)


@pytest.fixture(scope="module")
def html(demo: tuple[Timeline, ...]) -> str:
    return render_report(demo, "Four releases", 1_767_225_929.0)


def test_the_summary_has_a_row_per_release(html: str, demo: tuple[Timeline, ...]):
    rows = Page(html).rows
    assert rows[0] == ["Release", "Verdict", "Time to verdict", "Requests", "Failed", "Evidence"]
    assert rows[1] == ["1.0 storefront v1", "promoted", "0.8 s", "0", "0", "installed"]
    for row, one in zip(rows[2:5], demo[1:], strict=True):
        assert row[0] == f"{one.label} storefront {one.release}"
        assert row[1] == one.verdict.replace("_", " ")
        assert row[2:5] == [f"{one.seconds_to_verdict:.1f} s", f"{one.requests:,}", f"{one.failed_requests:,}"]
        assert row[5] == one.evidence


def test_every_event_is_in_a_table(html: str, demo: tuple[Timeline, ...]):
    told = [row[1] for row in Page(html).rows if len(row) == 3 and row[1] != "Event"]
    assert told == [line.sentence for one in demo for line in one.events]


def test_each_trial_has_a_picture_and_its_numbers(html: str, demo: tuple[Timeline, ...]):
    assert html.count("<svg ") == 3
    errors = demo[2].indicators[0].points[-1]
    row = next(row for row in Page(html).rows if row[0] == "errorRate" and row[1].startswith("7 of"))
    assert row[1] == f"{errors.canary.bad:.0f} of {errors.canary.total} 21 %, between 1.3 % and 65 %"
    assert row[3] == f"{errors.evidence:.1f} of {errors.limit:.1f}"


def test_it_asks_nobody_for_anything(html: str):
    for tag, attributes in Page(html).tags:
        assert tag not in {"link", "script", "iframe", "img"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), "within the page only"
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)])", html)) <= {"#"}


def test_ids_are_unique_and_references_lead_somewhere(html: str):
    ids = [attributes["id"] for _, attributes in Page(html).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', html)
    assert used
    assert set(used) <= set(ids)


def test_the_same_timelines_give_the_same_bytes(html: str, demo: tuple[Timeline, ...]):
    assert render_report(timelines(shop(), APP), "Four releases", 1_767_225_929.0) == html


def test_pictures_are_well_formed_and_take_the_pages_colours(demo: tuple[Timeline, ...]):
    for one in demo[1:]:
        svg = picture(one)
        root = ET.fromstring(svg)  # noqa: S314  # our own text
        assert not any(placeholder in svg for placeholder in COLOURS)
        assert "var(--canary)" in svg
        words = [element.text for element in root.iter() if element.tag.endswith("}text")]
        assert {"Traffic of the canary", "errorRate", "latency > 60ms", "asked", "measured"} <= set(words)
        assert f"canary {one.label}" in words
    assert picture(demo[0]) == "", "an install has no trial to show"


def test_what_people_wrote_is_shown_and_never_run(demo: tuple[Timeline, ...]):
    nasty = replace(
        demo[2],
        label=NASTY,
        baseline_label=NASTY,
        by=NASTY,
        evidence=NASTY,
        log_tail=(NASTY,),
        events=tuple(replace(line, sentence=NASTY, reason=NASTY) for line in demo[2].events),
        indicators=tuple(replace(series, name=NASTY) for series in demo[2].indicators),
    )
    html = render_report([nasty], NASTY, 0.0)
    assert "<script" not in html
    page = Page(html)
    assert page.rows[1][0] == f"{NASTY} storefront v3"
    words = [e.text for e in ET.fromstring(picture(nasty)).iter() if e.tag.endswith("}text")]  # noqa: S314  # our own text
    assert NASTY in words
    assert f"canary {NASTY}" in words


def test_nothing_released_yet_is_a_page_too():
    assert ["No release yet."] in Page(render_report([], "Nothing", 0.0)).rows


def test_a_rollout_under_way_is_drawn_up_to_now():
    events = shop()
    until = [i for i, event in enumerate(events) if type(event).__name__ == "Observed"][4]
    one = timelines(events[: until + 1], APP)[-1]
    rows = Page(render_report([one], "Now", 0.0)).rows
    assert rows[1][1:3] == ["under way", "–"]
    assert "<text" in picture(one)


def test_indicators_without_rates_are_judged_in_the_picture_all_the_same():
    policy = JudgePolicy(indicators=(Indicator(name="cost", kind="continuous", measure="cost"),), warm_up=0.0)
    priced = replace(GOOD, values=(("cost", 0.002),))
    one = timelines(record([Version("a", priced), Version("b", priced, policy)]), APP)[-1]
    words = "".join(ET.fromstring(picture(one)).itertext())  # noqa: S314  # our own text
    assert "Evidence that the canary is worse" in words
    row = next(row for row in Page(render_report([one], "Cost", 0.0)).rows if row[0] == "cost")
    assert float(row[1]) > 0
    without = replace(one, indicators=())
    assert "Traffic of the canary" in picture(without)


def test_a_release_that_did_not_start_shows_its_log(demo: tuple[Timeline, ...]):
    html = render_report([replace(demo[0], log_tail=("Traceback:", "boom"))], "Log", 0.0)
    assert "<pre>Traceback:\nboom</pre>" in html


def test_without_a_label_the_release_goes_by_its_id(demo: tuple[Timeline, ...]):
    page = Page(render_report([replace(demo[2], label="", baseline_label="")], "Ids", 0.0))
    assert page.rows[1][0] == "v3 storefront v3"
    assert "canary v3" in picture(replace(demo[2], label=""))
    assert "baseline v2" in picture(replace(demo[2], baseline_label=""))


def test_tables_of_others_follow_the_summary() -> None:
    promises = Section("Promises <b>", ("Application", "State"), (("shop", "healthy"),), "Measured for an hour.")
    html = render_report([], "Nothing", 0.0, [promises])
    assert ["shop", "healthy"] in Page(html).rows
    assert "Promises &lt;b&gt;" in html
    assert "Measured for an hour." in html
