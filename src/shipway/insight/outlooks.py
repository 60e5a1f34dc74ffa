"""What is to come: the next quarter of an hour, and the next week. Called by ``shipway forecast`` and the report."""

import msgspec
import numpy as np

from shipway.insight.forecasting import forecast
from shipway.insight.series import DAY, Absent, Series, regular
from shipway.insight.workloads import History

SOON, LATER = 900.0, 7 * DAY
"""How far ahead is looked, in seconds: for a scaler, and for whoever plans."""
HOUR = 3600.0
LEAST_DAYS = 3.0
"""Of history, without which a week is not forecast."""


class Outlook(msgspec.Struct, frozen=True):
    """What is to come, so many seconds ahead."""

    application: str
    ahead: float
    absent: str = ""
    """Why nothing can be said; then the rest is empty."""
    start: float = 0.0
    step: float = 0.0
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    level: float = 0.9
    """Share of the values that should lie between ``low`` and ``high``."""
    model: str = ""
    note: str = ""


def outlooks(history: History) -> list[Outlook]:
    """The next quarter of an hour, and the next week."""
    rates = [one.requests for one in history.moments]
    series = regular([one.at for one in history.moments], rates, history.step)
    if isinstance(series, Absent):
        return [Outlook(history.name, ahead, series.reason) for ahead in (SOON, LATER)]
    return [_outlook(history.name, series, SOON), _outlook(history.name, _hourly(series), LATER)]


def _hourly(series: Series) -> Series | Absent:
    """By the hour, so that a week is 168 steps; as it is when it is coarser than that."""
    span = len(series.values) * series.step / DAY
    if span < LEAST_DAYS:
        return Absent(f"{span:.1f} days of history: {LEAST_DAYS:g} are needed for a week ahead")
    factor = round(HOUR / series.step)
    return series.coarser(factor) if factor > 1 else series


def _outlook(name: str, series: Series | Absent, ahead: float) -> Outlook:
    if isinstance(series, Absent):
        return Outlook(name, ahead, series.reason)
    steps = round(ahead / series.step)
    if steps < 1:
        return Outlook(name, ahead, f"samples are {series.step:g} s apart: nothing can be said about {ahead:g} s")
    found = forecast(series, steps)
    if isinstance(found, Absent):
        return Outlook(name, ahead, found.reason)
    # Nobody sends fewer than no requests.
    mean, low, high = (tuple(np.maximum(part, 0.0).tolist()) for part in (found.mean, found.low, found.high))
    return Outlook(name, ahead, "", found.start, found.step, mean, low, high, found.level, found.model, found.note)
