"""Regular expressions for policies: RE2's syntax and its promise that no pattern takes exponential time.

``google-re2``; where no wheel of it exists Python's ``re`` behind a guard that refuses what RE2
has not (back references, look-around, atomic groups) and nested repetition, which is where ``re`` can take for ever.
Called by the policy engines.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

LONGEST: Final = 10_000
"""Characters of a pattern."""
MOST_REPEATS: Final = 1_000
"""RE2's own limit for ``{n}``."""


class Pattern(Protocol):
    """What is used of a compiled pattern; ``re.Pattern`` and re2's have it, with matches like ``re.Match``."""

    @property
    def groups(self) -> int: ...
    def search(self, text: str, /) -> Any: ...
    def fullmatch(self, text: str, /) -> Any: ...
    def finditer(self, text: str, /) -> Iterator[Any]: ...
    @property
    def groupindex(self) -> Any: ...


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """The compiled pattern. Raises ValueError: not RE2's syntax, too large, or dangerous without RE2."""
    if len(text) > LONGEST:
        raise ValueError(f"the pattern is longer than {LONGEST} characters")
    engine = _engine()
    return engine(text)


def matches(pattern: Pattern, text: str) -> Iterator[Any]:
    """All matches from the left; as in Go none is empty where the one before it ends."""
    end = -1
    for match in pattern.finditer(text):
        if not match.start() == match.end() == end:
            yield match
        end = match.end()


@lru_cache(maxsize=1)
def _engine() -> Callable[[str], Pattern]:
    try:
        re2 = importlib.import_module("re2")
    except ImportError:
        return guarded
    options = re2.Options()
    options.log_errors = False

    def compile_re2(text: str) -> Pattern:
        try:
            return re2.compile(text, options)  # type: ignore[no-any-return]  # re2 ships no types
        except re2.error as error:
            detail = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            raise ValueError(f"the pattern is not valid: {detail}") from error

    return compile_re2


def guarded(text: str) -> Pattern:
    """A pattern of Python's ``re`` that has RE2's syntax and no nested repetition. Raises ValueError."""
    translated = text.replace("(?P<", "(?P<").replace("\\z", "\\Z").replace("\\pL", "[^\\W\\d_]")
    try:
        parsed = re._parser.parse(translated)  # type: ignore[attr-defined]  # noqa: SLF001  # the only way to see the tree
        _inspect(parsed, repeated=False)
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is not valid: {error}") from error


FORBIDDEN: Final = {
    "GROUPREF": "back references", "GROUPREF_EXISTS": "conditional groups", "ASSERT": "look-around",
    "ASSERT_NOT": "look-around", "ATOMIC_GROUP": "atomic groups", "POSSESSIVE_REPEAT": "possessive repetition",
}  # fmt: skip


def _inspect(tree: Sequence[Any], *, repeated: bool) -> None:
    for operation, argument in tree:
        name = str(operation)
        if name in FORBIDDEN:
            raise ValueError(f"the pattern has {FORBIDDEN[name]}, which RE2 has not")
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            _inspect_repeat(argument, repeated=repeated)
        elif name == "SUBPATTERN":
            _inspect(argument[3], repeated=repeated)
        elif name == "BRANCH":
            for branch in argument[1]:
                _inspect(branch, repeated=repeated)


def _inspect_repeat(argument: tuple[int, Any, Sequence[Any]], *, repeated: bool) -> None:
    low, high, inside = argument
    unlimited = str(high) == "MAXREPEAT"
    if low > MOST_REPEATS or (not unlimited and int(high) > MOST_REPEATS):
        raise ValueError(f"the pattern repeats more than {MOST_REPEATS} times")
    many = unlimited or int(high) > 1
    if repeated and many:
        raise ValueError("the pattern has a repetition inside of a repetition; install google-re2 to allow it")
    if many and any(str(operation) == "BRANCH" for operation, _ in _flat(inside)):
        raise ValueError("the pattern repeats alternatives; install google-re2 to allow it")
    _inspect(inside, repeated=repeated or many)


def _flat(tree: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for operation, argument in tree:
        yield operation, argument
        if str(operation) == "SUBPATTERN":
            yield from _flat(argument[3])
