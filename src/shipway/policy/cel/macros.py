"""Macros: calls whose arguments are not evaluated but rewritten. Called by ``parser`` while it reads a call.

``expand`` gives the node that the call stands for, or None when the call is an ordinary one. Macros of the specification,
of the two-variable comprehensions, of bindings, of optional values, of ``sortBy``, and of ``cel.block``.
"""

from typing import Any, Final

from shipway.policy.cel.errors import CelSyntaxError
from shipway.policy.cel.tree import (
    Bind,
    Comprehension,
    Fold,
    Has,
    Ident,
    ListOf,
    Literal,
    Node,
    OptionalMap,
    Select,
)

MAX_DEPTH = 200
"""Height of the tree; cel-go's limit is 250."""

_FOLDS: Final[dict[tuple[str, int], Fold]] = {
    ("all", 2): "all",
    ("all", 3): "all",
    ("exists", 2): "exists",
    ("exists", 3): "exists",
    ("exists_one", 2): "exists_one",
    ("exists_one", 3): "exists_one",
    ("existsOne", 2): "exists_one",
    ("existsOne", 3): "exists_one",
    ("map", 2): "map",
    ("map", 3): "map",
    ("filter", 2): "filter",
    ("transformList", 3): "map",
    ("transformList", 4): "map",
    ("transformMap", 3): "transformMap",
    ("transformMap", 4): "transformMap",
    ("transformMapEntry", 3): "transformMapEntry",
    ("transformMapEntry", 4): "transformMapEntry",
    ("sortBy", 2): "sortBy",
}
_ONE_VARIABLE = {
    ("map", 2),
    ("map", 3),
    ("filter", 2),
    ("all", 2),
    ("exists", 2),
    ("exists_one", 2),
    ("existsOne", 2),
    ("sortBy", 2),
}


def placed(line: int, column: int, *below: Node) -> dict[str, Any]:
    """Line, column and depth of a node with these children."""
    depth = 1 + max((node.depth for node in below), default=0)
    if depth > MAX_DEPTH:
        raise CelSyntaxError(f"the expression is nested more than {MAX_DEPTH} levels deep", line, column)
    return {"line": line, "column": column, "depth": depth}


def expand(target: Node | None, name: str, args: tuple[Node, ...], line: int, column: int) -> Node | None:
    """The node that a macro call stands for; None for calls of functions."""
    if target is None:
        return _has(args[0], line, column) if name == "has" and len(args) == 1 else None
    if isinstance(target, Ident) and target.name == "cel":
        return _cel(name, args, line, column)
    if name in ("optMap", "optFlatMap") and len(args) == 2:
        where = placed(line, column, target, args[1])
        return OptionalMap(target=target, name=_variable(args[0]), body=args[1], flat=name == "optFlatMap", **where)
    if (name, len(args)) in _FOLDS:
        return _comprehension(target, name, args, line, column)
    return None


def _has(operand: Node, line: int, column: int) -> Node:
    if not isinstance(operand, Select):
        raise CelSyntaxError("has() expects a field selection such as has(object.spec)", line, column)
    where = placed(line, column, operand.operand)
    return Has(operand=operand.operand, field=operand.field, optional=operand.optional, **where)


def _variable(node: Node) -> str:
    if isinstance(node, Ident) and not node.name.startswith("."):
        return node.name
    raise CelSyntaxError("expected a simple name for the variable of the macro", node.line, node.column)


def _comprehension(over: Node, name: str, args: tuple[Node, ...], line: int, column: int) -> Node:
    variables = 1 if (name, len(args)) in _ONE_VARIABLE else 2
    names = [_variable(arg) for arg in args[:variables]]
    if len(set(names)) < variables:
        raise CelSyntaxError(f"{name}() needs two different variable names", line, column)
    rest = args[variables:]
    return Comprehension(
        fold=_FOLDS[name, len(args)],
        over=over,
        first=names[0],
        second=names[1] if variables == 2 else None,
        condition=rest[0] if len(rest) == 2 else None,
        body=rest[-1],
        **placed(line, column, over, *rest),
    )


def _cel(name: str, args: tuple[Node, ...], line: int, column: int) -> Node | None:
    if name == "bind" and len(args) == 3:
        return Bind(name=_variable(args[0]), value=args[1], body=args[2], **placed(line, column, *args))
    if name == "block" and len(args) == 2:
        return _block(args[0], args[1], line, column)
    if name in ("index", "iterVar", "accuVar") and all(isinstance(arg, Literal) for arg in args):
        numbers = ":".join(str(arg.value) for arg in args if isinstance(arg, Literal))
        return Ident(name=f"@{name}:{numbers}", **placed(line, column))
    return None


def _block(slots: Node, body: Node, line: int, column: int) -> Node:
    if not isinstance(slots, ListOf):
        raise CelSyntaxError("cel.block() expects a list of expressions first", line, column)
    for number in reversed(range(len(slots.entries))):
        value = slots.entries[number].value
        body = Bind(name=f"@index:{number}", value=value, body=body, **placed(line, column, value, body))
    return body
