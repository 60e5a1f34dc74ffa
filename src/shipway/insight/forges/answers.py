"""Answers of a forge: objects told apart by their fields, and what these hold. Used by ``github`` and ``gitlab``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from shipway.insight.forges.history import Forge
from shipway.model.problems import Problem

Kind = Literal["deployment", "status", "change", "commit", "comment", "release", "tag", "issue", ""]
"""Of an object; empty for one that is nothing to us."""
Shapes = Sequence[tuple[Kind, tuple[str, ...]]]
"""Fields by which an object of a kind is known; the first that fits holds."""


class Item(NamedTuple):
    """One object of an answer, and where it was."""

    file: str
    path: str
    """``[3]`` for the fourth of a list."""
    data: Mapping[str, Any]


class Wrong(Exception):
    """A value that cannot be."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.name, self.expected = name, expected


class Answer(dict[str, Any]):
    """An object of an answer, with its fields as what they must be."""

    def moment(self, name: str) -> float:
        """A time of ISO 8601 as seconds since the epoch.

        Raises:
            Wrong: it is none.
        """
        found = self.optional_moment(name)
        if found is None:
            raise Wrong(name, "a time such as 2026-11-02T09:30:00Z, got nothing")
        return found

    def optional_moment(self, name: str) -> float | None:
        """The same, or None where there is nothing."""
        value = self.get(name)
        if value is None:
            return None
        try:
            when = datetime.fromisoformat(value)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (TypeError, ValueError, OverflowError):
            raise Wrong(name, f"a time such as 2026-11-02T09:30:00Z, got {str(value)[:40]!r}") from None

    def text(self, name: str) -> str:
        """A text or a number as text; empty where there is nothing.

        Raises:
            Wrong: it is something else.
        """
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str | int):
            raise Wrong(name, f"a text, got {type(value).__name__}")
        return str(value)

    def inside(self, name: str) -> "Answer":
        """An object; an empty one where there is nothing.

        Raises:
            Wrong: it is something else.
        """
        value = self.get(name)
        if value is None:
            return Answer()
        if not isinstance(value, dict):
            raise Wrong(name, f"an object, got {type(value).__name__}")
        return Answer(value)

    def listed(self, name: str) -> list[Any]:
        """A list, objects in it as answers; an empty one where there is nothing.

        Raises:
            Wrong: it is something else.
        """
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Wrong(name, f"a list, got {type(value).__name__}")
        return [Answer(one) if isinstance(one, dict) else one for one in value]

    def is_labelled(self, labels: frozenset[str]) -> bool:
        """Whether an issue has one of these labels, which are in lower case."""
        names = {one.text("name") if isinstance(one, Answer) else str(one) for one in self.listed("labels")}
        return not labels.isdisjoint(name.lower() for name in names)


Takers = Mapping[Kind, Callable[[Answer], object]]
"""What becomes of the objects of a kind."""


def take(items: Iterable[Item], shapes: Shapes, takers: Takers, forge: Forge) -> list[Problem]:
    """Hand every object to the taker of its kind, kind by kind in the takers' order; what is wrong with any of them.

    Releases count only where there are no deployments.
    """
    kinds: dict[Kind, list[Item]] = {}
    for item in items:
        found = next((kind for kind, names in shapes if all(name in item.data for name in names)), "")
        kinds.setdefault(found, []).append(item)  # type: ignore[arg-type]  # a literal, which mypy widens
    if kinds.get("deployment"):
        kinds.pop("release", None)
    if kinds.get(""):
        forge.notes.append(f"{len(kinds[''])} objects are of no kind that is counted")
    problems: list[Problem] = []
    for kind, taker in takers.items():
        for item in kinds.get(kind, ()):
            try:
                taker(Answer(item.data))
            except Wrong as wrong:
                problems.append(Problem(item.file, 1, 1, f"{item.path}.{wrong.name}", "bad-value", str(wrong)))
    return problems
