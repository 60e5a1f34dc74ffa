"""Our own form of service levels: written and read back equal; and what an Application can take over."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from shipway.render.slo import files
from shipway.render.slo.burning import AlertWindows
from shipway.render.slo.levels import (
    DAY,
    MONTH,
    WEEK,
    BadEvents,
    ErrorRatio,
    GoodEvents,
    Notice,
    ServiceLevel,
    Window,
)
from shipway.render.slo.promises import ISTIO, OPENTELEMETRY, Meters, availability, latency, of_application
from shipway.slo.adopting import adopt
from shipway.slo.document import written
from shipway.slo.reading import parse
from shipway.slo.windows import parse_windows
from shipway.spec import Source, parse_documents, resolve

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp", "Co")), min_size=1)
LABELS = st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), TEXTS, max_size=3)
NOTICES = st.none() | st.builds(Notice, LABELS, LABELS)
QUERIES = st.sampled_from(
    ["a[{{.window}}]", 'sum(rate(b{c=~"\\\\d.*"}[{{.window}}]))\n/ 2\n', "1 - avg_over_time(x[{{ .window }}])"]
)
LEVELS = st.builds(
    ServiceLevel,
    service=st.just("billing"),
    name=st.just("invoices"),
    objective=st.floats(0.001, 100),
    indicator=st.builds(BadEvents, QUERIES, QUERIES)
    | st.builds(GoodEvents, QUERIES, QUERIES)
    | st.builds(ErrorRatio, QUERIES),
    window=st.sampled_from([Window(7 * DAY), Window(30 * DAY), Window(3600.5 * 100), WEEK, MONTH]),
    description=st.just("") | TEXTS,
    labels=LABELS,
    alert=TEXTS,
    page=NOTICES,
    ticket=NOTICES,
    min_events=st.integers(0, 10_000),
    no_data=st.sampled_from(["ticket", "ignore"]),
    runbook=st.sampled_from(["", "https://runbooks.example.com/billing"]),
)

MANY_DIGITS = ServiceLevel(
    service="billing",
    name="invoices",
    objective=0.0010000000000000002,
    indicator=ErrorRatio("a[{{.window}}]"),
    window=WEEK,
    alert="a",
)


@example(MANY_DIGITS)
@given(LEVELS)
def test_what_is_written_reads_back_equal(level: ServiceLevel) -> None:
    text = files.document(written("billing", [level]))
    assert yaml.safe_load(text)
    parsed = parse([Source("levels.yaml", text)])
    assert not parsed.problems
    assert parsed.levels == (level,)


OURS = """\
apiVersion: shipway.dev/v1alpha1
kind: ServiceLevels
metadata: {name: billing}
spec: {objectives:
  [{name: x,
    objective: 99%,
    bad: "a[{{.window}}]",
    total: "b[{{.window}}]",
    alert: {name: A}}]}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("objective: 99%", "objective: 99", 6, "percentage"),
        ("objective: 99%", "objektive: 99%", 6, "did you mean `objective`"),
        ("objective: 99%", "objective: 101%", 6, "percentage"),
        ("bad:", "good: 'x[{{.window}}]', bad:", 5, "got bad and good and total"),
        ("total:", "window: soon, total:", 8, "soon"),
        ("total:", "calendar: year, total:", 8, "expected week or month"),
        ("{name: A}", "{name: A, noData: panic}", 9, "expected ticket or ignore"),
        ("{name: A}", "{name: A, page: true}", 9, "expected a map"),
    ],
)
def test_our_own_form_is_strict(old: str, new: str, line: int, says: str) -> None:
    problems = parse([Source("levels.yaml", OURS.replace(old, new))]).errors
    assert any(problem.line == line and says in problem.message for problem in problems), problems


@pytest.mark.parametrize("meters", [OPENTELEMETRY, ISTIO])
def test_an_application_takes_over_what_its_platform_counts_by(meters: Meters) -> None:
    found = [
        level("up", availability(meters, "shop"), 99.9),
        level("fast", latency(meters, "shop", 0.25), 95),
        level("faster", latency(meters, "shop", 0.1), 50),
        level("other", BadEvents("a[{{.window}}]", "b[{{.window}}]"), 99),
    ]
    sections, rest = adopt(found)
    assert [one.slo for one in sections] == [{"availability": "99.9%", "latency": ["95% < 250ms", "50% < 100ms"]}]
    assert [one.name for one in rest] == ["other"]


@pytest.mark.parametrize("window", [Window(30 * DAY), Window(7 * DAY), WEEK, MONTH])
def test_what_is_taken_over_promises_the_same_below_what_the_platform_says(window: Window) -> None:
    found = [
        structs.replace(level("availability", availability(OPENTELEMETRY, "shop"), 99.9), window=window),
        structs.replace(level("latency-250ms", latency(OPENTELEMETRY, "shop", 0.25), 95), window=window),
        structs.replace(level("shorter", latency(OPENTELEMETRY, "shop", 0.1), 50), window=Window(28 * DAY)),
    ]
    (section,), (other,) = adopt(found)
    assert other.name == "shorter"
    head = {"apiVersion": "shipway.dev/v1alpha1"}
    platform = {"kind": "Platform", "metadata": {"name": "acme"}, "spec": {"defaults": {"slo": section.defaults}}}
    spec = {"archetype": "api-service", "image": "shop:1", "slo": section.slo}
    documents = [{**head, **platform}, {**head, "kind": "Application", "metadata": {"name": "shop"}, "spec": spec}]
    parsed = parse_documents([Source("shop.yaml", yaml.safe_dump_all(documents))])
    assert not parsed.problems
    made = of_application(resolve(parsed.declared[0], parsed.declared_platform).application)
    assert [(one.name, one.objective, one.window) for one in made] == [
        (one.name, one.objective, window) for one in found[:2]
    ]


def test_good_requests_and_rates_mean_the_same() -> None:
    whole = availability(OPENTELEMETRY, "shop")
    good = GoodEvents(
        whole.bad.replace('=~"5.."', '!~"5.."').replace("increase", "rate"), whole.total.replace("increase", "rate")
    )
    assert adopt([level("up", good, 99)])[0][0].slo["availability"] == "99%"
    assert adopt([level("up", good, 99), level("again", good, 98)])[1][0].name == "again"


def level(name: str, indicator: BadEvents | GoodEvents, objective: float) -> ServiceLevel:
    return ServiceLevel(service="shop", name=name, objective=objective, indicator=indicator, alert="A")


WEEKLY = """\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}
"""


def test_alert_windows_of_ones_own() -> None:
    found, problems = parse_windows(Source("7d.yaml", WEEKLY))
    assert not problems
    assert isinstance(found[7 * DAY], AlertWindows)
    assert [burn.percent for _, burn in found[7 * DAY].pairs()] == [8, 12.5, 20, 42]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("sloPeriod: 7d", "sloPeriod: never", 4),
        ("shortWindow: 5m", "shortWindow: 5h", 6),
        ("errorBudgetPercent: 8", "errorBudgetPercent: 0", 6),
        ("kind: AlertWindows", "kind: Windows", 2),
        ("    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}\n", "", 8),
    ],
)
def test_bad_alert_windows_are_refused_with_their_line(old: str, new: str, line: int) -> None:
    found, problems = parse_windows(Source("7d.yaml", WEEKLY.replace(old, new)))
    assert not found
    assert line in {problem.line for problem in problems}
