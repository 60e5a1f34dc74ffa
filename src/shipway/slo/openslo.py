"""OpenSLO documents: ``openslo/v1alpha`` SLOs (as Sloth reads them) and ``openslo/v1`` SLOs with their SLIs.

Of v1 we read what Prometheus can answer: ratio metrics (good, bad or raw) of PromQL queries, rolling and calendar windows,
budgeting by occurrences. What is left out is refused with its line: time slices, thresholds, other data sources.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import promql_parser

from shipway.model.quantities import QuantityError, parse_duration
from shipway.render.slo.levels import (
    DAY,
    MONTH,
    PLACEHOLDER,
    WEEK,
    WINDOW,
    BadEvents,
    ErrorRatio,
    GoodEvents,
    Indicator,
    Notice,
    ServiceLevel,
    Window,
)
from shipway.slo.cursor import Cursor
from shipway.slo.queries import name_at, query_at, unparsable
from shipway.spec.fields import describe

KINDS: Final = frozenset(
    {"SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "BudgetAdjustment"}
)
"""Other kinds of a v1 file; SLIs are read when an SLO refers to them, the rest is not needed for rules."""

_SOURCES = ("prometheus", "sloth")
_SHORTHAND = re.compile(r"(\d+)([hdwMQY])")
_SHORTHAND_SECONDS = {"h": 3600.0, "d": DAY, "w": 7 * DAY}


# -- v1alpha


def levels_v1alpha(at: Cursor, window: Window) -> Iterator[ServiceLevel]:
    """One service level per objective, without alerts: the format has none."""
    spec, name = at / "spec", name_at(at / "metadata" / "name")
    spec.map(required=True)
    service, found = name_at(spec / "service"), _window_v1alpha(spec / "timeWindows", window)
    for index, objective in enumerate((spec / "objectives").items(required=True)):
        before = objective.errors
        target, ratio = _target(objective / "target"), objective / "ratioMetrics"
        if not ratio.map():
            continue
        if not ratio.exists:
            ratio.wrong("missing", "expected ratioMetrics with good and total queries, got nothing")
            continue
        indicator = GoodEvents(_query_v1alpha(ratio / "good"), _query_v1alpha(ratio / "total"))
        if objective.errors == before and name and service:
            yield _plain(
                service,
                f"{name}-{index}",
                objective=target * 100,
                indicator=indicator,
                window=found,
                about=(spec / "description").text(),
            )


def _query_v1alpha(at: Cursor) -> str:
    at.map(required=True)
    (at / "source").one_of(_SOURCES)
    (at / "queryType").one_of(["promql"])
    return query_at(at / "query")


def _window_v1alpha(at: Cursor, window: Window) -> Window:
    given = list(at.items())
    if len(given) > 1:
        (at / 1).wrong("too-many", f"expected one time window, got {len(given)}")
    for one in given[:1]:
        unit, count = (one / "unit").text(required=True), (one / "count").number(required=True)
        if unit.lower() != "day":
            (one / "unit").wrong("not-one-of", f"expected Day, got {describe(unit)}")
        elif count is not None and count * DAY != window.seconds:
            # As in Sloth, which made rules for one period only when it took this form up.
            days = f"{window.seconds / DAY:g}"
            message = f"expected {days} days, the period that rules are made for, got {count:g}; `--window {count:g}d` makes them for that"
            (one / "count").wrong("out-of-range", message)
    return window


def _target(at: Cursor) -> float:
    found = at.number(required=True)
    if found is not None and not 0 < found <= 1:
        at.wrong("out-of-range", f"expected a share above 0 and at most 1, such as 0.999, got {found:g}")
    return found if found is not None and 0 < found <= 1 else 0.0


def _plain(
    service: str, name: str, *, objective: float, indicator: Indicator, window: Window, about: str
) -> ServiceLevel:
    return ServiceLevel(
        service=service,
        name=name,
        objective=objective,
        indicator=indicator,
        window=window,
        description=about,
        page=None,
        ticket=None,
    )


# -- v1


class Library:
    """The SLIs of a file, by name, for SLOs that refer to them."""

    def __init__(self, documents: Sequence[Cursor]) -> None:
        self._found = {
            (one / "metadata" / "name").node.text or "": one
            for one in documents
            if one.names and (one / "kind").node.text == "SLI"
        }

    def __getitem__(self, name: str) -> Cursor | None:
        return self._found.get(name)


def levels_v1(at: Cursor, window: Window, library: Library) -> Iterator[ServiceLevel]:
    """One service level per objective; the first keeps the SLO's name when there is only one."""
    spec, name = at / "spec", name_at(at / "metadata" / "name")
    if not spec.map(required=True):
        return
    service, found = name_at(spec / "service"), _window_v1(spec / "timeWindow", window)
    _occurrences(spec / "budgetingMethod")
    labels = _labels(at / "metadata" / "labels")
    objectives = list((spec / "objectives").items(required=True))
    for index, objective in enumerate(objectives):
        before = objective.errors
        indicator = _indicator_v1(spec, objective, library)
        percent = _percent(objective)
        if objective.errors == before and name and service and indicator:
            own = name if len(objectives) == 1 else f"{name}-{index}"
            level = _plain(
                service,
                own,
                objective=percent,
                indicator=indicator,
                window=found,
                about=(spec / "description").text(),
            )
            yield _alerted(level, labels)


