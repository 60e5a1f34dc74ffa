"""Promises about the Platform's own metrics, asked of a Prometheus: fills in what the controller cannot count. Called by ``slo status``."""

from collections.abc import Callable, Mapping

import msgspec

from shipway.engine.ports import Absent
from shipway.engine.views import PromisesView
from shipway.model.errors import BadInput
from shipway.render.slo.burning import duration
from shipway.render.slo.levels import MONTH, PLACEHOLDER, WEEK, GoodEvents, ServiceLevel, Window
from shipway.render.slo.promises import percent
from shipway.slo.budget import Status, judged, unmeasured
from shipway.slo.counters import Events
from shipway.spec import DeclaredPlatform
from shipway.spec.platform import Metric

Ask = Callable[[str, float], float | Absent]
"""What a query comes to at a time."""


def answered(view: PromisesView, ask: Ask, platform: DeclaredPlatform | None) -> PromisesView:
    """With the promises that the Platform has queries for; the others stay as they are.

    Raises:
        BadInput: there is no Platform to take queries from.
    """
    if platform is None:
        raise BadInput("queries are in the Platform", hint="Give it with --platform FILE.")
    metrics = platform.platform.spec.metrics
    applications = tuple(
        msgspec.structs.replace(one, statuses=tuple(_status(status, metrics, ask) for status in one.statuses))
        for one in view.applications
    )
    return msgspec.structs.replace(view, applications=applications)


def _status(status: Status, metrics: Mapping[str, Metric], ask: Ask) -> Status:
    metric = metrics.get(status.name)
    if metric is None or metric.good is None or metric.total is None:
        return status
    good, total = (query.replace("{app}", status.service) for query in (metric.good, metric.total))
    level = ServiceLevel(
        service=status.service,
        name=status.name,
        objective=percent(status.objective),
        indicator=GoodEvents(good, total),
        window=_window(status),
    )
    try:
        return judged(level, status.at, lambda start: _events(ask, (good, total), start, status.at))
    except _Silent as silent:
        return unmeasured(level, status.at, str(silent))


class _Silent(Exception):
    """Prometheus does not answer; the message says why."""


def _events(ask: Ask, queries: tuple[str, str], start: float, at: float) -> Events:
    length = max(1.0, at - start)
    found = [ask(PLACEHOLDER.sub(duration(round(length)), query), at) for query in queries]
    for one in found:
        if isinstance(one, Absent):
            raise _Silent(one.reason)
    good, total = (float(one) for one in found if not isinstance(one, Absent))
    # Increases are extrapolated by Prometheus, so that good can come out a little above all.
    return Events(max(0.0, total - good), total, length, 2)


def _window(status: Status) -> Window:
    """Calendars by their names, lengths from the begin that the status has."""
    return {"week": WEEK, "month": MONTH}.get(status.window, Window(round(status.at - status.since)))
