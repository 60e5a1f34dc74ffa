"""Rules of our own style: what is counted, what is said when nothing is, and that every expression parses."""

import json
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.model.errors import BadInput
from shipway.render.slo import dashboard, files, rules
from shipway.render.slo.burning import alert_windows, factor
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
from shipway.render.slo.promises import ISTIO, of_application, of_journey
from shipway.spec import Application, Source, parse_documents, resolve
from shipway.spec.platform import Metric
from tests.render.promql import same

SPEC = """
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: shop, team: web}}
spec: {{archetype: {archetype}, image: shop:1, slo: {{{slo}}}}}
"""
PLATFORM = """
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {{name: acme}}
spec:
  defaults: {{slo: {{{slo}}}}}
  metrics: {{mailsSent: {{unit: ratio}}}}
---"""
INDICATORS = (
    BadEvents("sum(rate(bad[{{.window}}]))", "sum(rate(all[{{.window}}]))"),
    BadEvents("sum_over_time(bad[{{.window}}]) # failed", "sum_over_time(all[{{.window}}]) # all"),
    GoodEvents("sum(increase(good[{{.window}}]))", "sum(increase(all[{{.window}}]))"),
    ErrorRatio("avg_over_time(failing[{{.window}}])"),
)


def application(slo: str, archetype: str = "api-service", defaults: str = "") -> Application:
    """An application that promises ``slo``, where the Platform says ``defaults`` of everybody's."""
    text = PLATFORM.format(slo=defaults) + SPEC.format(slo=slo, archetype=archetype)
    parsed = parse_documents([Source("a.yaml", text)])
    assert not parsed.problems
    return resolve(parsed.declared[0], parsed.declared_platform).application


def expressions(level: ServiceLevel) -> dict[str, str]:
    return {
        rule.get("record", rule.get("alert")): rule["expr"] for group in rules.groups(level) for rule in group["rules"]
    }


levels = st.builds(
    ServiceLevel,
    service=st.just("shop"),
    name=st.just("up"),
    objective=st.floats(0.001, 100),
    indicator=st.sampled_from(INDICATORS),
    window=st.sampled_from([Window(days * DAY) for days in (4, 7, 14, 28, 30, 90)] + [WEEK, MONTH]),
    alert=st.just("A"),
    page=st.sampled_from([None, Notice(), Notice({"severity": "loud"})]),
    ticket=st.sampled_from([None, Notice()]),
    min_events=st.integers(0, 1000),
    no_data=st.sampled_from(["ticket", "ignore"]),
)


@given(levels)
def test_every_expression_parses_and_names_are_unique(level: ServiceLevel) -> None:
    found = rules.groups(level)
    made = [rule for group in found for rule in group["rules"]]
    for rule in made:
        promql_parser.parse(rule["expr"])
        assert list(rule["labels"]) == sorted(rule["labels"])
    records = [rule["record"] for rule in made if "record" in rule]
    assert len(set(records)) == len(records)
    alerts = sum(level_ is not None for level_ in (level.page, level.ticket))
    silent = level.ticket is None or level.no_data == "ignore"
    assert len(made) - len(records) == alerts + (not silent)
    assert yaml.safe_load(files.document({"groups": found})) == {"groups": stripped(found)}


