"""Optional values: ``optional.of``, ``hasValue``, ``orValue`` and the macros ``optMap`` and ``optFlatMap``."""

from collections.abc import Callable, Iterable

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import ANY, Library, function, method
from shipway.policy.cel.operators import no_overload
from shipway.policy.cel.values import EMPTY, Duration, Optional, Timestamp, Value, make_map


def of_non_zero(value: Value) -> Optional:
    """Nothing for null, false, 0, and empty strings, bytes, lists and maps."""
    if isinstance(value, (Timestamp, Duration)):
        return Optional(value) if value.nanos else EMPTY
    if isinstance(value, Optional):
        return Optional(value) if value.filled else EMPTY
    return Optional(value) if value else EMPTY


def value_of(target: Value) -> Value:
    """``value()``."""
    if not isinstance(target, Optional):
        return no_overload("value", target)
    if not target.filled:
        raise CelError("optional.none() has no value")
    return target.value


def has_value(target: Value) -> bool:
    """``hasValue()``."""
    return target.filled if isinstance(target, Optional) else no_overload("hasValue", target)


def or_value(target: Value, default: Value) -> Value:
    """``orValue(default)``."""
    if not isinstance(target, Optional):
        return no_overload("orValue", target, default)
    return target.value if target.filled else default


def or_value_leniently(target: Value, default: Value) -> Value:
    """``orValue(default)`` as cel-go does it: a value that is not optional is itself."""
    if type(target) is not Optional:
        return target
    return target.value if target.filled else default


def dig(value: Value, default: Value, *fields: str) -> Value:
    """``value.?a.?b.orValue(default)`` for plain maps; an error for anything else, which the strict form then looks at."""
    for field in fields:
        if type(value) is not dict:
            no_overload("_?._", value)
        if field not in value:
            return default
        value = value[field]
    return value


def or_else(target: Value, other: Value) -> Value:
    """``or(other)``."""
    if not isinstance(target, Optional):
        return no_overload("or", target, other)
    if target.filled:
        return target
    return other if isinstance(other, Optional) else no_overload("or", target, other)


def optional_map(target: Value, body: Callable[[Value], Value], *, flat: bool) -> Optional:
    """``optMap`` and ``optFlatMap``."""
    if not isinstance(target, Optional):
        return no_overload("optFlatMap" if flat else "optMap", target)
    if not target.filled:
        return EMPTY
    made = body(target.value)
    if not flat:
        return Optional(made)
    return made if isinstance(made, Optional) else no_overload("optFlatMap", target, made)


def _present(items: Iterable[tuple[bool, Value, Value]]) -> Iterable[tuple[Value, Value]]:
    for optional, key, value in items:
        if not optional:
            yield key, value
        elif not isinstance(value, Optional):
            no_overload("?", value)
        elif value.filled:
            yield key, value.value


def list_with_optionals(items: Iterable[tuple[bool, Value, Value]]) -> list[Value]:
    """``[a, ?b]``."""
    return [value for _, value in _present(items)]


def map_with_optionals(items: Iterable[tuple[bool, Value, Value]]) -> dict[Value, Value]:
    """``{k: v, ?k: v}``."""
    return make_map(_present(items))


def _unwrap(values: list[Value]) -> list[Value]:
    return [value_of(value) for value in values if not (isinstance(value, Optional) and not value.filled)]


FUNCTIONS: Library = (
    function("optional.of", Optional, ANY, kind="optional"),
    function("optional.none", lambda: EMPTY, kind="optional"),
    function("optional.ofNonZeroValue", of_non_zero, ANY, kind="optional"),
    function("optional.unwrap", _unwrap, list, kind="list"),
    method("unwrapOpt", _unwrap, list, kind="list"),
    method("hasValue", has_value, ANY, kind="bool"),
    method("value", value_of, ANY),
    method("or", or_else, ANY, ANY, kind="optional"),
    method("orValue", or_value, ANY, ANY),
)
