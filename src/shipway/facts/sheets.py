"""CSV files of other tools, with named columns: every problem at once, each with its line. Called by what reads measurements."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from shipway.facts.files import read
from shipway.model.errors import BadInput
from shipway.model.problems import Problem

LATEST = 253402300799.0
"""Seconds since the epoch of the end of the year 9999: larger numbers are milliseconds, or no time at all."""
MOST = 10
"""Wrong cells of a column that are named one by one: a column in another unit is wrong in every line."""


class Row:
    """One line of a sheet. Asking for what cannot be read notes a problem and answers with something harmless."""

    def __init__(self, file: str, line: int, cells: dict[str, str], problems: list[Problem]) -> None:
        self.line = line
        self._file, self._cells, self._problems = file, cells, problems

    def text(self, column: str) -> str:
        """The cell; empty when there is no such column."""
        return self._cells.get(column, "")

    def required(self, column: str) -> str:
        """The cell, which must not be empty."""
        if not self.text(column):
            self.wrong(column, "expected a value, got an empty cell")
        return self.text(column)

    def number(self, column: str) -> float:
        """A number from 0 on; NaN when it is none."""
        return self._read(column, self.text(column), _number, "a number from 0 on")

    def value(self, column: str) -> float:
        """Any number, below 0 too; NaN when it is none."""
        return self._read(column, self.text(column), _value, "a number")

    def moment(self, column: str) -> float:
        """Seconds since the epoch, or a time of ISO 8601 (UTC unless it says otherwise); NaN when it is none."""
        return self._moment(column, self.text(column))

    def moments(self, column: str) -> tuple[float, ...]:
        """Any number of times, separated by semicolons."""
        return tuple(self._moment(column, part.strip()) for part in self.text(column).split(";") if part.strip())

    def wrong(self, column: str, message: str) -> None:
        """Note a problem."""
        self._problems.append(Problem(self._file, self.line, 1, column, "bad-cell", message))

    def _moment(self, column: str, text: str) -> float:
        return self._read(
            column, text, moment, "a time such as 2026-11-02T09:30:00Z, or seconds (not ms) since the epoch"
        )

    def _read(self, column: str, text: str, convert: Callable[[str], float], expected: str) -> float:
        try:
            return convert(text)
        except (ValueError, OverflowError):
            self.wrong(column, f"expected {expected}, got `{text}`")
            return math.nan


class Sheet:
    """The rows of a file. Ask all of them, then :meth:`check`."""

    def __init__(self, file: str, rows: Sequence[tuple[int, dict[str, str]]], columns: Sequence[str]) -> None:
        self._problems: list[Problem] = []
        self.columns = frozenset(columns)
        self.rows = [Row(file, line, cells, self._problems) for line, cells in rows]

    def check(self) -> None:
        """Raises BadInput with whatever was wrong in any of the rows."""
        if self._problems:
            raise BadInput("the table cannot be used", problems=_told(sorted(self._problems)))


def _told(problems: Sequence[Problem]) -> list[Problem]:
    """The first of every column, and how many more there are."""
    told: list[Problem] = []
    for column in dict.fromkeys(one.path for one in problems):
        inside = [one for one in problems if one.path == column]
        told += inside[:MOST]
        for one in inside[MOST : MOST + 1]:
            more = f"; so are {len(inside) - MOST - 1} cells below" if len(inside) > MOST + 1 else ""
            told.append(msgspec.structs.replace(one, message=f"{one.message}{more}"))
    return sorted(told)


def read_sheet(file: Path, required: Sequence[str]) -> Sheet:
    """A CSV file whose first line names its columns.

    Raises:
        BadInput: it cannot be read, is no text, or lacks a required column.
    """
    (source,) = read([file])
    try:
        text = source.text if isinstance(source.text, str) else source.text.decode("utf-8-sig")
        lines = csv.DictReader(io.StringIO(text), restval="", strict=True)
        columns = [name.strip() for name in lines.fieldnames or ()]
        lines.fieldnames = columns
        rows = [(lines.line_num, {name: (cell or "").strip() for name, cell in _named(line)}) for line in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"{file} is no CSV file: {error}", hint=f"It needs the columns {', '.join(required)}."
        ) from error
    missing = [name for name in required if name not in columns]
    if missing:
        message = f"expected the columns {', '.join(required)}; there is no {', '.join(missing)}"
        raise BadInput("the table cannot be used", problems=[Problem(str(file), 1, 1, "", "no-column", message)])
    return Sheet(str(file), rows, columns)


def _named(line: dict[str | None, str | list[str]]) -> list[tuple[str, str]]:
    """Without cells beyond the last column."""
    return [(name, cell) for name, cell in line.items() if name is not None and not isinstance(cell, list)]


def _value(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _number(text: str) -> float:
    value = _value(text)
    if value < 0:
        raise ValueError
    return value


def moment(text: str) -> float:
    """Seconds since the epoch, or a time of ISO 8601 (UTC unless it says otherwise).

    Raises:
        ValueError, OverflowError: it is neither.
    """
    try:
        seconds = _number(text)
    except ValueError:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if seconds > LATEST:
        raise ValueError
    return seconds
