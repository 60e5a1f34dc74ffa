"""Regular expressions of policies, in Go's (RE2's) syntax. Called by ``functions``."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from shipway.policy import regex
from shipway.policy.kyverno.faults import RuleFault

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
LONGEST = 1_000_000
"""Characters of a text after replacement."""


def contains(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere."""
    return _compiled(pattern).search(text) is not None


def replace(pattern: str, text: str, replacement: str) -> str:
    """Every match by ``replacement``, in which ``$1`` and ``${name}`` stand for groups."""
    return _replaced(pattern, text, lambda match: _expanded(match, replacement))


def replace_literally(pattern: str, text: str, replacement: str) -> str:
    """Every match by ``replacement`` as it is."""
    return _replaced(pattern, text, lambda _: replacement)


def _compiled(pattern: str) -> regex.Pattern:
    return regex.compile_pattern(pattern, RuleFault)


def _replaced(pattern: str, text: str, replacement: Callable[[Any], str]) -> str:
    made = "".join(_pieces(_compiled(pattern), text, replacement))
    if len(made) > LONGEST:
        raise RuleFault("the replaced text is too long")
    return made


def _pieces(pattern: regex.Pattern, text: str, replacement: Callable[[Any], str]) -> Iterator[str]:
    end = length = 0
    for match in regex.matches(pattern, text):
        piece = text[end : match.start()] + replacement(match)
        end, length = match.end(), length + len(piece)
        yield piece
        if length > LONGEST:
            return
    yield text[end:]


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
