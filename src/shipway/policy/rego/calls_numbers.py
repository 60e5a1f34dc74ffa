"""Builtins over numbers, bits, aggregates, types and units."""

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from shipway.policy.rego.builtin import Library, integer, number
from shipway.policy.rego.faults import Budget, BuiltinError, OperandError
from shipway.policy.rego.values import NAMES, NUMBERS, ORDER, Set, Value, ordered

numbers = Library()
add = numbers.add
MOST_BITS: Final = 100_000
"""A whole number larger than that is refused: each multiplication can double its digits."""


def simple(name: str, signature: str, function: Callable[..., Value]) -> None:
    """A builtin that is one expression."""
    add(name, signature)(function)


def _sized(value: float) -> Value:
    if type(value) is int and value.bit_length() > MOST_BITS:
        raise Budget("the number is too large")
    if type(value) is float and not math.isfinite(value):
        raise Budget("the number is too large")
    return number(value)


def exact(value: float) -> Fraction:
    """A number as written, so that 0.1 + 0.2 is 0.3."""
    return Fraction(value) if type(value) is int else Fraction(repr(value))


def rounded(value: Fraction) -> Value:
    """The nearest number we have."""
    if value.denominator == 1:
        return _sized(int(value))
    try:
        found = float(value)
    except OverflowError as error:
        raise Budget("the number is too large") from error
    # OPA carries eleven bits more than a float: what a float misses by its last bit, such as 2 / 3 * 3, is exact there.
    near = float(f"{found:.15g}")
    return _sized(near) if abs(near - found) <= math.ulp(found) else found


@add("plus", "nn")
def plus(left: float, right: float) -> Value:
    """``+``."""
    return _sized(left + right) if type(left) is int and type(right) is int else rounded(exact(left) + exact(right))


@add("minus", "**")
def minus(left: Value, right: Value) -> Value:
    """``-`` of numbers, or the difference of sets."""
    if type(left) is Set and type(right) is Set:
        return Set(value for value in left if value not in right)
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        wrong = right if type(left) in NUMBERS or type(left) is Set else left
        raise OperandError(f"minus: operand must be number or set but got {NAMES[type(wrong)]}")
    return _sized(left - right) if type(left) is int and type(right) is int else rounded(exact(left) - exact(right))


@add("mul", "nn")
def mul(left: float, right: float) -> Value:
    """``*``."""
    if type(left) is int and type(right) is int:
        if left.bit_length() + right.bit_length() > MOST_BITS:
            raise Budget("the number is too large")
        return left * right
    return rounded(exact(left) * exact(right))


@add("div", "nn")
def div(left: float, right: float) -> Value:
    """``/``, of whole numbers too."""
    if right == 0:
        raise BuiltinError("divide by zero")
    return rounded(exact(left) / exact(right))


@add("rem", "nn")
def rem(left: float, right: float) -> Value:
    """``%`` of whole numbers, with the sign of the first."""
    if not (float(left).is_integer() and float(right).is_integer()):
        raise BuiltinError("modulo on floating-point number")
    one, other = int(left), int(right)
    if other == 0:
        raise BuiltinError("modulo by zero")
    return abs(one) % abs(other) * (-1 if one < 0 else 1)


simple("round", "n", lambda value: math.floor(abs(value) + 0.5) * (-1 if value < 0 else 1))
simple("ceil", "n", math.ceil)
simple("floor", "n", math.floor)
simple("abs", "n", lambda value: number(abs(value)))
simple("and", "tt", lambda left, right: Set(value for value in left if value in right))
simple("or", "tt", lambda left, right: Set([*left, *right]))
simple("set_diff", "tt", lambda left, right: Set(value for value in left if value not in right))
simple("count", "L", len)
simple("sort", "c", ordered)
simple("all", "c", lambda values: all(value is True for value in values))
simple("any", "c", lambda values: any(value is True for value in values))
simple("type_name", "*", lambda value: NAMES[type(value)])
for kind in ("number", "string", "boolean", "array", "object", "set", "null"):
    simple(f"is_{kind}", "*", lambda value, kind=kind: NAMES[type(value)] == kind)
simple("cast_array", "c", list)
simple("cast_set", "c", Set)
for kind, letter in {"string": "s", "boolean": "b", "object": "o", "null": "z"}.items():
    simple(f"cast_{kind}", letter, lambda value: value)


@add("max", "c")
def largest(values: Value) -> Value:
    """The greatest in Rego's order."""
    found = list(values)
    if not found:
        raise BuiltinError("max: empty collection")
    return max(found, key=ORDER)


@add("min", "c")
def least(values: Value) -> Value:
    """The least in Rego's order."""
    found = list(values)
    if not found:
        raise BuiltinError("min: empty collection")
    return min(found, key=ORDER)


def _numbers(values: Value, name: str) -> list[Value]:
    found = list(values)
    for value in found:
        if type(value) not in NUMBERS:
            raise OperandError(
                f"{name}: operand 1 must be array of numbers but got array containing {NAMES[type(value)]}"
            )
    return found


