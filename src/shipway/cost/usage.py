"""What ran, as somebody measured it: rows made fit to be paid for, and what was wrong with the rest.

Rows come from the local machine's recorder or from a file; :mod:`.allocation` puts prices on them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from shipway.cost.money import MOST, is_amount
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.spec.reading import Source

LATEST = 253_402_300_799.0
"""Seconds since the epoch of the end of the year 9999: no clock says more."""
LONGEST = 1e9
"""Seconds of one row: thirty years."""
GAP = 1.5
"""A row that begins later than this many times its own length after the one before leaves a gap; less is jitter."""


class UsageRow(msgspec.Struct, frozen=True):
    """All instances of a release together, over the ``seconds`` that end at ``at``."""

    at: float
    """Seconds since the epoch."""
    app: str
    release: str
    cpu: float
    """Cores, mean over the time."""
    memory: float
    """Bytes, mean over the time."""
    requests: int
    """Answered in the time."""
    seconds: float
    failed: int | None = None
    """Of the requests; None when nobody looked."""
    p95: float | None = None
    """Seconds in which 95 % of them were answered; None when nobody measured."""
    instances: int | None = None
    """That ran; None when nobody counted."""


class Performance(NamedTuple):
    """How a release served its requests."""

    p95: float | None
    """Seconds."""
    error_rate: float | None
    """0..1."""


class Requested(NamedTuple):
    """What is kept free for an application, used or not."""

    cpu: float = 0.0
    """Cores, of all its instances together."""
    memory: float = 0.0
    """Bytes."""
    instances: int = 0
    """Among which that is divided; 0 when nobody knows."""


class Measured(msgspec.Struct, frozen=True):
    """Rows that can be paid for: positive, once for each moment, in the order of application, release and time."""

    rows: tuple[UsageRow, ...]
    gaps: Mapping[tuple[str, str], float]
    """(application, release) to the seconds between its rows that nobody measured, and nobody is charged for."""
    problems: tuple[str, ...]
    """What was left out or shortened, and why."""


def measured(rows: Iterable[UsageRow]) -> Measured:
    """Whatever of ``rows`` makes sense. Never raises for what a row holds."""
    good: list[UsageRow] = []
    problems: list[str] = []
    for row in rows:
        if wrong := _wrong(row):
            problems.append(
                f"{row.app} {row.release} at {row.at:.0f}: {wrong} is {getattr(row, wrong)}; the row is left out"
            )
        else:
            good.append(row)
    kept: list[UsageRow] = []
    gaps: dict[tuple[str, str], float] = {}
    ordered = sorted(good, key=lambda row: (row.app, row.release, row.at))
    for key, group in groupby(ordered, key=lambda row: (row.app, row.release)):
        rest, gap, said = _in_line(list(group))
        kept += rest
        problems += said
        if gap:
            gaps[key] = gap
    return Measured(tuple(kept), gaps, tuple(dict.fromkeys(problems)))


def kept(rows: Sequence[UsageRow], requested: Mapping[tuple[str, str], Requested]) -> Iterator[Requested]:
    """What is kept free for each of ``rows``, in their order; ``requested`` is by (application, release).

    A canary beside the live release does not double the application's request. Where a row says how many instances ran,
    it has as many parts of the whole; elsewhere all releases that ran at that moment share it evenly.
    """
    beside = {app: _together(list(inside)) for app, inside in groupby(rows, key=lambda row: row.app)}
    for row in rows:
        whole = requested.get((row.app, row.release), Requested())
        if row.instances is not None and whole.instances:
            share = row.instances / whole.instances
        else:
            share = 1 / max(1, beside[row.app](row.at - row.seconds / 2))
        yield Requested(whole.cpu * share, whole.memory * share, row.instances or 0)


def _together(rows: Sequence[UsageRow]) -> Callable[[float], int]:
    """How many releases of an application ran at a moment: began before it, and had not ended."""
    begins: list[float] = []
    ends: list[float] = []
    for _, inside in groupby(rows, key=lambda row: row.release):
        end: float | None = None
        for row in inside:
            if end is None or row.at - row.seconds > end + (GAP - 1) * row.seconds:
                ends += [] if end is None else [end]
                begins.append(row.at - row.seconds)
            end = row.at
        ends += [] if end is None else [end]
    begins.sort()
    ends.sort()
    return lambda at: bisect_right(begins, at) - bisect_left(ends, at)


def performance(rows: Iterable[UsageRow]) -> dict[tuple[str, str], Performance]:
    """How each (application, release) served, over the rows that say it.

    The P95 is the mean of the rows' own, weighted by their requests: that of all requests cannot be told from them.
    """
    ordered = sorted(rows, key=lambda row: (row.app, row.release))
    groups = groupby(ordered, key=lambda row: (row.app, row.release))
    return {key: _served([row for row in inside if row.requests]) for key, inside in groups}


def _served(rows: Sequence[UsageRow]) -> Performance:
    times = [(row.p95, row.requests) for row in rows if row.p95 is not None]
    failures = [(row.failed, row.requests) for row in rows if row.failed is not None]
    p95 = sum(time * count for time, count in times) / sum(count for _, count in times) if times else None
    rate = sum(failed for failed, _ in failures) / sum(count for _, count in failures) if failures else None
    return Performance(p95, rate)


def _wrong(row: UsageRow) -> str:
    """Name of the field that cannot be; empty when there is none."""
    # Most rows are right, and there are 120,000 of an application in two weeks: the usual fields are looked at in one go.
    sane = 0 <= row.cpu <= MOST and 0 <= row.memory <= MOST and 0 <= row.requests <= MOST
    if sane and 0 < row.seconds <= LONGEST and 0 <= row.at <= LATEST and row.p95 is None:
        failed, instances = row.failed, row.instances
        if (failed is None or 0 <= failed <= row.requests) and (instances is None or instances >= 0):
            return ""
    optional = [name for name in ("failed", "p95", "instances") if getattr(row, name) is not None]
    fields = ("cpu", "memory", "requests", "seconds", "at", *optional)
    wrong = next((name for name in fields if not is_amount(getattr(row, name))), "")
    if wrong or (row.failed or 0) > row.requests:
        return wrong or "failed"
    return "at" if row.at > LATEST else "" if 0 < row.seconds <= LONGEST else "seconds"


def _in_line(rows: Sequence[UsageRow]) -> tuple[list[UsageRow], float, list[str]]:
    """(rows that do not overlap, seconds between them, what was wrong) of one release."""
    kept: list[UsageRow] = []
    gap, said = 0.0, []
    for row in rows:
        before = kept[-1].at if kept else row.at - row.seconds
        if kept and row.at == before:
            said.append(f"{row.app} {row.release} at {row.at:.0f}: measured twice; the first holds")
            continue
        if row.at - row.seconds > before + (GAP - 1) * row.seconds:
            gap += row.at - row.seconds - before
        # A clock that was set back makes times overlap; nobody pays twice for the same second.
        kept.append(msgspec.structs.replace(row, seconds=min(row.seconds, row.at - before) if kept else row.seconds))
    return kept, gap, said


def is_usage(source: Source) -> bool:
    """JSON lines of rows; OpenCost's answer is one object with ``data``."""
    text = source.text if isinstance(source.text, bytes) else source.text.encode()
    first = text.lstrip().split(b"\n", 1)[0]
    return b'"app"' in first and b'"seconds"' in first


def rows_of(source: Source) -> list[UsageRow]:
    """The rows of such a file.

    Raises:
        BadInput: with every line that is none.
    """
    text = source.text if isinstance(source.text, bytes) else source.text.encode()
    rows: list[UsageRow] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            rows += [msgspec.json.decode(line, type=UsageRow)] if line.strip() else []
        except msgspec.DecodeError as error:
            problems.append(Problem(source.file, number, 1, "", "bad-row", str(error)))
    if problems:
        raise BadInput("a row of usage cannot be read", problems=problems)
    return rows
