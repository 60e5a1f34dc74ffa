"""Python source of one function under construction: lines, indentation, which variables are bound, how to give up.

Used by ``emit``. A condition that fails goes on with the innermost loop, or leaves the function when there is none; so
code nests only where Rego iterates.
"""

from typing import Final, Literal, NamedTuple

FEWEST: Final = 14
"""Loops before the rest of a body goes into a function of its own: Python allows 20 blocks inside each other."""
DEEPEST: Final = 90
"""Python allows 100 levels of indentation."""
Kind = Literal["first", "merge", "collect", "test"]


class TooDeepError(Exception):
    """Python could not compile that."""


class Unready(Exception):
    """A line needs variables that nothing has bound yet."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__(", ".join(names.values()))
        self.names = names


class Mark(NamedTuple):
    """A state of a frame to return to."""

    lines: int
    indent: int
    loops: int
    bound: frozenset[int]
    spills: int


class Frame:
    """One function. ``kind``: what its innermost line does and what it returns.

    first: return a value; merge: agree on one value; collect: add to ``end``'s container; test: True if reached.
    """

    def __init__(self, kind: Kind, indent: int, end: str, bound: set[int], own: set[int]) -> None:
        self.kind = kind
        self.end = end
        """Statement that leaves the function without (a further) result."""
        self.lines: list[str] = []
        self.indent = self.base = indent
        self.loops = 0
        self.bound = bound
        self.own = own
        """Variables that may be bound here."""
        self.spills: list[tuple[str, int]] = []

    def write(self, line: str) -> None:
        """Add a statement."""
        if self.indent > DEEPEST:
            raise TooDeepError
        self.lines.append(" " * self.indent + line)

    def loop(self, head: str) -> None:
        """Open a ``for``; everything that follows is inside of it."""
        if self.loops >= FEWEST:
            self._spill()
        self.write(head)
        self.indent += 1
        self.loops += 1

    def _spill(self) -> None:
        name = f"s{len(self.spills)}_{self.indent}"
        self.spills.append((name, self.indent))
        self.write(f"def {name}():")
        self.indent += 1
        if self.kind == "merge":
            self.write("val = U")
        self.loops = 0

    def give_up(self) -> str:
        """The statement for a condition that fails."""
        return "continue" if self.loops else self._leave()

    def _leave(self) -> str:
        if not self.spills:
            return self.end
        return {"first": "return U", "merge": "return val", "collect": "return", "test": "return False"}[self.kind]

    def close(self) -> None:
        """After the innermost line: end the functions that were spilled, innermost first, then this one."""
        while self.spills:
            name, indent = self.spills[-1]
            self.lines.append(" " * (indent + 1) + self._leave())
            self.spills.pop()
            self.indent = indent
            self.write(self._call(name))
        self.lines.append(" " * self.base + self.end)

    def _call(self, name: str) -> str:
        if self.kind == "first":
            return f"if (r := {name}()) is not U: return r"
        if self.kind == "merge":
            return f"val = agree(val, {name}())"
        return f"if {name}(): return True" if self.kind == "test" else f"{name}()"

    def mark(self) -> Mark:
        """Remember the present state."""
        return Mark(len(self.lines), self.indent, self.loops, frozenset(self.bound), len(self.spills))

    def back(self, mark: Mark) -> None:
        """Return to a state, forgetting what was written since."""
        del self.lines[mark.lines :]
        del self.spills[mark.spills :]
        self.indent, self.loops = mark.indent, mark.loops
        self.bound.clear()
        self.bound.update(mark.bound)
