"""Sloth's files: ``version: prometheus/v1`` and the ``PrometheusServiceLevel`` of its Kubernetes operator.

Both say the same in different spelling (``error_query``, ``errorQuery``). A field that Sloth ignores, such as a spelling of
the other form, is a warning. SLI and SLO plugins are Go programs that we cannot run: they are refused by
name, but for those of Sloth itself that make its rules or change none.
"""

from collections.abc import Callable, Iterator

from shipway.render.slo.levels import BadEvents, ErrorRatio, Indicator, Notice, ServiceLevel, Window
from shipway.slo.cursor import Cursor
from shipway.slo.queries import labels_at, name_at, objective_at, query_at
from shipway.spec.fields import describe

_HARMLESS = frozenset(f"sloth.dev/core/{name}/v1" for name in ("debug", "noop", "validate"))
"""Plugins of Sloth's own that change no rule."""
_RULES = frozenset(f"sloth.dev/core/{name}_rules/v1" for name in ("sli", "metadata", "alert"))
"""Those that make the rules, which happens here anyway."""

Spelling = Callable[[str], str]


def snake(name: str) -> str:
    """Spelling of ``prometheus/v1``."""
    return name


def camel(name: str) -> str:
    """Spelling of the Kubernetes object."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def levels(at: Cursor, spelt: Spelling, window: Window) -> Iterator[ServiceLevel]:
    """The service levels below ``at`` (the document, or the object's ``spec``), those that hold nothing wrong.

    ``window`` holds for all: the format has none of its own.
    """
    at.knows("version", "service", "labels", spelt("slo_plugins"), "slos")
    _refuse_plugins(at / spelt("slo_plugins"))
    service, labels = name_at(at / "service"), labels_at(at / "labels")
    for slo in (at / "slos").items(required=True):
        before = slo.errors
        found = _level(slo, spelt, service, labels, window)
        if slo.errors == before and found is not None and service:
            yield found


def _level(slo: Cursor, spelt: Spelling, service: str, labels: dict[str, str], window: Window) -> ServiceLevel | None:
    if not slo.map(required=True):
        return None
    slo.knows("name", "description", "objective", "labels", "sli", "alerting", "plugins")
    _refuse_plugins(slo / "plugins")
    alerting = slo / "alerting"
    alerting.knows("name", "labels", "annotations", spelt("page_alert"), spelt("ticket_alert"))
    page, ticket = (_notice(alerting, alerting / spelt(key)) for key in ("page_alert", "ticket_alert"))
    name, objective = name_at(slo / "name"), objective_at(slo / "objective")
    own, indicator = labels_at(slo / "labels"), _indicator(slo / "sli", spelt)
    alert = (alerting / "name").text(required=page is not None or ticket is not None)
    if indicator is None:
        return None
    return ServiceLevel(
        service=service,
        name=name,
        objective=objective,
        indicator=indicator,
        window=window,
        description=(slo / "description").text(),
        labels={**labels, **own},
        alert=alert,
        page=page,
        ticket=ticket,
    )


def _notice(alerting: Cursor, at: Cursor) -> Notice | None:
    at.map()
    at.knows("disable", "labels", "annotations")
    if (at / "disable").flag():
        return None
    labels, annotations = ({**labels_at(alerting / key), **labels_at(at / key)} for key in ("labels", "annotations"))
    return Notice(labels, annotations)


def _indicator(at: Cursor, spelt: Spelling) -> Indicator | None:
    if not at.map(required=True):
        return None
    at.knows("events", "raw", "plugin")
    given = [kind for kind in ("events", "raw", "plugin") if (at / kind).exists]
    if len(given) != 1:
        what = " and ".join(given) if given else "neither"
        at.wrong("not-one-of", f"expected one of events and raw, got {what}")
        return None
    found = at / given[0]
    if given[0] == "plugin":
        refuse_plugin(found / "id")
        return None
    if not found.map(required=True):
        return None
    return _events(found, spelt) if given[0] == "events" else _raw(found, spelt)


def _raw(at: Cursor, spelt: Spelling) -> Indicator:
    at.knows(spelt("error_ratio_query"))
    return ErrorRatio(query_at(at / spelt("error_ratio_query")))


def _events(at: Cursor, spelt: Spelling) -> Indicator:
    error, total = at / spelt("error_query"), at / spelt("total_query")
    at.knows(spelt("error_query"), spelt("total_query"))
    found = BadEvents(query_at(error), query_at(total))
    if found.bad and found.bad == found.total:
        error.wrong("same-query", "expected the failed events, got the same query as for all events")
    return found


def _refuse_plugins(at: Cursor) -> None:
    at.map()
    at.knows("overridePrevious", "chain")
    chain = [plugin for plugin in (at / "chain").items() if plugin.map(required=True)]
    names = {(plugin / "id").text() for plugin in chain}
    for plugin in chain:
        if (plugin / "id").text() not in _HARMLESS | _RULES:
            refuse_plugin(plugin / "id")
        elif (plugin / "id").text() in _RULES and (plugin / "config").names:
            (plugin / "config").wrong(
                "plugin", "expected no configuration: the rules are made as Sloth makes them without one"
            )
    if (at / "overridePrevious").flag() and not names >= _RULES:
        message = (
            f"expected {', '.join(sorted(_RULES - names))} in the chain: without them Sloth makes no rules of that kind"
        )
        (at / "overridePrevious").wrong("plugin", message)


def refuse_plugin(at: Cursor) -> None:
    """Plugins are programs in Go; say which, and what to write instead."""
    which = describe(at.text(required=True))
    at.wrong(
        "plugin", f"the plugin {which} is a Go program that cannot be run here; write the queries under `sli.events`"
    )
