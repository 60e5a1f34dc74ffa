"""The CEL expressions of a policy and the variables that they share. Used by loaders of CEL policies."""

from collections.abc import Mapping
from typing import Any

from shipway.policy.cel import CelError, CelSyntaxError, Environment, Program, compile_, culprit
from shipway.policy.rules import Path

NAMES = ("object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer")
_ENVIRONMENT = Environment(variables=NAMES, lenient_or_value=True)


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
    program = compile_(source, environment)
    used = sorted({path[1] for path in program.references if path[0] == "variables" and len(path) > 1})
    for name in used:
        if name not in variables:
            raise CelSyntaxError(f"there is no variable `{name}` before this expression", 1, 1)
    roots = {path[0] for path in program.references}
    for name in used:
        roots |= variables[name].roots
    return Expression(program, tuple(used), frozenset(roots))


def blame(expression: Expression, scope: Scope) -> Path:
    """Path in ``object`` of the value that made the expression false; ``()`` when it cannot be told."""
    definitions = {f"variables.{name}": one.program for name, one in scope.variables.items()}
    return culprit(expression.program, scope.bindings, definitions=definitions)
