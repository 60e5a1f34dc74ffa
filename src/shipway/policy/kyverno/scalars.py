"""One value against one scalar of a pattern: ``?*``, ``>=2``, ``!latest``, ``1Gi | 512Mi``, ``10-20``, ``null``.

Called by ``patterns`` for the leaves of a pattern and by the function ``pattern_match``. Comparisons are tried as
durations, quantities, versions and text, in this order, as Kyverno's documentation of operators says.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from shipway.policy.kyverno import amounts, wildcards

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_AMOUNT = r"[+-]?\d{1,30}(?:\.\d{1,30})?[a-zA-Z0-9.]{0,20}"
_RANGE = re.compile(rf"({_AMOUNT})\s*(!?)-\s*({_AMOUNT})")


def satisfies(value: object, pattern: object) -> bool:
    """Whether a scalar (or null) of an object is what the scalar of a pattern asks for."""
    if isinstance(pattern, bool):
        return isinstance(value, bool) and value is pattern
    if pattern is None:
        return value is None or (not isinstance(value, dict | list) and not value)
    if isinstance(pattern, int | float):
        return _same_number(value, pattern)
    if isinstance(pattern, str):
        return _satisfies_text(value, pattern)
    return False


def written(value: object) -> str | None:
    """The text that wildcards are compared with; None for what is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return amounts.format_number(value)
    return value if isinstance(value, str) else None


def _same_number(value: object, pattern: float) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return value == pattern
    if isinstance(value, str):
        try:
            return float(value) == pattern
        except ValueError:
            return False
    return False


def _satisfies_text(value: object, pattern: str) -> bool:
    text = written(value)
    if text is None:
        return value is None and pattern == ""
    if text == pattern:
        return True
    return any(all(_condition(text, part.strip()) for part in choice.split("&")) for choice in pattern.split("|"))


def _condition(text: str, pattern: str) -> bool:
    """One comparison, without ``|`` and ``&``."""
    for symbol, compare in COMPARE.items():
        if pattern.startswith(symbol):
            return _compared(text, pattern[len(symbol) :].strip(), compare)
    if pattern.startswith("!") and len(pattern) > 1:
        return not _equal(text, pattern[1:].strip())
    bounds = _bounds(pattern)
    if bounds is None:
        return _equal(text, pattern)
    low, outside, high = bounds
    if outside:
        return _compared(text, low, operator.lt) or _compared(text, high, operator.gt)
    return _compared(text, low, operator.ge) and _compared(text, high, operator.le)


def _bounds(pattern: str) -> tuple[str, bool, str] | None:
    """``10-20`` and ``10!-20`` when both ends are amounts; ``2024-rc`` is text."""
    match = _RANGE.fullmatch(pattern)
    if match is None or comparable(match[1], match[3]) is None:
        return None
    return match[1], bool(match[2]), match[3]


def _equal(text: str, pattern: str) -> bool:
    if not wildcards.has_wildcard(pattern):
        pair = comparable(text, pattern)
        if pair is not None and not isinstance(pair[0], amounts.Version) and pair[0] == pair[1]:
            return True
    return wildcards.matches(pattern, text)


def _compared(text: str, bound: str, compare: Callable[[Any, Any], bool]) -> bool:
    pair = comparable(text, bound)
    return pair is not None and compare(*pair)


def comparable(left: str, right: str) -> tuple[Any, Any] | None:
    """Both as durations, else quantities, else versions; None when they share no reading."""
    for parse in (amounts.parse_duration, _amount, amounts.parse_version):
        pair = parse(left), parse(right)
        if pair[0] is not None and pair[1] is not None:
            return pair
    return None


def _amount(text: str) -> Any:
    quantity = amounts.parse_quantity(text)
    return None if quantity is None else quantity.value
