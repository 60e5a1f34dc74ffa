"""Grafana panels and the dashboard they stand in, as the JSON model of Grafana 11 and later (``schemaVersion`` 39).

Used by :mod:`shipway.render.dashboards`. Knows layout and nothing of what is shown.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""Width of Grafana's grid."""
MOST_ACROSS = 4
"""Panels side by side; narrower ones cannot be read."""
HEIGHT = 8


class Panel(msgspec.Struct, frozen=True):
    """One picture: queries, and the unit of their values as Grafana names it."""

    title: str
    queries: tuple[tuple[str, str], ...]
    """(legend, PromQL) each."""
    unit: str
    """``reqps``, ``percentunit``, ``s``, ``bytes``, ``short``, …"""
    kind: str = "timeseries"
    limits: tuple[tuple[float, str], ...] = ()
    """Values from which another colour holds."""
    description: str = ""


class Row(msgspec.Struct, frozen=True):
    """Panels side by side under one heading."""

    title: str
    panels: tuple[Panel, ...]


@lru_cache(maxsize=4096)
def to_json(uid: str, title: str, tags: tuple[str, ...], rows: tuple[Row, ...]) -> str:
    """The dashboard as Grafana imports it. ``uid`` is at most 40 characters of letters, digits and dashes.

    Most are the same in every environment, so they are written once.
    """
    model = {
        "uid": uid[:40],
        "title": title,
        "tags": tags,
        "schemaVersion": 39,
        "editable": False,  # the next render would take a change back
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_variable()]},
        "panels": [*_placed(rows)],
    }
    return msgspec.json.format(msgspec.json.encode(model), indent=1).decode() + "\n"


def _variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _placed(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    top, number = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        across = min(len(row.panels), MOST_ACROSS)
        for index, panel in enumerate(row.panels):
            number += 1
            down, right = divmod(index, across)
            width = COLUMNS // across
            place = {"x": right * width, "y": top + 1 + down * HEIGHT, "w": width, "h": HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
        top += 1 + HEIGHT * -(-len(row.panels) // across)


def _panel(panel: Panel) -> dict[str, Any]:
    colours = [
        {"color": "red" if panel.kind == "stat" else "green", "value": None},
        *({"color": c, "value": at} for at, c in panel.limits),
    ]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": colours}}
    if panel.kind == "timeseries":
        defaults["min"] = 0
    if panel.kind == "timeseries" and panel.limits:
        defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
    targets = [
        {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend, "datasource": DATASOURCE}
        for index, (legend, query) in enumerate(panel.queries)
    ]
    about = {"description": panel.description} if panel.description else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        **about,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": targets,
    }
