"""Ranges of semantic versions for ``semver_compare``: ``>=1.0.0 <2.0.0 || >3.0.0 !4.2.1``, ``1.x``.

A space is "and", ``||`` is "or"; a bare version must be equal. Called by ``functions``.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from shipway.policy.kyverno import amounts
from shipway.policy.kyverno.amounts import Version
from shipway.policy.kyverno.faults import RuleFault

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "!": operator.ne,
    "=": operator.eq,
    "": operator.eq,
}
_WILD = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.[xX*]){1,2}")
_TERM = re.compile(r"(>=|<=|!=|==|>|<|!|=|)\s*([0-9xX*][0-9A-Za-z.+*-]{0,120})")


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version lies in a range."""
    found = _version(version)
    return any(all(_holds(found, *term) for term in _terms(choice)) for choice in wanted[:2000].split("||"))


def _version(text: str) -> Version:
    found = amounts.parse_version(text)
    if found is None:
        raise RuleFault(f"expected a version such as 1.4.1, got `{text[:60]}`")
    return found


def _terms(choice: str) -> list[tuple[str, str]]:
    found = _TERM.findall(choice)
    if not found or _TERM.sub("", choice).strip():
        raise RuleFault(f"expected a range of versions such as >=1.0.0 <2.0.0, got `{choice.strip()[:60]}`")
    return found


def _holds(version: Version, symbol: str, text: str) -> bool:
    wild = _WILD.fullmatch(text)
    if wild is None:
        return _OPERATORS[symbol](version, _version(text))
    low = Version((int(wild[1]), int(wild[2] or 0), 0))
    high = Version((low.release[0], low.release[1] + 1, 0) if wild[2] else (low.release[0] + 1, 0, 0))
    inside = low <= version < high
    match symbol:
        case "" | "=" | "==":
            return inside
        case "!" | "!=":
            return not inside
        case ">":
            return version >= high
        case "<=":
            return version < high
        case _:
            return _OPERATORS[symbol](version, low)