def _alerted(level: ServiceLevel, labels: dict[str, str]) -> ServiceLevel:
    """With alerts: v1 leaves to its AlertPolicies when to alert, and ours follow from the budget."""
    words = "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", level.id))
    return msgspec.structs.replace(level, labels=labels, alert=f"{words}BurnsBudget", page=Notice(), ticket=Notice())


def _labels(at: Cursor) -> dict[str, str]:
    """Labels of the metadata; v1 allows lists, of which the first entry is taken."""
    listed = {key for key in at.names if (at / key).node.items}
    plain = {key: (at / key).text() for key in at.names if key not in listed}
    return {key: value for key, value in plain.items() if value and re.fullmatch(r"[a-zA-Z_]\w*", key)}


def _occurrences(at: Cursor) -> None:
    method = at.one_of(["Occurrences", "Timeslices", "RatioTimeslices"])
    if method in {"Timeslices", "RatioTimeslices"}:
        at.wrong("unsupported", f"expected Occurrences, got {method}; budgets here count events, not slices of time")


def _percent(at: Cursor) -> float:
    if (at / "targetPercent").exists:
        found = (at / "targetPercent").number() or 0.0
        if not 0 < found <= 100:
            (at / "targetPercent").wrong("out-of-range", f"expected above 0 and at most 100, got {found:g}")
        return found
    return _target(at / "target") * 100


def _window_v1(at: Cursor, window: Window) -> Window:
    given = list(at.items())
    if len(given) > 1:
        (at / 1).wrong("too-many", f"expected one time window, got {len(given)}")
    return _one_window(given[0], window) if given else window


def _one_window(at: Cursor, window: Window) -> Window:
    length = at / "duration"
    text = length.text(required=True)
    match = _SHORTHAND.fullmatch(text)
    rolling = not (at / "isRolling").exists or (at / "isRolling").flag()
    if not rolling or (at / "calendar").exists:
        found = {"1w": WEEK, "7d": WEEK, "1M": MONTH}.get(text)
        if found is None and text:
            length.wrong("unsupported", f"expected 1w or 1M for a calendar window, got {describe(text)}")
        return found or window
    if match and match[2] in _SHORTHAND_SECONDS:
        return Window(int(match[1]) * _SHORTHAND_SECONDS[match[2]])
    try:
        return Window(parse_duration(text)) if text else window
    except QuantityError as error:
        length.wrong("bad-duration", str(error))
        return window


def _indicator_v1(spec: Cursor, objective: Cursor, library: Library) -> Indicator | None:
    for holder in (objective, spec):
        if (holder / "indicator").exists:
            return _sli(holder / "indicator" / "spec")
        if (holder / "indicatorRef").exists:
            ref = holder / "indicatorRef"
            found = library[ref.text()]
            if found is None:
                ref.wrong("not-found", f"expected an SLI of the same file, got {describe(ref.text())}")
                return None
            return _sli(found / "spec")
    (spec / "indicator").wrong("missing", "expected an indicator or an indicatorRef, got nothing")
    return None


def _sli(at: Cursor) -> Indicator | None:
    if not at.map(required=True):
        return None
    if not (at / "ratioMetric").exists:
        at.wrong("unsupported", "expected a ratioMetric; a thresholdMetric has no events that could be counted")
        return None
    ratio = at / "ratioMetric"
    if (ratio / "raw").exists:
        query = _query_v1(ratio / "raw", counter=False)
        success = (ratio / "rawType").one_of(["success", "failure"]) == "success"
        return ErrorRatio(f"1 - ({query})" if success else query)
    counter, total = (ratio / "counter").flag(), ratio / "total"
    if (ratio / "bad").exists:
        return BadEvents(_query_v1(ratio / "bad", counter=counter), _query_v1(total, counter=counter))
    return GoodEvents(_query_v1(ratio / "good", counter=counter), _query_v1(total, counter=counter))


def _query_v1(at: Cursor, *, counter: bool) -> str:
    source = at / "metricSource"
    if not source.map(required=True):
        return ""
    kind = (source / "type").text()
    if kind and kind.lower() not in _SOURCES:
        (source / "type").wrong("unsupported", f"expected Prometheus, got {describe(kind)}")
        return ""
    query = source / "spec" / "query"
    text = query.text(required=True)
    if not text or PLACEHOLDER.search(text):
        return query_at(query) if text else ""
    if reason := unparsable(text):
        query.wrong("bad-query", f"this is not PromQL: {reason}")
        return ""
    ranged = _ranged(promql_parser.parse(text), counter=counter)
    if not ranged:
        message = (
            "expected a counter such as `errors_total{…}` or `sum(errors_total{…})`, or a query over `{{.window}}`"
        )
        query.wrong("no-window", message)
    return ranged


def _ranged(parsed: Any, *, counter: bool) -> str:
    """The query of a number of events over the window, of a series that counts (or gauges) them; empty when that is unclear."""
    inner = parsed.expr if isinstance(parsed, promql_parser.AggregateExpr) and str(parsed.op) == "sum" else parsed
    if not isinstance(inner, promql_parser.VectorSelector) or (inner is not parsed and parsed.modifier is not None):
        return ""
    return f"sum({'increase' if counter else 'sum_over_time'}({inner.prettify()}[{WINDOW}]))"
