"""The standard functions: sizes, strings, conversions and types."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import ANY, Library, function, method
from shipway.policy.cel.operators import integer, no_overload, unsigned
from shipway.policy.cel.values import CelType, Duration, Opaque, Timestamp, UInt, Value, plain, type_name

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TRUE, _FALSE = (
    frozenset(["1", "t", "T", "true", "TRUE", "True"]),
    frozenset(["0", "f", "F", "false", "FALSE", "False"]),
)
_INFINITIES = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "infinity": math.inf, "+infinity": math.inf,
               "-infinity": -math.inf, "nan": math.nan}  # fmt: skip


def size(value: Value) -> int:
    """Characters, bytes, elements or entries."""
    if type(value) in (str, list, dict, bytes):
        return len(value)
    if isinstance(value, (str, bytes, list, tuple, Mapping)):
        return len(value)
    return no_overload("size", value)


def starts_with(text: Value, prefix: Value) -> bool:
    """``text.startsWith(prefix)``."""
    if type(text) is str and type(prefix) is str:
        return text.startswith(prefix)
    return no_overload("startsWith", text, prefix)


def ends_with(text: Value, suffix: Value) -> bool:
    """``text.endsWith(suffix)``."""
    if type(text) is str and type(suffix) is str:
        return text.endswith(suffix)
    return no_overload("endsWith", text, suffix)


def has_part(text: Value, part: Value) -> bool:
    """``text.contains(part)``."""
    if type(text) is str and type(part) is str:
        return part in text
    return no_overload("contains", text, part)


def to_int(value: Value) -> int:
    """``int(value)``."""
    if isinstance(value, Timestamp):
        return value.nanos // 1_000_000_000
    if type(value) is float:
        # The bounds are excluded: they are not exact as doubles.
        if not -(2.0**63) < value < 2.0**63:
            raise CelError(f"{format_double(value)} is out of range for an int")
        return int(value)
    if type(value) is str:
        return integer(_parsed(value, "int"))
    return integer(int(value))


def to_uint(value: Value) -> UInt:
    """``uint(value)``."""
    if type(value) is float:
        if not 0 <= value < 2.0**64:
            raise CelError(f"{format_double(value)} is out of range for a uint")
        return UInt(value)
    if type(value) is str:
        return unsigned(_parsed(value, "uint"))
    return unsigned(int(value))


def _parsed(text: str, kind: str) -> int:
    if not _INTEGER.fullmatch(text) or len(text) > 40:
        raise CelError(f"cannot convert {text[:50]!r} to {kind}: expected decimal digits")
    return int(text)


def to_double(value: Value) -> float:
    """``double(value)``."""
    if type(value) is str:
        if value.lower() in _INFINITIES:
            return _INFINITIES[value.lower()]
        if not _DOUBLE.fullmatch(value):
            raise CelError(f"cannot convert {value[:50]!r} to double")
    return float(value)


def to_bool(text: str) -> bool:
    """``bool(text)``."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise CelError(f"cannot convert {text[:50]!r} to bool: expected true or false")


def to_bytes(value: str) -> bytes:
    """``bytes(text)``: UTF-8."""
    return value.encode("utf-8", "surrogatepass")


def to_string(value: Value) -> str:
    """``string(value)``."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return format_double(value)
    if type(value) is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
    return str(int(value)) if isinstance(value, int) else str(value)


def format_double(value: float) -> str:
    """The shortest digits that give the same double, with an exponent below -4 and from 6, as Go's ``%g``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    digits, _, power = f"{Decimal(repr(value)).normalize():e}".partition("e")
    if not value or -4 <= int(power) < 6:
        return fixed_double(value)
    return f"{digits}e{'-' if int(power) < 0 else '+'}{abs(int(power)):02d}"


def fixed_double(value: float) -> str:
    """The shortest digits that give the same double, without an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def type_of(value: Value) -> CelType:
    """``type(value)``."""
    return CelType(type_name(plain(value)))


def _same(value: Any) -> Any:
    return value


FUNCTIONS: Library = (
    function("size", size, ANY, kind="int"),
    method("size", size, ANY, kind="int"),
    method("startsWith", starts_with, ANY, ANY, kind="bool"),
    method("endsWith", ends_with, ANY, ANY, kind="bool"),
    method("contains", has_part, ANY, ANY, kind="bool"),
    function("int", to_int, (int, UInt, float, str, Timestamp), kind="int"),
    function("uint", to_uint, (int, UInt, float, str), kind="uint"),
    function("double", to_double, (int, UInt, float, str), kind="double"),
    function("bool", to_bool, str, kind="bool"),
    function("bool", _same, bool, kind="bool"),
    function("bytes", to_bytes, str, kind="bytes"),
    function("bytes", _same, bytes, kind="bytes"),
    function("string", to_string, (str, int, UInt, float, bool, bytes, Timestamp, Duration, Opaque), kind="string"),
    function("type", type_of, ANY, kind="type"),
    function("dyn", _same, ANY),
)
