"""What `forecast --anomalies` does: metrics of an application, or of any table, in; what was unusual out.

A metric is any column of numbers, technical or of the business. Its baseline is what the detector expects next.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT
from shipway.cli.insight.advising import STEP
from shipway.cli.insight.insights import duration
from shipway.cli.output import plain
from shipway.cli.spending.bills import table
from shipway.facts.samples import Sample, spread
from shipway.facts.sheets import read_sheet
from shipway.facts.usages import UsageFiles
from shipway.insight.anomalies import WARM_UP, detect
from shipway.insight.series import Absent, Series, filled, regular
from shipway.model.errors import BadInput, NotFound

SHOWN = 20
"""The last anomalies of a metric that are listed for people; programs get all."""


class Unusual(msgspec.Struct, frozen=True):
    """One value."""

    at: float
    """Seconds since the epoch."""
    value: float
    expected: float
    """Mean of the values before it."""
    way: str
    """In which it deviates: value, recent mean, step, spread, time of day."""
    score: float
    """Deviation over the largest one before it."""


class Metric(msgspec.Struct, frozen=True):
    """One series, or why nothing can be said about it."""

    application: str
    name: str
    absent: str = ""
    samples: int = 0
    step: float = 0.0
    baseline: float = math.nan
    """What is usual now: the mean of the last values."""
    low: float = math.nan
    """Between these two lay nine in ten of them."""
    high: float = math.nan
    anomalies: tuple[Unusual, ...] = ()


def recorded(home: Path, app: str | None) -> list[Metric]:
    """Requests, errors, CPU and memory of what the controller has recorded.

    Raises:
        NotFound: nothing was.
    """
    files = UsageFiles(home)
    known = [name for name in files.apps() if app in {None, name}]
    if not known:
        hint = "A running controller (`shipway up`) records every 10 s; or name a table: --csv FILE."
        raise NotFound(f"no use{f' of {app}' if app else ''} was recorded in {home}", hint=hint)
    return [metric for name in known for metric in _of(name, list(spread(files.read(name), STEP)))]


def _of(app: str, samples: Sequence[Sample]) -> Iterable[Metric]:
    moments: dict[float, list[Sample]] = {}
    for one in samples:
        moments.setdefault(one.at, []).append(one)
    at = sorted(moments)
    for name, amount in (
        ("requests a second", _requests),
        ("share of errors", _errors),
        ("cores", lambda found: sum(one.cpu for one in found)),
        ("memory, bytes", lambda found: sum(one.memory for one in found)),
    ):
        yield looked_at(app, name, at, [amount(moments[when]) for when in at], STEP)


def _requests(found: Sequence[Sample]) -> float:
    return sum(one.requests / one.seconds for one in found if one.seconds > 0)


def _errors(found: Sequence[Sample]) -> float:
    requests = sum(one.requests for one in found)
    return sum(one.failed for one in found) / requests if requests else math.nan


def imported(file: Path) -> list[Metric]:
    """Every column of a table but ``at``.

    Raises:
        BadInput: with every problem of every line.
    """
    sheet = read_sheet(file, ("at",))
    names = [name for name in sheet.columns if name and name != "at"]
    if not names:
        raise BadInput(f"{file} has no column beside `at`", hint="Every other column is a metric: at,revenue,signups")
    at = [row.moment("at") for row in sheet.rows]
    values = {name: [row.value(name) if row.text(name) else math.nan for row in sheet.rows] for name in sorted(names)}
    sheet.check()
    return [looked_at(file.stem, name, at, found) for name, found in values.items()]


def looked_at(app: str, name: str, at: Sequence[float], values: Sequence[float], step: float = 0.0) -> Metric:
    """What was unusual about one series."""
    found = regular(at, values, step)
    if isinstance(found, Absent):
        return Metric(app, name, found.reason)
    if len(found.values) <= WARM_UP:
        return Metric(app, name, f"what is usual shows after {WARM_UP} values; there are {len(found.values)} so far")
    readings = list(zip(detect(Series(found.start, found.step, filled(found))), found.values.tolist(), strict=True))
    odd = tuple(
        Unusual(when, value, reading.expected, reading.way, reading.score)
        for (when, reading), value in readings
        if reading.anomalous and math.isfinite(value)
    )
    last = found.values[-10 * WARM_UP :]
    low, middle, high = np.nanquantile(last, (0.05, 0.5, 0.95)).tolist()
    return Metric(app, name, "", len(found.values), found.step, middle, low, high, odd)


def shown(found: Sequence[Metric]) -> RenderableType:
    """Baselines, then anomalies, the newest first."""
    numbers = ("usual", "nine in ten within", "anomalies")
    lines = table("application", "metric", *numbers, "of", numbers=numbers)
    for one in found:
        if one.absent:
            lines.add_row(plain(one.application), plain(one.name), "unknown", "-", "-", one.absent)
            continue
        within = f"{one.low:.4g} to {one.high:.4g}"
        span = f"{one.samples:,} values, one every {duration(one.step)}"
        count = Text(f"{len(one.anomalies)}", BAD if one.anomalies else "")
        lines.add_row(plain(one.application), plain(one.name), f"{one.baseline:.4g}", within, count, span)
    odd = sorted(((each, one) for one in found for each in one.anomalies[-SHOWN:]), key=lambda pair: -pair[0].at)
    if not odd:
        return lines
    values = ("value", "usual then", "times the record")
    listed = table("when (UTC)", "application", "metric", *values, "unusual in its", numbers=values)
    for each, one in odd[:SHOWN]:
        when = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        figures = (f"{each.value:.4g}", f"{each.expected:.4g}", f"{each.score:.2f}")
        listed.add_row(when, plain(one.application), plain(one.name), *figures, each.way)
    rest = sum(len(one.anomalies) for one in found) - min(SHOWN, len(odd))
    more = [Text(f"{rest} more, older: --json has them all.", FAINT)] if rest else []
    return Group(lines, Text(), listed, *more)
