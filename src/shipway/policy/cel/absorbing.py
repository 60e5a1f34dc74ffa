"""Logical operators and macros that absorb errors, for the second of the two forms that an expression is compiled to.

The first form uses Python's own ``and`` and ``all`` and is abandoned at the first exception. This one holds every operand
back in a lambda, so that ``error || true`` is true, as the language definition asks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from shipway.policy.cel.errors import CelError, CelLimitError
from shipway.policy.cel.operators import select, truth
from shipway.policy.cel.values import Value

Thunk = Callable[[], Value]


def settle(decisive: bool, outcomes: Iterable[Thunk]) -> bool:
    """``decisive`` if one outcome is that, else the first error, else its opposite."""
    error: CelError | None = None
    for outcome in outcomes:
        try:
            if truth(outcome()) is decisive:
                return decisive
        except CelLimitError:
            raise
        except Exception as problem:  # noqa: BLE001  # a caller's function may raise anything; it is reported as CelError
            error = error or as_error(problem)
    if error is not None:
        raise error
    return not decisive


def as_error(problem: Exception) -> CelError:
    """Any exception as a CelError."""
    if isinstance(problem, CelError):
        return problem
    if isinstance(problem, RecursionError):
        return CelLimitError("the evaluation is nested too deeply")
    return CelError(f"{type(problem).__name__}: {problem}")


def conjunction(*operands: Thunk) -> bool:
    """``&&``."""
    return settle(False, operands)


def disjunction(*operands: Thunk) -> bool:
    """``||``."""
    return settle(True, operands)


def _each(items: Iterable[Value], body: Callable[..., Value], *, two: bool) -> Iterable[Thunk]:
    return (partial(body, *item) if two else partial(body, item) for item in items)


def every(items: Iterable[Value], body: Callable[..., Value], *, two: bool) -> bool:
    """``all``."""
    return settle(False, _each(items, body, two=two))


def some(items: Iterable[Value], body: Callable[..., Value], *, two: bool) -> bool:
    """``exists``."""
    return settle(True, _each(items, body, two=two))


class Late:
    """The value of ``cel.bind``: computed at its first use, once."""

    def __init__(self, compute: Thunk) -> None:
        self.compute = compute
        self.done = False
        self.value: Value = None

    def __call__(self) -> Value:
        if not self.done:
            self.value = self.compute()
            self.done = True
        return self.value


def resolve(bindings: Mapping[str, Value], candidates: Sequence[tuple[str, tuple[str, ...]]], written: str) -> Value:
    """The value of a dotted name: the first candidate that is bound, with the fields that are left selected from it."""
    for name, fields in candidates:
        if name in bindings:
            value = bindings[name]
            for field in fields:
                value = select(value, field)
            return value
    raise CelError(f"undeclared reference to '{written}'")
