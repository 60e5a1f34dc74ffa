"""The operators of CEL on Python values, called by the generated code.

Each checks the types of its operands, since Python would accept more (``True < 2``, ``'a' in 'abc'``, ``list[-1]``). The
first lines of each are for plain data of one type; everything else takes the longer way below them. All raise CelError.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from shipway.policy.cel.errors import CelError, CelLimitError
from shipway.policy.cel.values import (
    EMPTY,
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    BoolMap,
    CelType,
    Duration,
    Opaque,
    Optional,
    Timestamp,
    UInt,
    Value,
    plain,
    type_name,
)

MAX_SIZE = 200_000
"""Characters or elements of a value that an expression makes, so that repeated doubling ends."""

Budget = list[int]
"""One number: the steps that are left. A step is a turn of a comprehension, or work on a few elements or characters."""

_SCALARS = frozenset({str, int, bool, float, type(None), bytes, UInt, Timestamp, Duration, CelType})
_ORDERED = frozenset({int, str, float, UInt, Timestamp, Duration, bool, bytes})
_NUMBERS = frozenset({int, UInt, float})


def no_overload(name: str, *args: Value) -> NoReturn:
    """The error of a call whose arguments have types that it is not defined for."""
    raise CelError(f"no such overload: {name} for ({', '.join(type_name(arg) for arg in args)})")


def truth(value: Value) -> bool:
    """The operand of a logical operator, which must be a bool."""
    if value is True or value is False:
        return value
    raise CelError(f"no such overload: expected bool, found {type_name(value)}")


def negation(value: Value) -> bool:
    """``!value``."""
    return not truth(value)


def charge(budget: Budget, *values: Value) -> None:
    """Take work on long strings and on lists off the budget: a step for 64 characters or 8 elements."""
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes:
            budget[0] -= len(value) >> 6
        elif kind is list or kind is dict:
            budget[0] -= _weight(value)
    if budget[0] < 0:
        raise CelLimitError("the evaluation takes too many steps")


def _weight(values: Value) -> int:
    """Steps for a collection with all that is in it."""
    inside = values.values() if type(values) is dict else values
    return (len(values) >> 3) + sum(1 + _weight(item) for item in inside if type(item) is list or type(item) is dict)


# -- equality and order


def eq(left: Value, right: Value, budget: Budget | None = None) -> bool:
    """``==``: false for values of different types, except that numbers are compared as numbers."""
    kind = type(left)
    if kind is type(right) and kind in _SCALARS:
        return bool(left == right)
    if kind in _NUMBERS and type(right) in _NUMBERS:
        return order(left, right) == 0
    if budget is not None:
        charge(budget, left, right)
    return _deep_eq(plain(left), plain(right))


def ne(left: Value, right: Value, budget: Budget | None = None) -> bool:
    """``!=``."""
    return not eq(left, right, budget)


def _deep_eq(left: Value, right: Value) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(eq, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            contains(key, right) and eq(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.filled == right.filled and (not left.filled or eq(left.value, right.value))
    if type(left) is type(right) and (type(left) in _SCALARS or isinstance(left, Opaque)):
        return bool(left == right)
    return False


def order(left: Value, right: Value) -> int | None:
    """-1, 0 or 1 for two numbers of any types; None when one is not a number. An int meets a double as a double."""
    if type(left) is float or type(right) is float:
        left, right = float(left), float(right)
    else:
        left, right = int(left), int(right)
    if left == right:
        return 0
    if left < right:
        return -1
    return 1 if left > right else None


def _compared(symbol: str, same: Callable[[Any, Any], bool], signs: tuple[int, ...]) -> Callable[[Value, Value], bool]:
    def compare(left: Value, right: Value) -> bool:
        kind = type(left)
        if kind is type(right) and kind in _ORDERED:
            return same(left, right)
        if kind in _NUMBERS and type(right) in _NUMBERS:
            return order(left, right) in signs
        first, second = plain(left), plain(right)
        if type(first) is type(second) and type(first) in _ORDERED:
            return same(first, second)
        return no_overload(f"_{symbol}_", left, right)

    return compare


lt = _compared("<", operator.lt, (-1,))
le = _compared("<=", operator.le, (-1, 0))
gt = _compared(">", operator.gt, (1,))
ge = _compared(">=", operator.ge, (1, 0))


# -- arithmetic


def integer(value: int) -> int:
    """The value when it fits an int."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CelError("integer overflow: the result does not fit 64 bits")


