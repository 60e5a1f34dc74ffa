"""Which value of the object made an expression false. Called by the evaluators of rules, for findings; never to decide.

The expression is walked from its root down to the part that settles it, each part evaluated on its own; the first value
of the object that this part reads is the culprit. A best guess: the shortest way to where a person should look.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.cel.emitter import dotted
from shipway.policy.cel.errors import CelError, CelSyntaxError
from shipway.policy.cel.program import Program
from shipway.policy.cel.tree import (
    Bind,
    Call,
    Comprehension,
    Conditional,
    Has,
    Ident,
    Index,
    ListOf,
    Literal,
    Logic,
    Node,
    Not,
    Operation,
    OptionalMap,
    Select,
    children,
)
from shipway.policy.cel.values import Optional
from shipway.policy.rules import Path

Element = tuple[Any, Path | None]
NOTHING: Mapping[str, Program] = {}
ERROR = object()


def culprit(
    program: Program, bindings: Mapping[str, Any], *, root: str = "object", definitions: Mapping[str, Program] = NOTHING
) -> Path:
    """The path in ``bindings[root]`` of the value that kept the expression from being true; ``()`` when it cannot be told.

    A path ends at the last key that exists: of a missing ``spec.replicas`` it is ``("spec",)``. ``definitions`` are
    programs behind names such as ``variables.containers``, so that the search goes on in them.
    """
    found = _Search(program, bindings, root, definitions).blame(program.root, True, {})
    return found or ()


Scope = dict[str, Element]
"""Names that macros bind: value and, when it is part of the object, path."""


class _Search:
    def __init__(
        self, program: Program, bindings: Mapping[str, Any], root: str, definitions: Mapping[str, Program]
    ) -> None:
        self.program = program
        self.bindings = bindings
        self.root = root
        self.definitions = definitions

    def value(self, node: Node, scope: Scope) -> Any:
        """Of a part of the expression; ERROR when it has none."""
        if isinstance(node, Literal):
            return node.value
        names = {name: value for name, (value, _) in scope.items()}
        try:
            return self.program.part(node, frozenset(names)).evaluate({**self.bindings, **names})
        except (CelError, CelSyntaxError):
            return ERROR

    def at(self, path: Path) -> Any:
        """The value at a path of the object."""
        value = self.bindings.get(self.root)
        for key in path:
            value = value[key]  # type: ignore[index]  # paths are made of keys that were there
        return value

    # -- downwards through what is true or false

    def blame(self, node: Node, wanted: bool, scope: Scope) -> Path | None:
        """The culprit of a node that is not ``wanted`` (true or false)."""
        match node:
            case Logic():
                return self.of_logic(node, wanted, scope)
            case Not():
                return self.blame(node.operand, not wanted, scope)
            case Conditional():
                branch = node.then if self.value(node.condition, scope) is True else node.otherwise
                return self.blame(branch, wanted, scope) or self.path(node.condition, scope)
            case Comprehension() if node.fold in ("all", "exists"):
                return self.of_macro(node, wanted, scope)
            case Bind():
                return self.blame(node.body, wanted, self.with_bound(node, scope))
        return self.path(node, scope)

    def of_logic(self, node: Logic, wanted: bool, scope: Scope) -> Path | None:
        """One operand decides (a false one of ``&&``), or all do: then the one that leads deepest."""
        one_decides = (node.operator == "&&") is wanted
        paths = []
        for operand in node.args:
            if not one_decides or self.value(operand, scope) is not wanted:
                path = self.blame(operand, wanted, scope)
                if one_decides:
                    return path
                paths.append(path)
        return max((path for path in paths if path is not None), key=len, default=None)

    def of_macro(self, node: Comprehension, wanted: bool, scope: Scope) -> Path | None:
        """The first element that decides (``all`` that should be true, ``exists`` that should be false), or the list."""
        if (node.fold == "all") is wanted:
            for inner, path in self.turns(node, scope):
                if self.value(node.body, inner) is not wanted:
                    return self.blame(node.body, wanted, inner) or path
        return self.path(node.over, scope)

    # -- elements of what a macro goes over

    def turns(self, node: Comprehension, scope: Scope) -> list[tuple[Scope, Path | None]]:
        """The scope of each turn, with the path of the element."""
        turns: list[tuple[Scope, Path | None]] = []
        over = self.value(node.over, scope)
        for number, (element, path) in enumerate(self.elements(node.over, scope)):
            if node.second is None:
                turns.append(({**scope, node.first: (element, path)}, path))
            else:
                key = element if isinstance(over, Mapping) else number
                item = over[element] if isinstance(over, Mapping) else element
                turns.append(({**scope, node.first: (key, path), node.second: (item, path)}, path))
        return turns

    def elements(self, node: Node, scope: Scope) -> list[Element]:  # noqa: PLR0911 -- one kind of node after the other
        """Elements of a list, or keys of a map, with their paths."""
        match node:
            case Operation(operator="+", args=(left, right)):
                return [*self.elements(left, scope), *self.elements(right, scope)]
            case Conditional():
                return self.elements(node.then if self.value(node.condition, scope) is True else node.otherwise, scope)
            case ListOf() if not any(entry.optional for entry in node.entries):
                return [(self.value(entry.value, scope), self.path(entry.value, scope)) for entry in node.entries]
            case Comprehension(fold="filter"):
                turns = [inner for inner, _ in self.turns(node, scope) if self.value(node.body, inner) is True]
                return [inner[node.first] for inner in turns]
            case Comprehension(fold="map"):
                kept = [
                    inner
                    for inner, _ in self.turns(node, scope)
                    if node.condition is None or self.value(node.condition, inner) is True
                ]
                return [(self.value(node.body, inner), self.path(node.body, inner)) for inner in kept]
        defined = self.definition(node, scope)
        if defined is not None:
            return defined.elements(defined.program.root, {})
        return self.plain_elements(self.value(node, scope), self.path(node, scope))

    def plain_elements(self, value: Any, path: Path | None) -> list[Element]:
        if path is not None and self.at(path) is not value:
            path = None
        if isinstance(value, Mapping):
            return [(key, None if path is None else (*path, key)) for key in value]
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            return []
        return [(item, None if path is None else (*path, number)) for number, item in enumerate(value)]

    # -- where a value comes from

    def path(self, node: Node, scope: Scope) -> Path | None:  # noqa: PLR0911 -- one kind of node after the other
        """Where the first value of the object that the node reads is, as far as it exists."""
        defined = self.definition(node, scope)
        if defined is not None:
            return defined.path(defined.program.root, {})
        match node:
            case Ident():
                return scope[node.name][1] if node.name in scope else () if node.name.lstrip(".") == self.root else None
            case Select() | Has():
                return self.extended(self.path(node.operand, scope), node.field)
            case Index():
                key = self.value(node.key, scope)
                base = self.path(node.operand, scope)
                return self.extended(base, key) if isinstance(key, (str, int)) else base
            case Comprehension():
                elements = self.elements(node, scope) if node.fold == "filter" else []
                return elements[0][1] if elements else self.path(node.over, scope)
            case Bind():
                return self.path(node.body, self.with_bound(node, scope))
            case Operation(operator="in", args=(value, container)):
                return self.path(value, scope) or self.path(container, scope)
            case Call() | Operation() | Logic() | Not() | Conditional() | ListOf() | OptionalMap():
                return next((path for part in children(node) if (path := self.path(part, scope)) is not None), None)
        return None

    def extended(self, base: Path | None, key: str | int) -> Path | None:
        if base is None:
            return None
        value = self.at(base)
        there = key in value if isinstance(value, Mapping) else isinstance(value, list) and key in range(len(value))
        return (*base, key) if there else base

    def with_bound(self, node: Bind, scope: Scope) -> Scope:
        value = self.value(node.value, scope)
        return {
            **scope,
            node.name: (value.value if isinstance(value, Optional) else value, self.path(node.value, scope)),
        }

    def definition(self, node: Node, scope: Scope) -> "_Search | None":
        """The search in the program behind a name such as ``variables.containers``."""
        if not self.definitions or not isinstance(node, (Select, Ident)):
            return None
        base, fields = dotted(node)
        if not isinstance(base, Ident) or base.name in scope:
            return None
        program = self.definitions.get(".".join((base.name, *fields)))
        return None if program is None else _Search(program, self.bindings, self.root, self.definitions)
