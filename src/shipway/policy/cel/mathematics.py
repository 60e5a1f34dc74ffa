"""The math extension: ``math.greatest``, ``math.least``, rounding, signs and bits."""

import math
from collections.abc import Callable
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import ANY, Library, Overload, Parameter, function
from shipway.policy.cel.operators import integer, no_overload, order
from shipway.policy.cel.values import UINT_MAX, UInt, Value

_NUMBER: Parameter = (int, UInt, float)
_DOUBLES: tuple[tuple[str, Callable[[float], Any], str], ...] = (
    ("ceil", lambda value: _whole(value, math.ceil), "double"),
    ("floor", lambda value: _whole(value, math.floor), "double"),
    ("trunc", lambda value: _whole(value, math.trunc), "double"),
    ("round", lambda value: _whole(value, _half_away), "double"),
    ("isNaN", math.isnan, "bool"),
    ("isInf", math.isinf, "bool"),
    ("isFinite", math.isfinite, "bool"),
)


def _whole(value: float, rounding: Callable[[float], int]) -> float:
    """The rounded double; infinities, NaN and the sign of zero are kept."""
    return math.copysign(float(rounding(value)), value) if math.isfinite(value) else value


def _half_away(value: float) -> int:
    whole = math.trunc(value)
    return whole + (1 if value > 0 else -1) if abs(value - whole) >= 0.5 else whole


def _extreme(name: str, sign: int) -> Callable[..., Value]:
    def pick(*values: Value) -> Value:
        items = values[0] if len(values) == 1 and isinstance(values[0], (list, tuple)) else values
        if not items or any(type(item) not in (int, UInt, float) for item in items):
            no_overload(f"math.{name}", *values)
        best = items[0]
        for item in items[1:]:
            if order(item, best) == sign:
                best = item
        return best

    return pick


def _abs(value: Value) -> Value:
    return value if type(value) is UInt else abs(value) if type(value) is float else integer(abs(value))


def _sign(value: Value) -> Value:
    if type(value) is float:
        return value if math.isnan(value) else float((value > 0) - (value < 0))
    return type(value)((value > 0) - (value < 0))


def _sqrt(value: Value) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _signed(bits: int) -> int:
    bits &= UINT_MAX
    return bits - 2**64 if bits >= 2**63 else bits


def _shifted(value: Value, offset: int, *, left: bool) -> Value:
    if offset < 0:
        raise CelError(f"math.bitShift{'Left' if left else 'Right'}() negative offset: {offset}")
    bits = int(value) & UINT_MAX
    moved = 0 if offset > 63 else (bits << offset if left else bits >> offset) & UINT_MAX
    return UInt(moved) if type(value) is UInt else _signed(moved)


def _bits(name: str, combine: Callable[[int, int], int]) -> tuple[Overload, ...]:
    return (
        function(name, lambda a, b: _signed(combine(a, b)), int, int, kind="int"),
        function(name, lambda a, b: UInt(combine(int(a), int(b))), UInt, UInt, kind="uint"),
    )


FUNCTIONS: Library = (
    function("math.greatest", _extreme("greatest", 1), ANY, variadic=True),
    function("math.least", _extreme("least", -1), ANY, variadic=True),
    *(function(f"math.{name}", call, float, kind=kind) for name, call, kind in _DOUBLES),
    function("math.abs", _abs, _NUMBER),
    function("math.sign", _sign, _NUMBER),
    function("math.sqrt", _sqrt, _NUMBER, kind="double"),
    *_bits("math.bitAnd", lambda a, b: a & b),
    *_bits("math.bitOr", lambda a, b: a | b),
    *_bits("math.bitXor", lambda a, b: a ^ b),
    function("math.bitNot", lambda value: ~value, int, kind="int"),
    function("math.bitNot", lambda value: UInt(~int(value) & UINT_MAX), UInt, kind="uint"),
    function("math.bitShiftLeft", lambda value, offset: _shifted(value, offset, left=True), (int, UInt), int),
    function("math.bitShiftRight", lambda value, offset: _shifted(value, offset, left=False), (int, UInt), int),
)
