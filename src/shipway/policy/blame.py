"""CEL expressions of policies, and which value is to blame when one is false.

CEL says true or false; a person wants to know where. :func:`blame` walks the tree of an expression that was false, down to
the operand that decided, keeping track of which part of the object every name stands for. Used by loaders of CEL policies.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shipway.policy.cel import CelError, Environment, Program, compile_
from shipway.policy.cel.tree import (
    Bind,
    Call,
    Comprehension,
    Conditional,
    Has,
    Ident,
    Index,
    Logic,
    Node,
    Not,
    Operation,
    Select,
    children,
)
from shipway.policy.rules import NOTHING, Path

NAMES = ("object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer")
_ENVIRONMENT = Environment(variables=NAMES, lenient_or_value=True)
_LIMIT = 10_000
"""Steps of evaluating a part of an expression. Blame is not worth long evaluations."""
MAX_ALLOWED = 80
"""Characters of an expression that explains itself."""
MAX_STEPS = 400
"""Nodes looked at for one blame."""


class Expression:
    """A compiled expression and the variables that it needs."""

    def __init__(self, program: Program, needs: tuple[str, ...], roots: frozenset[str]) -> None:
        self.program, self.needs, self.roots = program, needs, roots

    def evaluate(self, scope: "Scope") -> Any:
        """The value. Raises CelError when there is none."""
        for name in self.needs:
            if name not in scope.values and name not in scope.failed:
                scope.compute(name)
        try:
            return self.program.evaluate(scope.bindings)
        except CelError as error:
            missing = next((name for name in self.needs if name in scope.failed), None)
            if missing is None:
                raise
            raise CelError(f"variables.{missing}: {scope.failed[missing]}") from error


class Scope:
    """What names mean during one evaluation of a policy. Variables are computed when an expression that uses them is."""

    def __init__(self, bindings: Mapping[str, Any], variables: Mapping[str, Expression]) -> None:
        self.values: dict[str, Any] = {}
        self.failed: dict[str, str] = {}
        self.variables = variables
        self.bindings: dict[str, Any] = {**bindings, "variables": self.values}

    def compute(self, name: str) -> None:
        """Give a variable its value; one that has none is left out, and its error kept."""
        try:
            self.values[name] = self.variables[name].evaluate(self)
        except CelError as error:
            self.failed[name] = error.message


def compiled(source: str, variables: Mapping[str, Expression], environment: Environment = _ENVIRONMENT) -> Expression:
    """An expression that may use ``variables``, which are those declared before it.

    Raises:
        CelSyntaxError: with line and column in the expression.
    """
    from shipway.policy.cel import CelSyntaxError

    program = compile_(source, environment)
    used = sorted({path[1] for path in program.references if path[0] == "variables" and len(path) > 1})
    for name in used:
        if name not in variables:
            raise CelSyntaxError(f"there is no variable `{name}` before this expression", 1, 1)
    roots = {path[0] for path in program.references}
    for name in used:
        roots |= variables[name].roots
    return Expression(program, tuple(used), frozenset(roots))


def blame(expression: Expression, scope: Scope, roots: "Names" = NOTHING) -> Path:
    """Path in ``object`` of the value that made the expression false; ``()`` when it cannot be told.

    ``roots``: paths of further names that stand for something in the object.
    """
    walk = _Walk(scope, {**roots, "object": ()}, expression.program.environment)
    try:
        return tuple(walk.blame(expression.program.root, walk.roots, scope.bindings) or ())
    except Exception:  # noqa: BLE001  # the verdict stands, whatever goes wrong with telling its place
        return ()


def allowed(source: str) -> str:
    """The expression, where a person who has not read the policy can tell from it what is allowed; else empty."""
    text = " ".join(source.split())
    return text if len(text) <= MAX_ALLOWED and "object" in text and "variables." not in text else ""


class _Enough(Exception):
    """The walk has taken its steps."""


class _Made(tuple[str | int, ...]):
    """Path of what a value was made of: it does not stand there itself, so nothing of it is below."""

    __slots__ = ()


_PASSING = frozenset({"orValue", "or", "value", "dyn", "optional.of", "ofNonZeroValue", "optional.ofNonZeroValue"})
"""Functions whose value is one of their arguments."""
_ELSEWHERE = frozenset({"resource", "globalContext", "http", "authorizer"})
"""What answers from outside of the object."""


def _below(path: Path | None, part: str | int) -> Path | None:
    return path if path is None or isinstance(path, _Made) else (*path, part)


Names = Mapping[str, Path | None]
Bindings = Mapping[str, Any]
_programs: dict[int, tuple[Node, Program]] = {}
"""Parts of expressions, compiled when first blamed; the node is kept so that its id stays its own."""
_MAX_PROGRAMS = 20_000


class _Walk:
    """One blame. ``names`` says which path a name stands for, ``bindings`` what its value is."""

    def __init__(self, scope: Scope, roots: Names, environment: Environment) -> None:
        self._scope, self._steps, self._environment = scope, 0, environment
        self.roots = roots

    def value(self, node: Node, bindings: Bindings) -> Any:
        """Value of a part of the expression; None when it has none."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _Enough
        try:
            return _program(node, self._environment).evaluate(bindings)
        except CelError:
            return None

    def blame(  # noqa: PLR0911  # one answer for each form of expression
        self, node: Node, names: Names, bindings: Bindings, *, wanted: bool = True
    ) -> Path | None:
        """Who decided that ``node`` is not ``wanted``."""
        match node:
            case Not():
                return self.blame(node.operand, names, bindings, wanted=not wanted)
            case Logic():
                return self._of_logic(node, names, bindings, wanted=wanted)
            case Comprehension(fold="all" | "exists" | "exists_one"):
                return self._of_elements(node, names, bindings, wanted=wanted)
            case Conditional():
                taken = node.then if self.value(node.condition, bindings) is True else node.otherwise
                return self.blame(taken, names, bindings, wanted=wanted)
            case Bind():
                inner = {**names, node.name: self.origin(node.value, names, bindings)}
                return self.blame(
                    node.body, inner, {**bindings, node.name: self.value(node.value, bindings)}, wanted=wanted
                )
            case Select(operand=Ident(name="variables")) if (root := self._variable(node.field)) is not None:
                return self.blame(root, self.roots, self._scope.bindings, wanted=wanted)
        return self.origin(node, names, bindings)

    def _of_logic(self, node: Logic, names: Names, bindings: Bindings, *, wanted: bool) -> Path | None:
        """The operand that decides alone, if one does: a false one in ``&&``, a true one in ``||``."""
        decided_alone = (node.operator == "&&") == wanted
        # Where all operands decide together, the first ones mostly ask whether the last one matters at all.
        for arg in node.args if decided_alone else reversed(node.args):
            if not decided_alone or self.value(arg, bindings) is not wanted:
                found = self.blame(arg, names, bindings, wanted=wanted)
                if found is not None:
                    return found
        return None

    def _of_elements(self, node: Comprehension, names: Names, bindings: Bindings, *, wanted: bool) -> Path | None:
        if (node.fold == "all") == wanted and node.fold != "exists_one":
            for inner_names, inner, path in self._turns(node, names, bindings):
                if self.value(node.body, inner) is not wanted:
                    return self.blame(node.body, inner_names, inner, wanted=wanted) or path
        found = self.origin(node.over, names, bindings)
        if found is None:  # a list of the policy's own: what is compared with it decides
            turns = self._turns(node, names, bindings)
            found = next((self.blame(node.body, *one[:2], wanted=wanted) for one in turns), None)
        return found

    def _turns(
        self, node: Comprehension, names: Names, bindings: Bindings
    ) -> Iterator[tuple[Names, Bindings, Path | None]]:
        """Names and bindings of every turn, with the path of its element."""
        over = self.value(node.over, bindings) if node.second is not None else None
        for number, (value, path) in enumerate(self.elements(node.over, names, bindings)):
            if node.second is None:
                yield {**names, node.first: path}, {**bindings, node.first: value}, path
            else:  # the forms with two variables: index and element, or key and value
                first, second = (value, over[value]) if isinstance(over, Mapping) else (number, value)
                paths = {**names, node.first: path, node.second: path}
                yield paths, {**bindings, node.first: first, node.second: second}, path

    def elements(self, node: Node, names: Names, bindings: Bindings) -> Iterator[tuple[Any, Path | None]]:
        """The elements of a list (or keys of a map) with the path of each."""
        match node:
            case Operation(operator="+"):
                for arg in node.args:
                    yield from self.elements(arg, names, bindings)
                return
            case Select(operand=Ident(name="variables")) if (root := self._variable(node.field)) is not None:
                yield from self.elements(root, self.roots, self._scope.bindings)
                return
            case Conditional():
                taken = node.then if self.value(node.condition, bindings) is True else node.otherwise
                yield from self.elements(taken, names, bindings)
                return
            case Comprehension(fold="filter"):
                for value, path in self.elements(node.over, names, bindings):
                    if self.value(node.body, {**bindings, node.first: value}) is True:
                        yield value, path
                return
            case Comprehension(fold="map", condition=None):
                for inner_names, inner, path in self._turns(node, names, bindings):
                    yield self.value(node.body, inner), self.origin(node.body, inner_names, inner) or path
                return
        yield from self._standing(node, names, bindings)

    def _standing(self, node: Node, names: Names, bindings: Bindings) -> Iterator[tuple[Any, Path | None]]:
        """The same of a list or map that stands somewhere as it is."""
        base, found = self.origin(node, names, bindings), self.value(node, bindings)
        if isinstance(found, Mapping):
            yield from ((key, _below(base, key)) for key in found)
        elif isinstance(found, list | tuple):
            yield from ((one, _below(base, index)) for index, one in enumerate(found))

    def origin(self, node: Node, names: Names, bindings: Bindings) -> Path | None:  # noqa: PLR0911  # as in blame()
        """The path in the object that a node's value comes from, or is made of first."""
        match node:
            case Ident():
                return names.get(node.name)
            case Select(operand=Ident(name="variables")):
                root = self._variable(node.field)
                return None if root is None else self.origin(root, self.roots, self._scope.bindings)
            case Select() | Has():
                return _below(self.origin(node.operand, names, bindings), node.field)
            case Index():
                base, key = self.origin(node.operand, names, bindings), self.value(node.key, bindings)
                return _below(base, key) if isinstance(key, str | int) else base
            case Conditional():
                taken = node.then if self.value(node.condition, bindings) is True else node.otherwise
                return self.origin(taken, names, bindings)
            case Call(target=Ident(name=name)) if name in _ELSEWHERE:
                return None
            case Call(function=function) if function in _PASSING:
                return self._first(node, names, bindings)
        found = self._first(node, names, bindings)
        return None if found is None else _Made(found)

    def _first(self, node: Node, names: Names, bindings: Bindings) -> Path | None:
        found = (self.origin(child, names, bindings) for child in children(node))
        return next((path for path in found if path), None)

    def _variable(self, name: str) -> Node | None:
        expression = self._scope.variables.get(name)
        return expression.program.root if expression is not None else None


def _program(node: Node, environment: Environment) -> Program:
    known = _programs.get(id(node))
    if known is None:
        if len(_programs) >= _MAX_PROGRAMS:
            _programs.clear()
        known = _programs[id(node)] = (node, Program("", node, environment.without_checks(_LIMIT)))
    return known[1]
