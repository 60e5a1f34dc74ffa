"""What workloads save by sharing: peaks at different hours, and nodes that are filled well.

Called by ``shipway rightsize --pool``. Packing is first fit decreasing, at most 11/9 of the best number of nodes plus a
fraction (Johnson 1973) for one dimension and close to it for two in practice.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from shipway.insight.series import MOST_POINTS, Absent, Floats
from shipway.insight.sizing.advice import observed
from shipway.insight.workloads import History

SHARE = 0.96
"""Of the time in which everybody gets the CPU that is wanted, apart as together."""


class Pool(msgspec.Struct, frozen=True):
    """What a group would request together, and apart, in cores; the same share of time above both."""

    together: float
    apart: float

    @property
    def saving(self) -> float:
        """Cores; 0 when all of them peak at once."""
        return max(0.0, self.apart - self.together)


def pool(cpu: Mapping[str, Floats], share: float = 0.96) -> Pool | Absent:
    """Workloads' total cores over the same samples; ``share`` of the time is to be covered."""
    lengths = {len(values) for values in cpu.values()}
    if len(cpu) < 2 or len(lengths) != 1:
        return Absent("at least two workloads, measured at the same times, can share")
    rows = np.array(list(cpu.values()))
    known = rows[:, np.isfinite(rows).all(axis=0)]
    if known.shape[1] < 100:
        return Absent(f"{known.shape[1]} samples of all workloads together: 100 are needed")
    apart = float(np.quantile(known, share, axis=1).sum())
    return Pool(min(float(np.quantile(known.sum(axis=0), share)), apart), apart)


class Need(msgspec.Struct, frozen=True):
    """One instance to be placed: cores and bytes."""

    name: str
    cpu: float
    memory: float


def pack(needs: Sequence[Need], node: Need) -> list[list[str]] | Absent:
    """Names by node, each node no larger than ``node``."""
    if not (node.cpu > 0 and node.memory > 0):
        return Absent("a node must have CPU and memory")
    too_large = [one.name for one in needs if one.cpu > node.cpu or one.memory > node.memory]
    if too_large:
        return Absent(f"larger than a node: {', '.join(sorted(too_large))}")
    nodes: list[tuple[float, float, list[str]]] = []
    order = sorted(needs, key=lambda one: (-max(one.cpu / node.cpu, one.memory / node.memory), one.name))
    for one in order:
        for place, (cpu, memory, names) in enumerate(nodes):
            if cpu >= one.cpu and memory >= one.memory:
                nodes[place] = (cpu - one.cpu, memory - one.memory, [*names, one.name])
                break
        else:
            nodes.append((node.cpu - one.cpu, node.memory - one.memory, [one.name]))
    return [names for *_, names in nodes]


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


def pooled(histories: Sequence[History], machine: Need | None) -> Pooled:
    """Of the moments at which all were measured; instances are packed into machines of that size, if there is one."""
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
