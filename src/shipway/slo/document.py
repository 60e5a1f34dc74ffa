"""Our own form for service levels of things that are no Application: ``kind: ServiceLevels``, read and written.

    apiVersion: shipway.dev/v1alpha1
    kind: ServiceLevels
    metadata: {name: billing}
    spec:
      objectives:
        - name: invoices
          objective: 99.9%
          bad: sum(increase(invoices_failed_total[{{.window}}]))
          total: sum(increase(invoices_total[{{.window}}]))
          alert: {name: InvoicesBurnBudget, ticket: {labels: {team: billing}}}

``good`` beside ``total``, or ``errorRatio`` alone, say it in other ways. It holds everything that Sloth and OpenSLO files say.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipway.model.quantities import QuantityError, format_duration, parse_duration
from shipway.render.slo.levels import (
    MIN_EVENTS,
    MONTH,
    WEEK,
    BadEvents,
    ErrorRatio,
    GoodEvents,
    Indicator,
    Notice,
    ServiceLevel,
    Window,
)
from shipway.render.slo.sloth import plain
from shipway.slo.cursor import Cursor
from shipway.slo.queries import labels_at, name_at, query_at
from shipway.spec.application import API_VERSION
from shipway.spec.fields import describe

KIND = "ServiceLevels"
_CALENDARS: Mapping[str, Window] = {"week": WEEK, "month": MONTH}
_FORMS: Sequence[tuple[str, ...]] = (("bad", "total"), ("good", "total"), ("errorRatio",))


def levels(at: Cursor, window: Window) -> Iterator[ServiceLevel]:
    """The valid service levels of a document."""
    _closed(at, "apiVersion", "kind", "metadata", "spec")
    meta, spec = at / "metadata", at / "spec"
    _closed(meta, "name", "labels")
    _closed(spec, "objectives")
    service, labels = name_at(meta / "name"), labels_at(meta / "labels")
    for one in (spec / "objectives").items(required=True):
        before = one.errors
        found = _level(one, service, labels, window)
        if found is not None and service and one.errors == before:
            yield found


def _closed(at: Cursor, *names: str) -> None:
    at.map(required=True)
    at.knows(*names, severity="error")


def _level(at: Cursor, service: str, labels: dict[str, str], window: Window) -> ServiceLevel | None:
    kinds = {"bad", "good", "total", "errorRatio"}
    _closed(at, "name", "objective", "description", "window", "calendar", "labels", "alert", *sorted(kinds))
    alert, indicator = at / "alert", _indicator(at, kinds)
    _alerts(alert)
    page, ticket = (_notice(alert / key) for key in ("page", "ticket"))
    name, objective, own = name_at(at / "name"), _percent(at / "objective"), labels_at(at / "labels")
    length, called = _window(at, window), (alert / "name").text(required=page is not None or ticket is not None)
    least = (alert / "minEvents").number()
    if indicator is None:
        return None
    return ServiceLevel(
        service=service,
        name=name,
        objective=objective,
        indicator=indicator,
        window=length,
        description=(at / "description").text(),
        labels={**labels, **own},
        alert=called,
        page=page,
        ticket=ticket,
        min_events=MIN_EVENTS if least is None else int(least),
        no_data="ignore" if (alert / "noData").node.text == "ignore" and (alert / "noData").exists else "ticket",
        runbook=(alert / "runbook").text(),
    )


def _alerts(at: Cursor) -> None:
    at.map()
    at.knows("name", "page", "ticket", "minEvents", "noData", "runbook", severity="error")
    if (at / "noData").exists:
        (at / "noData").one_of(["ticket", "ignore"])


def _notice(at: Cursor) -> Notice | None:
    if at.exists and at.node.value is False:
        return None
    if at.map():
        at.knows("labels", "annotations", severity="error")
    return Notice(labels_at(at / "labels"), labels_at(at / "annotations"))


def _indicator(at: Cursor, kinds: set[str]) -> Indicator | None:
    given = tuple(sorted(kind for kind in kinds if (at / kind).exists))
    if given not in _FORMS:
        at.wrong(
            "not-one-of", f"expected bad and total, good and total, or errorRatio, got {' and '.join(given) or 'none'}"
        )
        return None
    first, *rest = (query_at(at / kind) for kind in given)
    if not rest:
        return ErrorRatio(first)
    return BadEvents(first, rest[0]) if given[0] == "bad" else GoodEvents(first, rest[0])


def _percent(at: Cursor) -> float:
    text = at.text(required=True)
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,40})?) ?%", text)
    if text and not (match and 0 < float(match[1]) <= 100):
        at.wrong("out-of-range", f"expected a percentage above 0 and at most 100 such as 99.9%, got {describe(text)}")
    return float(match[1]) if match else 0.0


def _window(at: Cursor, window: Window) -> Window:
    if (at / "calendar").exists:
        return _CALENDARS.get((at / "calendar").one_of(_CALENDARS), window)
    text = (at / "window").text()
    try:
        return Window(parse_duration(text)) if text else window
    except QuantityError as error:
        (at / "window").wrong("bad-duration", str(error))
        return window


def written(service: str, found: Sequence[ServiceLevel]) -> dict[str, Any]:
    """The document that says the same as ``found``, all of one service; reading it gives equal service levels."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": service},
        "spec": {"objectives": [_objective(level) for level in found]},
    }


def _objective(level: ServiceLevel) -> dict[str, Any]:
    match level.indicator:
        case BadEvents(bad, total):
            queries = {"bad": bad, "total": total}
        case GoodEvents(good, total):
            queries = {"good": good, "total": total}
        case raw:
            queries = {"errorRatio": raw.ratio}
    window = {"calendar": level.window.calendar} if level.window.calendar else {}
    return {
        "name": level.name,
        "objective": f"{plain(level.objective)}%",
        **({"description": level.description} if level.description else {}),
        **(window or {"window": format_duration(level.window.seconds)}),
        **({"labels": dict(level.labels)} if level.labels else {}),
        **queries,
        "alert": _alert(level),
    }


def _alert(level: ServiceLevel) -> dict[str, Any]:
    return {
        **({"name": level.alert} if level.alert else {}),
        **({"runbook": level.runbook} if level.runbook else {}),
        **({"minEvents": level.min_events} if level.min_events != MIN_EVENTS else {}),
        **({"noData": level.no_data} if level.no_data != "ticket" else {}),
        **{key: _said(notice) for key, notice in (("page", level.page), ("ticket", level.ticket))},
    }


def _said(notice: Notice | None) -> object:
    if notice is None:
        return False
    parts = (("labels", notice.labels), ("annotations", notice.annotations))
    return {key: dict(values) for key, values in parts if values}
