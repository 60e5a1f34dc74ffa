"""What a recommendation would have cost and spared on usage that it has not seen.

Called by tests and ``bench.sizing``. Throttling is wanting more CPU than was requested: a full node would then give no more.
Waste is what was requested and not used, in money, over the money for what was used.
"""

import msgspec
import numpy as np

from shipway.insight.sizing.usage import GIB, Recommendation
from shipway.testing.traces import Trace

CPU_HOUR, GIB_HOUR = 0.031611, 0.004237
"""OpenCost's default prices, in dollars."""


class Judged(msgspec.Struct, frozen=True):
    """Shares of time, and waste as a share of what was used."""

    throttling: float
    oom: float
    waste: float


def judge(advice: Recommendation, trace: Trace, begin: int) -> Judged:
    """From index ``begin`` of the trace on."""
    cpu, memory = trace.cpu[begin:], trace.memory[begin:]
    hours = (np.arange(begin, len(trace.cpu)) * trace.step // 3600 % 24).astype(int)
    request = (
        np.array(advice.cpu_by_hour)[hours] if advice.cpu_by_hour else np.full(len(cpu), advice.cpu_request or 0.0)
    )
    reserved = advice.memory_request or 0.0
    limit = advice.memory_limit or reserved
    wasted = CPU_HOUR * np.maximum(request - cpu, 0).mean() + GIB_HOUR / GIB * np.maximum(reserved - memory, 0).mean()
    used = CPU_HOUR * cpu.mean() + GIB_HOUR / GIB * memory.mean()
    return Judged(float(np.mean(cpu > request)), float(np.mean(memory > limit)), float(wasted / used))
