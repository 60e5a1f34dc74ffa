"""Line and column of one value in block-style YAML, by looking at indentation alone. Called by :mod:`shipway.spec.manifests`.

A file with findings would otherwise be parsed again, at forty times the cost of reading it. Whatever is not plainly laid
out (flow style on the way, anchors, tabs, odd keys) gives None, and the parser has the last word.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_KEY = re.compile(r"""(?:"([^"\\]*)"|'([^']*)'|([^\s"'#&*!|>%@`\[\]{},?:-][^:#"'\[\]{}]*?))[ ]*:(?:[ ]+(.*))?$""")
_BLOCK_SCALAR = re.compile(r"[|>][-+0-9]*[ ]*(#.*)?$")
_PLAIN = re.compile(r"[^\s&*!|>%@`\[{\"']")


class Place(NamedTuple):
    """From 1."""

    line: int
    column: int


class _Item(NamedTuple):
    """A value: where its key is (None in a list), and where it begins itself."""

    key: Place | None
    value: Place
    block: bool
    """Whether a collection begins there, one entry to a line."""


class Unclear(Exception):
    """Indentation alone does not tell."""


def place(lines: Sequence[str], first: int, end: int, path: tuple[str | int, ...]) -> Place | None:
    """Where the value at ``path`` begins, or, when it is not written, the key of the deepest part that is.

    The document is ``lines[first:end]``. None: it cannot be told this way.
    """
    try:
        return _Document(lines, end).place(first, path)
    except Unclear:
        return None


class _Document:
    def __init__(self, lines: Sequence[str], end: int) -> None:
        self._lines, self._end = lines, end
        self._cut: dict[int, str] = {}
        """Lines whose dash has been passed, with spaces in its place."""

    def place(self, first: int, path: tuple[str | int, ...]) -> Place:
        start = self._next(first)
        if start is None:
            raise Unclear
        current = _Item(None, Place(start + 1, _indent(self._line(start)) + 1), block=True)
        for part in path:
            found = self._child(current, part) if current.block else None
            if found is None:
                return current.key or current.value
            current = found
        return current.value

    def _line(self, number: int) -> str:
        line = self._cut.get(number)
        return self._lines[number] if line is None else line

    def _next(self, number: int) -> int | None:
        """The next line that says anything."""
        for index in range(number, self._end):
            text = self._line(index).strip()
            if text and not text.startswith("#"):
                return index
        return None

    def _child(self, current: _Item, part: str | int) -> _Item | None:
        start, indent = current.value.line - 1, current.value.column - 1
        is_list = _is_entry(self._line(start)[indent:])
        if is_list != isinstance(part, int):
            return None
        return self._entry(start, indent, part) if isinstance(part, int) else self._value(start, indent, part)

    def _entry(self, start: int, indent: int, wanted: int) -> _Item | None:
        count = -1
        for number in range(start, self._end):
            line = self._line(number)
            here = _indent(line)
            if here > indent or not line.strip() or line.lstrip().startswith("#"):
                continue
            if here < indent or not _is_entry(line[here:]):
                return None
            count += 1
            if count == wanted:
                self._cut[number] = f"{line[:here]} {line[here + 1 :]}"
                return self._begun(None, number, here + 1, indent)
        return None

    def _value(self, start: int, indent: int, wanted: str) -> _Item | None:
        for number in range(start, self._end):
            line = self._line(number)
            here = _indent(line)
            if here > indent or not line.strip() or line.lstrip().startswith("#"):
                continue
            if here < indent:
                return None
            if _is_entry(line[here:]):
                continue  # an entry of the list that is the value of the key before
            key = _KEY.match(line, here)
            if key is None:
                raise Unclear
            if (key[1] or key[2] or key[3] or "").rstrip() == wanted:
                return self._begun(Place(number + 1, here + 1), number, key.start(4), indent, key[4])
        return None

    def _begun(self, key: Place | None, number: int, column: int, indent: int, text: str | None = None) -> _Item:
        """The value that begins in the line behind a key or a dash, or in a line below."""
        if key is None:
            line = self._line(number)
            column = _indent(line)
            text = line[column:]
        text = (text or "").rstrip()
        if not text or text.startswith("#"):
            return self._below(key, number, indent)
        if key is None and (_is_entry(text) or _KEY.match(text)):
            return _Item(key, Place(number + 1, column + 1), block=True)
        if _BLOCK_SCALAR.match(text):
            return _Item(key, Place(number + 1, column + 1), block=False)
        if text[0] in "\"'" or _PLAIN.match(text):
            return _Item(key, Place(number + 1, column + 1), block=False)
        raise Unclear

    def _below(self, key: Place | None, number: int, indent: int) -> _Item:
        start = self._next(number + 1)
        if start is None:
            raise Unclear
        line = self._line(start)
        here = _indent(line)
        deep_enough = here > indent or (key is not None and here == indent and _is_entry(line[here:]))
        text = line[here:]
        if not deep_enough or not (_is_entry(text) or _KEY.match(text)):
            raise Unclear
        return _Item(key, Place(start + 1, here + 1), block=True)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_entry(text: str) -> bool:
    return text.startswith("- ") or text == "-"
