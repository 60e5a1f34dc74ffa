"""``add``, ``divide`` ... on numbers, quantities and durations: the arithmetic functions of Kyverno's JMESPath.

Called by ``functions``. A text is a quantity when it reads as one, else a duration, so minutes (``5m``) are thousandths.
Beside a quantity a number is a quantity, beside a duration it is seconds.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from shipway.policy.kyverno import amounts
from shipway.policy.kyverno.amounts import Quantity
from shipway.policy.kyverno.faults import RuleFault

Operand = Decimal | Quantity | int
"""A number, a quantity, or a duration in nanoseconds."""


def add(left: object, right: object) -> object:
    """Sum, in the kind of the operands."""
    kind, one, other = _aligned(left, right)
    return _result(kind, one + other, left, right)


def subtract(left: object, right: object) -> object:
    """Difference, in the kind of the operands."""
    kind, one, other = _aligned(left, right)
    return _result(kind, one - other, left, right)


def total(items: Sequence[object]) -> object:
    """Sum of at least one number, quantity or duration."""
    if not items:
        raise RuleFault("sum() needs at least one element")
    found: object = items[0]
    for item in items[1:]:
        found = add(found, item)
    return found


def multiply(left: object, right: object) -> object:
    """Product of two numbers, or of a number and a quantity or duration."""
    one, other = _operand(left), _operand(right)
    if isinstance(one, Decimal):
        one, other = other, one
    if not isinstance(other, Decimal):
        raise RuleFault("multiply() needs a number as one of its inputs")
    return _scaled(one, _value(one) * other)


def divide(left: object, right: object) -> object:
    """Quotient; of two quantities or two durations it is a number."""
    one, other = _operand(left), _operand(right)
    if _value(other) == 0:
        raise RuleFault("division by zero")
    if isinstance(other, Decimal):
        return _scaled(one, _value(one) / other)
    if type(one) is not type(other):
        raise RuleFault("divide() cannot divide one kind of amount by another")
    return _number(_value(one) / _value(other))


def modulo(left: object, right: object) -> object:
    """Remainder, with the sign of the left operand."""
    kind, one, other = _aligned(left, right)
    if other == 0:
        raise RuleFault("division by zero")
    return _result(kind, one % other, left, right)


def rounded(number: float, places: float) -> float:
    """Half away from zero, to ``places`` decimal places."""
    if not float(places).is_integer() or not 0 <= places <= 30:
        raise RuleFault("round() needs a whole number of places from 0 to 30")
    if abs(number) >= 1e30:
        return number
    return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-int(places)), rounding="ROUND_HALF_UP"))


def _operand(value: object) -> Operand:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    if isinstance(value, str):
        quantity = amounts.parse_quantity(value)
        if quantity is not None:
            return quantity
        duration = amounts.parse_duration(value)
        if duration is not None:
            return duration
    raise RuleFault(f"expected a number, a quantity or a duration, got {str(value)[:60]!r}")


def _value(operand: Operand) -> Decimal:
    return operand.value if isinstance(operand, Quantity) else Decimal(operand)


def _aligned(left: object, right: object) -> tuple[type, Decimal, Decimal]:
    """Both in one kind: Decimal, Quantity or int (nanoseconds)."""
    one, other = _operand(left), _operand(right)
    kinds = {type(one), type(other)}
    if kinds == {Decimal, int}:
        scaled = [_value(each) * (10**9 if isinstance(each, Decimal) else 1) for each in (one, other)]
        return int, scaled[0], scaled[1]
    if kinds == {Quantity, int}:
        raise RuleFault("a quantity and a duration cannot be combined")
    kind = Quantity if Quantity in kinds else next(iter(kinds))
    return kind, _value(one), _value(other)


def _result(kind: type, value: Decimal, left: object, right: object) -> object:
    if kind is int:
        return amounts.format_duration(int(value))
    if kind is Quantity:
        first = _operand(left if isinstance(left, str) else right)
        return amounts.format_quantity(value, binary=isinstance(first, Quantity) and first.binary)
    return _number(value)


def _scaled(operand: Operand, value: Decimal) -> object:
    if isinstance(operand, Quantity):
        return amounts.format_quantity(value, binary=operand.binary)
    return amounts.format_duration(int(value)) if isinstance(operand, int) else _number(value)


def _number(value: Decimal) -> Any:
    return int(value) if value == value.to_integral_value() else float(value)
