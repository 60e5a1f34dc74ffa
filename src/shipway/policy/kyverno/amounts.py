"""Numbers as Kubernetes and Go write them: quantities (``500Mi``, ``100m``), durations (``1h30m``), semantic versions.

Called by patterns, conditions and the arithmetic functions. Parsers return None for what is no such number, because
Kyverno tries one reading after the other. Quantities are exact (``Decimal``); durations are whole nanoseconds.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import msgspec

_BINARY: Mapping[str, Decimal] = {
    unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)
}
_DECIMAL: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(10) ** (3 * power) for power, unit in enumerate("kMGTPE", start=1)},
}
_QUANTITY = re.compile(
    r"([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,2})?"
)
_NANOSECONDS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"([+-]?)((?:{_DURATION_PART.pattern})+)")
_LONGEST = 2**63
_VERSION = re.compile(r"v?(\d{1,18})\.(\d{1,18})\.(\d{1,18})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


class Quantity(msgspec.Struct, frozen=True):
    """An amount and the family of suffixes it was written with, which sums keep."""

    value: Decimal
    binary: bool = False

    def __str__(self) -> str:
        return format_quantity(self.value, binary=self.binary)


class Version(NamedTuple):
    """A semantic version, in the order of semver.org; build metadata does not count."""

    release: tuple[int, int, int]
    final: bool = True
    """A pre-release comes before its release."""
    prerelease: tuple[tuple[int, int, str], ...] = ()


def _identifier(part: str) -> tuple[int, int, str]:
    """Numeric identifiers sort below words (semver.org, 11.4)."""
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Quantity | None:
    """The amount of ``1.5Gi``, ``100m``, ``1e3``, ``7``."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        return Quantity(number * _BINARY[suffix], binary=True)
    if suffix in _DECIMAL:
        return Quantity(number * _DECIMAL[suffix])
    return Quantity(number.scaleb(int(suffix[1:])))


def format_quantity(value: Decimal, *, binary: bool) -> str:
    """The canonical form: the largest suffix that leaves a whole number. Binary suffixes only from 1024 on."""
    if value == value.to_integral_value():
        units = (
            _BINARY if binary and abs(value) >= 1024 else {unit: size for unit, size in _DECIMAL.items() if size > 1}
        )
        for unit, size in reversed(list(units.items())):
            if value and value % size == 0:
                return f"{int(value / size)}{unit}"
        return str(int(value))
    for unit in ("m", "u", "n"):
        if (scaled := value / _DECIMAL[unit]) == scaled.to_integral_value():
            return f"{int(scaled)}{unit}"
    return f"{int((value / _DECIMAL['n']).to_integral_value(rounding='ROUND_CEILING'))}n"


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> int | None:
    """Nanoseconds of ``1h30m``, ``-1.5h``, ``0``; as Go's ``time.ParseDuration``."""
    if text in {"0", "+0", "-0"}:
        return 0
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    total = sum(int(Decimal(number) * _NANOSECONDS[unit]) for number, unit in _DURATION_PART.findall(match[2]))
    if total >= _LONGEST:
        return None
    return -total if match[1] == "-" else total


def format_duration(nanoseconds: int) -> str:
    """``24h0m0s``, ``1.5s``, ``300ms``, ``0s``; as Go's ``Duration.String``."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_plain(Decimal(rest) / size)}{unit}"
        return "0s"
    minutes, rest = divmod(rest, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_plain(Decimal(rest) / 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def parse_version(text: str) -> Version | None:
    """The version of ``1.4.1``, ``v2.0.0-rc.1+build``."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    prerelease = tuple(_identifier(part) for part in match[4].split(".")) if match[4] else ()
    return Version((int(match[1]), int(match[2]), int(match[3])), not prerelease, prerelease)


def format_number(number: float) -> str:
    """As JSON writes it, and without the ``.0`` of a whole float."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
