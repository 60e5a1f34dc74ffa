"""JMESPath with Kyverno's functions, compiled once and bounded. Called by ``variables``, ``context`` and ``validation``.

A field that is missing is null, which conditions accept and everything else refuses. What cannot be evaluated, such as a
null among the arguments of a function, makes the rule an error.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import jmespath
from jmespath import functions as builtin
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.kyverno.functions import FUNCTIONS, REFUSED, TIMED

LONGEST = 50_000
"""Characters of one expression."""
_ANY = ["array", "object", "string", "number", "boolean"]


def _signature(types: str) -> list[dict[str, Sequence[str]]]:
    return [{"types": _ANY if each == "any" else each.split("|")} for each in types.split()]


def _entry(function: Callable[..., object], types: str, *, timed: bool) -> dict[str, Any]:
    def call(self: "_Functions", *arguments: object) -> object:
        return function(self.at, *arguments) if timed else function(*arguments)

    return {"function": call, "signature": _signature(types)}


class _Functions(builtin.Functions):
    """JMESPath's functions and Kyverno's, at one moment."""

    def __init__(self, at: float) -> None:
        self.at = at


class _Interpreter(TreeInterpreter):
    """Where nothing is, nothing more is asked: ``absent.keys(@)`` is null, not an error of ``keys``."""

    def visit_subexpression(self, node: Any, value: Any) -> Any:
        for child in node["children"]:
            value = self.visit(child, value)
            if value is None:
                return None
        return value


_Functions.FUNCTION_TABLE = {
    **builtin.Functions.FUNCTION_TABLE,
    **{name: _entry(function, types, timed=False) for name, (function, types) in FUNCTIONS.items()},
    **{name: _entry(function, types, timed=True) for name, (function, types) in TIMED.items()},
}


@lru_cache(maxsize=4096)
def parse(text: str) -> ParsedResult:
    """The compiled expression; raises :class:`RuleFault` for what is no JMESPath."""
    if len(text) > LONGEST:
        raise RuleFault(f"expected an expression of at most {LONGEST} characters, got {len(text)}")
    try:
        found = jmespath.compile(text)
        called = set(_called(found.parsed))
    except (JMESPathError, RecursionError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        # The library's parser lets errors of its own slip for some malformed inputs.
        raise RuleFault(
            f"`{_short(text)}` is no JMESPath: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    if refused := sorted(called & REFUSED.keys()):
        raise RuleFault(f"`{_short(text)}` calls {refused[0]}(), which is not supported: {REFUSED[refused[0]]}")
    if unknown := sorted(called - _Functions.FUNCTION_TABLE.keys()):
        raise RuleFault(f"`{_short(text)}` calls {unknown[0]}(), which neither JMESPath nor Kyverno has")
    return found


def _called(node: Any) -> Iterator[str]:
    """Names of the functions in an expression."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _called(child)


def evaluate(text: str, data: object, at: float) -> Any:
    """The value of an expression over ``data``; None when nothing is there. Raises :class:`RuleFault`."""
    expression = parse(text)
    try:
        return visit(expression.parsed, data, at)
    except (
        RuleFault,
        JMESPathError,
        RecursionError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        KeyError,
    ) as error:
        raise RuleFault(f"`{_short(text)}` has no value: {str(error) or type(error).__name__}") from None


def visit(node: Any, data: object, at: float) -> Any:
    """The value of a part of an expression over ``data``. May raise all that :func:`evaluate` turns into a fault."""
    return _plain(_Interpreter(jmespath.Options(custom_functions=_Functions(at))).visit(node, data))


def _plain(value: object) -> object:
    """The library's projections are lists in disguise."""
    return list(value) if isinstance(value, list) and type(value) is not list else value


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
