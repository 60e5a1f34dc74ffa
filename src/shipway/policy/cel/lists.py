"""Functions on lists and sets: the lists and sets extensions, Kubernetes' list library, and base64."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import cmp_to_key

from shipway.policy.cel.errors import CelError, CelLimitError
from shipway.policy.cel.functions import ANY, LIST, Library, function, method
from shipway.policy.cel.operators import MAX_SIZE, add, eq, gt, le, lt, no_overload, sized
from shipway.policy.cel.values import EMPTY, Optional, Value

Values = Sequence[Value]
MAX_PAIRS = 250_000
"""Comparisons of a function that compares every element with every other."""


def _within(values: Values, others: Values) -> None:
    if len(values) * len(others) > MAX_PAIRS:
        raise CelLimitError(f"lists of {len(values)} and {len(others)} elements are too long to compare")


def _holds(values: Values, item: Value) -> bool:
    return any(eq(item, value) for value in values)


def contains_all(values: Values, others: Values) -> bool:
    """``sets.contains``."""
    if all(type(item) is str for item in others):
        return set(others) <= {value for value in values if type(value) is str}
    _within(values, others)
    return all(_holds(values, item) for item in others)


def intersects(values: Values, others: Values) -> bool:
    """``sets.intersects``."""
    if all(type(item) is str for item in others):
        return not set(others).isdisjoint([value for value in values if type(value) is str])
    _within(values, others)
    return any(_holds(values, item) for item in others)


def distinct(values: Values) -> list[Value]:
    """The first of each group of equal elements."""
    kept: list[Value] = []
    seen: set[str] = set()
    steps = 0
    for value in values:
        if type(value) is str:
            if value not in seen:
                seen.add(value)
                kept.append(value)
            continue
        steps += len(kept)
        if steps > MAX_PAIRS:
            raise CelLimitError("the list is too long for distinct()")
        if not _holds(kept, value):
            kept.append(value)
    return kept


def flatten(values: Values, depth: int = 1) -> list[Value]:
    """Lists within the list replaced by their elements, ``depth`` levels of them."""
    if depth < 0:
        raise CelError("level must be non-negative")
    flat = list(values)
    for _ in range(depth):
        if not any(isinstance(item, list) for item in flat):
            break
        flat = sized([one for item in flat for one in (item if isinstance(item, list) else [item])])
    return flat


def sort_by(keyed: Sequence[tuple[Value, Value]]) -> list[Value]:
    """Elements in the order of their keys, which must be comparable and of one type."""
    keys = [key for key, _ in keyed]
    for key in keys[1:]:
        if type(key) is not type(keys[0]):
            raise CelError("list elements must have the same type to be sorted")
    if len(keys) == 1:
        lt(keys[0], keys[0])
    order = cmp_to_key(lambda one, other: -1 if lt(one, other) else 1 if gt(one, other) else 0)
    return [value for _, value in sorted(keyed, key=lambda pair: order(pair[0]))]


def span(count: int) -> list[int]:
    """``lists.range(n)``."""
    if count > MAX_SIZE:
        raise CelLimitError(f"lists.range() would make more than {MAX_SIZE} elements")
    return list(range(count))


def cut(values: Values, start: int, end: int) -> list[Value]:
    """``slice(start, end)``."""
    if start < 0 or end < 0 or start > end or end > len(values):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return list(values[start:end])


def _total(values: Values) -> Value:
    if not values:
        return 0
    total = values[0]
    if type(total) is str or type(total) is list:
        no_overload("sum", values)
    for value in values[1:]:
        total = add(total, value)
    return total


def _extreme(name: str, better: Callable[[Value, Value], bool]) -> Callable[[Values], Value]:
    def pick(values: Values) -> Value:
        if not values:
            raise CelError(f"{name} called on empty list")
        best = values[0]
        better(best, best)
        for value in values[1:]:
            best = value if better(value, best) else best
        return best

    return pick


def _position(values: Values, item: Value) -> int:
    return next((at for at, value in enumerate(values) if eq(value, item)), -1)


def _last_position(values: Values, item: Value) -> int:
    return next((at for at in range(len(values) - 1, -1, -1) if eq(values[at], item)), -1)


def decode64(text: str) -> bytes:
    """``base64.decode``, with or without padding."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CelError(f"invalid base64: {text[:50]!r}") from None


EXTENSION: Library = (
    function("lists.range", span, int, kind="list"),
    method("slice", cut, LIST, int, int, kind="list"),
    method("flatten", flatten, LIST, kind="list"),
    method("flatten", flatten, LIST, int, kind="list"),
    method("sort", lambda values: sort_by([(value, value) for value in values]), LIST, kind="list"),
    method("distinct", distinct, LIST, kind="list"),
    method("reverse", lambda values: list(values[::-1]), LIST, kind="list"),
    method("first", lambda values: Optional(values[0]) if values else EMPTY, LIST, kind="optional"),
    method("last", lambda values: Optional(values[-1]) if values else EMPTY, LIST, kind="optional"),
    function("sets.contains", contains_all, LIST, LIST, kind="bool"),
    function("sets.equivalent", lambda a, b: contains_all(a, b) and contains_all(b, a), LIST, LIST, kind="bool"),
    function("sets.intersects", intersects, LIST, LIST, kind="bool"),
    function("base64.encode", lambda value: base64.b64encode(value).decode(), bytes, kind="string"),
    function("base64.decode", decode64, str, kind="bytes"),
)
KUBERNETES: Library = (
    method("isSorted", lambda values: all(map(le, values, values[1:])), LIST, kind="bool"),
    method("sum", _total, LIST),
    method("min", _extreme("min", lt), LIST),
    method("max", _extreme("max", gt), LIST),
    method("indexOf", _position, LIST, ANY, kind="int"),
    method("lastIndexOf", _last_position, LIST, ANY, kind="int"),
)
