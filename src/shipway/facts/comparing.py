"""Releases side by side: what a request cost, how fast and how well it was answered. Called by ``scorecard``.

From the counters that are kept and the use that is recorded; what was not measured is absent with its reason.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from shipway.cost.usage import Requested, UsageRow
from shipway.engine.records import Records
from shipway.facts import charging
from shipway.facts.served import Served, served
from shipway.insight.impact import Correlation, correlation
from shipway.insight.performance import Estimate, per_request
from shipway.insight.series import Absent
from shipway.model.errors import NotFound
from shipway.model.ids import AppName

BLOCKS = 20
"""Of time, into which the use of a release is divided at most."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One release."""

    application: str
    release: str
    requests: int
    cost_per_request: Estimate | Absent
    currency: str
    p95: Estimate | Absent
    """Seconds."""
    error_rate: Estimate | Absent
    """0..1."""


class Comparison(msgspec.Struct, frozen=True):
    """All releases, and how their costs go together with how they served."""

    releases: tuple[Compared, ...] = ()
    correlations: Mapping[str, Correlation | Absent] = {}
    """Of the cost of a request with ``p95`` and ``error_rate``, over releases."""


def compared(home: Path, journal: Records, apps: Iterable[AppName], at: float) -> Comparison:
    """Of every release of these applications that was counted up to ``at``."""
    costs = _costs(home, journal)
    found = [
        _compared(app, release, one, costs) for app in apps for release, one in served(home, journal, app, at).items()
    ]
    return Comparison(tuple(found), _correlations(found))


def _compared(
    app: str, release: str, one: Served, costs: Mapping[tuple[str, str], tuple[Estimate | Absent, str]] | Absent
) -> Compared:
    if isinstance(costs, Absent):
        cost: tuple[Estimate | Absent, str] = (costs, "")
    else:
        cost = costs.get((app, release), (Absent("its use was not recorded: it ran for less than a sample"), ""))
    return Compared(
        application=app,
        release=release,
        requests=one.requests,
        cost_per_request=cost[0],
        currency=cost[1],
        p95=one.p95,
        error_rate=one.error_rate,
    )


def _costs(home: Path, journal: Records) -> dict[tuple[str, str], tuple[Estimate | Absent, str]] | Absent:
    """Cost of a request by (application, release), from blocks of its time."""
    try:
        sources = charging.recorded(home, journal, charging.Sources((), None, "", (), "USD"))
    except NotFound:
        return Absent("no use was recorded here; a running controller samples every 10 s")
    blocks = _blocks(sources.usage)
    rows = tuple(msgspec.structs.replace(row, release=name) for name, inside in blocks.items() for row in inside)
    requested: dict[tuple[str, str], Requested] = {
        (inside[0].app, name): sources.requested[inside[0].app, inside[0].release]
        for name, inside in blocks.items()
        if (inside[0].app, inside[0].release) in sources.requested
    }
    every = msgspec.structs.replace(sources, usage=rows, requested=requested)
    charged = {row.name: row for row in charging.actual(every, charging.Rules()).rows}
    parts: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for name, inside in blocks.items():
        row = charged.get(f"{inside[0].app} {name}")
        if row is not None:
            amount = math.nan if row.unknown else float(row.total)
            count = float(sum(one.requests for one in inside))
            parts.setdefault((inside[0].app, inside[0].release), []).append((amount, count, row.currency))
    return {
        key: (per_request([c for c, _, _ in each], [n for _, n, _ in each]), each[0][2]) for key, each in parts.items()
    }


def _blocks(usage: Sequence[UsageRow]) -> dict[str, list[UsageRow]]:
    """Consecutive rows of one release, under names of their own."""
    releases: dict[tuple[str, str], list[UsageRow]] = {}
    for row in sorted(usage, key=lambda one: one.at):
        releases.setdefault((row.app, row.release), []).append(row)
    found: dict[str, list[UsageRow]] = {}
    for (app, release), rows in releases.items():
        size = max(1, -(-len(rows) // BLOCKS))
        for begin in range(0, len(rows), size):
            found[f"{app}/{release}#{begin}"] = rows[begin : begin + size]
    return found


def _correlations(found: Sequence[Compared]) -> dict[str, Correlation | Absent]:
    def value(one: Estimate | Absent) -> float:
        return one.value if isinstance(one, Estimate) else math.nan

    costs = [value(one.cost_per_request) for one in found]
    return {
        "p95": correlation(costs, [value(one.p95) for one in found]),
        "error_rate": correlation(costs, [value(one.error_rate) for one in found]),
    }
