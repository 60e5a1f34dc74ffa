"""What several trees have in common, and what is to be added to it where. Called by :mod:`.kustomize`; knows only plain data.

The common part is below each of the trees: it lacks keys and ends of lists, and has nothing else. So a JSON Patch
(RFC 6902) that leads from it to a tree is made of ``add`` alone, and what some of the trees share is added for them at once.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

import msgspec

MISSING: Any = object()
"""There is nothing in common."""

Operation = dict[str, Any]
Place = TypeVar("Place", bound=Hashable)
Name = TypeVar("Name", bound=Hashable)


class Part(msgspec.Struct):
    """What is added for some places: objects that they alone have, and operations on objects that more have."""

    objects: dict[Any, dict[str, Any]] = msgspec.field(default_factory=dict)
    operations: dict[Any, list[Operation]] = msgspec.field(default_factory=dict)


def parts(everywhere: Mapping[Place, Mapping[Name, dict[str, Any]]]) -> dict[frozenset[Place], Part]:
    """The objects of every place, cut into what which places share.

    An object of a place comes out when the parts of all sets with the place in them are added, large sets before small.
    """
    found: dict[frozenset[Place], Part] = {}
    for name in dict.fromkeys(name for objects in everywhere.values() for name in objects):
        there = {place: objects[name] for place, objects in everywhere.items() if name in objects}
        shared = common([*there.values()])
        found.setdefault(frozenset(there), Part()).objects[name] = shared
        for where, operation in _added(shared, there, ""):
            found.setdefault(where, Part()).operations.setdefault(name, []).append(operation)
    return found


Where = Iterator[tuple[frozenset[Place], Operation]]


def _added(shared: Any, there: Mapping[Place, Any], path: str) -> Where[Place]:
    """Operations that lead from what the trees share to each of them, and for whom."""
    if all(tree == shared for tree in there.values()):
        return
    if isinstance(shared, dict):
        for key in dict.fromkeys(key for tree in there.values() for key in tree):
            below = {place: tree[key] for place, tree in there.items() if key in tree}
            inner = path + pointer(key)
            yield from _added(shared[key], below, inner) if key in shared else _new(below, inner)
    elif isinstance(shared, list):
        for index, before in enumerate(shared):
            yield from _added(before, {place: tree[index] for place, tree in there.items()}, f"{path}/{index}")
        ends = {place: tree[len(shared) :] for place, tree in there.items() if len(tree) > len(shared)}
        yield from _longer(ends, path, len(shared))


def _new(there: Mapping[Place, Any], path: str) -> Where[Place]:
    """A value where there was none."""
    for shared, alike in _alike(there):
        yield frozenset(alike), {"op": "add", "path": path, "value": shared}
        yield from _added(shared, alike, path)


def _longer(ends: Mapping[Place, list[Any]], path: str, length: int) -> Where[Place]:
    """Items after those that were there."""
    for shared, alike in _alike(ends):
        for item in shared:
            yield frozenset(alike), {"op": "add", "path": f"{path}/-", "value": item}
        for index, before in enumerate(shared):
            inner = f"{path}/{length + index}"
            yield from _added(before, {place: end[index] for place, end in alike.items()}, inner)
        more = {place: end[len(shared) :] for place, end in alike.items() if len(end) > len(shared)}
        yield from _longer(more, path, length + len(shared))


def _alike(there: Mapping[Place, Any]) -> Iterator[tuple[Any, Mapping[Place, Any]]]:
    """(what they share, who) of all of them if they share something, else of those that are the same."""
    if not there:
        return
    shared = common([*there.values()])
    if shared is not MISSING:
        yield shared, there
        return
    groups: dict[bytes, dict[Place, Any]] = {}
    for place, value in there.items():
        groups.setdefault(msgspec.json.encode(value, order="deterministic"), {})[place] = value
    yield from ((next(iter(alike.values())), alike) for alike in groups.values())


def common(values: Sequence[Any]) -> Any:
    """The largest part that every value has, or ``MISSING``.

    Maps have in common what is under the same keys, lists a beginning. An item that is a map must be recognisable: the
    same ``name`` everywhere, if it has one, and something in common.
    """
    first = values[0]
    if len(values) == 1:
        return first
    kind = type(first)
    if any(type(value) is not kind for value in values):  # as in JSON, 1 and true are two values
        return MISSING
    if kind is dict:
        return _common_map(values)
    if kind is list:
        return _beginning(values) or MISSING if any(values) else first
    return first if all(value == first for value in values) else MISSING


def _common_map(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shared = (key for key in values[0] if all(key in other for other in values))
    found = ((key, common([value[key] for value in values])) for key in shared)
    return {key: value for key, value in found if value is not MISSING}


def _beginning(values: Sequence[list[Any]]) -> list[Any]:
    items = (_common_item(items) for items in zip(*values, strict=False))
    return list(takewhile(lambda item: item is not MISSING, items))


def _common_item(items: Sequence[Any]) -> Any:
    """What items at the same place have in common; nothing when they are different things."""
    if not all(isinstance(item, dict) for item in items):
        return common(items)
    if any(item.get("name") != items[0].get("name") for item in items):
        return MISSING
    return common(items) or MISSING


def pointer(*parts: str | int) -> str:
    """JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)
