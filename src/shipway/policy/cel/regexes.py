"""Regular expressions with the semantics of RE2, which never backtracks.

``google-re2`` does the work when it can be imported. Otherwise Python's ``re`` does, for the patterns that mean the same
and cannot take exponential time: back references, look-around, atomic groups and nested repetition are refused.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

try:
    import re2
except ImportError:  # where no wheel of it exists
    re2 = None

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.operators import MAX_SIZE, Budget, charge, sized
from shipway.policy.cel.values import EMPTY, Optional, Value
from shipway.policy.regex import matches as matches_of

MAX_PATTERN = 10_000
LONG = 500
"""Characters of a text that are searched without being counted."""
MAX_WORK = 10**8
"""Steps that a search with ``re`` may take at worst: the length to the power of the repetitions, times 2 for each option."""
_REFUSED = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:[=!>(#]|<[=!]|P=)|\(\?[a-z]*m|\\[1-9Z]|[*+?}]\+|\[\[:)")
_PIECE = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\$", re.DOTALL)
_PYTHONS = {r"\z": r"\Z", "$": r"\Z", r"\s": r"[\t\n\f\r ]", r"\S": r"[^\t\n\f\r ]"}
"""What ``re`` writes otherwise: its ``$`` also matches before a line break at the end."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The pattern, ready for ``search`` and the like; CelError when it is not one of RE2."""
    if len(pattern) > MAX_PATTERN:
        raise CelError(f"the regular expression has more than {MAX_PATTERN} characters")
    if re2 is not None:
        return _with_re2(pattern)
    return with_re(pattern)


def _with_re2(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as problem:
        raise CelError(f"invalid regular expression {pattern!r}: {_words(problem)}") from None


def _words(problem: Exception) -> str:
    word = problem.args[0] if problem.args else problem
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


class Guarded:
    """A pattern of Python's own engine that is only used on texts short enough for its worst case."""

    def __init__(self, pattern: str, made: "re.Pattern[str]") -> None:
        self.pattern = pattern
        self.made = made
        self.groups = made.groups
        bare = _without_classes(pattern)
        repeats = len(re.findall(r"[*+{]", bare))
        options = len(re.findall(r"[^(*+}?]\?", bare))
        power = repeats if pattern.startswith("^") else repeats + 1
        self.longest = min(MAX_SIZE, int((MAX_WORK / 2**options) ** (1 / max(power, 1))))

    def search(self, text: str) -> "re.Match[str] | None":
        """As of ``re.Pattern``."""
        self._check(text)
        return self.made.search(text)

    def finditer(self, text: str) -> "Iterator[re.Match[str]]":
        """As of ``re.Pattern``."""
        self._check(text)
        return self.made.finditer(text)

    def _check(self, text: str) -> None:
        if len(text) > self.longest:
            raise CelError(
                f"regular expression {self.pattern!r} could take too long here; install google-re2 to use it"
            )


def with_re(pattern: str) -> Guarded:
    """The pattern for Python's own engine, refused when it could run away or means something else in RE2."""
    if _REFUSED.search(pattern):
        raise CelError(
            f"regular expression {pattern!r}: look-around, back references and possessive repetition are not in RE2"
        )
    try:
        made = re.compile(_PIECE.sub(lambda found: _PYTHONS.get(found[0], found[0]), pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as problem:
        raise CelError(f"invalid regular expression {pattern!r}: {problem}") from None
    if _runs_away(pattern):
        raise CelError(f"regular expression {pattern!r} repeats a repetition or a choice; install google-re2 to use it")
    return Guarded(pattern, made)


def _without_classes(pattern: str) -> str:
    return re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)


def _runs_away(pattern: str) -> bool:
    """Whether a group that holds a repetition or a choice is repeated itself: a text can then be split in many ways."""
    repeats: list[bool] = [False]
    bare = _without_classes(pattern)
    for at, char in enumerate(bare):
        if char == "(":
            repeats.append(False)
        elif char == ")" and len(repeats) > 1:
            inner = repeats.pop()
            again = bare[at + 1 : at + 2] in ("*", "+", "{")
            if inner and again:
                return True
            repeats[-1] = repeats[-1] or inner or again
        elif char in "*+{|" or (char == "?" and bare[at - 1 : at] != "("):
            repeats[-1] = True
    return False


def matches(text: Value, pattern: Value) -> bool:
    """``text.matches(pattern)``: somewhere in the text."""
    return matcher(pattern)(text, [MAX_SIZE])


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[Value, Budget], bool]:
    """A test for one pattern. RE2's set answers yes or no without making a match object, three times as fast."""
    search = compiled(pattern).search
    if re2 is not None and len(pattern) <= 200 and compiled(pattern).programsize <= 500:
        patterns = re2.Set.SearchSet()
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
