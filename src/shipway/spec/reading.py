"""YAML text to plain data, with the line and column of every key and value. Used by :mod:`shipway.spec.documents`.

Reads YAML 1.2 (core schema), so that ``no``, ``on``, ``5:30`` and ``0o17`` mean what they say. The tree is built from the
parser's events: that bounds depth and size before memory is spent, keeps positions, and finds duplicate keys. Never
raises for bad input: what cannot be read is a problem. Knows nothing of applications.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import yaml

from shipway.model.problems import Problem

MAX_BYTES = 8 * 1024 * 1024
"""A thousand applications of ordinary size, five times over."""
MAX_VALUES = 200_000
"""Values in one file, aliases counted as often as they are used."""
MAX_DEPTH = 50
"""No field of ours is deeper than eight; libyaml's time grows with the square of the depth."""

Path = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]{1,40}")
_PREFIXED = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,5})?")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


_SYNTAX = {
    "invalid Unicode character escape": "expected the character itself, got half of it as an escape; write JSON for YAML without ASCII escapes",
    "mapping values are not allowed": "expected one `key: value` here; indent it like the line above, or put a value with `: ` in quotes",
    "unexpected end of stream": "expected a closing quote, got the end of the file; this one is never closed",
    "did not find expected key": "expected the next key in the column of the one before; check the indentation",
    "did not find expected '-'": "expected the next entry in the column of the one before; check the indentation",
}
"""What the parser says, and what it means for somebody who does not know its grammar."""


class Source(msgspec.Struct, frozen=True):
    """One file (or what stands for one), as its reader found it."""

    file: str
    """Name to show in problems."""
    text: str | bytes
    """Content; bytes must be UTF-8, and a problem says so when they are not."""
    sets: tuple[str, ...] = ()
    """``path=value`` assignments from the command line, applied on top: ``image=shop:2``, ``spec.env.LEVEL=debug``."""


class Node(msgspec.Struct):
    """One value of a document and where it stands. Exactly one of ``text``, ``entries`` and ``items`` is not None."""

    line: int
    column: int
    text: str | None = None
    """A scalar as written, without its quotes."""
    value: object = None
    """What the scalar means."""
    exact: int | None = None
    """Column of the text's first character when every character of the text stands in the line as it is."""
    entries: "dict[str, tuple[Node, Node]] | None" = None
    """Map: key to (node of the key, node of the value)."""
    items: "list[Node] | None" = None
    size: int = 1
    """Values within, aliases counted as often as they are used."""
    file: str = ""
    """Set only on values that come from elsewhere than the document's file."""

    def at(self, path: Path) -> "tuple[Node | None, Node, int]":
        """Follow ``path`` as far as it goes: (key node or None, node, parts followed)."""
        key, node = None, self
        for depth, part in enumerate(path):
            if node.entries is not None and isinstance(part, str) and part in node.entries:
                key, node = node.entries[part]
            elif node.items is not None and isinstance(part, int) and part < len(node.items):
                key, node = None, node.items[part]
            else:
                return key, node, depth
        return key, node, len(path)

    def column_of(self, key: str, line: int) -> int:
        """Column of ``key`` in ``line``, or of the first key there; 1 when there is none."""
        first = 0
        stack = [self]
        while stack:
            node = stack.pop()
            for name, (written, value) in (node.entries or {}).items():
                if written.line == line and not written.file:
                    if name == key:
                        return written.column
                    first = min(first or written.column, written.column)
                stack.append(value)
            stack += node.items or ()
        return first or 1

    def data(self, as_text: Callable[[Path], bool] = lambda _: False, path: Path = ()) -> Any:
        """Plain data; where ``as_text`` says so, scalars stay the text they were written as."""
        if self.entries is not None:
            return {key: node.data(as_text, (*path, key)) for key, (_, node) in self.entries.items()}
        if self.items is not None:
            return [node.data(as_text, (*path, index)) for index, node in enumerate(self.items)]
        if self.value is None or isinstance(self.value, str):
            return self.value
        return self.text if as_text(path) else self.value


class _Unreadable(Exception):
    """Stops the reading of a file; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Dialect(msgspec.Struct, frozen=True):
    """What differs between files of ours and files that were written for other programs."""

    meaning: Callable[[str], object]
    """Value of a plain scalar."""
    merges: bool = False
    """Whether ``<<`` merges, as in YAML 1.1."""
    values: int = MAX_VALUES


def read(source: Source, dialect: Dialect | None = None) -> tuple[list[Node], list[Problem]]:
    """The documents of a file, and what is wrong with it as YAML. Documents before a syntax error are still returned."""
    documents: list[Node] = []
    problems: list[Problem] = []
    try:
        text = _decode(source)
        for document in _Reader(source.file, text, problems, dialect or Dialect(scalar)).documents():
            documents.append(document)  # noqa: PERF402  # those before a syntax error must be kept
    except _Unreadable as error:
        problems.append(error.problem)
    else:
        if not documents:
            message = (
                "expected an Application or a Platform, got an empty file; `shipway init` writes one to start from"
            )
            problems.append(Problem(source.file, 1, 1, "", "empty-file", message))
    return documents, problems


def scalar(text: str) -> object:
    """What a plain scalar means in the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _decode(source: Source) -> str:
    """Text of a source; everything that is no text at all is refused here, with its position."""
    raw = source.text
    if len(raw) > MAX_BYTES:
        raise _unreadable(
            source.file,
            "",
            0,
            "too-large",
            f"expected at most {MAX_BYTES:,} bytes, got {len(raw):,}; is this the right file?",
        )
    if isinstance(raw, bytes):
        raw = _utf8(source.file, raw)
    raw = raw.removeprefix("\ufeff")
    if bad := _UNPRINTABLE.search(raw):
        character = f"U+{ord(bad[0]):04X}"
        what = f"the control character {character}; remove it, or write it as an escape in double quotes"
        raise _unreadable(source.file, raw, bad.start(), "not-text", f"expected YAML text, got {what}")
    return raw


