"""How a function is declared, and how one of its overloads is chosen. Used by all libraries and by callers with their own.

    method("endsWith", str.endswith, str, str)      x.endsWith(y) for two strings
    function("math.abs", abs, float)                math.abs(x)

Parameter types are Python classes (``int`` is CEL's int alone: neither bool nor uint), tuples of them, or ANY.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.cel.operators import Budget, charge, no_overload
from shipway.policy.cel.values import Value, plain

Parameter = type | tuple[type, ...]
ANY: type = object
MAP = Mapping
LIST = Sequence


class Overload(msgspec.Struct, frozen=True):
    """One signature of a function; for a method the first parameter is the target."""

    name: str
    call: Callable[..., Any]
    params: tuple[Parameter, ...]
    member: bool
    kind: str = "dyn"
    """CEL type of the result, where the emitter can use it: ``bool``, ``string``, ``int``, ``optional``."""
    variadic: bool = False
    """The last parameter may be repeated."""


Library = tuple[Overload, ...]


def function(
    name: str, call: Callable[..., Any], *params: Parameter, kind: str = "dyn", variadic: bool = False
) -> Overload:
    """``name(args)``; the name may have dots."""
    return Overload(name, call, params, member=False, kind=kind, variadic=variadic)


def method(name: str, call: Callable[..., Any], *params: Parameter, kind: str = "dyn") -> Overload:
    """``target.name(args)``; ``params`` begins with the target's type."""
    return Overload(name, call, params, member=True, kind=kind)


def _fits(value: Value, parameter: Parameter) -> bool:
    if parameter is ANY or type(value) is parameter:
        return True
    if isinstance(parameter, tuple):
        return any(_fits(value, one) for one in parameter)
    # bool and uint are subclasses of int in Python and no ints in CEL, so subclasses count for collections only.
    if parameter is LIST or parameter is list:
        return isinstance(value, (list, tuple))
    if parameter is MAP or parameter is dict:
        return isinstance(value, Mapping)
    return parameter not in (int, float, str, bytes, bool) and isinstance(value, parameter)


def _accepts(overload: Overload, count: int) -> bool:
    return len(overload.params) == count or (overload.variadic and count >= len(overload.params))


class Chosen(msgspec.Struct, frozen=True):
    """What to call, and whether the budget is its first argument."""

    call: Callable[..., Any]
    charged: bool


def chosen(name: str, overloads: Sequence[Overload], count: int) -> Chosen | None:
    """What to call with ``count`` arguments (target included); None when no overload takes as many."""
    fitting = [overload for overload in overloads if _accepts(overload, count)]
    if not fitting:
        return None
    if len(fitting) == 1 and all(param is ANY for param in fitting[0].params):
        return Chosen(fitting[0].call, charged=False)
    return Chosen(_dispatcher(name, fitting), charged=True)


def _dispatcher(name: str, overloads: Sequence[Overload]) -> Callable[..., Any]:
    exact = {overload.params: overload.call for overload in overloads if not overload.variadic}

    def dispatch(budget: Budget, *args: Value) -> Value:
        charge(budget, *args)
        call = exact.get(tuple(map(type, args))) or matching(args)
        if call is None:
            args = tuple(plain(arg) for arg in args)
            call = matching(args)
        result = call(*args) if call is not None else no_overload(name, *args)
        charge(budget, result)
        return result

    def matching(args: tuple[Value, ...]) -> Callable[..., Any] | None:
        for overload in overloads:
            params = overload.params + overload.params[-1:] * (len(args) - len(overload.params))
            if all(map(_fits, args, params)):
                return overload.call
        return None

    return dispatch
