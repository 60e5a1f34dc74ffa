"""Compiled expressions: the door of this room.

program = compile_("object.spec.replicas <= 50", Environment(variables=["object"]))
program.evaluate({"object": {...}})
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from shipway.policy.cel.absorbing import as_error
from shipway.policy.cel.emitter import Emitter
from shipway.policy.cel.environment import Environment
from shipway.policy.cel.errors import CelLimitError, CelSyntaxError
from shipway.policy.cel.parser import parse
from shipway.policy.cel.references import references
from shipway.policy.cel.tree import Node
from shipway.policy.rules import Place

STANDARD = Environment()
"""Every variable allowed, all libraries, the semantics of the language definition."""

Evaluate = Callable[[Mapping[str, Any], list[int]], Any]


class Program:
    """An expression, ready to be evaluated any number of times, from any thread."""

    def __init__(self, source: str, root: Node, environment: Environment, bound: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.root = root
        self.environment = environment
        self._bound = bound
        self._parts: dict[tuple[int, frozenset[str]], Program] = {}
        self._fast = self._made(strict=False)
        self._limit = environment.limit

    def evaluate(self, bindings: Mapping[str, Any]) -> Any:
        """The value of the expression. Raises CelError when it has none.

        Bindings are plain data (dict, list, str, int, float, bool, None, datetime) and are not changed. Results are plain
        too, except for uint (an int), timestamps, durations, types, optional and library values.
        """
        try:
            return self._fast(bindings, [self._limit])
        except CelLimitError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is: the strict form decides whether it is absorbed
            return self._again(bindings)

    def _again(self, bindings: Mapping[str, Any]) -> Any:
        try:
            return self._strict(bindings, [self._limit])
        except Exception as problem:  # noqa: BLE001  # a caller's function may raise anything; it is reported as CelError
            raise as_error(problem) from None

    @cached_property
    def _strict(self) -> Evaluate:
        return self._made(strict=True)

    @cached_property
    def references(self) -> frozenset[tuple[str, ...]]:
        """The variables that the expression uses, each with the fields selected from it: ``("object", "spec")``."""
        return references(self.root)

    def part(self, node: Node, bound: frozenset[str]) -> "Program":
        """A part of the expression on its own; ``bound`` are the names that macros around it bind."""
        key = (id(node), bound)
        if key not in self._parts:
            self._parts[key] = Program(self.source, node, self.environment, bound)
        return self._parts[key]

    def _made(self, *, strict: bool) -> Evaluate:
        code, names = Emitter(self.environment, strict=strict, bound=self._bound).module(self.root)
        exec(compile(code, "<cel>", "exec"), names)  # noqa: S102  # generated from the tree: made names and constants only
        made: Evaluate = names["evaluate"]
        return made


def compile_(source: str, environment: Environment = STANDARD, place: Place | None = None) -> Program:
    """The program of an expression. Raises CelSyntaxError with the line and column in the file when ``place`` is given.

    ``place`` is where the first character of the expression stands.
    """
    try:
        return Program(source, parse(source, macros=environment.macros), environment)
    except CelSyntaxError as problem:
        raise _moved(problem, place) from None
    except RecursionError:
        raise _moved(CelSyntaxError("the expression is nested too deeply", 1, 1), place) from None


def _moved(problem: CelSyntaxError, place: Place | None) -> CelSyntaxError:
    if place is None or not place.line:
        return problem
    first = problem.line == 1
    column = problem.column + place.column - 1 if first and place.column else problem.column
    return CelSyntaxError(problem.message, problem.line + place.line - 1, column)
