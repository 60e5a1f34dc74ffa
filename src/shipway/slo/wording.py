"""How a promise stands, cell by cell. Called by the tables of ``cli`` and the cards of ``web.report``."""

from shipway.model.quantities import format_duration
from shipway.slo.budget import Spending, Status

BURNS = ("5m", "1h", "6h")
"""Windows worth a column; the alerts look at all."""
NUMBERS = ("requests", "failed", "budget left", *(f"burn {window}" for window in BURNS))
COLUMNS = ("application", "promise", "objective", "over", *NUMBERS, "state")


def cells(one: Status) -> list[str]:
    """In the order of :data:`COLUMNS`."""
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
        one.state,
    ]


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2g}"


def _over(one: Status) -> str:
    """How much of the window was measured: ``2m30s of 30d``."""
    if not isinstance(one.spending, Spending):
        return one.window
    covered = max(1.0, float(round(one.spending.seconds)))
    return f"{format_duration(covered)} of {one.window}" if covered < 0.99 * (one.at - one.since) else one.window
