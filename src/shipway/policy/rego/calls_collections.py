"""Builtins over arrays, sets, objects, documents as trees, and graphs."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from shipway.policy.rego.builtin import Library, integer
from shipway.policy.rego.faults import BuiltinError, OperandError
from shipway.policy.rego.runtime import dig
from shipway.policy.rego.values import (
    NAMES,
    UNDEFINED,
    Set,
    Value,
    equal,
    key_of,
    ordered,
    pairs_ordered,
    value_of,
)

collections = Library()
add = collections.add
COLLECTIONS: Final = frozenset({list, dict, Set})


def simple(name: str, signature: str, function: Callable[..., Value]) -> None:
    """A builtin that is one expression."""
    add(name, signature)(function)


simple("array.concat", "aa", lambda left, right: left + right)
simple("array.reverse", "a", lambda values: values[::-1])
simple(
    "array.flatten", "a", lambda values: [one for item in values for one in (item if type(item) is list else [item])]
)
simple(
    "array.slice",
    "ann",
    lambda values, start, stop: values[max(integer(start, "operand 2"), 0) : max(integer(stop, "operand 3"), 0)],
)
simple(
    "internal.member_2",
    "**",
    lambda value, values: (
        any(equal(value, item) for item in _elements(values)) if type(values) is not Set else value in values
    ),
)
simple("object.keys", "o", lambda value: Set(value_of(key) for key in value))


@add("internal.member_3", "***")
def member_with_key(key: Value, value: Value, values: Value) -> bool:
    """``key, value in values``."""
    if type(values) is Set:
        return equal(key, value) and value in values
    found = dig(values, [key]) if type(values) in COLLECTIONS else UNDEFINED
    return found is not UNDEFINED and equal(found, value)


def _elements(values: Value) -> Iterable[Value]:
    if type(values) is dict:
        return values.values()
    return values if type(values) in COLLECTIONS else ()


def _sets(values: Value, name: str) -> list[Set]:
    for value in values:
        if type(value) is not Set:
            raise OperandError(f"{name}: operand 1 must be set of sets")
    return list(values)


@add("union", "t")
def union(values: Value) -> Set:
    """Of all sets in a set."""
    return Set(item for value in _sets(values, "union") for item in value)


@add("intersection", "t")
def intersection(values: Value) -> Set:
    """Of all sets in a set."""
    found = _sets(values, "intersection")
    return Set(item for item in found[0] if all(item in other for other in found[1:])) if found else Set()


@add("object.get", "***")
def object_get(value: Value, key: Value, default: Value) -> Value:
    """An entry, or with an array of keys one further down; the default when it is missing."""
    if type(value) is not dict:
        raise OperandError(f"object.get: operand 1 must be object but got {NAMES[type(value)]}")
    found = dig(value, key) if type(key) is list else value.get(key_of(key), UNDEFINED)
    return default if found is UNDEFINED else found


def _union(left: Value, right: Value) -> Value:
    if type(left) is not dict or type(right) is not dict:
        return right
    found = dict(left)
    for key, value in right.items():
        found[key] = _union(found[key], value) if key in found else value
    return found


simple("object.union", "oo", _union)


@add("object.union_n", "a")
def union_n(values: Value) -> Value:
    """Of all objects in an array, the later ones win."""
    found: Value = {}
    for value in values:
        if type(value) is not dict:
            raise OperandError("object.union_n: operand 1 must be array of objects")
        found = _union(found, value)
    return found


def _keys(values: Value, name: str) -> set[object]:
    if type(values) not in COLLECTIONS:
        raise OperandError(f"{name}: operand 2 must be one of {{array, object, set}} but got {NAMES[type(values)]}")
    return {key_of(value) for value in (map(value_of, values) if type(values) is dict else values)}


@add("object.remove", "o*")
def object_remove(value: Value, keys: Value) -> Value:
    """Without those keys."""
    gone = _keys(keys, "object.remove")
    return {key: item for key, item in value.items() if key not in gone}


@add("object.filter", "o*")
def object_filter(value: Value, keys: Value) -> Value:
    """Only those keys."""
    kept = _keys(keys, "object.filter")
    return {key: item for key, item in value.items() if key in kept}


@add("object.subset", "**")
def object_subset(value: Value, part: Value) -> bool:
    """Whether all of ``part`` is in ``value``: keys of objects deeply, members of sets, a run of an array."""
    if type(value) is list and type(part) is Set:
        return all(any(equal(one, item) for item in value) for one in part)
    if type(value) is not type(part) or type(value) not in COLLECTIONS:
        raise OperandError("object.subset: both operands must be of the same collection type, or an array and a set")
    return _has(value, part)


def _has(value: Value, part: Value) -> bool:
    if type(value) is not type(part):
        return equal(value, part)
    if type(value) is dict:
        return all(key in value and _has(value[key], item) for key, item in part.items())
    if type(value) is Set:
        return all(item in value for item in part)
    if type(value) is list:
        return any(
            all(equal(*pair) for pair in zip(value[at:], part, strict=False))
            for at in range(len(value) - len(part) + 1)
        )
    return equal(value, part)


# Documents by paths


def _path(path: Value) -> list[Value]:
    """A path as an array or as ``a/b/c`` with the escapes of JSON pointers."""
    if type(path) is str:
        return [part.replace("~1", "/").replace("~0", "~") for part in path.lstrip("/").split("/")]
    if type(path) is list:
        return list(path)
    raise OperandError("operand 2 must be one of {set, array} containing string paths or array of path segments")


def _tree(paths: Value) -> dict[object, object]:
    """All paths as one tree; an empty node ends a path."""
    if type(paths) not in (list, Set):
        raise OperandError(f"operand 2 must be one of {{array, set}} but got {NAMES[type(paths)]}")
    root: dict[object, object] = {}
    for path in paths:
        node = root
        parts = _path(path)
        for number, part in enumerate(parts):
            following = node.setdefault(key_of(part), {})
            assert isinstance(following, dict)
            if number + 1 < len(parts) and following.get("\0end"):
                break
            node = following
        else:
            node.clear()
            node["\0end"] = True
    return root


def _entries(value: Value) -> Iterator[tuple[object, Value]]:
    if type(value) is dict:
        yield from value.items()
    elif type(value) is list:
        yield from ((str(at), item) for at, item in enumerate(value))
    elif type(value) is Set:
        yield from ((key_of(item), item) for item in value)


def _node(tree: dict[object, object], key: object) -> dict[object, object] | None:
    found = tree.get(key)
    if found is None and isinstance(key, str) and key.isdigit():
        found = tree.get(int(key))
    return found if isinstance(found, dict) else None


def _rebuilt(value: Value, items: list[tuple[object, Value]]) -> Value:
    if type(value) is dict:
        return dict(items)
    return Set(item for _, item in items) if type(value) is Set else [item for _, item in items]


@add("json.filter", "o*")
def json_filter(value: Value, paths: Value) -> Value:
    """Only what lies on some path."""
    return _filtered(value, _tree(paths))


def _filtered(value: Value, tree: dict[object, object]) -> Value:
    if tree.get("\0end") or type(value) not in COLLECTIONS:
        return value
    kept = [(key, _filtered(item, node)) for key, item in _entries(value) if (node := _node(tree, key)) is not None]
    return _rebuilt(value, kept)


@add("json.remove", "o*")
def json_remove(value: Value, paths: Value) -> Value:
    """Without what the paths end at."""
    return _pruned(value, _tree(paths))


def _pruned(value: Value, tree: dict[object, object]) -> Value:
    if type(value) not in COLLECTIONS:
        return value
    kept: list[tuple[object, Value]] = []
    for key, item in _entries(value):
        node = _node(tree, key)
        if node is None or not node.get("\0end"):
            kept.append((key, item if node is None else _pruned(item, node)))
    return _rebuilt(value, kept)


@add("json.patch", "*a")
def json_patch(value: Value, operations: Value) -> Value:
    """RFC 6902; a path may also be an array, and go through sets."""
    for operation in operations:
        if type(operation) is not dict:
            raise OperandError("json.patch: operand 2 must be array of objects")
        value = _patch(value, operation)
    return value


def _patch(value: Value, operation: dict[str, Value]) -> Value:
    name, path = operation.get("op"), _path(operation.get("path"))
    path = [] if operation.get("path") in ("", "/") else path
    if name in ("add", "replace", "test") and "value" not in operation:
        raise BuiltinError("json.patch: missing attribute value")
    if name in ("move", "copy"):
        source = _path(operation.get("from"))
        new = _found(value, source)
        return _changed(_changed(value, source, "remove", None) if name == "move" else value, path, "add", new)
    if name == "test":
        if not equal(_found(value, path), operation["value"]):
            raise BuiltinError("json.patch: value from EditTree does not match expected value")
        return value
    if name not in ("add", "remove", "replace"):
        raise BuiltinError(f"json.patch: unrecognized op {name!r}")
    return _changed(value, path, str(name), operation.get("value"))


def _position(value: list[Value], key: Value, *, adding: bool) -> int:
    if key == "-" and adding:
        return len(value)
    text = str(key)
    if not text.isdigit() or (text != "0" and text.startswith("0")) or int(text) >= len(value) + adding:
        raise BuiltinError("json.patch: index out of range")
    return int(text)


def _found(value: Value, path: list[Value]) -> Value:
    for key in path:
        found = value[_position(value, key, adding=False)] if type(value) is list else dig(value, [key])
        if found is UNDEFINED:
            raise BuiltinError("json.patch: path does not exist")
        value = found
    return value


def _changed(value: Value, path: list[Value], action: str, new: Value) -> Value:
    """A copy of ``value`` with the operation applied at a path."""
    if not path:
        return None if action == "remove" else new
    key, rest = path[0], path[1:]
    if rest:
        inside = _changed(_found(value, [key]), rest, action, new)
        return _with(_without(value, key), key, inside) if type(value) is Set else _with(value, key, inside)
    if action != "add":
        _found(value, [key])
    if action == "remove":
        return _without(value, key)
    if type(value) is list and action == "add":
        at = _position(value, key, adding=True)
        return [*value[:at], new, *value[at:]]
    return _with(_without(value, key) if type(value) is Set and action == "replace" else value, key, new)


def _without(value: Value, key: Value) -> Value:
    if type(value) is list:
        at = _position(value, key, adding=False)
        return value[:at] + value[at + 1 :]
    if type(value) is Set:
        return Set(item for item in value if not equal(item, key))
    return {name: item for name, item in value.items() if name != key_of(key)}


def _with(value: Value, key: Value, new: Value) -> Value:
    if type(value) is list:
        at = _position(value, key, adding=False)
        return [*value[:at], new, *value[at + 1 :]]
    if type(value) is Set:
        return Set([*value, new])
    if type(value) is not dict:
        raise BuiltinError("json.patch: path does not exist")
    return {**value, key_of(key): new}


# Walks


@add("walk", "*", relation=True, costly=True)
def walk(spend: Callable[[int], None], value: Value) -> list[Value]:
    """Every value inside with its path."""
    found: list[Value] = []
    waiting: list[tuple[list[Value], Value]] = [([], value)]
    while waiting:
        path, item = waiting.pop()
        spend(1 + len(path))
        found.append([path, item])
        kind = type(item)
        if kind is dict:
            below = pairs_ordered(item)
        elif kind is list:
            below = list(enumerate(item))
        elif kind is Set:
            below = [(one, one) for one in ordered(item)]
        else:
            continue
        waiting.extend(([*path, key], one) for key, one in reversed(below))
    return found


def _neighbours(graph: Value, node: Value) -> list[Value] | None:
    found = graph.get(key_of(node))
    if key_of(node) not in graph:
        return None
    return list(found) if type(found) in (list, Set) else []


@add("graph.reachable", "oc", costly=True)
def reachable(spend: Callable[[int], None], graph: Value, initial: Value) -> Set:
    """Every node that can be reached."""
    found = Set()
    waiting = list(initial)
    while waiting:
        node = waiting.pop()
        spend(1)
        below = _neighbours(graph, node)
        if below is not None and node not in found:
            found.add(node)
            waiting.extend(below)
    return found


@add("graph.reachable_paths", "oc", costly=True)
def reachable_paths(spend: Callable[[int], None], graph: Value, initial: Value) -> Set:
    """Every longest path from the first nodes, cut where it would meet itself."""
    found = Set()
    waiting = [[node] for node in initial if key_of(node) in graph]
    while waiting:
        path = waiting.pop()
        below = _neighbours(graph, path[-1]) or []
        spend(len(path) * (1 + len(below)))
        open_ones = [one for one in below if key_of(one) in graph and not any(equal(one, seen) for seen in path)]
        if not below or len(open_ones) < len(below):
            found.add(path)
        waiting.extend([*path, one] for one in open_ones)
    return found
