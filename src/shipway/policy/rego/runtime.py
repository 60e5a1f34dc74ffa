"""What the compiled functions call: look-ups, the cache of one evaluation, ``with``, the budget.

One ``Context`` serves one evaluation of one input; a ``with`` makes another one that shares its budget. The sum of the
steps and the size of every value made are limited, so that no policy runs or grows without end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from shipway.policy.rego.builtin import Builtin
from shipway.policy.rego.faults import Budget, BuiltinError, EvaluationError
from shipway.policy.rego.index import Branching
from shipway.policy.rego.values import (
    UNDEFINED,
    Set,
    Undefined,
    Value,
    compare,
    equal,
    key_of,
    ordered,
    pairs_ordered,
    value_of,
)

STEPS: Final = 3_000_000
"""Loop turns, calls and values made in one evaluation: some three seconds."""
LARGEST: Final = 4_000_000
"""Elements and characters in one value."""
COLLECTIONS: Final = frozenset({list, dict, Set})
U: Final = UNDEFINED


class Limit:
    """Steps that an evaluation has left. Shared by all its contexts."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises Budget when the steps are used up."""
        self.left -= steps
        if self.left < 0:
            raise Budget("the evaluation took too many steps")


class Program(msgspec.Struct, frozen=True):
    """The compiled groups: what a context runs."""

    evaluate: Sequence[Callable[..., Value]]
    """By number of the group."""
    nodes: Sequence[Branching]
    builtins: Mapping[str, Builtin]


