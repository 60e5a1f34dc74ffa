"""Multi-window multi-burn-rate alerts: how fast a budget must burn, over which two windows, for a page or a ticket.

Source: The Site Reliability Workbook, "Alerting on SLOs", table 5-8. A burn rate of 1 spends the whole budget in exactly
the SLO's window. An alert fires when both its windows burn at the factor: the long one shows that it matters, the short
one that it still goes on. Used by the rules and by :mod:`shipway.slo.budget`, so that both speak of the same alerts.
"""

from collections.abc import Iterator
from functools import cache
from typing import Literal

import msgspec

from shipway.render.slo.levels import DAY, Window

HOUR, MINUTE = 3600.0, 60.0

_UNITS = (("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1.0))


class Burn(msgspec.Struct, frozen=True):
    """One pair of windows (seconds), and the percent of the budget that is spent within the long one when it fires."""

    percent: float
    short: float
    long: float

    def factor(self, period: float) -> float:
        """Burn rate that spends ``percent`` of the budget of ``period`` seconds within the long window."""
        return self.percent * (period / HOUR) / 100 / (self.long / HOUR)


class AlertWindows(msgspec.Struct, frozen=True):
    """The four pairs of an SLO of ``period`` seconds; of each two, either is enough."""

    period: float
    page_quick: Burn
    page_slow: Burn
    ticket_quick: Burn
    ticket_slow: Burn

    @property
    def page(self) -> tuple[Burn, Burn]:
        """Quick and slow."""
        return self.page_quick, self.page_slow

    @property
    def ticket(self) -> tuple[Burn, Burn]:
        """Quick and slow."""
        return self.ticket_quick, self.ticket_slow

    def pairs(self) -> Iterator[tuple[Literal["page", "ticket"], Burn]]:
        """Every pair with its severity."""
        yield from (("page", burn) for burn in self.page)
        yield from (("ticket", burn) for burn in self.ticket)

    def lengths(self) -> tuple[float, ...]:
        """Every window once, ascending, in seconds."""
        return tuple(sorted({length for _, burn in self.pairs() for length in (burn.short, burn.long)}))


def _windows(days: float, percents: tuple[float, float, float, float]) -> AlertWindows:
    quick, slow, ticket_quick, ticket_slow = percents
    return AlertWindows(
        days * DAY,
        Burn(quick, 5 * MINUTE, HOUR),
        Burn(slow, 30 * MINUTE, 6 * HOUR),
        Burn(ticket_quick, 2 * HOUR, DAY),
        Burn(ticket_slow, 6 * HOUR, 3 * DAY),
    )


GOOGLE = (2.0, 5.0, 10.0, 10.0)
"""Percents of the Workbook: factors 14.4, 6, 3 and 1 for 30 days."""
SHORT = (8.0, 12.5, 20.0, 42.0)
"""For a week, where ten percent in three days would be a burn rate of 0.23, which keeps the promise."""


def alert_windows(window: Window) -> AlertWindows:
    """The alerts of any window: the Workbook's percents, or those for a week when it is nearer to one than to a month."""
    days = 30 if window.calendar == "month" else window.seconds / DAY
    return _windows(days, GOOGLE if days > 14 else SHORT)


def factor(burn: Burn, windows: AlertWindows) -> float:
    """Burn rate at which ``burn`` fires; never below 1, because a slower burn keeps the promise."""
    return max(1.0, burn.factor(windows.period))


@cache
def duration(seconds: float) -> str:
    """A range as Prometheus writes it: ``1h30m``, years and weeks only when nothing remains (``4w``, but ``30d``)."""
    left, text = round(seconds), ""
    for unit, size in _UNITS:
        if unit in "yw" and left % size:
            continue
        count, left = int(left // size), int(left % size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
