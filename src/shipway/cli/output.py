"""What verbs write: JSON for programs, rich text for a terminal, plain lines for everything else.

``show`` and ``lines`` are all that verbs use. Standard output carries the answer; notes and errors go to standard error.
"""

import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from shipway.model.problems import Problem

_NO_WRAP = 10_000
"""Columns when nobody looks: one record is one line, whatever reads it."""


def console(file: IO[str] | None = None) -> "Console":
    """Colours and wrapping on a terminal (unless NO_COLOR), neither elsewhere."""
    from rich.console import Console

    file = file or sys.stdout
    # What people and services wrote must reach the reader as it is: "[a-z]" is no markup, ":x:" no emoji.
    return Console(file=file, highlight=False, markup=False, emoji=False, width=None if file.isatty() else _NO_WRAP)


def to_json(data: object, *, indent: int = 2) -> str:
    """JSON of plain data and of view models."""
    import msgspec

    encoded = msgspec.json.encode(data)
    return (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()


def show(data: object, human: "RenderableType", *, json: bool) -> None:
    """One answer: ``data`` as JSON, or ``human`` for people. Rich is for tables and terminals; to import it takes 20 ms."""
    if json:
        sys.stdout.write(to_json(data) + "\n")
    elif isinstance(human, str) and not sys.stdout.isatty():
        sys.stdout.write(human + "\n")
    else:
        console().print(human)


def lines(records: Iterable[tuple[object, str]], *, json: bool) -> None:
    """A stream of (data, line for people): with ``--json`` one document per line. Flushed at once."""
    for data, text in records:
        sys.stdout.write((to_json(data, indent=0) if json else text) + "\n")
        sys.stdout.flush()


def plain(text: str) -> str:
    """``text`` without anything that a terminal would obey."""
    return "".join(
        " " if c in "\t\n" else "\N{REPLACEMENT CHARACTER}" if category(c) in {"Cc", "Cf"} else c for c in text
    )


def note(text: str, *, json: bool = False) -> None:
    """Something worth saying that is not the answer; silent for programs."""
    if not json:
        console(sys.stderr).print("\n".join(map(plain, text.split("\n"))))


def problem_lines(problems: Iterable["Problem"]) -> str:
    """Problems as a compiler prints them, and how many there are."""
    found = list(problems)
    counted = [(sum(p.severity == kind for p in found), kind) for kind in ("error", "warning")]
    total = " and ".join(f"{n} {kind}{'s' if n != 1 else ''}" for n, kind in counted if n)
    return "\n".join([*map(str, found), total])
