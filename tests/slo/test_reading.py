"""Files of others: what is good passes, what is bad fails with a line, and everything wrong is said at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.render.slo.levels import DAY, MONTH, BadEvents, ErrorRatio, GoodEvents, Window
from shipway.slo.reading import Parsed, parse
from shipway.spec.reading import Source
from tests import conformance

ABSENT = [Path("absent")]


def read(text: str) -> Parsed:
    return parse([Source("slo.yaml", text)])


@pytest.mark.parametrize("file", conformance.files("sloth", "validate/good/*") or ABSENT, ids=lambda file: file.stem)
def test_good_files_pass(file: Path) -> None:
    conformance.folder("sloth")
    assert not parse([Source(file.name, file.read_bytes())]).errors


@pytest.mark.parametrize("file", conformance.files("sloth", "validate/bad/*") or ABSENT, ids=lambda file: file.stem)
def test_bad_files_fail_where_they_say_they_are_bad(file: Path) -> None:
    conformance.folder("sloth")
    marked = [number for number, line in enumerate(file.read_text().splitlines(), 1) if "# BAD!" in line]
    assert [problem.line for problem in parse([Source(file.name, file.read_bytes())]).errors] == marked


SLOTH = """\
version: prometheus/v1
service: shop
slos:
  - name: up
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(errors[{{.window}}]))
        total_query: sum(rate(all[{{.window}}]))
    alerting: {name: ShopUp}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("prometheus/v1", "prometheus/v2", 1, "expected `version: prometheus/v1`"),
        ("service: shop", "service: -shop", 2, "expected a name"),
        ("objective: 99.9", "objective: .nan", 5, "expected a number"),
        ("objective: 99.9", "objective: 0", 5, "above 0"),
        ("objective: 99.9", "name: up", 5, "already given in line 4"),
        ("rate(errors[{{.window}}])", "rate(errors[5m])", 8, "expected `{{.window}}`"),
        ("rate(errors[{{.window}}])", "rate(errors[{{.window}}]", 8, "this is not PromQL"),
        ("rate(errors[{{.window}}])", 'rate(errors{a="{{.who}}"}[{{.window}}])', 8, "only placeholder"),
        ("rate(errors[", "rate(all[", 8, "same query"),
        ("{name: ShopUp}", "{}", 10, "expected a text"),
        ("{name: ShopUp}", "{name: A, labels: {a-b: c}}", 10, "expected a label name"),
        ("{name: ShopUp}", "{name: A, annotations: {a: ''}}", 10, "expected a text, got nothing"),
        ("{name: ShopUp}", "{name: A}\n    plugins: {chain: [{id: acme/v1}]}", 11, 'the plugin "acme/v1"'),
        (
            "{name: ShopUp}",
            "{name: A}\n    plugins: {overridePrevious: true, chain: [{id: sloth.dev/core/debug/v1}]}",
            11,
            "makes no",
        ),
        (
            "{name: ShopUp}",
            "{name: A}\n    plugins: {chain: [{id: sloth.dev/core/sli_rules/v1, config: {a: b}}]}",
            11,
            "no config",
        ),
        ("events:", "plugin: {id: sloth-common/http}\n      other:", 7, 'the plugin "sloth-common/http"'),
        ("  - name: up", "  - {}\n  - name: up", 4, "expected a text"),
        ("slos:", "slos: []\nother:", 3, "at least one entry"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: int, says: str) -> None:
    errors = read(SLOTH.replace(old, new)).errors
    assert any(problem.line == line and says in problem.message for problem in errors), errors


def test_plugins_that_change_nothing_are_none() -> None:
    assert not read(SLOTH + "    plugins: {chain: [{id: sloth.dev/core/debug/v1, config: {msg: x}}]}\n").problems
    assert not read(SLOTH + "slo_plugins: {chain: [{id: sloth.dev/core/alert_rules/v1}]}\n").problems


ALPHA = """\
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: up}
spec:
  service: shop
  objectives:
    - ratioMetrics:
        good: {source: prometheus, queryType: promql, query: "good[{{.window}}]"}
        total: {source: prometheus, queryType: promql, query: "all[{{.window}}]"}
      target: 0.99
  timeWindows: [{count: 28, unit: Day}]
"""