class Context:
    """One evaluation."""

    __slots__ = ("at", "cache", "data", "depth", "input", "limit", "mocks", "program", "strict", "weights")

    def __init__(self, program: Program, input_: Value, data: Value, at: float, limit: Limit, *, strict: bool) -> None:
        self.program = program
        self.input = input_
        self.data = data
        self.at = at
        self.limit = limit
        self.strict = strict
        self.cache: dict[int, Value] = {}
        self.mocks: Mapping[str, tuple[Value, bool]] = {}
        self.weights: dict[int, tuple[Value, int]] = {}

    # Rules

    def get(self, number: int) -> Value:
        """The value of a group, evaluated once."""
        cache = self.cache
        if number in cache:
            return cache[number]
        self.limit.spend(1)
        found = cache[number] = self.program.evaluate[number](self)
        return found

    def invoke(self, number: int, *operands: Value) -> Value:
        """The result of a function of the policy."""
        self.limit.spend(2)
        return self.program.evaluate[number](self, *operands)

    def call(self, builtin: Builtin, *operands: Value) -> Value:
        """The result of a builtin function; undefined when it fails."""
        self.limit.spend(2)
        try:
            builtin.check(operands)
            if builtin.timed:
                operands = (self.at, *operands)
            elif builtin.costly:
                operands = (self.limit.spend, *operands)
            result = builtin.function(*operands)
        except BuiltinError as error:
            if self.strict:
                raise EvaluationError(error.code, str(error)) from error
            return U
        kind = type(result)
        if kind is str:
            self.grown(len(result))
        elif kind in COLLECTIONS:
            self.made(result)
        elif kind is int and result.bit_length() > 64:
            self.grown(result.bit_length())
        return result

    def dispatch(self, name: str, *operands: Value) -> Value:
        """A function that some ``with`` may have replaced."""
        if name not in self.mocks:
            builtin = self.program.builtins.get(name)
            return self.call(builtin, *operands) if builtin else self.invoke(self._function(name), *operands)
        value, is_function = self.mocks[name]
        if not is_function:
            return value
        if isinstance(value, Builtin):
            return self.call(value, *operands)
        inside = self.within(())  # a replacement calls the originals
        inside.mocks = {}
        return inside.invoke(value, *operands)

    def _function(self, name: str) -> int:
        node = self.program.nodes[0]
        for part in name.split(".")[1:]:
            node = node.children[part]
        assert node.group
        return node.group.number

    def within(self, replacements: Sequence[tuple[Any, ...]]) -> "Context":
        """The context inside of a ``with``. Two items: a path and its value; three: a function, its replacement."""
        inner = self.another()
        inner.weights = self.weights
        inner.mocks = dict(self.mocks)
        inner.cache = {}
        for replacement in replacements:
            if len(replacement) == 3:
                inner.mocks[replacement[0]] = replacement[1:]
                continue
            (root, *path), value = replacement
            if root == "input":
                inner.input = patched(inner.input, path, value)
            else:
                inner.data = patched(inner.data, path, value)
                inner.pin(path, value, self)
        self.limit.spend(10)
        return inner

    def another(self) -> "Context":
        """A context of the same evaluation."""
        return Context(self.program, self.input, self.data, self.at, self.limit, strict=self.strict)

    def pin(self, path: Sequence[str], value: Value, outer: "Context") -> None:
        """Let replaced data hide the rules at, below and above its path."""
        node: Branching | None = self.program.nodes[0]
        for at, name in enumerate(path):
            node = node.children.get(name) if node else None
            if node and node.group and node.group.kind != "function" and at + 1 < len(path):
                self.cache[node.group.number] = patched(outer.get(node.group.number), path[at + 1 :], value)
                return
        for below in node.walk() if node else ():
            if below.group and below.group.kind != "function":
                self.cache[below.group.number] = dig(value, below.path[len(path) :])

    # Documents

    def document(self, number: int) -> Value:
        """Everything at a path of ``data``: plain data and the values of rules."""
        node = self.program.nodes[number]
        if node.group:
            return U if node.group.kind == "function" else self.get(node.group.number)
        base = dig(self.data, node.path)
        if not isinstance(base, dict | Undefined):
            return base
        found = dict(base) if isinstance(base, dict) else {}
        for name, below in node.children.items():
            value = self.document(below.number)
            if value is not U:
                found[name] = value
        return found

    def child(self, number: int, key: Value) -> Value:
        """One entry of a document."""
        node = self.program.nodes[number]
        below = node.children.get(key) if type(key) is str else None
        return self.document(below.number) if below else look(dig(self.data, node.path), key)

    # Iteration and making of values

    def elements(self, value: Value) -> Iterable[Value]:
        """The elements of a collection; nothing of anything else."""
        kind = type(value)
        if kind not in COLLECTIONS:
            return ()
        self.limit.spend(len(value))
        return value.values() if kind is dict else value  # type: ignore[no-any-return]  # list or Set

    def elements_ordered(self, value: Value) -> Iterable[Value]:
        """The same in Rego's order."""
        kind = type(value)
        if kind is dict:
            return [item for _, item in self.pairs_ordered(value)]
        return self.elements(ordered(value) if kind is Set else value)

    def pairs(self, value: Value) -> Iterable[tuple[Value, Value]]:
        """Keys and elements of a collection."""
        kind = type(value)
        if kind not in COLLECTIONS:
            return ()
        self.limit.spend(len(value))
        if kind is list:
            return enumerate(value)
        if kind is Set:
            return [(item, item) for item in value]
        return [(value_of(key), item) for key, item in value.items()]

    def pairs_ordered(self, value: Value) -> Iterable[tuple[Value, Value]]:
        """The same in Rego's order."""
        kind = type(value)
        if kind is dict:
            self.limit.spend(len(value))
            return pairs_ordered(value)
        return [(item, item) for item in self.elements_ordered(value)] if kind is Set else self.pairs(value)

    def made(self, value: Value) -> Value:
        """Weigh a new collection: one that holds itself doubled again and again is small to make, endless to walk."""
        size = len(value)
        nested = False
        for item in value.values() if type(value) is dict else value.items if type(value) is Set else value:
            inner = value_of(item)
            kind = type(inner)
            if kind in COLLECTIONS:
                nested = True
                known = self.weights.get(id(inner))
                size += known[1] if known else len(inner)
            elif kind is str and len(inner) > 64:
                size += len(inner) // 16
        self.grown(size)
        if nested:
            self.weights[id(value)] = (value, size)
        return value

    def grown(self, size: int) -> None:
        """Account for a value of that size."""
        if size > LARGEST:
            raise Budget("a value grew too large")
        self.limit.spend(size >> 4)

    def put(self, out: dict[Any, Value], key: Value, value: Value) -> None:
        """Add to an object under construction."""
        name = key_of(key)
        if name in out and not equal(out[name], value):
            raise EvaluationError("eval_conflict_error", "object keys must be unique")
        out[name] = value

    def place(self, out: dict[Any, Value], keys: list[Value], value: Value, contains: bool, number: int) -> None:
        """Add to the (nested) object of a rule."""
        title = f"data.{'.'.join(self._title(number))}"
        for key in keys[:-1]:
            out = out.setdefault(key_of(key), {})
            if type(out) is not dict:
                raise EvaluationError("eval_conflict_error", f"{title}: object keys must be unique")
        name = key_of(keys[-1]) if keys else None
        if contains:
            existing = out.setdefault(name, Set())
            if type(existing) is not Set:
                raise EvaluationError("eval_conflict_error", f"{title}: object keys must be unique")
            existing.add(value)
        elif name in out and not equal(out[name], value):
            raise EvaluationError("eval_conflict_error", f"{title}: object keys must be unique")
        else:
            out[name] = value

    def _title(self, number: int) -> tuple[str, ...]:
        return next(node.path for node in self.program.nodes if node.group and node.group.number == number)

    def shown(self, value: Value) -> str:
        """A value inside of a template string."""
        from shipway.policy.rego.formatting import shown

        return "<undefined>" if value is U else value if type(value) is str else shown(value)

    def text(self, pieces: Sequence[str]) -> str:
        """A template string from its pieces."""
        self.grown(sum(map(len, pieces)))
        return "".join(pieces)


