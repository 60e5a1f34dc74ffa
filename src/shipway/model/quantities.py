"""Quantities as people write them (``99.9%``, ``200ms``, ``500m``, ``1Gi``, ``$300/month``) to plain numbers and back.

Called by ``spec`` for every value in a file and by whoever shows numbers to people. Exact: numbers pass through
``Decimal``, so that ``parse(format(x)) == x``. Every ``parse_*`` raises :class:`QuantityError` whose text is the whole
message for the user; nothing else escapes.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

import msgspec

# Eighteen digits on either side are beyond any quantity we know and keep Decimal and float arithmetic exact and fast.
_NUMBER = r"\d{1,18}(?:\.\d{1,18})?"
_DURATION_UNITS: Mapping[str, Decimal] = MappingProxyType(
    {
        unit: Decimal(s)
        for unit, s in {"d": "86400", "h": "3600", "m": "60", "s": "1", "ms": "0.001", "us": "0.000001"}.items()
    }
)
_MEMORY_UNITS: Mapping[str, int] = MappingProxyType(
    {"Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10, "T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3}
)
_CURRENCIES: Mapping[str, str] = MappingProxyType({"$": "USD", "€": "EUR", "£": "GBP"})
_PERIODS: Mapping[str, float] = MappingProxyType(
    {"hour": 3600.0, "day": 86400.0, "month": 2_629_800.0, "year": 31_557_600.0}
)

# Beyond these nobody means it, and floats could no longer be written back exactly.
LONGEST = 36_500 * 86_400.0
MOST_CORES = 1e6
MOST_MONEY = 1e9

# Published in the JSON Schema, so they are kept in the dialect that JavaScript and Python share.
DURATION_PATTERN = rf"^(?:{_NUMBER}(?:ms|us|d|h|m|s))+$"
RATIO_PATTERN = rf"^{_NUMBER} ?%$"
MEMORY_PATTERN = rf"^{_NUMBER}(?:Ki|Mi|Gi|Ti|k|M|G|T)$"
CPU_PATTERN = rf"^{_NUMBER}m?$"
MONEY_PATTERN = rf"^[$€£]{_NUMBER}(?:/(?:hour|day|month|year))?$"

_DURATION_PART = re.compile(rf"({_NUMBER})(ms|us|d|h|m|s)")


class QuantityError(ValueError):
    """The text is not such a quantity; the message says what was expected, what was found and what may have been meant."""


class Money(msgspec.Struct, frozen=True, order=True):
    """An amount, and the period it is spent in when it is a rate."""

    amount: float
    currency: str = "USD"
    """ISO 4217 code."""
    per: str = ""
    """``hour``, ``day``, ``month``, ``year`` or empty for an amount that is not a rate."""

    def per_second(self) -> float:
        """Amount per second of a rate (a month is 365.25/12 days); the bare amount otherwise."""
        return self.amount / _PERIODS[self.per] if self.per else self.amount


def parse_duration(text: str) -> float:
    """Seconds of ``200ms``, ``90s``, ``1h30m``, ``30d``."""
    if not re.fullmatch(DURATION_PATTERN, text):
        hint = f"{text}s" if re.fullmatch(_NUMBER, text) else ""
        raise _error("a duration such as 200ms, 30s, 5m or 30d", text, hint)
    seconds = sum(Decimal(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    return _at_most(float(seconds), LONGEST, "at most 36500d", text)


@lru_cache
def format_duration(seconds: float) -> str:
    """The shortest exact spelling in falling units: ``5400.0`` is ``1h30m``, ``0.2`` is ``200ms``."""
    rest, parts = Decimal(repr(seconds)), []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _DURATION_UNITS[unit])
        parts += [f"{int(count)}{unit}"] if count else []
    if rest and (rest != rest.to_integral_value() and rest < 1):
        parts.append(f"{_plain(rest * 1000)}ms")
    elif rest:
        parts.append(f"{_plain(rest)}s")
    return "".join(parts) or "0s"


def parse_ratio(text: str) -> float:
    """0..1 of ``0%`` .. ``100%``."""
    percent = parse_percent(text)
    if percent > 100:
        raise _error("a percentage from 0% to 100%", text)
    return float(Decimal(repr(percent)) / 100)


def parse_percent(text: str) -> float:
    """The number before the sign: 5.0 of ``5%``. May exceed 100 (an increase of ``150%``)."""
    if not re.fullmatch(RATIO_PATTERN, text):
        raise _error("a percentage such as 5% or 99.9%", text, f"{text}%" if re.fullmatch(_NUMBER, text) else "")
    return float(Decimal(text.rstrip("% ")))


def format_ratio(ratio: float) -> str:
    """``0.999`` is ``99.9%``."""
    return f"{_plain(Decimal(repr(ratio)) * 100)}%"


def format_percent(percent: float) -> str:
    """``5.0`` is ``5%``."""
    return f"{_plain(Decimal(repr(percent)))}%"


def parse_cpu(text: str) -> float:
    """Cores of ``500m`` (thousandths) or ``2``."""
    if not re.fullmatch(CPU_PATTERN, text):
        raise _error("CPU cores such as 500m, 0.5 or 2", text)
    cores = Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text)
    return _at_most(float(cores), MOST_CORES, "at most a million CPU cores", text)


def format_cpu(cores: float) -> str:
    """``0.5`` is ``500m``, ``2.0`` is ``2``."""
    exact = Decimal(repr(cores))
    return _plain(exact) if exact == exact.to_integral_value() else f"{_plain(exact * 1000)}m"


def parse_memory(text: str) -> int:
    """Bytes of ``512Mi``, ``1Gi`` (powers of 1024) or ``500M`` (powers of 1000); a fraction of a byte is rounded up."""
    if not re.fullmatch(MEMORY_PATTERN, text):
        raise _error("memory such as 512Mi or 1Gi", text, _memory_hint(text))
    unit = text.lstrip("0123456789.")
    return math.ceil(Decimal(text.removesuffix(unit)) * _MEMORY_UNITS[unit])


def format_memory(size: int) -> str:
    """The largest unit that divides ``size`` bytes; without one, exact thousandths of ``k``."""
    for unit, factor in _MEMORY_UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{_plain(Decimal(size) / 1000)}k"


def parse_money(text: str) -> Money:
    """``$300/month``, ``€0.002``."""
    if not re.fullmatch(MONEY_PATTERN, text):
        raise _error(
            "an amount such as $300/month or $0.002",
            text,
            f"${text}" if re.fullmatch(MONEY_PATTERN, f"${text}") else "",
        )
    amount, _, per = text[1:].partition("/")
    number = _at_most(float(Decimal(amount)), MOST_MONEY, "at most a billion", text)
    return Money(number, _CURRENCIES[text[0]], per)


def format_money(money: Money) -> str:
    """``Money(300.0, "USD", "month")`` is ``$300/month``."""
    symbol = next(symbol for symbol, code in _CURRENCIES.items() if code == money.currency)
    return f"{symbol}{_plain(Decimal(repr(money.amount)))}" + (f"/{money.per}" if money.per else "")


def format_number(number: float) -> str:
    """A plain decimal without exponent or trailing zeros."""
    return _plain(Decimal(repr(number)))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _memory_hint(text: str) -> str:
    """``512MB``, ``512mb``, ``1gi`` and ``1gb`` are what people type; offer the binary unit they nearly always mean."""
    match = re.fullmatch(rf"({_NUMBER}) ?([kmgt])i?b?", text, re.IGNORECASE)
    return f"{match[1]}{match[2].upper()}i" if match else ""


def _at_most(value: float, most: float, expected: str, text: str) -> float:
    if value > most:
        raise _error(expected, text)
    return value


def _error(expected: str, got: str, hint: str = "") -> QuantityError:
    shown = got if len(got) <= 60 else f"{got[:57]}..."
    return QuantityError(f'expected {expected}, got "{shown}"' + (f"; did you mean `{hint}`?" if hint else ""))