def test_openslo_alpha_speaks_of_the_period_that_rules_are_made_for() -> None:
    (error,) = read(ALPHA).errors
    assert (error.line, error.code) == (11, "out-of-range")
    assert parse([Source("slo.yaml", ALPHA)], Window(28 * DAY)).levels[0].name == "up-0"
    for old, new in (("Day", "Week"), ("target: 0.99", "target: 2"), ("promql", "sql"), ("prometheus", "other")):
        assert read(ALPHA.replace("28", "30").replace(old, new)).errors


def test_two_of_one_name_would_overwrite_each_other() -> None:
    (error,) = read(f"{SLOTH}---\n{SLOTH}").errors
    assert (error.code, error.line) == ("duplicate", 15)
    assert error.message.endswith("the first is in slo.yaml:4")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "- 1", "kind: SLO", "version: 1", "\0"])
def test_anything_else_is_a_problem_and_never_an_exception(text: str) -> None:
    assert read(text).errors
    assert not read(text).levels


OPENSLO = """\
apiVersion: openslo/v1
kind: SLI
metadata: {name: good-ones}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: Prometheus, spec: {query: 'requests_total{code!~"5.."}'}}}
    total: {metricSource: {type: Prometheus, spec: {query: sum(requests_total)}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: up, labels: {team: shop}}
spec:
  service: shop
  budgetingMethod: Occurrences
  indicatorRef: good-ones
  timeWindow: [{duration: 28d, isRolling: true}]
  objectives: [{target: 0.995}]
---
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
"""


def test_openslo_of_version_1() -> None:
    parsed = read(OPENSLO)
    assert not parsed.problems
    (level,) = parsed.levels
    assert (level.id, level.objective, level.window.seconds) == ("shop-up", 99.5, 28 * DAY)
    assert level.indicator == GoodEvents(
        'sum(increase(requests_total{code!~"5.."}[{{.window}}]))', "sum(increase(requests_total[{{.window}}]))"
    )


def test_openslo_of_version_1_in_other_words() -> None:
    calendar = OPENSLO.replace("duration: 28d, isRolling: true", "duration: 1M, isRolling: false")
    assert read(calendar).levels[0].window == MONTH
    assert isinstance(read(OPENSLO.replace("good:", "bad:")).levels[0].indicator, BadEvents)
    raw = OPENSLO.replace("good:", "rawType: success\n    raw:").replace(
        "'requests_total{code!~\"5..\"}'", "'r[{{.window}}]'"
    )
    assert read(raw).levels[0].indicator == ErrorRatio("1 - (r[{{.window}}])")
    several = OPENSLO.replace("[{target: 0.995}]", "[{target: 0.995}, {targetPercent: 90}]")
    assert [(one.name, one.objective) for one in read(several).levels] == [("up-0", 99.5), ("up-1", 90)]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("Occurrences", "Timeslices", 15, "budgets here count events"),
        ("indicatorRef: good-ones", "indicatorRef: bad-ones", 16, "expected an SLI"),
        ("duration: 28d", "duration: soon", 17, "soon"),
        ("target: 0.995", "target: 99.5", 18, "at most 1"),
        ("type: Prometheus", "type: Datadog", 7, "expected Prometheus"),
        ("ratioMetric", "thresholdMetric", 5, "expected a ratioMetric"),
        ("sum(requests_total)", "'sum(rate(requests_total[5m]))'", 8, "over `{{.window}}`"),
        ("sum(requests_total)", "sum(requests_total", 8, "not PromQL"),
        ("28d, isRolling: true", "90d, isRolling: false", 17, "calendar"),
    ],
)
def test_what_openslo_says_and_we_cannot_do_is_refused(old: str, new: str, line: int, says: str) -> None:
    errors = read(OPENSLO.replace(old, new, 1)).errors
    assert any(problem.line == line and says in problem.message for problem in errors), errors


@given(st.sampled_from([SLOTH, OPENSLO, ALPHA]), st.data())
def test_no_text_whatever_raises(text: str, data: st.DataObject) -> None:
    """A good file with a piece taken out, and something else in its place."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    other = data.draw(
        st.sampled_from(["", "{}", "[]", "null", "1e999", "-1", ".nan", "true", '"', ": ", "\n", "{{.window}}"])
    )
    parsed = read(text[:start] + other + text[end:])
    assert parsed.levels or parsed.problems
    assert all(problem.line >= 1 for problem in parsed.problems)
