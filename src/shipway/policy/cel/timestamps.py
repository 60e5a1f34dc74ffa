"""Timestamps and durations: reading them, and their parts."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.values import EPOCH, NANOS, Duration, Timestamp

_TIMESTAMP = re.compile(
    r"(\d{4,5})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_UNITS = {"h": 3600 * NANOS, "m": 60 * NANOS, "s": NANOS, "ms": 1_000_000, "us": 1000, "µs": 1000, "μs": 1000, "ns": 1}
_PART = re.compile(r"(\d*)(?:\.(\d*))?(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_OFFSET = re.compile(r"([+-]?)(\d{1,2}):(\d{1,2})", re.ASCII)


def timestamp(text: str) -> Timestamp:
    """``timestamp(text)``: RFC 3339."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise CelError(f"cannot convert {text[:60]!r} to a timestamp: expected RFC 3339 such as 2026-01-31T23:59:59Z")
    *fields, fraction, zone = found.groups()
    year, month, day, hour, minute, second = map(int, fields)
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError as problem:
        raise CelError(f"{text}: timestamp out of range: {problem}") from None
    seconds = (moment - EPOCH) // dt.timedelta(seconds=1) - _offset(zone)
    return Timestamp(seconds * NANOS + int((fraction or "").ljust(9, "0")))


def _offset(zone: str) -> int:
    if zone in "Zz":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds


def duration(text: str) -> Duration:
    """``duration(text)``: numbers with the units h, m, s, ms, us, ns."""
    body = text[1:] if text[:1] in ("+", "-") else text
    total, at = 0, len("0") if body == "0" else 0
    while at < len(body):
        found = _PART.match(body, at)
        if found is None or not (found[1] or found[2]) or len(found[0]) > 60:
            raise _bad_duration(text)
        unit = _UNITS[found[3]]
        total += int(found[1] or 0) * unit
        if found[2]:
            total += int(found[2]) * unit // 10 ** len(found[2])
        at = found.end()
    if not body:
        raise _bad_duration(text)
    return Duration(-total if text[0] == "-" else total)


def _bad_duration(text: str) -> CelError:
    return CelError(f"cannot convert {text[:60]!r} to a duration: expected numbers with units such as 1h30m or 1.5s")


def zone_of(name: str) -> dt.tzinfo:
    """A time zone by its IANA name or as an offset: ``+02:00``."""
    found = _OFFSET.fullmatch(name)
    if found:
        delta = dt.timedelta(hours=int(found[2]), minutes=int(found[3]))
        try:
            return dt.timezone(-delta if found[1] == "-" else delta)
        except ValueError:
            raise CelError(f"unknown time zone {name!r}: an offset is less than a day") from None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise CelError(f"unknown time zone {name[:60]!r}: expected an IANA name or an offset such as +02:00") from None


def _getter(part: Callable[[dt.datetime], int]) -> Callable[..., int]:
    def get(moment: Timestamp, zone: str = "UTC") -> int:
        try:
            return part(moment.datetime(zone_of(zone) if zone not in ("", "UTC") else dt.UTC))
        except OverflowError:
            raise CelError(f"timestamp out of range in the time zone {zone}") from None

    return get


_PARTS: dict[str, Callable[[dt.datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}


def _whole(nanos: int, unit: int) -> int:
    return -(-nanos // unit) if nanos < 0 else nanos // unit


FUNCTIONS: Library = (
    function("timestamp", timestamp, str),
    function("timestamp", lambda seconds: Timestamp(seconds * NANOS), int),
    function("timestamp", lambda value: value, Timestamp),
    function("duration", duration, str),
    function("duration", lambda value: value, Duration),
    *(method(name, _getter(part), Timestamp, kind="int") for name, part in _PARTS.items()),
    *(method(name, _getter(part), Timestamp, str, kind="int") for name, part in _PARTS.items()),
    method("getHours", lambda value: _whole(value.nanos, _UNITS["h"]), Duration, kind="int"),
    method("getMinutes", lambda value: _whole(value.nanos, _UNITS["m"]), Duration, kind="int"),
    method("getSeconds", lambda value: _whole(value.nanos, NANOS), Duration, kind="int"),
    method(
        "getMilliseconds",
        lambda value: (
            _whole(value.nanos, 1_000_000) % 1000 if value.nanos >= 0 else -(_whole(-value.nanos, 1_000_000) % 1000)
        ),
        Duration,
        kind="int",
    ),
)