@add("sum", "c")
def total(values: Value) -> Value:
    """Of numbers."""
    found = _numbers(values, "sum")
    return (
        _sized(sum(found))
        if all(type(value) is int for value in found)
        else rounded(sum(map(exact, found), Fraction(0)))
    )


@add("product", "c")
def product(values: Value) -> Value:
    """Of numbers."""
    found: Value = 1
    for value in _numbers(values, "product"):
        found = mul(found, value)
    return found


def _range(spend: Callable[[int], None], start: float, stop: float, step: int) -> list[int]:
    first, last = integer(start, "operand 1"), integer(stop, "operand 2")
    spend(abs(last - first) // step + 1)
    return list(range(first, last + 1, step)) if first <= last else list(range(first, last - 1, -step))


@add("numbers.range", "nn", costly=True)
def numbers_range(spend: Callable[[int], None], start: float, stop: float) -> list[int]:
    """All whole numbers from the first to the last, in either direction."""
    return _range(spend, start, stop, 1)


@add("numbers.range_step", "nnn", costly=True)
def numbers_range_step(spend: Callable[[int], None], start: float, stop: float, step: float) -> list[int]:
    """The same with a positive step."""
    if integer(step, "operand 3") <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive number above zero")
    return _range(spend, start, stop, int(step))


@add("to_number", "*")
def to_number(value: Value) -> Value:
    """From a string as JSON writes numbers, a boolean or null."""
    if value is None:
        return 0
    if type(value) is bool:
        return int(value)
    if type(value) in NUMBERS:
        return value
    if type(value) is not str:
        raise OperandError(
            f"to_number: operand 1 must be one of {{boolean, null, number, string}} but got {NAMES[type(value)]}"
        )
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value) or len(value) > 4000:
        raise BuiltinError(f"invalid syntax: {value[:40]!r}")
    try:
        return int(value) if re.fullmatch(r"[+-]?\d+", value) else _sized(float(value))
    except ValueError as error:
        raise BuiltinError("invalid syntax") from error


def _bits(name: str, function: Callable[[int, int], int]) -> None:
    simple(name, "nn", lambda left, right: function(integer(left, "operand 1"), integer(right, "operand 2")))


_bits("bits.and", lambda left, right: left & right)
_bits("bits.or", lambda left, right: left | right)
_bits("bits.xor", lambda left, right: left ^ right)
simple("bits.negate", "n", lambda value: ~integer(value, "operand 1"))


def _shift(right: int) -> int:
    if right < 0:
        raise BuiltinError("operand 2 must be an unsigned integer number but got a negative integer")
    if right > MOST_BITS:
        raise Budget("the number is too large")
    return right


_bits("bits.lsh", lambda left, right: left << _shift(right))
_bits("bits.rsh", lambda left, right: left >> _shift(right))

DECIMAL_UNITS: Final[dict[str, int | Fraction]] = {"": 1, "m": Fraction(1, 1000), "k": 10**3, "K": 10**3, "M": 10**6, "g": 10**9, "G": 10**9,
    "t": 10**12, "T": 10**12, "p": 10**15, "P": 10**15, "e": 10**18, "E": 10**18}  # fmt: skip
BINARY_UNITS: Final = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50, "ei": 2**60}
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([A-Za-z]*)")


def _quantity(value: str) -> tuple[Fraction, str]:
    cleaned = value.replace('"', "")
    if " " in cleaned:
        raise BuiltinError("spaces not allowed in resource strings")
    match = _QUANTITY.fullmatch(cleaned)
    if not match:
        raise BuiltinError(
            "no amount provided" if not re.match(r"[+-.]?\d", cleaned) else "could not parse amount to a number"
        )
    try:
        return Fraction(Decimal(match.group(1))), match.group(2)
    except InvalidOperation as error:
        raise BuiltinError("could not parse amount to a number") from error


@add("units.parse", "s")
def units_parse(value: str) -> Value:
    """A quantity: ``m`` is a thousandth, ``M`` a million, ``Mi`` 2^20."""
    amount, unit = _quantity(value)
    factor = BINARY_UNITS.get(
        unit.lower(), DECIMAL_UNITS.get(unit, DECIMAL_UNITS.get(unit.lower()) if unit not in ("m", "M") else None)
    )
    if factor is None:
        raise BuiltinError(f"unit {unit} not recognized")
    return rounded(amount * factor)


@add("units.parse_bytes", "s")
def units_parse_bytes(value: str) -> Value:
    """A size in bytes: ``MB`` a million, ``MiB`` or ``Mi`` 2^20; case does not count."""
    amount, unit = _quantity(value.lower())
    unit = unit.removesuffix("b") if unit != "b" else ""
    factor = BINARY_UNITS.get(
        unit, {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15, "e": 10**18}.get(unit)
    )
    if factor is None:
        raise BuiltinError(f"byte unit {unit} not recognized")
    return int(amount * factor)