def _utf8(file: str, raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(file, "", 0, "not-utf-8", "expected UTF-8, got UTF-16; save the file as UTF-8")
    if b"\0" in raw:
        raise _unreadable(file, "", 0, "not-text", "expected YAML text, got a binary file")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        message = f"expected UTF-8, got the byte 0x{raw[error.start]:02X}; save the file as UTF-8"
        raise _unreadable(file, before, len(before), "not-utf-8", message) from None


def _unreadable(file: str, text: str, index: int, code: str, message: str) -> _Unreadable:
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return _Unreadable(Problem(file, line, column, "", code, message))


class _Reader:
    """Turns the parser's events into nodes."""

    def __init__(self, file: str, text: str, problems: list[Problem], dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        self._lines = text.splitlines()
        self._text = text
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._values = 0

    def documents(self) -> Iterator[Node]:
        """Documents that hold anything, one by one."""
        events = self._events()
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                node = self._node(next(events), events, 0)
                if node.text != "":
                    yield node

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self._text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            raise _Unreadable(self._syntax(error)) from None
        except yaml.YAMLError as error:
            raise _Unreadable(Problem(self._file, 1, 1, "", "not-yaml", f"this is not YAML: {error}")) from None

    def _syntax(self, error: yaml.MarkedYAMLError) -> Problem:
        mark = error.problem_mark or error.context_mark
        if "end of stream" in (error.problem or "") and error.context_mark:
            mark = error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        return Problem(self._file, line + 1, column + 1, "", "not-yaml", self._explain(error, line, column))

    def _explain(self, error: yaml.MarkedYAMLError, line: int, column: int) -> str:
        """The parser's words, or better ones for the mistakes that people make."""
        written = self._lines[line] if line < len(self._lines) else ""
        character = written[column : column + 1]
        said = " ".join(part for part in (error.problem, error.context) if part)
        if character == "\t" or "\t" in written[: len(written) - len(written.lstrip())]:
            return "expected spaces, got a tab; YAML is indented with spaces only"
        if "cannot start any token" in said:
            return f"expected a value, got `{character}`; put the value in quotes"
        if "expected ',' or" in said and error.context_mark:
            return f"expected `,` or the bracket that closes line {error.context_mark.line + 1}, got something else"
        return next((words for part, words in _SYNTAX.items() if part in said), f"this is not YAML: {said}")

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        self._count(event, 1)
        if depth > MAX_DEPTH:
            raise self._stop(event, "too-deep", f"expected at most {MAX_DEPTH} levels, got more")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, node)
        elif isinstance(event, yaml.MappingStartEvent):
            self._mapping(node, events, depth)
        else:
            node.items = [self._node(item, events, depth + 1) for item in _until(events, yaml.SequenceEndEvent)]
            node.size += sum(item.size for item in node.items)
        if event.tag and not (node.text is not None and event.tag in _STR_TAGS):
            self._report(event, "unsupported-tag", f"expected a plain value, got the tag {event.tag}; remove it")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any, node: Node) -> None:
        node.text = event.value
        plain = event.tag is None and event.implicit[0] and not event.style
        node.value = self._dialect.meaning(event.value) if plain else event.value
        start = event.start_mark.column + (1 if event.style in {"'", '"'} else 0)
        line = self._lines[event.start_mark.line] if event.start_mark.line < len(self._lines) else ""
        node.exact = start + 1 if line.startswith(event.value, start) else None

    def _mapping(self, node: Node, events: Iterator[Any], depth: int) -> None:
        node.entries = {}
        merged: list[Node] = []
        for event in _until(events, yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            node.size += key.size + value.size
            if key.text is None:
                self._report(
                    event,
                    "bad-key",
                    "expected a name as the key, got a map or a list; put a key with brackets in quotes",
                )
            elif key.text == "<<" and key.value == "<<" and not getattr(event, "style", None):
                if self._dialect.merges:
                    merged += value.items or [value]
                    continue
                self._report(
                    event,
                    "merge-key",
                    "merge keys (<<) are not YAML 1.2; write the fields out, or alias the whole value",
                )
            elif key.text in node.entries:
                first = node.entries[key.text][0].line
                self._report(
                    event,
                    "duplicate-key",
                    f"`{_short(key.text)}` is already given in line {first}; remove one of the two",
                )
            else:
                node.entries[key.text] = (key, value)
        for one in merged:
            node.entries = {**(one.entries or {}), **node.entries}

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            known = event.anchor in self._anchors
            what = (
                "an alias inside the value it stands for"
                if known
                else f"the alias *{_short(event.anchor)}, which has no anchor before it"
            )
            raise self._stop(event, "bad-alias", f"expected a value, got {what}")
        self._count(event, node.size)
        return node

    def _count(self, event: Any, values: int) -> None:
        self._values += values
        if self._values > self._dialect.values:
            message = f"expected at most {self._dialect.values:,} values in one file, got more; aliases count as often as they are used"
            raise self._stop(event, "too-large", message)

    def _report(self, event: Any, code: str, message: str) -> None:
        self._problems.append(self._stop(event, code, message).problem)

    def _stop(self, event: Any, code: str, message: str) -> _Unreadable:
        mark = event.start_mark
        return _Unreadable(Problem(self._file, mark.line + 1, mark.column + 1, "", code, message))


def _until(events: Iterator[Any], end: type) -> Iterator[Any]:
    for event in events:
        if isinstance(event, end):
            return
        yield event


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
