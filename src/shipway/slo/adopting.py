"""Which service levels an Application can say in its own ``slo`` section: those of the metrics that the platform counts by.

Called by ``shipway slo import``. Everything else goes into a document of service levels (:mod:`shipway.slo.document`).
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import promql_parser

from shipway.model.quantities import QuantityError, format_duration
from shipway.render.slo.levels import MONTH, WEEK, BadEvents, ErrorRatio, GoodEvents, ServiceLevel, within
from shipway.render.slo.promises import ISTIO, OPENTELEMETRY, Meters, availability, bucket, latency, percent
from shipway.render.slo.sloth import plain

_EDGE = re.compile(r'\ble=~?"([0-9.]{1,20}?)(?:\.0|\(\\\\\.0\)\?)?"')
"""The edge of a bucket: ``le="0.25"``, or a whole number with and without its ``.0``."""
_RATE = re.compile(r"\brate\(")
_STATUS = re.compile(r'(response_code|status_code)!~"5\.\."')


class Adopted(msgspec.Struct, frozen=True):
    """The ``slo`` section of one Application, and what the Platform must say for it to mean the same."""

    application: str
    slo: dict[str, Any]
    defaults: dict[str, Any]
    """``slo`` under the Platform's ``spec.defaults``: the window or the calendar."""


def adopt(levels: Sequence[ServiceLevel]) -> tuple[list[Adopted], list[ServiceLevel]]:
    """(sections of Applications, service levels that none can say), both in the order of ``levels``."""
    sections: dict[str, Adopted] = {}
    rest: list[ServiceLevel] = []
    for level in levels:
        found = next((one for meters in (OPENTELEMETRY, ISTIO) if (one := _said(level, meters))), None)
        section = sections.get(level.service)
        when = {"calendar": level.window.calendar} if level.window in {WEEK, MONTH} else _rolling(level)
        if found is None or (section is not None and not _fits(section, found, when)):
            rest.append(level)
            continue
        section = sections.setdefault(level.service, Adopted(level.service, {}, when))
        for key, value in found.items():
            section.slo[key] = [*section.slo.get(key, []), *value] if isinstance(value, list) else value
    return list(sections.values()), rest


def _rolling(level: ServiceLevel) -> dict[str, Any]:
    return {"window": format_duration(level.window.seconds)}


def _fits(section: Adopted, found: dict[str, Any], when: dict[str, Any]) -> bool:
    """A section has one window and one availability."""
    return section.defaults == when and not ("availability" in section.slo and "availability" in found)


def _said(level: ServiceLevel, meters: Meters) -> dict[str, Any] | None:
    """What the section would say of one service level; None when it cannot."""
    indicator = level.indicator
    if isinstance(indicator, ErrorRatio):
        return None
    whole = availability(meters, level.service)
    if _same(indicator.total, whole.total) and _fails(indicator, whole):
        return {"availability": f"{plain(level.objective)}%"}
    edge = _EDGE.search(indicator.good) if isinstance(indicator, GoodEvents) else None
    if edge is None or not isinstance(indicator, GoodEvents):
        return None
    try:
        seconds = percent(float(edge[1]) * meters.unit) / 100
        fast = latency(meters, level.service, seconds)
        objective = f"{plain(level.objective)}% < {format_duration(seconds)}"
    except (QuantityError, ValueError):
        return None
    good = _EDGE.sub(lambda _: bucket(seconds / meters.unit), indicator.good)
    return {"latency": [objective]} if _same(good, fast.good) and _same(indicator.total, fast.total) else None


def _fails(indicator: BadEvents | GoodEvents, whole: BadEvents) -> bool:
    if isinstance(indicator, BadEvents):
        return _same(indicator.bad, whole.bad)
    return bool(_STATUS.search(indicator.good)) and _same(_STATUS.sub(r'\1=~"5.."', indicator.good), whole.bad)


def _same(one: str, other: str) -> bool:
    """Whether two queries count the same: as syntax trees, per second or in all."""
    trees = (repr(promql_parser.parse(within(_RATE.sub("increase(", query), "5m"))) for query in (one, other))
    return len(set(trees)) == 1
