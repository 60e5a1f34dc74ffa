"""How often a schedule fires. Used by :mod:`.demand` for jobs."""

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from shipway.spec.cron import cron_fields

_DAYS = 1461
"""Four years; leap days come back after them."""
_FIRST = date(2025, 1, 1)


@cache
def runs_an_hour(line: str) -> Decimal:
    """The mean over four years of five cron fields, as Kubernetes reads them.

    Where both days are restricted (neither field begins with ``*``) a day counts when either fits, as in cron.

    Raises:
        ValueError: it is no such line.
    """
    minutes, hours, days, months, weekdays = cron_fields(line)
    _, _, of_month, _, of_week = line.split()
    both = not (of_month.startswith("*") or of_week.startswith("*"))

    def fires(day: date) -> bool:
        fits = (day.day in days, day.isoweekday() % 7 in weekdays)
        return day.month in months and (any(fits) if both else all(fits))

    count = sum(fires(_FIRST + timedelta(days=number)) for number in range(_DAYS))
    return Decimal(count * len(minutes) * len(hours)) / (_DAYS * 24)