def unsigned(value: int) -> UInt:
    """The value when it fits a uint."""
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise CelError("unsigned integer overflow: the result is not within 0 and 2^64 - 1")


def sized(value: Value) -> Value:
    """The string, bytes or list when it is not too large."""
    if len(value) > MAX_SIZE:
        raise CelLimitError(f"a value with more than {MAX_SIZE} characters or elements was made")
    return value


def add(left: Value, right: Value, budget: Budget | None = None) -> Value:  # noqa: PLR0911  # one type after the other, the frequent ones first
    """``+``."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return integer(left + right)
        if kind is str or kind is bytes or kind is list:
            if budget is not None:
                # What is in the lists is not looked at, so its size does not count.
                budget[0] -= (len(left) + len(right)) >> (3 if kind is list else 6)
                charge(budget)
            return sized(left + right)
        if kind is float:
            return left + right
        if kind is UInt:
            return unsigned(int(left) + int(right))
    left, right = plain(left), plain(right)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(left.nanos + right.nanos)
    if (
        isinstance(left, (Timestamp, Duration))
        and isinstance(right, (Timestamp, Duration))
        and type(left) is not type(right)
    ):
        return Timestamp(left.nanos + right.nanos)
    if isinstance(left, list) and isinstance(right, list):
        return sized(left + right)
    return no_overload("_+_", left, right)


def sub(left: Value, right: Value) -> Value:
    """``-`` with two operands."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return integer(left - right)
        if kind is float:
            return left - right
        if kind is UInt:
            return unsigned(int(left) - int(right))
    left, right = plain(left), plain(right)
    if isinstance(right, Duration) and isinstance(left, (Timestamp, Duration)):
        return type(left)(left.nanos - right.nanos)
    if isinstance(left, Timestamp) and isinstance(right, Timestamp):
        return Duration(left.nanos - right.nanos)
    return no_overload("_-_", left, right)


def mul(left: Value, right: Value) -> Value:
    """``*``."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return integer(left * right)
        if kind is float:
            return left * right
        if kind is UInt:
            return unsigned(int(left) * int(right))
    return no_overload("_*_", left, right)


def div(left: Value, right: Value) -> Value:
    """``/``: integers towards zero; doubles as IEEE 754 says."""
    kind = type(left)
    if kind is not type(right) or kind not in _NUMBERS:
        return no_overload("_/_", left, right)
    if kind is float:
        return _float_div(left, right)
    if right == 0:
        raise CelError("division by zero")
    if kind is UInt:
        return unsigned(int(left) // int(right))
    quotient = abs(left) // abs(right)
    return integer(quotient if (left < 0) == (right < 0) else -quotient)


def _float_div(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def mod(left: Value, right: Value) -> Value:
    """``%``: the sign is the dividend's."""
    kind = type(left)
    if kind is not type(right) or kind not in (int, UInt):
        return no_overload("_%_", left, right)
    if right == 0:
        raise CelError("modulus by zero")
    if kind is UInt:
        return UInt(int(left) % int(right))
    if left == INT_MIN and right == -1:
        raise CelError("integer overflow: the result does not fit 64 bits")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def neg(value: Value) -> Value:
    """``-`` with one operand."""
    if type(value) is int:
        return integer(-value)
    if type(value) is float:
        return -value
    return no_overload("-_", value)


# -- lists and maps


def contains(value: Value, container: Value, budget: Budget | None = None) -> bool:
    """``value in container``: an element of a list, a key of a map."""
    kind = type(container)
    if kind is dict:
        return value in container if type(value) is str else _has_key(value, container)
    if kind is list:
        if budget is not None:
            charge(budget, container)
        if type(value) is str:
            return value in container
        return any(eq(value, item) for item in container)
    if isinstance(container, (Mapping, Sequence)) and not isinstance(container, (str, bytes)):
        return _has_key(value, container) if isinstance(container, Mapping) else contains(value, list(container))
    return no_overload("@in", value, container)


