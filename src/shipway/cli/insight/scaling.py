"""What `forecast --simulate` does: a trace of requests and what an instance carries in, three ways of scaling side by side out."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT
from shipway.cli.insight.advising import History
from shipway.cli.insight.insights import duration
from shipway.cli.insight.released import Now
from shipway.cli.output import plain
from shipway.cli.spending.bills import money, table
from shipway.cost.money import one_currency
from shipway.cost.prices import DEFAULT, hourly
from shipway.insight.scaling import HOURS_PER_MONTH, Bounds
from shipway.insight.series import WEEK, Absent, Series, regular
from shipway.insight.simulating import Outcome, compare
from shipway.model.errors import BadInput
from shipway.model.quantities import Money, QuantityError, parse_duration, parse_money

MANY = 4032
"""Values from which a trace finer than five minutes is looked at by five minutes: a forecast for each quarter of an hour
of a week would else take minutes. Peaks within five minutes are kept."""
COARSE = 300.0
SHOWN = 500
"""Points of a picture."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate, as written on the command line."""

    capacity: float | None
    price: str | None
    budget: str | None
    least: int
    most: int
    startup: str


class Simulated(msgspec.Struct, frozen=True):
    """One application, or why nothing can be simulated."""

    application: str
    absent: str = ""
    start: float = 0.0
    """Seconds since the epoch, of the first simulated value."""
    step: float = 0.0
    load: tuple[float, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    capacity: float = 0.0
    price: float | None = None
    """Of an instance for an hour; None: unknown, and no policy's money is."""
    cap: float | None = None
    """budget / 730; None without a budget."""
    currency: str = ""


def simulated(history: History, present: Now, asked: Asked) -> Simulated:
    """The second half of the trace, at most a week of it; what lies before is history.

    Raises:
        BadInput: an option is wrong, or what an instance carries is not known.
    """
    bounds, currency, startup = _bounds(asked, present)
    found = regular([one.at for one in history.moments], [one.requests for one in history.moments], history.step)
    if isinstance(found, Absent):
        return Simulated(history.name, found.reason)
    trace = _coarser(found)
    length = len(trace.values)
    ran = compare(trace, length - max(1, min(length // 2, round(WEEK / trace.step))), bounds, startup)
    if isinstance(ran, Absent):
        return Simulated(history.name, ran.reason)
    cap = None if bounds.budget is None else bounds.budget / HOURS_PER_MONTH
    load = tuple(ran.load.tolist())
    return Simulated(
        history.name, "", ran.start, ran.step, load, ran.outcomes, bounds.capacity, bounds.price, cap, currency
    )


def _coarser(trace: Series) -> Series:
    """By five minutes, the most of each, when it is long and finer than that."""
    factor = round(COARSE / trace.step)
    if factor < 2 or len(trace.values) <= MANY:
        return trace
    kept = trace.last(len(trace.values) // factor * factor)
    groups = kept.values.reshape(-1, factor)
    known = np.isfinite(groups)
    peaks = np.where(known, groups, -np.inf).max(axis=1)
    return Series(kept.start, kept.step * factor, np.where(known.any(axis=1), peaks, np.nan))


def _bounds(asked: Asked, present: Now) -> tuple[Bounds, str, float]:
    capacity = asked.capacity if asked.capacity is not None else present.carries
    if capacity is None or not capacity > 0:
        hint = "Say it in the unit of the load: --capacity 50. An Application that scales on requests says it itself."
        raise BadInput("nobody knows what one instance carries", hint=hint)
    if not 0 <= asked.least <= asked.most or asked.most < 1:
        raise BadInput(f"expected --min from 0 to --max, got {asked.least} and {asked.most}")
    price, budget = _rate(asked.price, "--price"), _rate(asked.budget, "--budget") or present.budget
    currency = one_currency(one.currency for one in (price, budget) if one)
    hour = float(hourly(price)) if price else _requests_price(present, currency)
    if budget is not None and hour is None:
        raise BadInput(
            "a budget caps nothing while the price of an instance is unknown", hint="Give --price '$0.05/hour'."
        )
    month = None if budget is None else float(hourly(budget)) * HOURS_PER_MONTH
    try:
        startup = parse_duration(asked.startup)
    except QuantityError as error:
        raise BadInput(f"--startup: {error}") from error
    return Bounds(capacity, asked.least, asked.most, hour, month), currency or DEFAULT.currency, startup


def _rate(text: str | None, option: str) -> Money | None:
    if text is None:
        return None
    try:
        found = parse_money(text)
    except QuantityError as error:
        raise BadInput(f"{option}: {error}", hint="In a shell, put amounts in quotes: '$300/month'.") from error
    if not found.per:
        raise BadInput(f"{option}: expected an amount for a time such as $0.05/hour or $300/month, got `{text}`")
    return found


def _requests_price(present: Now, currency: str) -> float | None:
    """Of what an instance requests, by OpenCost's prices; None when it requests nothing, or pays in something else."""
    cpu, memory = DEFAULT.rate("cpu"), DEFAULT.rate("memory")
    if present.cpu is None or present.memory is None or currency not in {"", DEFAULT.currency}:
        return None
    return present.cpu * float(str(cpu)) + present.memory / 2**30 * float(str(memory))


def shown(found: Sequence[Simulated]) -> RenderableType:
    """A table for each application, and the conflict in words."""
    parts: list[RenderableType] = []
    for one in found:
        parts += [Text(), *_shown(one)] if parts else _shown(one)
    return Group(*parts)


def _shown(one: Simulated) -> list[RenderableType]:
    if one.absent:
        return [Text(f"{plain(one.application)}: unknown, {one.absent}.")]
    numbers = ("overloaded", "load unserved", "cost", "dearest hour", "peaks covered", "steps in conflict")
    lines = table(plain(one.application), *numbers, numbers=numbers)
    for row in one.outcomes:
        lines.add_row(
            row.policy,
            f"{row.overloaded:.2%}",
            f"{row.unserved:.2%}",
            "unknown" if row.cost is None else money(row.cost, one.currency),
            "unknown" if row.dearest is None else money(row.dearest, one.currency),
            "-" if row.covered is None else f"{row.covered:.1%}",
            Text(f"{row.conflicts}", BAD if row.conflicts else ""),
        )
    span = duration(one.step * len(one.load))
    said = [f"{span} in steps of {duration(one.step)}; an instance carries {one.capacity:g}."]
    if one.cap is not None:
        said.append(f"The budget allows {money(one.cap, one.currency)} an hour; only cost-aware heeds it.")
    said += [f"Conflict of {row.policy}: {row.conflict}." for row in one.outcomes if row.conflict]
    return [lines, *(Text(line, FAINT) for line in said)]


def plot(found: Sequence[Simulated], file: Path) -> None:
    """As HTML, or as SVG with the first picture of the first application, by the name's ending.

    Raises:
        BadInput: another ending, or there is nothing to draw.
    """
    from shipway.cli.recalling.cards import scaling
    from shipway.cli.recalling.reporting import write_sections
    from shipway.web.report.page import standalone

    if file.suffix not in {".html", ".svg"}:
        raise BadInput(f"--plot: expected a file that ends in .html or .svg, got {file}")
    sections = [scaling(one) for one in found]
    if file.suffix == ".html":
        write_sections(file, "Scaling, simulated", sections)
        return
    pictures = [picture for section in sections for picture in section.pictures]
    if not pictures:
        raise BadInput(f"there is nothing to draw: {sections[0].absent[0]}")
    file.write_text(standalone(pictures[0]), encoding="utf-8")


def thinned(values: Sequence[float], start: float, step: float) -> list[tuple[float, float]]:
    """(time, the most of as many values as makes a picture)."""
    every = -(-len(values) // SHOWN)
    return [(start + at * step, float(max(values[at : at + every]))) for at in range(0, len(values), every)]
