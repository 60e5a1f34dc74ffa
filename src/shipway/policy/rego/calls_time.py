"""Builtins over time. Now is ``at`` of the evaluation. Moments are nanoseconds since the epoch."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipway.policy.rego.builtin import Library, integer
from shipway.policy.rego.faults import BuiltinError, OperandError
from shipway.policy.rego.values import Value

times = Library()
add = times.add
SECOND: Final = 1_000_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
RANGE: Final = range(-(1 << 63), 1 << 63)
LAYOUTS: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006", "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006", "RFC822": "02 Jan 06 15:04 MST", "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST", "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700", "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}  # fmt: skip
_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
    "y": 365 * 86400 * SECOND,
}


@add("time.now_ns", "", timed=True)
def now_ns(at: float) -> int:
    """The moment of the evaluation."""
    return round(at * 1_000_000) * 1000


def _split(value: Value) -> tuple[int, tzinfo, str]:
    """Nanoseconds, zone and layout of a moment: a number, or an array with a zone and a layout."""
    parts = value if type(value) is list else [value]
    if not parts or type(parts[0]) not in (int, float):
        raise OperandError("operand 1 must be either number (ns) or [number (ns), string (tz)]")
    if len(parts) > 1 and type(parts[1]) is not str:
        raise OperandError("operand 1: the zone must be a string")
    nanoseconds = integer(parts[0], "operand 1")
    if nanoseconds not in RANGE:
        raise BuiltinError("timestamp too big")
    return nanoseconds, _zone(parts[1] if len(parts) > 1 else ""), str(parts[2]) if len(parts) > 2 else ""


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "Local"):  # the machine's zone must not decide
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BuiltinError(f"unknown time zone {name}") from error


def _moment(value: Value) -> tuple[datetime, int]:
    """The local time to the second, and the nanoseconds within it."""
    nanoseconds, zone, _ = _split(value)
    seconds, rest = divmod(nanoseconds, SECOND)
    return (EPOCH + timedelta(seconds=seconds)).astimezone(zone), rest


def _ns(moment: datetime, rest: int = 0) -> int:
    between = moment - EPOCH
    found = (between.days * 86400 + between.seconds) * SECOND + between.microseconds * 1000 + rest
    if found not in RANGE:
        raise BuiltinError("time outside of valid range")
    return found


@add("time.date", "*")
def date(value: Value) -> Value:
    """Year, month and day."""
    moment, _ = _moment(value)
    return [moment.year, moment.month, moment.day]


@add("time.clock", "*")
def clock(value: Value) -> Value:
    """Hour, minute and second."""
    moment, _ = _moment(value)
    return [moment.hour, moment.minute, moment.second]


@add("time.weekday", "*")
def weekday(value: Value) -> str:
    """The English name of the day."""
    return DAYS[_moment(value)[0].weekday()]


def _normal(moment: datetime, years: int, months: int, days: int) -> datetime:
    """Calendar arithmetic as in Go: 31 January and a month is 3 March."""
    total = moment.year * 12 + moment.month - 1 + years * 12 + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9999:
        raise BuiltinError("time outside of valid range")
    try:
        return moment.replace(year=year, month=month + 1, day=1) + timedelta(days=moment.day - 1 + days)
    except OverflowError as error:
        raise BuiltinError("time outside of valid range") from error


@add("time.add_date", "*nnn")
def add_date(value: Value, years: float, months: float, days: float) -> int:
    """Years, months and days later."""
    moment, rest = _moment(value)
    shift = [integer(one, f"operand {at}") for at, one in enumerate((years, months, days), 2)]
    return _ns(_normal(moment, *shift), rest)


@add("time.diff", "**")
def diff(left: Value, right: Value) -> Value:
    """Years, months, days, hours, minutes and seconds between two moments, in the zone of the first."""
    one, other = _moment(left)[0], _moment(right)[0]
    early, late = sorted((one, other.astimezone(one.tzinfo)))
    early, late = early.replace(tzinfo=None), late.replace(tzinfo=None)
    parts = [
        getattr(late, name) - getattr(early, name) for name in ("year", "month", "day", "hour", "minute", "second")
    ]
    for at, size in ((5, 60), (4, 60), (3, 24)):
        if parts[at] < 0:
            parts[at] += size
            parts[at - 1] -= 1
    if parts[2] < 0:
        parts[2] += monthrange(early.year, early.month)[1]
        parts[1] -= 1
    if parts[1] < 0:
        parts[1] += 12
        parts[0] -= 1
    return parts


@add("time.parse_duration_ns", "s")
def parse_duration_ns(text: str) -> Value:
    """A duration as Go writes it, ``1h30m``, with days, weeks and years of 365 days besides."""
    body = text.lstrip("+-") if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    pieces = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)", body)
    if not pieces or "".join(amount + unit for amount, unit in pieces) != body:
        raise BuiltinError(f"invalid duration {text!r}")
    from fractions import Fraction

    total = sum(int(Fraction(amount.rstrip(".") or "0") * _UNITS[unit]) for amount, unit in pieces)
    return -total if text.startswith("-") else total


@add("time.parse_rfc3339_ns", "s")
def parse_rfc3339_ns(text: str) -> int:
    """A moment as RFC 3339 writes it."""
    return parse(LAYOUTS["RFC3339"], text)


@add("time.parse_ns", "ss")
def parse_ns(layout: str, text: str) -> int:
    """A moment in a layout of Go."""
    return parse(LAYOUTS.get(layout, layout), text)


@add("time.format", "*")
def format_time(value: Value) -> str:
    """A moment as text: RFC 3339 with nanoseconds unless a layout is given."""
    moment, rest = _moment(value)
    layout = _split(value)[2]
    return "".join(
        _written(piece, moment, rest) for piece in _pieces(LAYOUTS.get(layout, layout) or LAYOUTS["RFC3339Nano"])
    )


DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December")  # fmt: skip
_PIECE: Final = re.compile(
    r"(January|Jan|Monday|Mon|MST|2006|Z07:00:00|Z07:00|Z0700|Z07|-07:00:00|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)"
    r"|002|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5)"
)


def _pieces(layout: str) -> list[str]:
    return [piece for piece in _PIECE.split(layout) if piece]


def _offset(moment: datetime, piece: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    if piece[0] == "Z" and minutes == 0:
        return "Z"
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    colon = ":" if ":" in piece else ""
    return f"{sign}{minutes // 60:02}" + ("" if piece in ("Z07", "-07") else f"{colon}{minutes % 60:02}")


def _written(piece: str, moment: datetime, rest: int) -> str:
    if re.fullmatch(r"Z07.*|-07.*", piece):
        return _offset(moment, piece)
    if re.fullmatch(r"[.,](0+|9+)", piece):
        digits = f"{rest:09}"[: len(piece) - 1]
        digits = digits.rstrip("0") if "9" in piece else digits
        return piece[0] + digits if digits else ""
    hour = moment.hour % 12 or 12
    found = {
        "January": MONTHS[moment.month - 1], "Jan": MONTHS[moment.month - 1][:3], "1": str(moment.month),
        "01": f"{moment.month:02}", "Monday": DAYS[moment.weekday()], "Mon": DAYS[moment.weekday()][:3],
        "2": str(moment.day), "_2": f"{moment.day:2}", "02": f"{moment.day:02}", "002": f"{moment.timetuple().tm_yday:03}",
        "15": f"{moment.hour:02}", "3": str(hour), "03": f"{hour:02}", "4": str(moment.minute), "04": f"{moment.minute:02}",
        "5": str(moment.second), "05": f"{moment.second:02}", "2006": f"{moment.year:04}", "06": f"{moment.year % 100:02}",
        "PM": "PM" if moment.hour >= 12 else "AM", "pm": "pm" if moment.hour >= 12 else "am", "MST": moment.tzname() or "UTC",
    }  # fmt: skip
    return found.get(piece, piece)


_READ: Final = {
    "January": r"(?P<month_name>[A-Za-z]+)", "Jan": r"(?P<month_name>[A-Za-z]{3})", "1": r"(?P<month>\d{1,2})",
    "01": r"(?P<month>\d{2})", "Monday": r"[A-Za-z]+", "Mon": r"[A-Za-z]{3}", "2": r"(?P<day>\d{1,2})",
    "_2": r" ?(?P<day>\d{1,2})", "02": r"(?P<day>\d{2})", "15": r"(?P<hour>\d{2})", "3": r"(?P<hour>\d{1,2})",
    "03": r"(?P<hour>\d{2})", "4": r"(?P<minute>\d{1,2})", "04": r"(?P<minute>\d{2})", "5": r"(?P<second>\d{1,2})",
    "05": r"(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?", "2006": r"(?P<year>\d{4})", "06": r"(?P<short>\d{2})", "PM": r"(?P<half>[AP]M)",
    "pm": r"(?P<half>[ap]m)", "MST": r"(?P<zone>[A-Z]{3,5}|[+-]\d{2})",
}  # fmt: skip


def _reader(piece: str) -> str:
    if re.fullmatch(r"Z07.*|-07.*", piece):
        digits = r"[+-]\d{2}" + ("" if piece in ("Z07", "-07") else r":\d{2}" if ":" in piece else r"\d{2}")
        return f"(?P<offset>{'Z|' if piece[0] == 'Z' else ''}{digits})"
    if re.fullmatch(r"[.,](0+|9+)", piece):
        return ""
    return _READ.get(piece, re.escape(piece))


def parse(layout: str, text: str) -> int:
    """Nanoseconds of a text in a layout of Go. Raises BuiltinError."""
    try:
        match = re.fullmatch("".join(_reader(piece) for piece in _pieces(layout)), text)
    except re.error as error:
        raise BuiltinError("the layout names a part twice") from error
    if not match:
        raise BuiltinError(f'parsing time "{text}" as "{layout}": cannot parse')
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    try:
        return _ns(_read(found), int((found.get("fraction", "0") + "0" * 9)[:9]))
    except (ValueError, OverflowError) as error:
        raise BuiltinError(f'parsing time "{text}": out of range') from error


def _read(found: dict[str, str]) -> datetime:
    year = int(found["year"]) if "year" in found else 0
    if "short" in found:
        year = int(found["short"]) + (1900 if int(found["short"]) >= 69 else 2000)
    month = int(found.get("month", 1))
    if "month_name" in found:
        month = [name[:3].lower() for name in MONTHS].index(found["month_name"][:3].lower()) + 1
    hour = int(found.get("hour", 0))
    if "half" in found:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    zone = _read_offset(found.get("offset", "Z"))
    moment = datetime(
        max(year, 1),
        month,
        int(found.get("day", 1)),
        hour,
        int(found.get("minute", 0)),
        int(found.get("second", 0)),
        tzinfo=zone,
    )
    if year == 0:
        raise ValueError("no year")
    return moment


def _read_offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    between = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-between if text[0] == "-" else between)
