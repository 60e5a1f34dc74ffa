"""The tree that the parser makes and the emitter reads. Macros are already expanded to nodes of their own.

``line`` and ``column`` count from 1 in the source. ``depth`` is the height of the tree below the node: the parser bounds
it, so that no walk over a tree can exhaust the stack.
"""

from typing import Literal as OneOf

import msgspec

from shipway.policy.cel.values import Value


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all nodes."""

    line: int = 1
    column: int = 1
    depth: int = 1


class Literal(Node, frozen=True):
    """A constant."""

    value: Value


class Ident(Node, frozen=True):
    """A name; one that begins with a dot is looked up outside of all containers and comprehensions."""

    name: str


class Select(Node, frozen=True):
    """``operand.field`` and ``operand.?field``."""

    operand: Node
    field: str
    optional: bool = False


class Has(Node, frozen=True):
    """``has(operand.field)``."""

    operand: Node
    field: str
    optional: bool = False


class Index(Node, frozen=True):
    """``operand[key]`` and ``operand[?key]``."""

    operand: Node
    key: Node
    optional: bool = False


class Call(Node, frozen=True):
    """``function(args)`` or ``target.function(args)``."""

    function: str
    target: Node | None
    args: tuple[Node, ...]


class Operation(Node, frozen=True):
    """A binary operator, or unary minus with one argument: ``+ - * / % == != < <= > >= in``."""

    operator: str
    args: tuple[Node, ...]


class Logic(Node, frozen=True):
    """A chain of ``&&`` or of ``||``."""

    operator: OneOf["&&", "||"]
    args: tuple[Node, ...]


class Not(Node, frozen=True):
    """``!operand``."""

    operand: Node


class Conditional(Node, frozen=True):
    """``condition ? then : otherwise``."""

    condition: Node
    then: Node
    otherwise: Node


class Entry(msgspec.Struct, frozen=True):
    """One element of a list (``key`` None) or entry of a map; an optional one is left out when it is empty."""

    key: Node | None
    value: Node
    optional: bool


class ListOf(Node, frozen=True):
    """``[a, ?b]``."""

    entries: tuple[Entry, ...]


class MapOf(Node, frozen=True):
    """``{k: v, ?k: v}``."""

    entries: tuple[Entry, ...]


class Message(Node, frozen=True):
    """``Type{field: value}``: parsed to say clearly that message types are not supported."""

    name: str
    entries: tuple[Entry, ...]


Fold = OneOf["all", "exists", "exists_one", "map", "filter", "transformMap", "transformMapEntry", "sortBy"]


class Comprehension(Node, frozen=True):
    """A macro over a list or a map. ``second`` is the value's name in the forms with two variables."""

    fold: Fold
    over: Node
    first: str
    second: str | None
    condition: Node | None
    """The filter of ``map`` and ``transform*``."""
    body: Node


class Bind(Node, frozen=True):
    """``cel.bind(name, value, body)``."""

    name: str
    value: Node
    body: Node


class OptionalMap(Node, frozen=True):
    """``target.optMap(name, body)`` and ``optFlatMap`` (``flat``)."""

    target: Node
    name: str
    body: Node
    flat: bool


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911  # one kind of node after the other
    """The nodes directly below, in source order."""
    match node:
        case Select() | Has() | Not():
            return (node.operand,)
        case Index():
            return (node.operand, node.key)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case Operation() | Logic():
            return node.args
        case Conditional():
            return (node.condition, node.then, node.otherwise)
        case ListOf() | MapOf() | Message():
            return tuple(part for entry in node.entries for part in (entry.key, entry.value) if part is not None)
        case Comprehension():
            return tuple(part for part in (node.over, node.condition, node.body) if part is not None)
        case Bind():
            return (node.value, node.body)
        case OptionalMap():
            return (node.target, node.body)
    return ()
