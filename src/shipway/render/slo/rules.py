"""Prometheus rules of our own style: events are counted, never ratios averaged.

    groups(level)  ->  [{"name": "slo-…", "interval": "30s", "rules": […]}, {"name": "slo-…-period", …}]

For every window of the alerts there is one record of the failed and one of all events in it. The budget of the period is the
sum of disjoint five-minute counts, so that a busy hour weighs more than a quiet one, gaps add nothing, and a Prometheus that
keeps less than the period says so (``slo:observed:seconds``). Nothing measured is no data and never health. An alert needs
:attr:`~shipway.render.slo.levels.ServiceLevel.min_events` in its long window.

:mod:`shipway.slo.budget` does the same arithmetic on counters without Prometheus.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from shipway.render.slo.burning import AlertWindows, Burn, alert_windows, duration, factor
from shipway.render.slo.levels import PLACEHOLDER, BadEvents, ErrorRatio, GoodEvents, Notice, ServiceLevel, within

INTERVAL = 30.0
"""Seconds between evaluations of the alerts."""
STEP = 300.0
"""Seconds: the period is counted in disjoint pieces of this length, which is also how often."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_RATE = re.compile(r"\bi?rate\s*\(")
_CALENDARS: Mapping[str, str] = {
    "week": "time() - time() % 86400 - 86400 * ((day_of_week() + 6) % 7)",
    "month": "time() - time() % 86400 - 86400 * (day_of_month() - 1)",
}
"""Start of the current period, UTC."""

Rule = dict[str, Any]


@lru_cache(maxsize=4096)
def groups(level: ServiceLevel) -> tuple[dict[str, Any], ...]:
    """Two rule groups: what alerts need, evaluated often, and the budget of the period, evaluated every five minutes.

    Not to be changed: most service levels are the same in every environment, and their rules are made once.
    """
    windows = alert_windows(level.window)
    quick = [*_counts(level, windows), *_facts(level), *_alerts(level, windows)]
    return (
        {"name": f"slo-{level.id}", "interval": duration(INTERVAL), "rules": quick},
        {"name": f"slo-{level.id}-period", "interval": duration(STEP), "rules": _period(level)},
    )


def selector(level: ServiceLevel) -> str:
    """Labels by which every record of the service level is found."""
    return f'{{slo_service="{level.service}", slo="{level.name}"}}'


def share(level: ServiceLevel, window: str) -> str:
    """PromQL of the share of failed events in a window (``5m`` … ``3d``) of the alerts, or in the ``period``."""
    chosen = selector(level)
    if isinstance(level.indicator, ErrorRatio):
        return f"slo:error_ratio:avg_{window}{chosen}"
    return f"slo:bad_events:sum_{window}{chosen} / slo:total_events:sum_{window}{chosen}"


def _record(level: ServiceLevel, name: str, expr: str, more: Mapping[str, str] = {}) -> Rule:
    labels = dict(sorted({**level.record_labels, **more}.items())) if more else level.record_labels
    return {"record": name, "expr": expr, "labels": labels}


def _counts(level: ServiceLevel, windows: AlertWindows) -> list[Rule]:
    return [rule for length in windows.lengths() for rule in _counted(level, length)]


def _counted(level: ServiceLevel, length: float) -> list[Rule]:
    window, indicator = duration(length), level.indicator
    if isinstance(indicator, ErrorRatio):
        return [_record(level, f"slo:error_ratio:avg_{window}", within(indicator.ratio, window))]
    total = _events(indicator.total, length)
    return [
        _record(level, f"slo:bad_events:sum_{window}", _bad(indicator, total, length)),
        _record(level, f"slo:total_events:sum_{window}", total),
    ]


def _bad(indicator: BadEvents | GoodEvents, total: str, length: float) -> str:
    if isinstance(indicator, GoodEvents):
        # A scrape may fall between two counters of one request, so the difference can be a little below nothing.
        return f"clamp_min({total} - {_events(indicator.good, length)}, 0)"
    # A counter of failures often begins to exist with the first one.
    return f"{_events(indicator.bad, length)} or {total} * 0"


def _events(query: str, length: float) -> str:
    """The number of events in a window; a query per second is multiplied by its length."""
    around, per_second = _taken_apart(query)
    inside = duration(length).join(around)
    return f"({inside}) * {round(length)}" if per_second else f"({inside})"


@lru_cache
def _taken_apart(query: str) -> tuple[Sequence[str], bool]:
    """What stands around the windows of a query, and whether it answers per second."""
    bare = _STRING.sub("", query)
    around = PLACEHOLDER.split(query.strip() + ("\n" if "#" in bare else ""))  # a comment would swallow the bracket
    return around, _RATE.search(bare) is not None


def _facts(level: ServiceLevel) -> list[Rule]:
    about = {
        "slo_objective": f"{level.objective:.12g}",
        "slo_window": level.window.calendar or duration(level.window.seconds),
    }
    return [
        _record(level, "slo:objective:ratio", f"vector({level.target:.12g})"),
        _record(level, "slo:error_budget:ratio", f"vector({level.budget:.12g})"),
        _record(level, "slo_info", "vector(1)", about),
    ]


# -- the period


def _period(level: ServiceLevel) -> list[Rule]:
    budget, base = level.budget, _pieces(level)
    rules = (
        [_record(level, "slo:period_start:seconds", _CALENDARS[level.window.calendar])] if level.window.calendar else []
    )
    if isinstance(level.indicator, ErrorRatio):
        observed = _within_period(level, "slo:error_ratio:avg_5m")
        rules.append(_record(level, "slo:error_ratio:avg_period", f"avg_over_time({observed})"))
    else:
        observed = base["bad"]
        rules += [
            _record(level, f"slo:{what}_events:sum_period", f"sum_over_time({one})") for what, one in base.items()
        ]
    left = f"1 - {share(level, 'period')} / {budget:.12g}"
    if level.min_events and not isinstance(level.indicator, ErrorRatio):
        left += f" and slo:total_events:sum_period{selector(level)} >= {level.min_events}"
    rules += [
        _record(level, "slo:observed:seconds", f"count_over_time({observed}) * {round(STEP)}"),
        _record(level, "slo:error_budget_remaining:ratio", left),
    ]
    return rules


def _pieces(level: ServiceLevel) -> dict[str, str]:
    return {what: _within_period(level, f"slo:{what}_events:sum_5m") for what in ("bad", "total")}


def _within_period(level: ServiceLevel, metric: str) -> str:
    """Five-minute pieces of the period. Of a calendar period those that end after its start, which is known at the end."""
    reach = f"[{duration(level.window.seconds)}:{duration(STEP)}]"
    series = f"{metric}{selector(level)}"
    if not level.window.calendar:
        return f"{series}{reach}"
    start = f"scalar(slo:period_start:seconds{selector(level)} @ end())"
    return f"({series} and on() (vector(time()) > {start})){reach}"


# -- alerts


def _alerts(level: ServiceLevel, windows: AlertWindows) -> list[Rule]:
    notices = (("page", level.page, windows.page), ("ticket", level.ticket, windows.ticket))
    rules = [
        _alert(level, windows, severity, notice, burns) for severity, notice, burns in notices if notice is not None
    ]
    return [*rules, _no_data(level)] if level.no_data == "ticket" and level.ticket is not None else rules


def _alert(level: ServiceLevel, windows: AlertWindows, severity: str, notice: Notice, burns: tuple[Burn, Burn]) -> Rule:
    said = {
        "summary": f"{level.service}: {level.name} burns its error budget too fast.",
        "description": f"At {{{{ $value | humanizePercentage }}}} failures the promise of {level.objective:.12g} % is at risk.",
    }
    return {
        "alert": level.alert,
        "expr": "\nor\n".join(_burning(level, windows, burn) for burn in burns),
        "labels": dict(sorted({"severity": severity, **notice.labels}.items())),
        "annotations": _annotations(level, said, notice),
    }


def _annotations(level: ServiceLevel, said: Mapping[str, str], notice: Notice) -> dict[str, str]:
    runbook = {"runbook_url": level.runbook} if level.runbook else {}
    return dict(sorted({**said, **runbook, **notice.annotations}.items()))


def _burning(level: ServiceLevel, windows: AlertWindows, burn: Burn) -> str:
    limit = f"{factor(burn, windows):.12g} * {level.budget:.12g}"
    sides = [f"{share(level, duration(length))} > {limit}" for length in (burn.short, burn.long)]
    if level.min_events and not isinstance(level.indicator, ErrorRatio):
        sides.append(f"slo:total_events:sum_{duration(burn.long)}{selector(level)} >= {level.min_events}")
    return "(\n  " + "\n  and\n  ".join(sides) + "\n)"


def _no_data(level: ServiceLevel) -> Rule:
    assert level.ticket is not None
    kind = "error_ratio:avg" if isinstance(level.indicator, ErrorRatio) else "bad_events:sum"
    said = {
        "summary": f"{level.service}: {level.name} is not measured any more.",
        "description": "The metrics that the promise is measured by are missing; whether it is kept is unknown.",
    }
    return {
        "alert": f"{level.alert}NoData",
        "expr": f"absent(slo:{kind}_1h{selector(level)})",
        "for": "10m",
        "labels": dict(sorted({**level.labels, "severity": "ticket", **level.ticket.labels}.items())),
        "annotations": _annotations(level, said, level.ticket),
    }
