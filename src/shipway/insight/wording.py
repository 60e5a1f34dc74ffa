"""Times and intervals as people read them. Called by the tables of ``cli`` and the cards of ``web.report``."""

from collections.abc import Callable

from shipway.insight.impact import Correlation
from shipway.insight.performance import Estimate
from shipway.insight.series import DAY, Absent

_UNITS = ((DAY, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
AGAINST = {"p95": "P95", "error_rate": "error rate"}
"""What the cost of a request is compared with, by its name in a comparison."""


def duration(seconds: float) -> str:
    """``5.8 s``, ``12 min``, ``3.5 h``: in its largest unit, two digits that count."""
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds / size:.2g} {unit}" if seconds / size < 100 else f"{seconds / size:.0f} {unit}"


def together(one: Correlation | Absent) -> str:
    """A correlation with its interval, or why there is none."""
    if isinstance(one, Absent):
        return f"unknown: {one.reason}"
    return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f}) over {one.releases} releases"


def between(one: Estimate | Absent, form: Callable[[float], str]) -> str:
    """``32 ms (31 ms..34 ms)``; a dash for what is unknown."""
    if isinstance(one, Absent):
        return "-"
    return form(one.value) + (
        f" ({form(one.low)}..{form(one.high)})" if one.low is not None and one.high is not None else ""
    )
