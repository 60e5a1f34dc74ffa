"""Regular expressions for policies of every language: RE2's syntax, and its promise that no pattern takes exponential time.

``google-re2`` does the work when it can be imported. Otherwise Python's ``re`` does, for the patterns that mean the same:
what RE2 has not (back references, look-around, atomic groups) is refused, and so is repetition inside of repetition, which
is where ``re`` can take for ever; a text may only be so long as the pattern's worst case allows. Called by the engines.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

try:
    import re2
except ImportError:  # where no wheel of it exists
    re2 = None

RE2: Final[Any] = re2
"""The library, or None."""
LONGEST: Final = 10_000
"""Characters of a pattern."""
LONGEST_TEXT: Final = 1_000_000
MOST_REPEATS: Final = 1_000
"""RE2's own limit for ``{n}``."""
MAX_WORK: Final = 10**8
"""Steps that a search with ``re`` may take at worst: the length to the power of the repetitions, times 2 for each option."""
_PIECE = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\$", re.DOTALL)
_PYTHONS: Final = {r"\z": r"\Z", "$": r"\Z", r"\s": r"[\t\n\f\r ]", r"\S": r"[^\t\n\f\r ]"}
"""What ``re`` writes otherwise: its ``$`` also matches before a line break at the end."""
_MISREAD = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?[a-z]*m|\(\?#|\\Z|\[\[:)")
"""What ``re`` takes for something else than RE2 does, once ``$`` is translated."""
Error = Callable[[str], Exception]


class Pattern(Protocol):
    """What is used of a compiled pattern; re2's have it, with matches like ``re.Match``."""

    @property
    def groups(self) -> int: ...
    def search(self, text: str, /) -> Any: ...
    def fullmatch(self, text: str, /) -> Any: ...
    def finditer(self, text: str, /) -> Iterator[Any]: ...
    @property
    def groupindex(self) -> Any: ...


@lru_cache(maxsize=2048)
def compile_pattern(text: str, error: Error = ValueError) -> Pattern:
    """The compiled pattern. Raises ``error``: not RE2's syntax, too large, or dangerous without RE2.

    Without RE2 its methods raise ``error`` for texts that are too long.
    """
    if len(text) > LONGEST:
        raise error(f"the regular expression has more than {LONGEST} characters")
    return guarded(text, error) if re2 is None else _with_re2(text, error)


def matches(pattern: Pattern, text: str) -> Iterator[Any]:
    """All matches from the left; as in Go none is empty where the one before it ends."""
    end = -1
    for match in pattern.finditer(text):
        if not match.start() == match.end() == end:
            yield match
        end = match.end()


def _with_re2(text: str, error: Error) -> Pattern:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)  # type: ignore[no-any-return]  # re2 ships no types
    except re2.error as problem:
        word = problem.args[0] if problem.args else problem
        said = word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
        raise error(f"invalid regular expression {text!r}: {said}") from None


class Guarded:
    """A pattern of Python's own engine that is only used on texts short enough for its worst case."""

    def __init__(self, text: str, made: "re.Pattern[str]", found: "_Found", error: Error) -> None:
        self.pattern, self.groups, self.groupindex = text, made.groups, made.groupindex
        self._made, self._error = made, error
        power = found.repeats if text.startswith("^") else found.repeats + 1
        self.longest = min(LONGEST_TEXT, int((MAX_WORK / 2**found.options) ** (1 / max(power, 1))))

    def search(self, text: str) -> "re.Match[str] | None":
        """As of ``re.Pattern``."""
        return self._made.search(self._short(text))

    def fullmatch(self, text: str) -> "re.Match[str] | None":
        """As of ``re.Pattern``."""
        return self._made.fullmatch(self._short(text))

    def finditer(self, text: str) -> "Iterator[re.Match[str]]":
        """As of ``re.Pattern``."""
        return self._made.finditer(self._short(text))

    def _short(self, text: str) -> str:
        if len(text) > self.longest:
            raise self._error(
                f"regular expression {self.pattern!r} could take too long here; install google-re2 to use it"
            )
        return text


def guarded(text: str, error: Error = ValueError) -> Guarded:
    """The pattern for Python's own engine, refused when it could run away or means something else in RE2."""
    if _MISREAD.search(text):
        raise error(f"regular expression {text!r} means something else without RE2; install google-re2 to use it")
    found = _Found()
    try:
        translated = _PIECE.sub(lambda piece: _PYTHONS.get(piece[0], piece[0]), text)
        made = re.compile(translated, re.ASCII)
        found.inspect(re._parser.parse(translated, re.ASCII), repeated=False)  # type: ignore[attr-defined]  # noqa: SLF001  # the only way to see the tree
    except _Refused as refused:
        raise error(f"regular expression {text!r} has {refused}") from None
    except (re.error, OverflowError, RecursionError) as problem:
        raise error(f"invalid regular expression {text!r}: {problem}") from None
    return Guarded(text, made, found, error)


class _Refused(Exception):
    """What of a pattern cannot be used."""


_FORBIDDEN: Final = {
    "GROUPREF": "back references", "GROUPREF_EXISTS": "conditional groups", "ASSERT": "look-around",
    "ASSERT_NOT": "look-around", "ATOMIC_GROUP": "atomic groups", "POSSESSIVE_REPEAT": "possessive repetition",
}  # fmt: skip


class _Found:
    """What a walk through the tree of a pattern has met."""

    def __init__(self) -> None:
        self.repeats = self.options = 0

    def inspect(self, tree: Sequence[Any], *, repeated: bool) -> None:
        """Raises _Refused. ``repeated``: something around it repeats."""
        for operation, argument in tree:
            name = str(operation)
            if name in _FORBIDDEN:
                raise _Refused(f"{_FORBIDDEN[name]}, which RE2 has not")
            if name in ("MAX_REPEAT", "MIN_REPEAT"):
                self._repeat(*argument, repeated=repeated)
            elif name == "SUBPATTERN":
                self.inspect(argument[3], repeated=repeated)
            elif name == "BRANCH":
                if repeated:
                    raise _Refused("a choice inside of a repetition; install google-re2 to use it")
                for branch in argument[1]:
                    self.inspect(branch, repeated=False)

    def _repeat(self, low: int, high: Any, inside: Sequence[Any], *, repeated: bool) -> None:
        unlimited = str(high) == "MAXREPEAT"
        if low > MOST_REPEATS or (not unlimited and int(high) > MOST_REPEATS):
            raise _Refused(f"a repetition of more than {MOST_REPEATS} times")
        if repeated and low != high:
            raise _Refused("a repetition inside of a repetition; install google-re2 to use it")
        many = unlimited or int(high) > 1
        self.repeats += many
        self.options += not many
        self.inspect(inside, repeated=repeated or many)
