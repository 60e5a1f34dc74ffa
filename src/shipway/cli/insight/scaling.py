"""`forecast --simulate`: what an instance carries and costs as it is written or known, and the outcomes for people."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT
from shipway.cli.output import plain
from shipway.cli.spending.bills import table
from shipway.cost.money import one_currency
from shipway.cost.prices import DEFAULT, hourly
from shipway.cost.wording import money
from shipway.insight import simulating
from shipway.insight.scaling import HOURS_PER_MONTH, Bounds
from shipway.insight.simulating import Simulated
from shipway.insight.wording import duration
from shipway.insight.workloads import History, Now
from shipway.model.errors import BadInput
from shipway.model.quantities import Money, QuantityError, parse_duration, parse_money


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate, as written on the command line."""

    capacity: float | None
    price: str | None
    budget: str | None
    least: int
    most: int
    startup: str


def simulated(history: History, present: Now, asked: Asked) -> Simulated:
    """The second half of the trace, at most a week of it; what lies before is history.

    Raises:
        BadInput: an option is wrong, or what an instance carries is not known.
    """
    bounds, currency, startup = _bounds(asked, present)
    return simulating.simulated(history, bounds, startup, currency)


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
    from shipway.cli.recalling.reporting import write_sections
    from shipway.web.report.cards import scaling
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
