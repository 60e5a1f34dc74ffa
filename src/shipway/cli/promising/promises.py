"""Promises and their budgets as people read them. Pure: view models in, renderables out."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT, GOOD, WAITING
from shipway.engine.views import JourneyView, PromisesView
from shipway.model.quantities import format_duration
from shipway.slo.journeys import Composite
from shipway.slo.wording import COLUMNS, NUMBERS, cells

if TYPE_CHECKING:
    pass

STYLES = {"healthy": GOOD, "burning": WAITING, "critical": BAD, "exhausted": BAD, "unknown": FAINT}


def table(view: PromisesView) -> RenderableType:
    """One line per promise, and what it means below."""
    found = [status for one in view.applications for status in one.statuses]
    if not found and not view.journeys:
        return Text("Nothing is promised: write an `slo` section into an Application and deploy it.", FAINT)
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in COLUMNS:
        lines.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=name != "state")
    for one in found:
        lines.add_row(*cells(one)[:-1], Text(one.state, STYLES[one.state]))
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
