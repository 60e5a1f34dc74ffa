"""Regular expressions of policies, in Go's (RE2's) syntax. Called by ``functions``."""

import re
from functools import lru_cache
from typing import Any

import re2

from shipway.policy.kyverno.faults import RuleFault

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
LONGEST = 1_000_000


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; raises :class:`RuleFault` for what RE2 does not know."""
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise RuleFault(f"`{pattern[:80]}` is no regular expression: {error}") from None


def replace(pattern: str, text: str, replacement: str) -> str:
    """Every match by ``replacement``, in which ``$1`` and ``${name}`` stand for groups."""
    return _bounded(compile_pattern(pattern).sub(lambda match: _expanded(match, replacement), text))


def replace_literally(pattern: str, text: str, replacement: str) -> str:
    """Every match by ``replacement`` as it is."""
    return _bounded(compile_pattern(pattern).sub(lambda _: replacement, text))


def _expanded(match: Any, replacement: str) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return str(match.group(int(name) if name.isdecimal() else name) or "")
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(group, replacement)


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise RuleFault("the replaced text is too long")
    return text
