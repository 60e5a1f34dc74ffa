"""Promises and their budgets as people read them. Pure: view models in, renderables out."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT, GOOD, WAITING
from shipway.engine.views import JourneyView, PromisesView
from shipway.model.quantities import format_duration
from shipway.slo.budget import Spending, Status
from shipway.slo.journeys import Composite

if TYPE_CHECKING:
    from shipway.web.report import Section

STYLES = {"healthy": GOOD, "burning": WAITING, "critical": BAD, "exhausted": BAD, "unknown": FAINT}
BURNS = ("5m", "1h", "6h")
"""Windows worth a column; the alerts look at all."""
_NUMBERS = ("requests", "failed", "budget left", *(f"burn {window}" for window in BURNS))
COLUMNS = ("application", "promise", "objective", "over", *_NUMBERS, "state")


def section(view: PromisesView) -> "Section":
    """The same for the HTML report."""
    from shipway.web.report import Section  # draws with matplotlib, which `slo status` need not wait for

    rows = tuple(tuple(map(str, _row(status))) for one in view.applications for status in one.statuses)
    note = "Over as much of the window as was measured. A burn rate of 1 spends the whole budget in exactly the window."
    return Section("Promises", tuple(name.capitalize() for name in COLUMNS), rows, note)


def table(view: PromisesView) -> RenderableType:
    """One line per promise, and what it means below."""
    found = [status for one in view.applications for status in one.statuses]
    if not found and not view.journeys:
        return Text("Nothing is promised: write an `slo` section into an Application and deploy it.", FAINT)
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in COLUMNS:
        lines.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name != "state")
    for one in found:
        lines.add_row(*_row(one))
    said = [f"{one.service} {one.name}: {one.sentence}" for one in found]
    said += [f"journey {one.name}: {_journey(one)}" for one in view.journeys]
    return Group(lines, Text(), *(Text(line, FAINT) for line in said))


def _journey(one: JourneyView) -> str:
    """A journey fails where any of its applications does."""
    way = f"through {', '.join(one.applications)}, {100 * one.objective:.6g} % over {format_duration(one.window)}"
    if not isinstance(one.spending, Composite):
        return f"unknown: {one.spending.reason} ({way})"
    known = one.spending
    left = (
        "nothing may fail and it did"
        if known.remaining is None
        else f"{100 * known.remaining:.1f} % of the budget left"
    )
    bounds = f"between {known.least:.3%} and {known.most:.3%}"
    return f"{left}; {known.share:.3%} of the journeys failed, {bounds} ({way})"


def _row(one: Status) -> list[str | Text]:
    burns = {burn.window: burn for burn in one.burns}
    known = one.spending if isinstance(one.spending, Spending) else None
    return [
        one.service,
        one.name,
        f"{100 * one.objective:.6g} %",
        _over(one),
        f"{known.events:,.0f}" if known else "-",
        f"{known.bad:,.0f}" if known else "-",
        "none" if known and known.remaining is None else f"{100 * (known.remaining or 0):.1f} %" if known else "-",
        *(_rate(burns[window].rate) for window in BURNS),
        Text(one.state, STYLES[one.state]),
    ]


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2g}"


def _over(one: Status) -> str:
    """How much of the window was measured: ``2m30s of 30d``."""
    if not isinstance(one.spending, Spending):
        return one.window
    covered = max(1.0, float(round(one.spending.seconds)))
    return f"{format_duration(covered)} of {one.window}" if covered < 0.99 * (one.at - one.since) else one.window
