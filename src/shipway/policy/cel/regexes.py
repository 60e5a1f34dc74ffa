"""Functions of CEL over regular expressions, which are those of :mod:`shipway.policy.regex`."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.operators import MAX_SIZE, Budget, charge, sized
from shipway.policy.cel.values import EMPTY, Optional, Value
from shipway.policy.regex import RE2, Pattern, compile_pattern
from shipway.policy.regex import matches as matches_of

LONG = 500
"""Characters of a text that are searched without being counted."""


def compiled(pattern: str) -> Pattern:
    """The pattern, ready for ``search`` and the like; CelError when it is not one of RE2."""
    return compile_pattern(pattern, CelError)


def matches(text: Value, pattern: Value) -> bool:
    """``text.matches(pattern)``: somewhere in the text."""
    return matcher(pattern)(text, [MAX_SIZE])


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[Value, Budget], bool]:
    """A test for one pattern. RE2's set answers yes or no without making a match object, three times as fast."""
    search = compiled(pattern).search
    if RE2 is not None and len(pattern) <= 200 and RE2.compile(pattern).programsize <= 500:
        patterns = RE2.Set.SearchSet()
        patterns.Add(pattern)
        patterns.Compile()
        match = patterns.Match

        def test(text: Value, budget: Budget) -> bool:
            if type(text) is str:
                if len(text) > LONG:
                    charge(budget, text)
                return bool(match(text))
            raise CelError("no such overload: matches() is for strings")

        return test

    def slower(text: Value, budget: Budget) -> bool:
        if type(text) is str:
            charge(budget, text)
            return search(text) is not None
        raise CelError("no such overload: matches() is for strings")

    return slower


def _find(text: str, pattern: str) -> str:
    found = compiled(pattern).search(text)
    return str(found.group()) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in matches_of(compiled(pattern), text)]
    return found if limit < 0 else found[:limit]


def _groups(pattern: str) -> Any:
    made = compiled(pattern)
    if made.groups > 1:
        raise CelError(f"regular expression {pattern!r} has more than one capturing group")
    return made


def _captured(match: Any) -> Any:
    return match.group(1 if match.re.groups else 0) if hasattr(match, "re") else match.group()


def _extract(text: str, pattern: str) -> Optional:
    found = _groups(pattern).search(text)
    value = _captured(found) if found else None
    return EMPTY if value is None else Optional(value)


def _extract_all(text: str, pattern: str) -> list[str]:
    values = [_captured(match) for match in matches_of(_groups(pattern), text)]
    return [value for value in values if value is not None]


def _replace(text: str, pattern: str, replacement: str, count: int = -1) -> str:
    made = compiled(pattern)
    parts = _template(replacement, made.groups)
    if count == 0:
        return text
    out: list[str] = []
    at, size = 0, 0
    for number, match in enumerate(matches_of(made, text)):
        if 0 < count <= number:
            break
        piece = "".join(part if isinstance(part, str) else match.group(part) or "" for part in parts)
        size += len(piece)
        if size > MAX_SIZE:
            return str(sized(" " * (MAX_SIZE + 1)))
        out += [text[at : match.start()], piece]
        at = match.end()
    return str(sized("".join([*out, text[at:]])))


def _template(replacement: str, groups: int) -> list[str | int]:
    r"""``\1`` is a group, ``\\`` a backslash; anything else after a backslash is an error."""
    parts: list[str | int] = []
    for literal, escape in re.findall(r"([^\\]+)|\\(.?)", replacement, re.DOTALL):
        if literal:
            parts.append(literal)
        elif escape == "\\":
            parts.append("\\")
        elif escape.isdigit() and escape.isascii():
            if int(escape) > groups:
                raise CelError(f"the replacement refers to group {escape}; the regular expression has {groups}")
            parts.append(int(escape))
        else:
            raise CelError(r"invalid replacement: expected a digit or a backslash after \ ")
    return parts


FUNCTIONS: Library = (
    function("matches", matches, str, str, kind="bool"),
    method("matches", matches, str, str, kind="bool"),
)
KUBERNETES: Library = (
    method("find", _find, str, str, kind="string"),
    method("findAll", _find_all, str, str, kind="list"),
    method("findAll", _find_all, str, str, int, kind="list"),
)
EXTENSION: Library = (
    function("regex.replace", _replace, str, str, str, kind="string"),
    function("regex.replace", _replace, str, str, str, int, kind="string"),
    function("regex.extract", _extract, str, str, kind="optional"),
    function("regex.extractAll", _extract_all, str, str, kind="list"),
)
