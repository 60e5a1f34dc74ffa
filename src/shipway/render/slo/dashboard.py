"""A Grafana dashboard of service levels: plain data for ``json``. Called by whoever ships dashboards with rules.

Reads the records of :mod:`shipway.render.slo.rules`. Schema version 39 (Grafana 10.4 and later load it); the data source is
a variable, so that the same dashboard works in every cluster. Ids follow from names: rendering twice gives the same bytes.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from shipway.render.slo.burning import alert_windows, duration, factor
from shipway.render.slo.levels import ErrorRatio, ServiceLevel
from shipway.render.slo.rules import selector, share

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT = 8


def dashboard(title: str, levels: Sequence[ServiceLevel], tags: Sequence[str] = ("slo",)) -> dict[str, Any]:
    """One row per service level: budget left, burn rates beside their alerts' factors, events."""
    panels = [panel for row, level in enumerate(levels) for panel in _row(level, row * (_HEIGHT + 1))]
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": sha256(title.encode()).hexdigest()[:16],
        "title": title,
        "tags": list(tags),
        "schemaVersion": 39,
        "editable": False,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "timezone": "utc",
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }


def _row(level: ServiceLevel, y: int) -> Iterator[dict[str, Any]]:
    head = f"{level.service} {level.name}: {level.objective:.12g} % over {_window(level)}"
    yield {"type": "row", "title": head, "collapsed": False, "panels": [], "gridPos": _place(0, y, 24, 1)}
    left = _panel("stat", "Error budget left", _place(0, y + 1, 5, _HEIGHT), level.description)
    left["targets"] = [_target(f"slo:error_budget_remaining:ratio{selector(level)}", "")]
    left["fieldConfig"] = _field("percentunit", [(None, "red"), (0, "orange"), (0.2, "green")])
    yield left
    yield _burning(level, _place(5, y + 1, 11, _HEIGHT))
    yield _events(level, _place(16, y + 1, 8, _HEIGHT))


def _burning(level: ServiceLevel, place: dict[str, int]) -> dict[str, Any]:
    windows = alert_windows(level.window)
    panel = _panel("timeseries", "Burn rate", place, "1 spends the whole budget in exactly the window.")
    lengths = [duration(length) for length in windows.lengths()]
    panel["targets"] = [
        _target(f"({share(level, length)}) / {level.budget:.12g}", length, letter)
        for letter, length in zip("ABCDEFG", lengths, strict=True)
    ]
    limits = [(factor(burn, windows), "red" if severity == "page" else "orange") for severity, burn in windows.pairs()]
    panel["fieldConfig"] = _field("none", [(None, "green"), *sorted(limits)])
    panel["fieldConfig"]["defaults"]["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return panel


def _events(level: ServiceLevel, place: dict[str, int]) -> dict[str, Any]:
    panel = _panel("timeseries", "Events in five minutes", place, "")
    if isinstance(level.indicator, ErrorRatio):
        panel["title"] = "Failures in five minutes"
        panel["targets"] = [_target(share(level, "5m"), "failed")]
        panel["fieldConfig"] = _field("percentunit", [(None, "green")])
        return panel
    panel["targets"] = [
        _target(f"slo:{what}_events:sum_5m{selector(level)}", name, letter)
        for letter, what, name in (("A", "total", "all"), ("B", "bad", "failed"))
    ]
    panel["fieldConfig"] = _field("short", [(None, "green")])
    return panel


def _panel(kind: str, title: str, place: dict[str, int], about: str) -> dict[str, Any]:
    return {"type": kind, "title": title, "description": about, "gridPos": place, "datasource": dict(_SOURCE)}


def _target(expr: str, legend: str, letter: str = "A") -> dict[str, Any]:
    return {"refId": letter, "expr": expr, "legendFormat": legend, "datasource": dict(_SOURCE)}


def _field(unit: str, steps: Sequence[tuple[float | None, str]]) -> dict[str, Any]:
    found = [{"value": value, "color": color} for value, color in steps]
    return {"defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": found}}, "overrides": []}


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _window(level: ServiceLevel) -> str:
    return f"the {level.window.calendar}" if level.window.calendar else duration(level.window.seconds)
