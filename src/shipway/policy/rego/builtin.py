"""How builtin functions are declared. The functions stand in ``calls_*``; ``library`` collects them."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shipway.policy.rego.faults import OperandError
from shipway.policy.rego.values import NAMES, Set, Value

KINDS: Final[dict[str, frozenset[type]]] = {
    "s": frozenset({str}),
    "n": frozenset({int, float}),
    "b": frozenset({bool}),
    "a": frozenset({list}),
    "o": frozenset({dict}),
    "t": frozenset({Set}),
    "z": frozenset({type(None)}),
    "c": frozenset({list, Set}),
    "C": frozenset({list, Set, dict}),
    "L": frozenset({list, Set, dict, str}),
    "x": frozenset({str, list}),
    "y": frozenset({str, list, Set}),
    "*": frozenset(NAMES),
}
"""Letters of a signature: string, number, boolean, array, object, set (t), array or set (c), any collection (C) ..."""


class Builtin(msgspec.Struct, frozen=True):
    """A function of Rego's library."""

    name: str
    function: Callable[..., Value]
    signature: str
    relation: bool = False
    """It gives many results: a sequence to iterate over."""
    timed: bool = False
    """Its first operand is ``at``, the moment of the evaluation."""
    costly: bool = False
    """Its first operand is a function that takes the cost of what it is about to do."""

    @property
    def arity(self) -> int:
        return len(self.signature)

    def check(self, operands: tuple[Value, ...]) -> None:
        """Raises OperandError for an operand of the wrong type."""
        for number, (kind, operand) in enumerate(zip(self.signature, operands, strict=False), 1):
            if type(operand) not in KINDS[kind]:
                wanted = " or ".join(sorted({NAMES[each] for each in KINDS[kind]}))
                message = f"{self.name}: operand {number} must be {wanted} but got {NAMES[type(operand)]}"
                raise OperandError(message)


class Library:
    """Builtins by name."""

    def __init__(self) -> None:
        self.builtins: dict[str, Builtin] = {}

    def add(self, name: str, signature: str, **options: Any) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
        """Decorator that declares a builtin function."""

        def declare(function: Callable[..., Value]) -> Callable[..., Value]:
            self.builtins[name] = Builtin(name, function, signature, **options)
            return function

        return declare


def integer(value: Value, what: str) -> int:
    """A whole number, or OperandError."""
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        message = f"{what} must be integer number but got floating-point number"
        raise OperandError(message)
    return value


def strings(values: Value, what: str) -> list[str]:
    """The values of a collection, which must all be strings."""
    found = list(values)
    for value in found:
        if type(value) is not str:
            message = f"{what} must be array of strings or set of strings but got array containing {NAMES[type(value)]}"
            raise OperandError(message)
    return found


def number(value: float) -> Value:
    """A result of arithmetic: whole numbers are integers."""
    if type(value) is float and value.is_integer() and abs(value) < 1e300:
        return int(value)
    return value
