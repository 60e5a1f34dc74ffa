"""Where in the object the values of JMESPath expressions come from. Called by ``blame``, only for rules that failed.

An expression is walked beside its value: fields, indices, projections and filters keep the path of what they give; what a
function makes has the path of what it was made of. Functions themselves are evaluated as ever, by ``expressions``.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shipway.policy.kyverno import expressions
from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.rules import Path

_REQUEST, _IMAGES = "\0request", "\0images"
_WHOLE = re.compile(r"\{\{-?\s*(.*?)\s*\}\}", re.DOTALL)
_SAME: Mapping[Path, Path] = {("namespace",): ("metadata", "namespace"), ("name",): ("metadata", "name")}
"""What a request repeats of its object."""
MOST_STEPS = 20_000


def element(level: int) -> str:
    """First part of a path within the element of a loop; ``validation`` puts the element's own path in its place."""
    return f"\0element{level}"


class Origin(NamedTuple):
    """A value and where it comes from."""

    value: Any
    path: Path | None = None
    items: Sequence["Origin"] | None = None
    """Of the list that the value is, or was counted from, when its elements come from several places."""
    exact: bool = True
    """Whether the value stands at the path; otherwise it was made of what stands there."""
    why: Path | None = None
    """Of what a filter let it through for."""


def common(paths: Sequence[Path]) -> Path:
    """Where all of them are below."""
    shared = []
    for parts in zip(*paths, strict=False):
        if any(part != parts[0] for part in parts):
            break
        shared.append(parts[0])
    return tuple(shared)


def trace(text: str, data: Context, level: int) -> Origin:
    """The value of an expression with its origin. ``level``: of the innermost loop around it; -1 outside of loops."""
    try:
        return _Walk(data, level).of(text)
    except Exception:  # noqa: BLE001  # what cannot be followed has no place, and changes no verdict
        return Origin(None)


def placed(path: Path | None, data: Context) -> Path | None:
    """The path in the object (or in the element of a loop) that a path in the rule's data stands for."""
    if not path or path[0] not in (_REQUEST, _IMAGES):
        return path
    if path[0] == _REQUEST:
        return path[2:] if path[1:2] == ("object",) else _SAME.get(path[1:])
    found: Any = data.data
    for part in ("images", *path[1:3]):
        found = found.get(part) if isinstance(found, Mapping) else None
    pointer = found.get("jsonPointer") if isinstance(found, Mapping) else None
    return tuple(int(one) if one.isdecimal() else one for one in pointer.split("/")[1:]) if pointer else None


