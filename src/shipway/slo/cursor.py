"""A place in a file that walks down maps and lists and notes what is wrong, with its line. Used by the readers of this room.

The formats read here belong to others, so a field that they would ignore is a warning, where in files of ours it is an error.
"""

from collections.abc import Iterable, Iterator

import msgspec

from shipway.model.problems import Problem
from shipway.model.suggestions import did_you_mean
from shipway.spec.diagnosis import problem_at
from shipway.spec.fields import describe
from shipway.spec.reading import Node, Path


class Cursor:
    """A value of a document. ``problems`` is shared by all cursors of a file."""

    def __init__(self, file: str, root: Node, problems: list[Problem], path: Path = ()) -> None:
        self.file, self._root, self._problems, self.path = file, root, problems, path
        _, self.node, depth = root.at(path)
        self.exists = depth == len(path) and not (self.node.text is not None and self.node.value is None)

    def __truediv__(self, key: str | int) -> "Cursor":
        return Cursor(self.file, self._root, self._problems, (*self.path, key))

    @property
    def line(self) -> int:
        """Where it stands, or where it is missing."""
        return self.node.line

    @property
    def errors(self) -> int:
        """Errors noted so far in the whole file."""
        return sum(problem.severity == "error" for problem in self._problems)

    def wrong(self, code: str, message: str, *, severity: str = "error", key: bool = False) -> None:
        """Note a problem here."""
        found = problem_at(self.file, self._root, self.path, code, message, key=key)
        self._problems.append(msgspec.structs.replace(found, severity=severity))

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of a map; empty for everything else."""
        return tuple(self.node.entries) if self.exists and self.node.entries is not None else ()

    def knows(self, *names: str, severity: str = "warning") -> None:
        """Note keys that nobody reads: they are often misspelt, and what they meant does not happen."""
        for key in self.names:
            if key not in names:
                message = f"`{key}` means nothing here and is ignored{did_you_mean(key, names)}"
                (self / key).wrong("unknown-field", message, severity=severity, key=True)

    def map(self, *, required: bool = False) -> bool:
        """Whether it is a map; notes a problem when it is something else, or missing although required."""
        if not self.exists:
            return self._missing("a map", required=required)
        return self.node.entries is not None or self._other("a map")

    def text(self, *, required: bool = False) -> str:
        """A text; numbers and booleans are taken as they are written."""
        if not self.exists or self.node.text == "":
            self._missing("a text", required=required)
            return ""
        if self.node.text is None:
            self._other("a text")
        return self.node.text or ""

    def number(self, *, required: bool = False) -> float | None:
        """A finite number."""
        if not self.exists:
            self._missing("a number", required=required)
            return None
        value = self.node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e308:
            self._other("a number")
            return None
        return float(value)

    def flag(self) -> bool:
        """True or false; false when missing."""
        if self.exists and not isinstance(self.node.value, bool):
            self._other("true or false")
        return self.exists and self.node.value is True

    def texts(self) -> dict[str, str]:
        """A map of texts, none of them empty."""
        if not self.map():
            return {}
        return {key: (self / key).text(required=True) for key in self.names}

    def items(self, *, required: bool = False) -> Iterator["Cursor"]:
        """Entries of a list; with ``required`` there must be one."""
        if not self.exists or self.node.items == []:
            self._missing("a list with at least one entry", required=required)
        elif self.node.items is None:
            self._other("a list")
        else:
            yield from (self / index for index in range(len(self.node.items)))

    def one_of(self, options: Iterable[str]) -> str:
        """A text that must be one of ``options``."""
        text, known = self.text(required=True), tuple(options)
        if text and text not in known:
            message = f"expected {' or '.join(known)}, got {describe(text)}{did_you_mean(text, known)}"
            self.wrong("not-one-of", message)
        return text

    def _missing(self, expected: str, *, required: bool) -> bool:
        if required:
            self.wrong("missing", f"expected {expected}, got nothing")
        return False

    def _other(self, expected: str) -> bool:
        value = self.node.data()
        self.wrong("wrong-type", f"expected {expected}, got {describe(value)}")
        return False