def look(value: Value, key: Value) -> Value:
    """``value[key]``, or undefined."""
    kind = type(value)
    if kind is dict:
        return value.get(key if type(key) is str else key_of(key), U)
    if kind is list:
        if type(key) is float and key.is_integer():
            key = int(key)
        return value[key] if type(key) is int and 0 <= key < len(value) else U
    if kind is Set:
        return key if key in value else U
    return U


def dig(value: Value, keys: Sequence[Value]) -> Value:
    """``value[key][key]...``, or undefined."""
    for key in keys:
        value = value.get(key, U) if type(value) is dict and type(key) is str else look(value, key)
        if value is U:
            return U
    return value


def patched(value: Value, path: Sequence[str], new: Value) -> Value:
    """A copy of ``value`` with ``new`` at a path; what is in the way is replaced."""
    if not path:
        return new
    inside = dict(value) if type(value) is dict else {}
    inside[path[0]] = patched(inside.get(path[0], U), path[1:], new)
    return inside


def agree(one: Value, other: Value, title: str = "a rule") -> Value:
    """The single value of a complete rule or function, which all its solutions must share."""
    if one is U or other is U:
        return other if one is U else one
    if not equal(one, other):
        raise EvaluationError("eval_conflict_error", f"{title}: complete rules must not produce multiple outputs")
    return one


def neq(left: Value, right: Value) -> bool:
    """``!=``."""
    return not equal(left, right)


def lt(left: Value, right: Value) -> bool:
    """``<``."""
    return compare(left, right) < 0


def lte(left: Value, right: Value) -> bool:
    """``<=``."""
    return compare(left, right) <= 0


def gt(left: Value, right: Value) -> bool:
    """``>``."""
    return compare(left, right) > 0


def gte(left: Value, right: Value) -> bool:
    """``>=``."""
    return compare(left, right) >= 0


NAMES: Final[Mapping[str, object]] = {
    "U": U, "Set": Set, "COLLECTIONS": COLLECTIONS, "agree": agree, "dig": dig, "equal": equal, "look": look,
    "neq": neq, "lt": lt, "lte": lte, "gt": gt, "gte": gte, "dict": dict, "len": len, "list": list, "type": type,
}  # fmt: skip
"""Everything that compiled code can name, besides its own constants."""
