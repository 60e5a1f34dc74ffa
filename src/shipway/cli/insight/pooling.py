"""What sharing saves, for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import FAINT
from shipway.cli.output import plain
from shipway.cli.spending.bills import table
from shipway.cost.money import HOURS_PER_MONTH
from shipway.cost.prices import DEFAULT
from shipway.cost.wording import money
from shipway.insight.sizing.pooling import Pooled


def shown(found: Pooled) -> RenderableType:
    """What each keeps alone, and what is saved."""
    if found.absent:
        return Group(Text(f"Nothing to say about sharing: {found.absent}."), *_nodes(found))
    lines = table("application", "cores alone", numbers=("cores alone",))
    for name, cores in found.alone.items():
        lines.add_row(plain(name), f"{cores:.3g}")
    apart = sum(found.alone.values())
    share = found.saving / apart if apart else 0.0
    price = float(str(DEFAULT.rate("cpu"))) * float(HOURS_PER_MONTH)
    worth = money(found.saving * price, DEFAULT.currency)
    saved = f"Together {found.together:.3g} cores do instead of {apart:.3g}: {share:.0%} less, {worth} a month."
    note = f"Either way everybody gets the CPU that is wanted in {found.share:.0%} of the time. Price: {DEFAULT.name}."
    return Group(lines, Text(), Text(saved), *_nodes(found), Text(note, FAINT))


def _nodes(found: Pooled) -> list[Text]:
    if found.unplaced:
        return [Text(f"No machines: {found.unplaced}.")]
    if found.nodes is None:
        return []
    head = f"Machines of that size that hold them (first fit, largest first): {len(found.nodes)}."
    return [Text(head), *(Text(f"{number}: {plain(', '.join(names))}") for number, names in enumerate(found.nodes, 1))]