class _Walk:
    def __init__(self, data: Context, level: int) -> None:
        self._data, self._level, self._steps, self._open = data, level, 0, [""]

    def of(self, text: str, at: Origin | None = None) -> Origin:
        """Origin of an expression over ``at``; over everything that the rule knows when that is not given."""
        tree = expressions.parse(text).parsed
        return self._visit(tree, Origin(self._data.data) if at is None else at)

    def _visit(self, node: Mapping[str, Any], at: Origin) -> Origin:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise RuleFault("the expression is too large to be followed")
        follow = _FOLLOW.get(node["type"])
        return follow(self, node, at) if follow else self._made(node, at)

    def _value(self, node: Any, at: Origin) -> Any:
        return expressions.visit(node, at.value, self._data.request.at)

    def _made(self, node: Mapping[str, Any], at: Origin) -> Origin:
        """A value made of others comes from where all of these are."""
        parts = [self._visit(child, at) for child in node["children"] if isinstance(child, Mapping)]
        paths = [part.path for part in parts if part.path is not None]
        items = next((part.items for part in parts if part.items is not None), None)
        if node.get("value") == "keys" and isinstance(parts[0].value, Mapping):
            items = [self._below(parts[0], key, key)._replace(exact=False) for key in parts[0].value]
        return Origin(self._value(node, at), common(paths) if paths else None, items, exact=False)

    def field(self, node: Mapping[str, Any], at: Origin) -> Origin:
        name = node["value"]
        if at.value is self._data.data:
            return self._named(name)
        value = at.value.get(name) if isinstance(at.value, Mapping) else None
        return self._below(at, name, value)

    def _below(self, at: Origin, part: str | int, value: Any) -> Origin:
        if at.path is None or not at.exact:
            return Origin(value, at.path, exact=False)
        return Origin(value, (*at.path, part))

    def _named(self, name: str) -> Origin:
        """A name that a rule can use: of the request, of a loop, of the rule's context."""
        value = self._data.data.get(name)
        if name == "request":
            return Origin(value, (_REQUEST,))
        if name == "images":
            return Origin(value, (_IMAGES,))
        if name.startswith("element") and not name.startswith("elementIndex"):
            number = name.removeprefix("element")
            return Origin(value, (element(int(number) if number.isdecimal() else self._level),))
        source = self._data.sources.get(name, {}).get("variable")
        return self._variable(name, source) if isinstance(source, Mapping) and name not in self._open else Origin(value)

    def _variable(self, name: str, source: Mapping[str, Any]) -> Origin:
        """A variable comes from where its expression leads; its value is what the rule saw."""
        self._open.append(name)
        found: Origin | None = None
        if isinstance(source.get("value"), str) and (whole := _WHOLE.fullmatch(source["value"].strip())):
            found = self.of(whole[1])
        if source.get("jmesPath") and ("value" not in source or found is not None):
            found = self.of(str(self._data.lenient(source["jmesPath"])), found)
        self._open.pop()
        value = self._data.data.get(name)
        return Origin(value) if found is None else found if found.value == value else Origin(value, found.path)

    def fold(self, node: Mapping[str, Any], at: Origin) -> Origin:
        for child in node["children"]:
            at = self._visit(child, at)
        return at

    def index(self, node: Mapping[str, Any], at: Origin) -> Origin:
        elements, number = list(self._elements(at)), int(node["value"])
        if not -len(elements) <= number < len(elements):
            return Origin(None, at.path, exact=False)
        return elements[number]

    def _elements(self, at: Origin) -> Iterator[Origin]:
        if not isinstance(at.value, list):
            return
        if at.items is not None and len(at.items) == len(at.value):
            yield from at.items
        else:
            yield from (self._below(at, index, one) for index, one in enumerate(at.value))

    def projection(self, node: Mapping[str, Any], at: Origin) -> Origin:
        left, right = node["children"]
        base = self._visit(left, at)
        if not isinstance(base.value, list):
            return Origin(None, base.path, exact=False)
        return _listed(base, [self._visit(right, one) for one in self._elements(base)])

    def values(self, node: Mapping[str, Any], at: Origin) -> Origin:
        left, right = node["children"]
        base = self._visit(left, at)
        if not isinstance(base.value, Mapping):
            return Origin(None, base.path, exact=False)
        return _listed(base, [self._visit(right, self._below(base, key, one)) for key, one in base.value.items()])

    def filter(self, node: Mapping[str, Any], at: Origin) -> Origin:
        left, right, comparator = node["children"]
        base = self._visit(left, at)
        if not isinstance(base.value, list):
            return Origin(None, base.path, exact=False)
        kept = [one for one in self._elements(base) if not _is_false(self._value(comparator, one))]
        whys = [self._visit(comparator, one).path for one in kept]
        found = [self._visit(right, one)._replace(why=why) for one, why in zip(kept, whys, strict=True)]
        return _listed(base, found)

    def flatten(self, node: Mapping[str, Any], at: Origin) -> Origin:
        base = self._visit(node["children"][0], at)
        if not isinstance(base.value, list):
            return Origin(None, base.path, exact=False)
        found: list[Origin] = []
        for one in self._elements(base):
            found += self._elements(one) if isinstance(one.value, list) else [one]
        return _listed(base, found)

    def slice(self, node: Mapping[str, Any], at: Origin) -> Origin:
        if not isinstance(at.value, list):
            return Origin(None, at.path, exact=False)
        return _listed(at, list(self._elements(at))[slice(*node["children"])])

    def several(self, node: Mapping[str, Any], at: Origin) -> Origin:
        if at.value is None:
            return Origin(None, at.path, exact=False)
        items = [self._visit(child, at) for child in node["children"]]
        paths = [one.path for one in items if one.path is not None]
        return Origin([one.value for one in items], common(paths) if paths else None, items, exact=False)

    def either(self, node: Mapping[str, Any], at: Origin) -> Origin:
        """``a || b`` is a unless that is empty; then a is still what is missing when b is a value of the policy's own."""
        left, right = (self._visit(child, at) for child in node["children"])
        if not _is_false(left.value) or right.path is None:
            return left._replace(value=right.value if _is_false(left.value) else left.value)
        return right

    def both(self, node: Mapping[str, Any], at: Origin) -> Origin:
        left, right = (self._visit(child, at) for child in node["children"])
        decides = left if _is_false(left.value) else right
        return decides if decides.path is not None else Origin(decides.value, left.path or right.path, exact=False)

    def literal(self, node: Mapping[str, Any], _at: Origin) -> Origin:
        return Origin(node["value"])

    def identity(self, _node: Mapping[str, Any], at: Origin) -> Origin:
        return at


_Follow = Callable[[_Walk, Mapping[str, Any], Origin], Origin]
_FOLLOW: Mapping[str, _Follow] = {
    "field": _Walk.field,
    "subexpression": _Walk.fold,
    "index_expression": _Walk.fold,
    "pipe": _Walk.fold,
    "index": _Walk.index,
    "slice": _Walk.slice,
    "projection": _Walk.projection,
    "value_projection": _Walk.values,
    "filter_projection": _Walk.filter,
    "flatten": _Walk.flatten,
    "multi_select_list": _Walk.several,
    "or_expression": _Walk.either,
    "and_expression": _Walk.both,
    "literal": _Walk.literal,
    "raw_string": _Walk.literal,
    "identity": _Walk.identity,
    "current": _Walk.identity,
    "expref": lambda _walk, _node, _at: Origin(None),
}
"""By type of node; every other type makes a new value of what is below it."""


def _listed(base: Origin, items: Sequence[Origin]) -> Origin:
    """A projection leaves out what is null."""
    kept = [one for one in items if one.value is not None]
    return Origin([one.value for one in kept], base.path, kept, exact=False)


def _is_false(value: object) -> bool:
    """JMESPath's: null, false and whatever is empty."""
    return value is None or value is False or value in ("", [], {})


def written(value: object) -> str:
    """A value of a policy as a person reads it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
