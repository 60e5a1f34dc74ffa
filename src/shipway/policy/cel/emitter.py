"""A tree to Python code, in two forms. Called by ``program``.

The fast form uses Python's ``and``, ``or``, comprehensions and subscripts directly. It is right whenever it ends without an
exception. The strict form, used after an exception, absorbs errors as CEL does and says what went wrong.

The code holds names that are made here (``x1``, ``K3``) and ``repr`` of constants, nothing else of the source.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from shipway.policy.cel import absorbing, lists, operators, optionals, regexes, values
from shipway.policy.cel.environment import Environment
from shipway.policy.cel.errors import CelError, CelSyntaxError
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
    MapOf,
    Message,
    Node,
    Not,
    Operation,
    OptionalMap,
    Select,
    children,
)

MAX_PIECE = 25
"""Nesting of one piece of code. Deeper trees are cut into functions: Python's compiler stops at 200 brackets."""

NODES_OF_A_STEP = 16
"""A turn of a comprehension costs one step, and one more for each so many nodes of its body."""

_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}
_OPERATORS = (
    *("truth", "negation", "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "div", "mod", "neg", "contains"),
    *("index", "optional_index", "select", "optional_select", "has", "tick", "pairs"),
)
_HELPERS: dict[str, Any] = {
    "__builtins__": {},
    "all": all,
    "any": any,
    "sum": sum,
    **{name: getattr(operators, name) for name in _OPERATORS},
    **{name: getattr(absorbing, name) for name in ("conjunction", "disjunction", "every", "some", "Late", "resolve")},
    **{name: getattr(optionals, name) for name in ("dig", "optional_map", "list_with_optionals", "map_with_optionals")},
    "make_map": values.make_map,
    "sort_by": lists.sort_by,
}


class Piece(NamedTuple):
    """Python code for a subtree, what type its value has (``dyn`` when unknown), and how deeply it is nested."""

    code: str
    kind: str = "dyn"
    depth: int = 1


BUDGET = Piece("B")


class Emitter:
    """One form of one expression."""

    def __init__(self, environment: Environment, *, strict: bool, bound: Collection[str] = ()) -> None:
        self.environment = environment
        self.strict = strict
        self.names: dict[str, Any] = dict(_HELPERS)
        self.functions: list[str] = []
        self.scope: dict[str, str] = {name: f"V[{name!r}]" for name in bound}
        """Names that macros bind, and what they are in the code; ``bound`` ones come with the bindings."""
        self.locals: list[str] = []
        self.count = 0

    def module(self, root: Node) -> tuple[str, dict[str, Any]]:
        """The code of a module with one function ``evaluate(V, B)``: bindings and budget; and its globals."""
        body = self.emit(root).code
        return "\n".join([*self.functions, f"def evaluate(V, B):\n return {body}\n"]), self.names

    # -- building blocks

    def emit(self, node: Node) -> Piece:
        piece: Piece = getattr(self, "emit_" + type(node).__name__.lower())(node)
        return self.cut(piece) if piece.depth > MAX_PIECE else piece

    def cut(self, piece: Piece) -> Piece:
        """The piece as a function of its own, called with everything that it may refer to."""
        name = self.fresh("f")
        arguments = ", ".join(["V", "B", *self.locals])
        self.functions.append(f"def {name}({arguments}):\n return {piece.code}\n")
        return Piece(f"{name}({arguments})", piece.kind)

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def constant(self, value: Any) -> str:
        name = self.fresh("K")
        self.names[name] = value
        return name

    def apply(self, function: str, *args: Piece, kind: str = "dyn") -> Piece:
        depth = 1 + max((arg.depth for arg in args), default=0)
        return Piece(f"{function}({', '.join(arg.code for arg in args)})", kind, depth)

    def bool_of(self, piece: Piece) -> Piece:
        return piece if piece.kind == "bool" else self.apply("truth", piece, kind="bool")

    def late(self, piece: Piece) -> Piece:
        return Piece(f"lambda: {piece.code}", piece.kind, piece.depth + 1)

    # -- names

    def emit_literal(self, node: Literal) -> Piece:
        value = node.value
        kind = values.type_name(value)
        if type(value) in (bool, str, bytes, type(None)):
            return Piece(repr(value), kind)
        if type(value) in (int, float):
            return Piece(f"({value!r})", kind)
        return Piece(self.constant(value), kind)

    def emit_ident(self, node: Ident) -> Piece:
        return self.path(node, node.name, ())

    def path(self, node: Node, name: str, fields: tuple[str, ...]) -> Piece:
        """A dotted name: a variable, a type, or a variable with fields selected."""
        if name in self.scope:
            return self.fields(Piece(self.scope[name]), fields)
        candidates = self.environment.candidates(name, fields)
        if self.environment.variables is None:
            constant = self.environment.constant(name, fields)
            return constant_piece(self, constant) if constant is not None else self.bound(name, fields, candidates)
        for candidate, rest in candidates:
            if candidate in self.environment.variables:
                return self.bound(candidate, rest, [(candidate, rest)])
            constant = self.environment.constants.get(candidate) if not rest else None
            if constant is not None:
                return constant_piece(self, constant)
        written = ".".join((name, *fields))
        if self.environment.check:
            raise CelSyntaxError(self.environment.undeclared(written), node.line, node.column)
        return self.bound(name, fields, candidates)

    def bound(self, name: str, fields: tuple[str, ...], candidates: list[tuple[str, tuple[str, ...]]]) -> Piece:
        if self.strict:
            written = ".".join((name, *fields))
            return Piece(f"resolve(V, {self.constant(candidates)}, {written!r})")
        return self.fields(Piece(f"V[{name.lstrip('.')!r}]"), fields)

    def fields(self, piece: Piece, fields: tuple[str, ...]) -> Piece:
        for field in fields:
            piece = self.field(piece, field)
        return piece

    def field(self, piece: Piece, field: str) -> Piece:
        # A literal with a subscript makes Python warn, so only what can be a map is written that way.
        if self.strict or piece.kind not in ("dyn", "map"):
            code = f"select({piece.code}, {field!r})"
            return Piece(code, "optional" if piece.kind == "optional" else "dyn", piece.depth + 1)
        return Piece(f"{piece.code}[{field!r}]", "dyn", piece.depth)

    def emit_select(self, node: Select) -> Piece:
        if node.optional:
            return self.apply("optional_select", self.emit(node.operand), Piece(repr(node.field)), kind="optional")
        root, fields = dotted(node)
        if isinstance(root, Ident):
            return self.path(node, root.name, fields)
        return self.field(self.emit(node.operand), node.field)

    def emit_has(self, node: Has) -> Piece:
        return self.apply("has", self.emit(node.operand), Piece(repr(node.field)), kind="bool")

    def emit_index(self, node: Index) -> Piece:
        operand, key = self.emit(node.operand), self.emit(node.key)
        if node.optional:
            return self.apply("optional_index", operand, key, kind="optional")
        if (
            not self.strict
            and key.kind == "string"
            and isinstance(node.key, Literal)
            and operand.kind in ("dyn", "map")
        ):
            return Piece(f"{operand.code}[{key.code}]", "dyn", operand.depth)
        return self.apply("index", operand, key, kind="optional" if operand.kind == "optional" else "dyn")

    # -- operators

    def emit_operation(self, node: Operation) -> Piece:
        args = [self.emit(arg) for arg in node.args]
        if node.operator in ("==", "!="):
            return self.equality(node, args[0], args[1])
        if node.operator in _COMPARE:
            return self.apply(_COMPARE[node.operator], *args, kind="bool")
        if node.operator == "in":
            return self.membership(node, args[0], args[1])
        if len(args) == 1:
            return self.apply("neg", *args, kind=args[0].kind)
        kind = args[0].kind if args[0].kind == args[1].kind else "dyn"
        if node.operator == "+":
            args.append(BUDGET)
        return self.apply(_ARITHMETIC[node.operator], *args, kind=kind if kind in ("int", "string", "list") else "dyn")

    def equality(self, node: Operation, left: Piece, right: Piece) -> Piece:
        """Python's ``==`` where it is CEL's: not between bool and 0 or 1, nor inside of collections."""
        literals = [arg.value for arg in node.args if isinstance(arg, Literal)]
        operator = node.operator
        for literal in literals[: 2 - len(literals)]:  # one literal: between two, Python warns about ``is``
            if literal is None or type(literal) is bool:
                operator = "is" if operator == "==" else "is not"
            elif type(literal) not in (str, int) or literal in (0, 1):
                continue
            return Piece(f"({left.code} {operator} {right.code})", "bool", 1 + max(left.depth, right.depth))
        return self.apply("eq" if operator == "==" else "ne", left, right, BUDGET, kind="bool")

    def membership(self, node: Operation, left: Piece, right: Piece) -> Piece:
        container = node.args[1]
        if isinstance(container, ListOf) and all(_is_plain_string(entry.value) for entry in container.entries):
            strings = tuple(entry.value.value for entry in container.entries if isinstance(entry.value, Literal))
            if not any(entry.optional for entry in container.entries):
                return Piece(f"({left.code} in {strings!r})", "bool", left.depth + 1)
        return self.apply("contains", left, right, BUDGET, kind="bool")

    def emit_logic(self, node: Logic) -> Piece:
        parts = [self.emit(arg) for arg in node.args]
        if self.strict:
            return self.apply(
                "conjunction" if node.operator == "&&" else "disjunction", *map(self.late, parts), kind="bool"
            )
        parts = [self.bool_of(part) for part in parts]
        word = " and " if node.operator == "&&" else " or "
        return Piece(f"({word.join(part.code for part in parts)})", "bool", 1 + max(part.depth for part in parts))

    def emit_not(self, node: Not) -> Piece:
        operand = self.emit(node.operand)
        if operand.kind != "bool":
            return self.apply("negation", operand, kind="bool")
        return Piece(f"(not {operand.code})", "bool", operand.depth + 1)

    def emit_conditional(self, node: Conditional) -> Piece:
        condition = self.bool_of(self.emit(node.condition))
        then, otherwise = self.emit(node.then), self.emit(node.otherwise)
        kind = then.kind if then.kind == otherwise.kind else "dyn"
        depth = 1 + max(condition.depth, then.depth, otherwise.depth)
        if "optional" in (then.kind, otherwise.kind):
            kind = "optional"
        return Piece(f"({then.code} if {condition.code} else {otherwise.code})", kind, depth)

    # -- lists, maps, messages

    def emit_listof(self, node: ListOf) -> Piece:
        parts = [self.emit(entry.value) for entry in node.entries]
        depth = 1 + max((part.depth for part in parts), default=0)
        if any(entry.optional for entry in node.entries):
            rows = [f"({e.optional}, None, {part.code})" for e, part in zip(node.entries, parts, strict=True)]
            return Piece(f"list_with_optionals([{', '.join(rows)}])", "list", depth + 1)
        return Piece(f"[{', '.join(part.code for part in parts)}]", "list", depth)

    def emit_mapof(self, node: MapOf) -> Piece:
        keys = [self.emit(entry.key) for entry in node.entries if entry.key is not None]
        parts = [self.emit(entry.value) for entry in node.entries]
        depth = 2 + max((part.depth for part in [*keys, *parts]), default=0)
        if any(entry.optional for entry in node.entries):
            rows = [f"({e.optional}, {k.code}, {v.code})" for e, k, v in zip(node.entries, keys, parts, strict=True)]
            return Piece(f"map_with_optionals([{', '.join(rows)}])", "map", depth)
        literal = {key.code for key, entry in zip(keys, node.entries, strict=True) if _is_plain_string(entry.key)}
        if len(literal) == len(keys):
            inside = ", ".join(f"{k.code}: {v.code}" for k, v in zip(keys, parts, strict=True))
            return Piece(f"{{{inside}}}", "map", depth)
        inside = ", ".join(f"({k.code}, {v.code})" for k, v in zip(keys, parts, strict=True))
        return Piece(f"make_map([{inside}])", "map", depth)

    def emit_message(self, node: Message) -> Piece:
        raise CelSyntaxError(f"{node.name}{{...}}: message types are not supported; use a map", node.line, node.column)

    # -- calls

    def emit_call(self, node: Call) -> Piece:
        name, member, args = self.target(node)
        overloads = self.environment.overloads(name, member=member)
        chosen = self.environment.call(name, len(args), member=member) if overloads else None
        if chosen is None:
            return self.unknown(node, name, known=bool(overloads))
        call = chosen.call
        pieces = [self.emit(arg) for arg in args]
        if name == "matches" and len(args) == 2 and isinstance(args[1], Literal) and type(args[1].value) is str:
            return self.matcher(args[1].value, pieces)
        if self.strict and member and name in ("or", "orValue") and len(pieces) == 2:
            lazy = Piece(f"({pieces[0].code}, lambda: {pieces[1].code})", depth=1 + max(p.depth for p in pieces))
            return self.apply(self.constant(_lazily(call)), lazy, kind=overloads[0].kind)
        if not self.strict and call in (optionals.or_value, optionals.or_value_leniently):
            found = self.dug(args[0], pieces[1])
            if found is not None:
                return found
        if not self.strict and member and name in ("startsWith", "endsWith") and _is_plain_string(args[-1]):
            code = f"{pieces[0].code}.{name.lower()}({pieces[1].code})"
            return Piece(code, "bool", pieces[0].depth)
        kinds = {overload.kind for overload in overloads}
        budget = [BUDGET] if chosen.charged else []
        return self.apply(self.constant(call), *budget, *pieces, kind=kinds.pop() if len(kinds) == 1 else "dyn")

    def dug(self, target: Node, default: Piece) -> Piece | None:
        """``x.?a.?b.orValue(d)`` in one call, without optional values in between; None for other targets."""
        fields: list[str] = []
        while isinstance(target, Select) and target.optional:
            fields.append(target.field)
            target = target.operand
        base = self.emit(target)
        if not fields or base.kind == "optional":
            return None
        return self.apply("dig", base, default, *(Piece(repr(field)) for field in reversed(fields)))

    def target(self, node: Call) -> tuple[str, bool, tuple[Node, ...]]:
        """Name, whether it is a method, and all arguments. ``math.abs(x)`` is a function with a dotted name."""
        if node.target is None:
            return self.environment.function_name(node.function), False, node.args
        root, fields = dotted(node.target)
        if isinstance(root, Ident) and root.name not in self.scope:
            name = self.environment.function_name(".".join((root.name, *fields, node.function)))
            if self.environment.overloads(name, member=False):
                return name, False, node.args
        return node.function, True, (node.target, *node.args)

    def unknown(self, node: Call, name: str, *, known: bool) -> Piece:
        if known:
            member = node.target is not None and name == node.function
            message = self.environment.wrong_count(name, member=member, given=len(node.args))
        else:
            root, fields = dotted(node.target) if node.target is not None else (node, ())
            path = (root.name, *fields) if isinstance(root, Ident) and root.name not in self.scope else ()
            message = self.environment.undeclared_function(node.function, path)
        if self.environment.check:
            raise CelSyntaxError(message, node.line, node.column)
        return Piece(f"{self.constant(_failing(message))}()")

    def matcher(self, pattern: str, pieces: list[Piece]) -> Piece:
        """A constant pattern is compiled once, here."""
        try:
            test = regexes.matcher(pattern)
        except CelError as problem:
            test = _failing(problem.message)
        return self.apply(self.constant(test), pieces[0], BUDGET, kind="bool")

    # -- comprehensions

    def inside(self, names: list[str], locals_: list[str], node: Node) -> Piece:
        """The node with variables added to the scope; ``locals_`` are what the names are called in the code."""
        before, count = dict(self.scope), len(self.locals)
        self.scope |= dict(zip(names, locals_, strict=True))
        self.locals += [local.removesuffix("()") for local in locals_]
        piece = self.emit(node)
        self.scope = before
        del self.locals[count:]
        return piece

    def emit_comprehension(self, node: Comprehension) -> Piece:
        over = self.emit(node.over)
        names = [node.first] if node.second is None else [node.first, node.second]
        locals_ = [self.fresh("x") for _ in names]
        body = self.inside(names, locals_, node.body)
        condition = None if node.condition is None else self.bool_of(self.inside(names, locals_, node.condition))
        two = node.second is not None
        weight = 1 + size(node.body) // NODES_OF_A_STEP
        source = f"{'pairs' if two else 'tick'}(B, {over.code}{f', {weight}' if weight > 1 else ''})"
        parts = [over.depth, body.depth, condition.depth if condition else 0]
        variables = ", ".join(locals_)
        if self.strict and node.fold in ("all", "exists"):
            word = "every" if node.fold == "all" else "some"
            code = f"{word}({source}, lambda {variables}: {body.code}, two={two})"
        else:
            loop = f"for {variables} in {source}" + (f" if {condition.code}" if condition else "")
            code = self.folded(node, body, locals_, loop)
        kind = {
            "all": "bool",
            "exists": "bool",
            "exists_one": "bool",
            "map": "list",
            "filter": "list",
            "sortBy": "list",
        }
        return Piece(code, kind.get(node.fold, "map"), 2 + max(parts))

    def folded(self, node: Comprehension, body: Piece, locals_: list[str], loop: str) -> str:  # noqa: PLR0911  # one a fold
        truth = self.bool_of(body).code if node.fold in ("all", "exists", "exists_one", "filter") else body.code
        match node.fold:
            case "all":
                return f"all({truth} {loop})"
            case "exists":
                return f"any({truth} {loop})"
            case "exists_one":
                return f"(sum({truth} {loop}) == 1)"
            case "filter":
                return f"[{locals_[0]} {loop} if {truth}]"
            case "map":
                return f"[{body.code} {loop}]"
            case "transformMap":
                return f"make_map([({locals_[0]}, {body.code}) {loop}])"
            case "sortBy":
                return f"sort_by([({body.code}, {locals_[0]}) {loop}])"
        entry, item = self.fresh("x"), self.constant(_entries)
        return f"make_map([{entry} {loop} for {entry} in {item}({body.code})])"

    def emit_bind(self, node: Bind) -> Piece:
        value, local = self.emit(node.value), self.fresh("x")
        body = self.inside([node.name], [f"{local}()" if self.strict else local], node.body)
        given = f"Late(lambda: {value.code})" if self.strict else value.code
        return Piece(f"(lambda {local}: {body.code})({given})", body.kind, 2 + max(value.depth, body.depth))

    def emit_optionalmap(self, node: OptionalMap) -> Piece:
        target, local = self.emit(node.target), self.fresh("x")
        body = self.inside([node.name], [local], node.body)
        code = f"optional_map({target.code}, lambda {local}: {body.code}, flat={node.flat})"
        return Piece(code, "optional", 2 + max(target.depth, body.depth))


def constant_piece(emitter: Emitter, constant: Any) -> Piece:
    """A name that stands for a value known now, such as a type."""
    return Piece(emitter.constant(constant), values.type_name(constant))


def dotted(node: Node) -> tuple[Node, tuple[str, ...]]:
    """What a chain of selections begins with, and its fields."""
    fields: list[str] = []
    while isinstance(node, Select) and not node.optional:
        fields.append(node.field)
        node = node.operand
    return node, tuple(reversed(fields))


def size(node: Node) -> int:
    """Nodes of the tree."""
    return 1 + sum(size(below) for below in children(node))


def _is_plain_string(node: Node | None) -> bool:
    return isinstance(node, Literal) and type(node.value) is str


def _failing(message: str) -> Any:
    def fail(*_: Any) -> Any:
        raise CelError(message)

    return fail


def _lazily(call: Any) -> Any:
    """``or`` and ``orValue`` look at their argument only when they need it."""

    def lazy(both: tuple[Any, Any]) -> Any:
        target, other = both
        filled = isinstance(target, values.Optional) and target.filled
        lenient = not isinstance(target, values.Optional)
        return call(target, target if filled or lenient else other())

    return lazy


def _entries(value: Any) -> list[tuple[Any, Any]]:
    if not isinstance(value, dict):
        raise CelError("transformMapEntry() expects a map from its last argument")
    return list(value.items())
