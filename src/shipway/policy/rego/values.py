"""Rego values as plain Python data, and what Rego means by equal, less and a key.

null, booleans, numbers, strings, arrays and objects are ``None``, ``bool``, ``int``/``float``, ``str``, ``list`` and
``dict``, so that parsed JSON is used as it is. Two things Python does differently: ``True == 1`` there, and lists are no
keys. So in a ``dict`` or a ``Set`` a key that is not a string, a number or null stands inside a ``Key``.
Values are never changed once they are made. Called by everything in this package; knows nothing of policies.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cmp_to_key
from typing import Any, Final

Value = Any
"""None, bool, int, float, str, list, dict or ``Set``, all the way down."""

PLAIN_KEYS: Final = frozenset({str, int, float, type(None)})


class Undefined:
    """The absence of a value. There is one, ``UNDEFINED``; it is falsy."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()


class Key:
    """A boolean, array, object or set in the place of a dictionary key."""

    __slots__ = ("frozen", "hashed", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.frozen = _frozen(value)
        self.hashed = hash(self.frozen)

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.frozen == other.frozen

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def _frozen(value: Value) -> tuple[Any, ...]:
    kind = type(value)
    if kind is list:
        return ("array", *[key_of(item) for item in value])
    if kind is dict:
        return ("object", frozenset((name, key_of(item)) for name, item in value.items()))
    if kind is Set:
        return ("set", frozenset(value.items))
    return ("scalar", kind, value)


def key_of(value: Value) -> Any:
    """What stands for ``value`` as a key of a ``dict`` or a ``Set``."""
    return value if type(value) in PLAIN_KEYS else Key(value)


def value_of(key: Any) -> Value:
    """The value that a key stands for."""
    return key.value if type(key) is Key else key


class Set:
    """A Rego set: ``items`` holds keys in the order of their arrival; only ``ordered`` shows Rego's order."""

    __slots__ = ("items",)

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self.items: dict[Any, None] = {key_of(value): None for value in values}

    def add(self, value: Value) -> None:
        """Add to a set that is still being made."""
        self.items[key_of(value)] = None

    def __iter__(self) -> Iterator[Value]:
        return iter([value_of(key) for key in self.items])

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, value: Value) -> bool:
        return key_of(value) in self.items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Set) and self.items.keys() == other.items.keys()

    __hash__ = None  # type: ignore[assignment]  # like list and dict: it stands in a Key

    def __repr__(self) -> str:
        return f"Set({list(self)!r})"


def equal(left: Value, right: Value) -> bool:
    """Rego's ``==``: by kind and content, 1 and 1.0 are the same number, 1 and true are not."""
    if left is right:
        return True
    kind, other = type(left), type(right)
    if kind is not other:
        return kind in NUMBERS and other in NUMBERS and left == right
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        if left.keys() != right.keys():
            return False
        return all(equal(item, right[name]) for name, item in left.items())
    return bool(left == right)


NUMBERS: Final = frozenset({int, float})
RANK: Final[Mapping[type, int]] = {type(None): 0, bool: 1, int: 2, float: 2, str: 3, list: 4, dict: 5, Set: 6}
NAMES: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    Set: "set",
}


def compare(left: Value, right: Value) -> int:
    """Rego's total order: -1, 0 or 1. null < booleans < numbers < strings < arrays < objects < sets."""
    kind = type(left)
    difference = RANK[kind] - RANK[type(right)]
    if difference:
        return -1 if difference < 0 else 1
    if kind is list:
        return _compare_lists(left, right)
    if kind is dict:
        return _compare_objects(left, right)
    if kind is Set:
        return _compare_lists(ordered(left), ordered(right))
    if kind is type(None):
        return 0
    return int(left > right) - int(left < right)


def _compare_lists(left: list[Value], right: list[Value]) -> int:
    for one, other in zip(left, right, strict=False):
        found = compare(one, other)
        if found:
            return found
    return (len(left) > len(right)) - (len(left) < len(right))


def _compare_objects(left: dict[Any, Value], right: dict[Any, Value]) -> int:
    """Key by key in order, each key before its value; the shorter is less when it runs out."""
    for (one, mine), (other, yours) in zip(pairs_ordered(left), pairs_ordered(right), strict=False):
        found = compare(one, other) or compare(mine, yours)
        if found:
            return found
    return (len(left) > len(right)) - (len(left) < len(right))


ORDER: Final = cmp_to_key(compare)


def ordered(values: Iterable[Value]) -> list[Value]:
    """The values in Rego's order."""
    found = list(values)
    if all(type(value) is str for value in found):
        return sorted(found)
    return sorted(found, key=ORDER)


def pairs_ordered(value: dict[Any, Value]) -> list[tuple[Value, Value]]:
    """Keys (decoded) and values of an object in the order of its keys."""
    if all(type(key) is str for key in value):
        return sorted(value.items(), key=_first)
    return sorted(((value_of(key), item) for key, item in value.items()), key=lambda pair: ORDER(pair[0]))


def _first(pair: tuple[Any, Value]) -> Any:
    return pair[0]


def plain(value: object) -> Value:
    """Any JSON-like Python data as a Rego value: mappings become dicts, tuples lists, keys strings.

    Raises TypeError for what JSON cannot say.
    """
    if isinstance(value, str | bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {name if type(name) is str else _key_text(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Set):
        return value
    if isinstance(value, set | frozenset):
        return Set(plain(item) for item in value)
    message = f"{type(value).__name__} is not JSON data"
    raise TypeError(message)


def _key_text(name: object) -> Any:
    return key_of(name.value) if isinstance(name, Key) else name if isinstance(name, str) else json.dumps(plain(name))


def to_json(value: Value) -> Any:
    """The value as JSON data: a set is a sorted array, a key that is no string is its own JSON text."""
    kind = type(value)
    if kind is list:
        return [to_json(item) for item in value]
    if kind is Set:
        return [to_json(item) for item in ordered(value)]
    if kind is dict:
        return {
            name if type(name) is str else json.dumps(to_json(name), separators=(",", ":")): to_json(item)
            for name, item in pairs_ordered(value)
        }
    return value