def stripped(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Expressions lose the line break at their end."""
    return [{**group, "rules": [{**one, "expr": one["expr"].strip()} for one in group["rules"]]} for group in found]


@given(levels)
def test_a_dashboard_is_json_whose_queries_parse(level: ServiceLevel) -> None:
    made = json.loads(json.dumps(dashboard.dashboard("Shop", [level, level])))
    targets = [target for panel in made["panels"] for target in panel.get("targets", ())]
    assert len(targets) >= 2 * 9
    for target in targets:
        promql_parser.parse(target["expr"])
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"]) == 8


def test_a_rate_is_made_a_number_of_events() -> None:
    found = expressions(ServiceLevel(service="s", name="n", objective=99, indicator=INDICATORS[0], alert="A"))
    assert same(found["slo:total_events:sum_1h"], "(sum(rate(all[1h]))) * 3600")
    assert same(found["slo:bad_events:sum_5m"], "(sum(rate(bad[5m]))) * 300 or (sum(rate(all[5m]))) * 300 * 0")


def test_the_period_sums_events_and_never_averages_ratios() -> None:
    found = expressions(ServiceLevel(service="s", name="n", objective=99, indicator=INDICATORS[2], alert="A"))
    chosen = '{slo_service="s", slo="n"}'
    assert same(found["slo:bad_events:sum_period"], f"sum_over_time(slo:bad_events:sum_5m{chosen}[30d:5m])")
    total = f"slo:total_events:sum_period{chosen}"
    remaining = f"1 - slo:bad_events:sum_period{chosen} / {total} / 0.01 and {total} >= 100"
    assert same(found["slo:error_budget_remaining:ratio"], remaining)


@pytest.mark.parametrize(
    ("window", "factors"),
    [
        (Window(30 * DAY), [14.4, 6, 3, 1]),
        (Window(28 * DAY), [13.44, 5.6, 2.8, 1]),
        (Window(7 * DAY), [13.44, 3.5, 1.4, 1]),
        (MONTH, [14.4, 6, 3, 1]),
        (WEEK, [13.44, 3.5, 1.4, 1]),
        (Window(90 * DAY), [43.2, 18, 9, 3]),
    ],
)
def test_burn_rates_by_window(window: Window, factors: list[float]) -> None:
    windows = alert_windows(window)
    assert [factor(burn, windows) for _, burn in windows.pairs()] == pytest.approx(factors)


def test_the_promises_of_an_application() -> None:
    found = of_application(application("availability: 99.9%, latency: [95% < 200ms, 99% < 1s]", defaults="window: 28d"))
    assert [(one.id, one.objective) for one in found] == [
        ("shop-availability", 99.9),
        ("shop-latency-200ms", 95),
        ("shop-latency-1s", 99),
    ]
    assert {one.window for one in found} == {Window(28 * DAY)}
    assert {one.alert for one in found} >= {"ShopAvailabilityBurnsBudget"}
    fast = found[1].indicator
    assert isinstance(fast, GoodEvents)
    assert 'le="0.2"' in fast.good
    slow = of_application(application("latency: 99% < 250ms"), ISTIO)[0].indicator
    assert isinstance(slow, GoodEvents)
    assert r'le=~"250(\\.0)?"' in slow.good


def test_the_platform_may_measure_by_the_calendar() -> None:
    monthly = application("availability: 99.9%", defaults="calendar: month")
    (found,) = of_application(monthly, labels={"environment": "prod"})
    assert (found.objective, found.window, found.labels) == (99.9, MONTH, {"team": "web", "environment": "prod"})


def test_a_worker_promises_what_its_metrics_say() -> None:
    worker = application("availability: 99%, objectives: {mailsSent: 99.5%}", "background-worker")
    metric = Metric(unit="ratio", good='good{app="{app}"}[{{.window}}]', total="all[{{.window}}]")
    (found,) = of_application(worker, metrics={"mailsSent": metric}, runbook="https://x/{app}/{slo}")
    assert found.indicator == GoodEvents('good{app="shop"}[{{.window}}]', "all[{{.window}}]")
    assert (found.objective, found.runbook) == (99.5, "https://x/shop/mailsSent")
    with pytest.raises(BadInput, match="mailsSent"):
        of_application(worker)


def test_a_journey_fails_where_any_of_its_services_does() -> None:
    from shipway.spec.platform import Journey

    member = of_application(application("availability: 99.9%"))[0]
    journey = Journey.model_validate({"applications": ["shop", "shop"], "objective": "99%"})
    found = expressions(of_journey("buy", journey, [member, member]))
    one = '(1 - sum(slo:bad_events:sum_1h{slo_service="shop", slo="availability"}) / (sum(slo:total_events:sum_1h{slo_service="shop", slo="availability"}) > 0))'
    assert same(found["slo:error_ratio:avg_1h"], f"1 - {one} * {one}")


def test_availability_is_said_in_one_way_and_the_window_by_the_platform() -> None:
    text = SPEC.format(slo="errorRate: 1%, window: 7d", archetype="api-service")
    problems = parse_documents([Source("a.yaml", text)]).problems
    assert [problem.code for problem in problems] == ["unknown-field", "for-the-platform"]
    assert "`availability: 99.9%`" in problems[0].message
