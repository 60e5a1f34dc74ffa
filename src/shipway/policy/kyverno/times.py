"""Times as Go's ``time`` package reads and writes them: RFC 3339 and layouts such as ``Jan 02 2006 15:04``.

Called by the time functions of JMESPath. Times are aware ``datetime`` values; what is no time raises :class:`RuleFault`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from shipway.policy.kyverno import amounts
from shipway.policy.kyverno.faults import RuleFault

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_PARTS: Mapping[str, str] = {
    "January": rf"(?P<month_name>{'|'.join(_MONTHS)})",
    "Monday": rf"(?:{'|'.join(_DAYS)})",
    "2006": r"(?P<year>\d{4})",
    "Z07:00": r"(?P<zone>Z|[+-]\d\d:\d\d)",
    "-07:00": r"(?P<zone>[+-]\d\d:\d\d)",
    "-0700": r"(?P<zone>[+-]\d{4})",
    "Jan": rf"(?P<month_name>{'|'.join(name[:3] for name in _MONTHS)})",
    "Mon": rf"(?:{'|'.join(name[:3] for name in _DAYS)})",
    "MST": r"(?:[A-Z]{3,4})",
    "01": r"(?P<month>\d\d)",
    "02": r"(?P<day>\d\d)",
    "_2": r"(?P<day>[ \d]\d)",
    "03": r"(?P<hour12>\d\d)",
    "04": r"(?P<minute>\d\d)",
    "05": r"(?P<second>\d\d)(?:\.\d{1,9})?",
    "06": r"(?P<year2>\d\d)",
    "15": r"(?P<hour>\d\d)",
    "PM": r"(?P<half>AM|PM)",
    "1": r"(?P<month>\d{1,2})",
    "2": r"(?P<day>\d{1,2})",
    "3": r"(?P<hour12>\d{1,2})",
    "4": r"(?P<minute>\d{1,2})",
    "5": r"(?P<second>\d{1,2})(?:\.\d{1,9})?",
}
_LAYOUT = re.compile("|".join(re.escape(part) for part in _PARTS))


def now(at: float) -> datetime:
    """``at`` seconds since the epoch, to the second."""
    return datetime.fromtimestamp(int(at), UTC)


def parse(text: str) -> datetime:
    """A time in RFC 3339."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise RuleFault(f"expected a time such as 2026-01-02T15:04:05Z, got `{text[:60]}`")
    fraction = (match[3] or ".0")[1:7].ljust(6, "0")
    zone = "+00:00" if match[4] in "Zz" else match[4]
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}.{fraction}{zone}")
    except ValueError as error:
        raise RuleFault(f"`{text[:60]}` is no time: {error}") from None


def write(moment: datetime) -> str:
    """RFC 3339 without fractions; UTC as ``Z``."""
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def parse_layout(layout: str, text: str) -> datetime:
    """A time in a Go layout; digits alone as the layout mean seconds since the epoch."""
    if layout.isdecimal() and text.isdecimal() and len(layout) > 4:
        return now(min(int(text), 2**37))
    match = _layout_pattern(layout[:200]).fullmatch(text)
    if match is None:
        raise RuleFault(f"`{text[:60]}` is no time in the layout `{layout[:60]}`")
    try:
        return _from_fields({name: value for name, value in match.groupdict().items() if value is not None})
    except ValueError as error:
        raise RuleFault(f"`{text[:60]}` is no time: {error}") from None


def shifted(moment: datetime, nanoseconds: int) -> datetime:
    """``nanoseconds`` later."""
    try:
        return moment + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError as error:
        raise RuleFault(f"no such time: {error}") from None


def between(start: datetime, end: datetime) -> int:
    """Nanoseconds from ``start`` to ``end``."""
    return (end - start) // timedelta(microseconds=1) * 1000


def duration(text: str) -> int:
    """Nanoseconds of a Go duration."""
    found = amounts.parse_duration(text)
    if found is None:
        raise RuleFault(f"expected a duration such as 90s or 1h30m, got `{text[:60]}`")
    return found


@lru_cache(maxsize=64)
def _layout_pattern(layout: str) -> re.Pattern[str]:
    """The layout's parts as groups, everything else literally. A part that comes twice counts once."""
    parts, end, seen = [], 0, set[str]()
    for found in _LAYOUT.finditer(layout):
        pattern = _PARTS[found[0]]
        name = re.search(r"\?P<(\w+)>", pattern)
        if name and name[1] in seen:
            pattern = pattern.replace(f"?P<{name[1]}>", "?:")
        elif name:
            seen.add(name[1])
        parts += [re.escape(layout[end : found.start()]), pattern]
        end = found.end()
    return re.compile("".join([*parts, re.escape(layout[end:])]))


def _from_fields(fields: Mapping[str, str]) -> datetime:
    names = [name[:3] for name in _MONTHS]
    month = names.index(fields["month_name"][:3]) + 1 if "month_name" in fields else int(fields.get("month", 1))
    year = int(fields["year"]) if "year" in fields else _century(int(fields.get("year2", 0)))
    return datetime(
        max(year, 1),
        month,
        int(fields.get("day", 1)),
        _hour(fields),
        int(fields.get("minute", 0)),
        int(fields.get("second", 0)),
        tzinfo=_zone(fields.get("zone", "Z")),
    )


def _century(year: int) -> int:
    return year + (1900 if year >= 69 else 2000)


def _hour(fields: Mapping[str, str]) -> int:
    if "hour12" in fields:
        return int(fields["hour12"]) % 12 + (12 if fields.get("half") == "PM" else 0)
    return int(fields.get("hour", 0))


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
