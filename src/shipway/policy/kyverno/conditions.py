"""Conditions of preconditions and deny rules: key, operator, value; any and all.

Called by ``validation`` with variables already substituted; an unresolved variable is null. What an operator cannot compare
is false, as in Kyverno, never an error; unknown operators are refused at load.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipway.policy.kyverno import amounts, scalars, wildcards
from shipway.policy.kyverno.faults import Unsupported
from shipway.policy.rules import Path

Resolve = Callable[[object], object]
"""Substitutes the variables of one value."""


def hold(conditions: object, resolve: Resolve) -> bool:
    """``any`` and ``all`` both hold; an old-style list means ``all``. No conditions hold."""
    return _hold(conditions, resolve)[0]


def reason(conditions: object, resolve: Resolve) -> str:
    """The message of the condition that decided, when it has one."""
    return _hold(conditions, resolve)[1]


def _hold(conditions: object, resolve: Resolve) -> tuple[bool, str]:
    if isinstance(conditions, Sequence) and not isinstance(conditions, str):
        return _all(conditions, resolve)
    if not isinstance(conditions, Mapping):
        return True, ""
    held, message = _any(conditions["any"], resolve) if conditions.get("any") else (True, "")
    return _all(conditions.get("all") or (), resolve, message) if held else (False, "")


def _any(conditions: Sequence[Any], resolve: Resolve) -> tuple[bool, str]:
    for condition in conditions:
        if holds(condition, resolve):
            return True, str(condition.get("message") or "")
    return False, ""


def _all(conditions: Sequence[Any], resolve: Resolve, message: str = "") -> tuple[bool, str]:
    for condition in conditions:
        if (
            isinstance(condition, Mapping)
            and "operator" not in condition
            and ("any" in condition or "all" in condition)
        ):
            held, _ = _hold(condition, resolve)
        else:
            held = holds(condition, resolve)
            message = message or str(condition.get("message") or "")
        if not held:
            return False, ""
    return True, message


def holds(condition: Mapping[str, Any], resolve: Resolve) -> bool:
    """One condition."""
    key, value = resolve(condition.get("key")), resolve(condition.get("value"))
    return OPERATORS[str(condition.get("operator", "")).lower()](key, value)


def check(conditions: object, path: Path) -> None:
    """Refuse what is no condition, or has an operator that does not exist."""
    if isinstance(conditions, Mapping):
        if unknown := set(conditions) - {"any", "all"}:
            raise Unsupported(f"expected `any` or `all`, found `{min(map(str, unknown))}`", path)
        for block in ("any", "all"):
            _check_list(conditions.get(block) or (), (*path, block))
    elif conditions is not None:
        _check_list(conditions, path)


def _check_list(conditions: object, path: Path) -> None:
    if not isinstance(conditions, Sequence) or isinstance(conditions, str):
        raise Unsupported("expected a list of conditions", path)
    for index, condition in enumerate(conditions):
        if not isinstance(condition, Mapping):
            raise Unsupported("expected a condition with key, operator and value", (*path, index))
        if "operator" not in condition and ("any" in condition or "all" in condition):
            check(condition, (*path, index))
        elif str(condition.get("operator", "")).lower() not in OPERATORS:
            raise Unsupported(f"unknown operator `{condition.get('operator', '')}`", (*path, index, "operator"))


def _equals(key: object, value: object) -> bool:
    if isinstance(key, dict | list) or isinstance(value, dict | list):
        return key == value
    if key is None or value is None:
        return key is None and value is None
    if isinstance(key, bool) or isinstance(value, bool):
        return scalars.written(key) == scalars.written(value) and (isinstance(key, bool) == isinstance(value, bool))
    if isinstance(key, str) and isinstance(value, str) and wildcards.matches(value, key):
        return True
    pair = _pair(key, value)
    return pair is not None and pair[0] == pair[1]


def _not_equals(key: object, value: object) -> bool:
    return not _equals(key, value)


def _in(key: object, value: object) -> bool:
    """One key among the values: wildcards count on either side, a text may be a JSON list or a range."""
    text = scalars.written(key)
    if text is None:
        return isinstance(value, list) and key in value
    if isinstance(value, list):
        return any(_alike(text, item) for item in value)
    if isinstance(value, str):
        return _alike(text, value) or any(_alike(text, item) for item in _listed(value)) or _in_range(key, value)
    return scalars.written(value) == text


def _alike(text: str, item: object) -> bool:
    other = scalars.written(item)
    return other is not None and (wildcards.matches(other, text) or wildcards.matches(text, other))


def _in_range(key: object, value: str) -> bool:
    return "-" in value and isinstance(key, str | int | float) and scalars.satisfies(key, value)


def _listed(text: str) -> list[object]:
    if not text.startswith("["):
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _keys(key: object) -> list[object] | None:
    if isinstance(key, list):
        return key
    return None if key is None else [key]


def _any_in(key: object, value: object) -> bool:
    return any(_in(one, value) for one in _keys(key) or ())


def _all_in(key: object, value: object) -> bool:
    keys = _keys(key)
    return keys is not None and all(_in(one, value) for one in keys)


def _any_not_in(key: object, value: object) -> bool:
    return any(not _in(one, value) for one in _keys(key) or ())


def _all_not_in(key: object, value: object) -> bool:
    keys = _keys(key)
    return keys is not None and not any(_in(one, value) for one in keys)


def _pair(key: object, value: object) -> tuple[Any, Any] | None:
    """Both in one unit: a bare number beside a duration is seconds."""
    if isinstance(key, bool) or isinstance(value, bool):
        return None
    left, right = scalars.written(key), scalars.written(value)
    if left is None or right is None:
        return None
    return _seconds_beside(key, value) or scalars.comparable(left, right)


def _seconds_beside(key: object, value: object) -> tuple[Any, Any] | None:
    """A number against a text that can only be a duration."""
    if isinstance(key, str) == isinstance(value, str):
        return None
    text = key if isinstance(key, str) else str(value)
    if amounts.parse_quantity(text) is not None:
        return None
    return _durations(key, value)


def _durations(key: object, value: object) -> tuple[int, int] | None:
    left, right = _duration(key), _duration(value)
    return None if left is None or right is None else (left, right)


def _duration(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value * 10**9) if abs(value) < 1e12 else None
    return amounts.parse_duration(value) if isinstance(value, str) else None


def _ordered(symbol: str, pair: Callable[[object, object], tuple[Any, Any] | None]) -> Callable[[object, object], bool]:
    compare = scalars.COMPARE[symbol]

    def decide(key: object, value: object) -> bool:
        found = pair(key, value)
        return found is not None and compare(*found)

    return decide


OPERATORS: Mapping[str, Callable[[object, object], bool]] = {
    "equals": _equals,
    "equal": _equals,
    "notequals": _not_equals,
    "notequal": _not_equals,
    "in": _all_in,
    "notin": _any_not_in,
    "anyin": _any_in,
    "allin": _all_in,
    "anynotin": _any_not_in,
    "allnotin": _all_not_in,
    "greaterthan": _ordered(">", _pair),
    "greaterthanorequals": _ordered(">=", _pair),
    "lessthan": _ordered("<", _pair),
    "lessthanorequals": _ordered("<=", _pair),
    "durationgreaterthan": _ordered(">", _durations),
    "durationgreaterthanorequals": _ordered(">=", _durations),
    "durationlessthan": _ordered("<", _durations),
    "durationlessthanorequals": _ordered("<=", _durations),
}
