"""What recommendations would have cost and spared on usage that they had not seen.

Called by tests and ``bench.sizing``. Throttling is wanting more CPU than was requested: a full node would then give no more.
Waste is what was requested and not used, in money, over the money for what was used.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from shipway.insight.series import DAY, Floats
from shipway.insight.sizing.usage import GIB, Recommendation, Recommender, Usage
from shipway.testing.traces import Trace

CPU_HOUR, GIB_HOUR = 0.031611, 0.004237
"""OpenCost's default prices, in dollars."""
SEEN = 14 * DAY
"""Seconds of history that advice is taken from; KRR's default."""


class Judged(msgspec.Struct, frozen=True):
    """Shares of time, and waste as a share of what was used."""

    throttling: float
    oom: float
    waste: float


def judge(advice: Recommendation, trace: Trace, begin: int) -> Judged:
    """One advice that holds from index ``begin`` of the trace on."""
    held = np.arange(begin, len(trace.cpu))
    return _judged(trace, held, _granted(advice, trace, held))


def rolled(recommend: Recommender, trace: Trace, every: float, first: float = 7 * DAY) -> Judged | None:
    """Advice that is taken anew ``every`` seconds, each time from the two weeks before, and holds until the next.

    The first ``first`` seconds are only history. None: there was no advice, or nothing is left to judge it on.
    """
    begun, step = round(first / trace.step), round(every / trace.step)
    granted = []
    for at in range(begun, len(trace.cpu), step):
        seen = slice(max(0, at - round(SEEN / trace.step)), at)
        usage = Usage(
            start=seen.start * trace.step, step=trace.step, cpu=trace.cpu[None, seen], memory=trace.memory[None, seen]
        )
        advice = recommend(usage)
        if not isinstance(advice, Recommendation):
            return None
        granted.append(_granted(advice, trace, np.arange(at, min(at + step, len(trace.cpu)))))
    held = np.arange(begun, len(trace.cpu))
    return _judged(trace, held, np.concatenate(granted, axis=1)) if granted else None


def scaled(recommend: Recommender, factor: float) -> Recommender:
    """The same, with CPU requests ``factor`` times as high: a recommender's own knob is a margin or a percentile."""

    def scaled_(usage: Usage) -> Recommendation:
        found = recommend(usage)
        assert isinstance(found, Recommendation), found
        return msgspec.structs.replace(found, cpu_request=(found.cpu_request or 0.0) * factor)

    return scaled_


def mean(all_judged: Sequence[Judged]) -> Judged:
    """Of several traces, each counting alike."""
    rows = [(one.throttling, one.oom, one.waste) for one in all_judged]
    return Judged(*np.mean(rows, axis=0).tolist())


def _granted(advice: Recommendation, trace: Trace, held: "np.typing.NDArray[np.int64]") -> Floats:
    """CPU request, memory request and memory limit at each index of ``held``, shape (3, indices)."""
    hours = (held * trace.step // 3600 % 24).astype(int)
    request = (
        np.array(advice.cpu_by_hour)[hours] if advice.cpu_by_hour else np.full(len(held), advice.cpu_request or 0.0)
    )
    reserved = advice.memory_request or 0.0
    return np.array([request, np.full(len(held), reserved), np.full(len(held), advice.memory_limit or reserved)])


def _judged(trace: Trace, held: "np.typing.NDArray[np.int64]", granted: Floats) -> Judged:
    cpu, memory = trace.cpu[held], trace.memory[held]
    request, reserved, limit = granted
    wasted = CPU_HOUR * np.maximum(request - cpu, 0).mean() + GIB_HOUR / GIB * np.maximum(reserved - memory, 0).mean()
    used = CPU_HOUR * cpu.mean() + GIB_HOUR / GIB * memory.mean()
    return Judged(float(np.mean(cpu > request)), float(np.mean(memory > limit)), float(wasted / used))
