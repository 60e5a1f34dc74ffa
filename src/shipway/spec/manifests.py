"""YAML that was written for Kubernetes to plain data, fast; and where each value stands, when somebody asks.

Called by ``cli`` and ``testing`` for objects and for policies. Most files are read by a parser in Rust, without positions.
Whatever that one might understand differently from ``kubectl`` (``yes``, ``017``, anchors, merge keys, tags), and whatever
it refuses, is read by :mod:`shipway.spec.reading`, which knows positions and limits. So is a file with findings.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml_rs

from shipway.model.problems import Problem
from shipway.spec.placing import place
from shipway.spec.reading import MAX_BYTES, Dialect, Node, Source, read, scalar

MAX_OBJECT_VALUES = 2_000_000
"""Values in one file: 10,000 rendered objects in one stream have about a million."""

_UNUSUAL = re.compile(
    r"(?:[:\-?][ \t]+|[\[{,][ \t]*)(?:[&*!][^ \t\n]|(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)[ \t]*(?:$|[,\]}#\r])"
    r"|[-+]?0[0-9_]|[0-9]+_|[0-9]{4}-[0-9])|^[%&*!]|<<|\ufeff|\?(?:[ \t\r]|$)",
    re.MULTILINE,
)
"""Text that may mean something else in YAML 1.1, or that can grow when it is read."""
_SEPARATOR = re.compile(r"^---", re.MULTILINE)
_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_TEXTS_ALONE = {str}
_WORDS = {str: "text", list: "a list", dict: "a map", bool: "true or false", type(None): "nothing"}
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_GROUPED = re.compile(r"[-+]?[0-9][0-9_]*")


class Manifest(msgspec.Struct, frozen=True):
    """One object as a file holds it."""

    data: Mapping[str, Any]
    document: int
    """Index of its document in the file, empty ones not counted."""
    item: int = -1
    """Index in the ``items`` of a List; -1 when it stands alone."""


class Positions:
    """Where the values of one file stand. Reads the file again, on the first question that needs it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._nodes: list[Node] | None = None
        self._plain: tuple[list[str], list[tuple[int, int]]] | None = None

    def place(self, manifest: Manifest, path: tuple[str | int, ...]) -> tuple[int, int]:
        """(line, column) of the value, or of the key of the deepest part of the path that is written; (0, 0) when unknown."""
        if manifest.item >= 0:
            path = ("items", manifest.item, *path)
        return self._quickly(manifest.document, path) or self._surely(manifest.document, path)

    def _quickly(self, document: int, path: tuple[str | int, ...]) -> tuple[int, int] | None:
        if self._plain is None:
            self._plain = _laid_out(self._source.text)
        lines, spans = self._plain
        return place(lines, *spans[document], path) if document < len(spans) else None

    def _surely(self, document: int, path: tuple[str | int, ...]) -> tuple[int, int]:
        if self._nodes is None:
            self._nodes = _documents(self._source)[0]
        if document >= len(self._nodes):
            return 0, 0
        key, value, depth = self._nodes[document].at(path)
        # What is missing is missing from a map: its name is a better place to look at than its first entry.
        shown = key if key is not None and depth < len(path) else value
        return shown.line, shown.column


def _laid_out(raw: str | bytes) -> tuple[list[str], list[tuple[int, int]]]:
    """The lines of a text and the span of every document that holds anything; none when it is unusual."""
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        return [], []
    if "\t" in text or "\r" in text or _UNUSUAL.search(text):
        return [], []
    lines = text.split("\n")
    starts = [0, *(index + 1 for index, line in enumerate(lines) if line.startswith("---"))]
    if any(
        line.rstrip() not in ("---", "") and not line.startswith("--- #") for line in lines if line.startswith("---")
    ):
        return [], []
    spans = zip(starts, [*(start - 1 for start in starts[1:]), len(lines)], strict=True)
    return lines, [(first, end) for first, end in spans if any(map(_says_something, lines[first:end]))]


def _says_something(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#") and text != "..."


def read_manifests(source: Source) -> tuple[list[Manifest], list[Problem]]:
    """The objects of a file, Lists taken apart, and what is wrong with it. Never raises for what a file holds."""
    documents = _fast(source.text)
    problems: list[Problem] = []
    if documents is None:
        nodes, problems = _documents(source)
        documents = [node.data() for node in nodes]
    found: list[Manifest] = []
    positions = Positions(source)
    for one in (each for index, data in enumerate(documents) for each in _objects(data, index)):
        wrong = _misshapen(one.data)
        for path, message in wrong:
            line, column = positions.place(one, path)
            problems.append(Problem(source.file, line, column, ".".join(path), "wrong-type", message))
        found += [] if wrong else [one]
    return found, problems


def _misshapen(data: object) -> list[tuple[tuple[str, ...], str]]:
    """Where a document is no object that anybody could name, and what was expected there."""
    if not isinstance(data, dict):
        return [((), f"expected an object with apiVersion and kind, got {_word(data)}")]
    odd = [field for field in ("apiVersion", "kind") if not isinstance(data.get(field, ""), str | None)]
    return [((field,), f"expected text, got {_word(data[field])}") for field in odd]


def _word(value: object) -> str:
    return _WORDS.get(type(value), "a number")


def kubernetes_scalar(text: str) -> object:
    """What ``kubectl`` makes of a plain scalar: YAML 1.2, but for the words and octal numbers of 1.1."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _OCTAL.fullmatch(text) and text.strip("+-_") != "0":
        return int(text.replace("_", ""), 8)
    if "_" in text and _GROUPED.fullmatch(text):
        return int(text.replace("_", ""))
    return scalar(text)


_KUBERNETES = Dialect(kubernetes_scalar, merges=True, values=MAX_OBJECT_VALUES)


def _fast(raw: str | bytes) -> list[Any] | None:
    """The documents that hold anything; None when the careful reader must have the last word."""
    if len(raw) > MAX_BYTES:
        return None
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        if _UNUSUAL.search(text):
            return None
        found = yaml_rs.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not _has_names_for_keys(found):
        return None
    several = isinstance(found, list)
    if several and not _SEPARATOR.search(text, 1):
        return None
    return [one for one in (found if several else [found]) if one is not None]


def _has_names_for_keys(value: Any) -> bool:
    """Whether every key is a text; others (``1:``, ``~:``) are read with care, as they are written."""
    found = [value]
    for one in found:  # grows while it is walked: no depth can exhaust the stack
        kind = type(one)
        if kind is dict:
            if one and set(map(type, one)) != _TEXTS_ALONE:
                return False
            found.extend(one.values())
        elif kind is list:
            found.extend(one)
    return True


def _documents(source: Source) -> tuple[list[Node], list[Problem]]:
    nodes, problems = read(source, _KUBERNETES)
    kept = [node for node in nodes if node.text is None or node.value is not None]
    return kept, [problem for problem in problems if problem.code not in ("empty-file", "unsupported-tag")]


def _objects(data: Any, document: int) -> Iterator[Manifest]:
    items = data.get("items") if isinstance(data, dict) else None
    if isinstance(items, list) and str(data.get("kind", "")).endswith("List"):
        for index, item in enumerate(items):
            yield Manifest(item, document, index)
    else:
        yield Manifest(data, document)
