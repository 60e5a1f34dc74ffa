"""What `rightsize --pool` does: the use of several applications in, what they would save by sharing machines out."""

from collections.abc import Sequence

import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import FAINT
from shipway.cli.insight.advising import History, observed
from shipway.cli.output import plain
from shipway.cli.spending.bills import money, table
from shipway.cost.money import HOURS_PER_MONTH
from shipway.cost.prices import DEFAULT
from shipway.insight.series import MOST_POINTS, Absent, Floats
from shipway.insight.sizing.pooling import Need, pack, pool
from shipway.model.errors import BadInput
from shipway.model.quantities import QuantityError, parse_cpu, parse_memory

SHARE = 0.96
"""Of the time in which everybody gets the CPU that is wanted, apart as together."""


class Pooled(msgspec.Struct, frozen=True):
    """What sharing saves, or why nobody can tell."""

    absent: str = ""
    share: float = SHARE
    alone: dict[str, float] = {}
    """Cores that each application would have to keep for itself."""
    together: float = 0.0
    """Cores that all need when they share."""
    saving: float = 0.0
    nodes: tuple[tuple[str, ...], ...] | None = None
    """Instances by machine; None when no size of machines was asked about."""
    unplaced: str = ""
    """Why there are no machines."""


def pooled(histories: Sequence[History], node: str | None) -> Pooled:
    """Of the moments at which all were measured.

    Raises:
        BadInput: ``node`` is no size of a machine.
    """
    machine = _machine(node)
    rows = _aligned(histories)
    found = rows if isinstance(rows, Absent) else pool(rows, SHARE)
    placed = pack(_needs(histories), machine) if machine else None
    nodes = None if placed is None or isinstance(placed, Absent) else tuple(map(tuple, placed))
    unplaced = placed.reason if isinstance(placed, Absent) else ""
    if isinstance(found, Absent) or isinstance(rows, Absent):
        return Pooled(found.reason if isinstance(found, Absent) else "", nodes=nodes, unplaced=unplaced)
    known = np.isfinite(np.array(list(rows.values()))).all(axis=0)
    alone = {name: float(np.quantile(values[known], SHARE)) for name, values in rows.items()}
    return Pooled("", SHARE, alone, found.together, found.saving, nodes, unplaced)


def _aligned(histories: Sequence[History]) -> dict[str, Floats] | Absent:
    """Cores of all instances of each, on one grid of time; NaN where nothing was measured."""
    times = [one.at for history in histories for one in history.moments]
    steps = [history.step or _usual(history) for history in histories]
    if len(histories) < 2 or not times or not all(steps):
        return Absent("at least two applications, measured at the same times, can share")
    start, step = min(times), max(steps)
    length = int((max(times) - start) / step) + 1
    if length > MOST_POINTS:
        return Absent(f"samples span {length:,} steps of {step:g} s: has a clock jumped?")
    return {history.name: _gridded(history, start, step, length) for history in histories}


def _usual(history: History) -> float:
    gaps = np.diff(sorted(one.at for one in history.moments))
    return float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0


def _gridded(history: History, start: float, step: float, length: int) -> Floats:
    sums, counts = np.zeros(length), np.zeros(length)
    for one in history.moments:
        cores = sum(cores for cores, _ in one.each)
        if np.isfinite(cores):
            sums[int((one.at - start) / step)] += cores
            counts[int((one.at - start) / step)] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _needs(histories: Sequence[History]) -> list[Need]:
    """As many instances of each as ran at once, each with what 95 % of the samples need, and with the most memory."""
    found = []
    for history in histories:
        used = observed(history)
        most = max((len(one.each) for one in history.moments), default=0)
        if used is not None:
            found += [Need(f"{history.name}-{n}", used.cpu_p95, used.memory_most) for n in range(1, most + 1)]
    return found


def _machine(text: str | None) -> Need | None:
    if text is None:
        return None
    cpu, _, memory = text.partition("/")
    try:
        return Need("", parse_cpu(cpu), float(parse_memory(memory)))
    except QuantityError as error:
        raise BadInput(f"--node: {error}", hint="Write CPU/MEMORY of a machine: --node 4/16Gi.") from error


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
