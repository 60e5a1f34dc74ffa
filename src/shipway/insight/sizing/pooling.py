"""What workloads save by sharing: peaks at different hours, and nodes that are filled well.

Called by ``shipway rightsize --pool``. Packing is first fit decreasing, at most 11/9 of the best number of nodes plus a
fraction (Johnson 1973) for one dimension and close to it for two in practice.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from shipway.insight.series import Absent, Floats


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
