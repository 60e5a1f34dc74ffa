"""Prometheus rules as Sloth (slok/sloth, v0.16) makes them, for teams whose dashboards and routes already read Sloth's names.

Differs from :mod:`shipway.render.slo.rules` on purpose wherever Sloth does: the period's ratio is the mean of five-minute
ratios whatever their traffic, and there is neither a low-traffic guard nor an answer to missing data.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from shipway.render.slo.burning import AlertWindows, Burn, alert_windows, duration
from shipway.render.slo.levels import DAY, BadEvents, GoodEvents, Notice, ServiceLevel, within

Mode = Literal["cli-gen-prom", "cli-gen-k8s", "cli-gen-openslo"]

_OPENSLO = """
  1 - (
    (
      {good}
    )
    /
    (
      {total}
    )
  )
"""


class Provenance(msgspec.Struct, frozen=True):
    """What ``sloth_slo_info`` says about where the rules come from."""

    version: str = "dev"
    mode: Mode = "cli-gen-prom"
    spec: str = "prometheus/v1"


def groups(
    level: ServiceLevel,
    windows: AlertWindows | None = None,
    provenance: Provenance = Provenance(),  # noqa: B008  # frozen
    extra: Mapping[str, str] = {},
) -> list[dict[str, Any]]:
    """The rule groups of one service level; groups without a rule are left out.

    ``windows`` are the alerts' own; without them a period has the windows that :mod:`shipway.render.slo.burning` knows, which
    are Sloth's for 28 and 30 days. ``extra`` labels go on every recording rule, over those of the service level.
    """
    known = windows or alert_windows(level.window)
    labels = {**level.labels, **extra}
    made = {
        "sli-recordings": _indicators(level, known, labels),
        "meta-recordings": _metadata(level, known, labels, provenance),
        "alerts": _alerts(level, known),
    }
    return [{"name": f"sloth-slo-{kind}-{level.id}", "rules": rules} for kind, rules in made.items() if rules]


def prometheus_rule(meta: Mapping[str, Any], found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A PrometheusRule of the Prometheus operator around ``groups``, named after the Kubernetes object they come from."""
    labels = {
        **meta.get("labels", {}),
        "app.kubernetes.io/component": "SLO",
        "app.kubernetes.io/managed-by": "sloth",
    }
    metadata = {**meta, "labels": labels}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": {"groups": list(found)},
    }


def _identity(level: ServiceLevel) -> dict[str, str]:
    return {"sloth_id": level.id, "sloth_service": level.service, "sloth_slo": level.name}


def _filter(level: ServiceLevel) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in _identity(level).items()) + "}"


def _metric(seconds: float) -> str:
    return f"slo:sli_error:ratio_rate{duration(seconds)}"


def _indicators(level: ServiceLevel, windows: AlertWindows, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    period = level.window.seconds
    lengths = [*windows.lengths(), period]
    return [
        {
            "record": _metric(length),
            "expr": _mean(level, windows, length) if length == period else _ratio(level, duration(length)),
            "labels": dict(sorted({**_identity(level), "sloth_window": duration(length), **labels}.items())),
        }
        for length in lengths
    ]


def _ratio(level: ServiceLevel, window: str) -> str:
    match level.indicator:
        case BadEvents(bad, total):
            return f"({within(bad, window)})\n/\n({within(total, window)})\n"
        case GoodEvents(good, total):
            return f"({_OPENSLO.format(good=within(good, window), total=within(total, window))})"
        case raw:
            return f"({within(raw.ratio, window)})"


def _mean(level: ServiceLevel, windows: AlertWindows, period: float) -> str:
    base = f"{_metric(windows.page_quick.short)}{_filter(level)}[{duration(period)}]"
    return f"sum_over_time({base})\n/ ignoring (sloth_window)\ncount_over_time({base})\n"


def _metadata(
    level: ServiceLevel, windows: AlertWindows, labels: Mapping[str, str], provenance: Provenance
) -> list[dict[str, Any]]:
    chosen, target = _filter(level), _number(level.target)
    about = {
        "sloth_version": provenance.version,
        "sloth_mode": provenance.mode,
        "sloth_spec": provenance.spec,
        "sloth_objective": plain(level.objective),
    }
    records: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("slo:objective:ratio", f"vector({target})", {}),
        ("slo:error_budget:ratio", f"vector(1-{target})", {}),
        ("slo:time_period:days", f"vector({_number(level.window.seconds / DAY)})", {}),
        ("slo:current_burn_rate:ratio", _burn_rate(_metric(windows.page_quick.short), chosen), {}),
        ("slo:period_burn_rate:ratio", _burn_rate(_metric(level.window.seconds), chosen), {}),
        ("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{chosen}", {}),
        ("sloth_slo_info", "vector(1)", about),
    )
    return [
        {"record": name, "expr": expr, "labels": dict(sorted({**_identity(level), **labels, **more}.items()))}
        for name, expr, more in records
    ]


def _burn_rate(metric: str, chosen: str) -> str:
    return f"{metric}{chosen}\n/ on(sloth_id, sloth_slo, sloth_service) group_left\nslo:error_budget:ratio{chosen}\n"


def _alerts(level: ServiceLevel, windows: AlertWindows) -> list[dict[str, Any]]:
    notices = (("page", level.page, windows.page), ("ticket", level.ticket, windows.ticket))
    return [_alert(level, windows, *one) for one in notices if one[1] is not None]


def _alert(
    level: ServiceLevel, windows: AlertWindows, severity: str, notice: Notice | None, burns: tuple[Burn, Burn]
) -> dict[str, Any]:
    assert notice is not None
    who = "{{$labels.sloth_service}} {{$labels.sloth_slo}}"
    said = {
        "title": f"({severity}) {who} SLO error budget burn rate is too fast.",
        "summary": f"{who} SLO error budget burn rate is over expected.",
    }
    return {
        "alert": level.alert,
        "expr": "\nor\n".join(_burning(level, windows, burn) for burn in burns) + "\n",
        "labels": dict(sorted({"sloth_severity": severity, **notice.labels}.items())),
        "annotations": dict(sorted({**said, **notice.annotations}.items())),
    }


def _burning(level: ServiceLevel, windows: AlertWindows, burn: Burn) -> str:
    threshold = f"({_number(burn.factor(windows.period))} * {_number(level.budget)})"
    sides = (
        f"    max({_metric(length)}{_filter(level)} > {threshold}) without (sloth_window)\n"
        for length in (burn.short, burn.long)
    )
    return "(\n" + "    and\n".join(sides) + ")"


def _number(value: float) -> str:
    """As Go's ``%g`` writes it: the shortest text that reads back equal."""
    return repr(int(value)) if value == int(value) else repr(value)


def plain(value: float) -> str:
    """Without an exponent and without a trailing zero."""
    return _number(value) if "e" not in repr(value) else f"{value:.20f}".rstrip("0")
