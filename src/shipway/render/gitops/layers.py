"""What several trees have in common, and what is to be added to it. Called by :mod:`.kustomize`; knows only plain data.

The common part is below each of the trees: it lacks keys and ends of lists, and has nothing else. So a JSON Patch
(RFC 6902) that leads from it to a tree is made of ``add`` alone, and layers of layers need no removals either.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

MISSING: Any = object()
"""There is nothing in common."""

Operation = dict[str, Any]


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


def additions(base: Any, tree: Any, path: str = "") -> Iterator[Operation]:
    """JSON Patch from ``base``, which is what ``tree`` has in common with others, to ``tree``."""
    if base == tree:
        return
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _additions(base, key, value, path + pointer(key))
    elif isinstance(tree, list):
        for index, (before, item) in enumerate(zip(base, tree, strict=False)):
            yield from additions(before, item, f"{path}/{index}")
        for item in tree[len(base) :]:
            yield {"op": "add", "path": f"{path}/-", "value": item}


def _additions(base: dict[str, Any], key: str, value: Any, path: str) -> Iterator[Operation]:
    if key in base:
        yield from additions(base[key], value, path)
    else:
        yield {"op": "add", "path": path, "value": value}


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
