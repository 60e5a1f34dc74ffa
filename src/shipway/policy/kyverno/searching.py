"""Regular expressions of policies, in Go's (RE2's) syntax. Called by ``functions``."""

import re
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.regexes import compiled
from shipway.policy.kyverno.faults import RuleFault

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
LONGEST = 1_000_000


def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; raises :class:`RuleFault` for what RE2 does not know."""
    try:
        return compiled(pattern)
    except CelError as error:
        raise RuleFault(error.message) from None


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