def _has_key(key: Value, entries: Mapping[Any, Any]) -> bool:
    if type(key) is str:
        return key in entries
    if type(key) is bool:
        return key in entries if isinstance(entries, BoolMap) else any(known is key for known in entries)
    if type(key) not in _NUMBERS or key not in entries:
        return False
    return (
        key not in (0, 1)
        or isinstance(entries, BoolMap)
        or any(known == key and type(known) is not bool for known in entries)
    )


def index(value: Value, key: Value) -> Value:
    """``value[key]``."""
    if type(value) is dict and type(key) is str:
        if key in value:
            return value[key]
        raise CelError(f"no such key: {key}")
    if isinstance(value, Optional):
        return optional_index(value, key)
    if isinstance(value, Mapping):
        if _has_key(key, value):
            return value[key]
        raise CelError(f"no such key: {key if isinstance(key, (str, int, float)) else type_name(key)}")
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return value[_position(key, len(value))]
    return no_overload("_[_]", value, key)


def _position(key: Value, length: int) -> int:
    if type(key) not in _NUMBERS or int(key) != key if type(key) is not float or math.isfinite(key) else True:
        raise CelError(f"invalid index: expected an integer, found {type_name(key)}")
    if 0 <= key < length:
        return int(key)
    raise CelError(f"index out of bounds: {int(key)} of {length} elements")


def optional_index(value: Value, key: Value) -> Optional:
    """``value[?key]``: nothing when there is no such key."""
    if isinstance(value, Optional):
        return optional_index(value.value, key) if value.filled else EMPTY
    if isinstance(value, Mapping):
        return Optional(value[key]) if _has_key(key, value) else EMPTY
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if type(key) not in _NUMBERS or (type(key) is float and not key.is_integer()):
            return no_overload("_[?_]", value, key)
        return Optional(value[int(key)]) if 0 <= key < len(value) else EMPTY
    return no_overload("_[?_]", value, key)


def select(value: Value, field: str) -> Value:
    """``value.field``."""
    if isinstance(value, Mapping):
        if field in value:
            return value[field]
        raise CelError(f"no such key: {field}")
    if isinstance(value, Optional):
        return optional_select(value, field)
    raise CelError(f"type {type_name(value)} has no fields; {field!r} was asked for")


def optional_select(value: Value, field: str) -> Optional:
    """``value.?field``: nothing when the map has no such key."""
    if type(value) is dict:
        return Optional(value[field]) if field in value else EMPTY
    if isinstance(value, Optional):
        return optional_select(value.value, field) if value.filled else EMPTY
    if isinstance(value, Mapping):
        return Optional(value[field]) if field in value else EMPTY
    raise CelError(f"type {type_name(value)} has no fields; {field!r} was asked for")


def has(value: Value, field: str) -> bool:
    """``has(value.field)``."""
    if type(value) is dict:
        return field in value
    if isinstance(value, Optional):
        return value.filled and has(value.value, field)
    if isinstance(value, Mapping):
        return field in value
    raise CelError(f"type {type_name(value)} has no fields; {field!r} was asked for")


# -- comprehensions


def tick(budget: Budget, values: Value, weight: int = 1) -> Value:
    """What a comprehension runs over: elements or keys. Its turns, ``weight`` steps each, are taken off the budget at once."""
    kind = type(values)
    if (
        kind is not list
        and kind is not dict
        and (not isinstance(values, (Mapping, Sequence)) or isinstance(values, (str, bytes)))
    ):
        raise CelError(f"expected a list or a map to go over, found {type_name(values)}")
    budget[0] -= len(values) * weight + 1
    if budget[0] < 0:
        raise CelLimitError("the evaluation takes too many steps")
    return values


def pairs(budget: Budget, values: Value, weight: int = 1) -> Iterable[tuple[Value, Value]]:
    """As ``tick``, for two variables: index and element, or key and value."""
    tick(budget, values, weight)
    return values.items() if isinstance(values, Mapping) else enumerate(values)
