"""Our recommender: the least waste at a stated probability of wanting more CPU than requested, and of reaching the limit.

Called by ``shipway rightsize``. CPU: one request for each hour of the day when that saves enough to be worth resizing in place,
otherwise one for all day. Within the stated share of throttled time each hour gets as much as a core more there is worth:
the hours where a little CPU prevents much throttling first (equal marginal cost). Where safety is cheap it throttles less than
stated: throttled time has a price. How far past quantiles carry is not assumed but measured: the newest quarter of the history is
held out, and what was exceeded there widens everything. Use at another level, as of an earlier release, is left out (``levels``).

Memory is not compressible, so its request is what was reached at most and its limit lies above by what the daily peaks suggest:
a Gumbel tail (Fisher and Tippett 1928) for the stated chance per week, or the trend's end if it grows without coming back.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.insight.series import DAY, Absent, Floats
from shipway.insight.sizing.levels import Steady, steady
from shipway.insight.sizing.usage import MIB, Recommendation, Usage, days, whole_millicores

Slots = NDArray[np.int64]
"""Which request holds at each sample: the hour of the day, or always 0."""

HOURS = 24
GRID = np.array([*np.linspace(0.5, 0.88, 20), *np.linspace(0.89, 0.995, 43), 0.998, 1.0])
"""Shares of an hour's samples that its request may cover."""
LEAST_DAYS = 2.0
SCHEDULE_DAYS = 7.0
"""History from which an hour of the day has enough days behind it."""
WORTH_RESIZING = 0.1
"""Share of the request that a schedule must save on average."""
HALF_LIFE = 7 * DAY
"""In which a sample's weight halves: last week is half forgotten, so that a new level counts within days."""
HELD_OUT = 0.25
WORTH = 0.8
"""What throttling all the time would cost, in units of the mean use over the aim: to halve the share of the aim is worth up to
WORTH / 2 of the mean use. Chosen on synthetic traces; anything from 0.5 to 1.2 served them as well."""
ALLOWED = 1.5
"""Times the aim that a schedule may exceed it by on the held-out part."""
MOST_WIDENING = 1.15
"""One odd week at the end must not double everything."""
LEAST_CPU, LEAST_MEMORY = 0.010, 16 * MIB
MEMORY_MARGIN = 1.02
"""Above the highest peak: the next one is as likely to be higher as any before."""
LEAST_HEADROOM = 1.25
"""Limit over request: the next release may need more than any day told, and a limit, unlike a request, costs nothing."""
EULER = 0.5772156649015329


class Aim(msgspec.Struct, frozen=True):
    """What may go wrong, how often."""

    throttling: float = 0.05
    """Share of time in which the container may want more CPU than it requested."""
    oom: float = 0.01
    """Chance per week of reaching the memory limit."""


def recommend(usage: Usage, aim: Aim = Aim()) -> Recommendation | Absent:  # noqa: B008  # frozen
    """One container; pods are judged together, each has the same request."""
    history = days(usage)
    samples = int(np.isfinite(usage.cpu).sum())
    if samples < 100 or history * DAY < 3 * 3600:
        return Absent(
            f"{samples} sample{'s' * (samples != 1)} over {history * 24:.1f} hours: 100 over 3 hours are needed"
        )
    level = steady(usage.cpu, usage.step)
    counting = _at(usage, level)
    cpu = _cpu(counting, aim.throttling)
    # A smaller request would look like more load to the scaler, which would start more pods.
    if "cpu" in usage.scaled_on and usage.cpu_request is not None:
        cpu = _flat(counting, max(float(cpu.requests.max()), usage.cpu_request))
    requests = cpu.requests
    memory, limit, risk = _memory(usage, aim.oom)
    if "memory" in usage.scaled_on and usage.memory_request is not None:
        memory = max(memory, usage.memory_request)
        limit = max(limit, memory)
    return Recommendation(
        recommender="shipway",
        cpu_request=float(requests.max()),
        cpu_by_hour=tuple(requests.tolist()) if len(requests) > 1 else (),
        memory_request=memory,
        memory_limit=limit,
        throttling=cpu.expected,
        oom=risk,
        confidence=min(1.0, days(counting) / 14),
        note="; ".join(_notes(usage, level)),
    )


def _notes(usage: Usage, level: Steady) -> Iterator[str]:
    present = {"cpu": usage.cpu_request, "memory": usage.memory_request}
    for one in sorted(usage.scaled_on):
        if present[one] is None:
            yield f"a scaler divides by {one}, and what is requested now is unknown: do not request less"
        else:
            yield f"{one} is never shrunk: a scaler divides by it"
    if days(usage) < SCHEDULE_DAYS:
        yield f"only {days(usage):.1f} days of history"
    if level.hours:
        yield f"its CPU changed its level {level.hours} hours ago: only what holds since then counts"


def _at(usage: Usage, level: Steady) -> Usage:
    return msgspec.structs.replace(usage, start=usage.start + level.dropped * usage.step, cpu=level.cpu)


class _Cpu(msgspec.Struct, frozen=True):
    requests: Floats
    """24 by hour of the day, or 1."""
    expected: float
    """Share of the time above them: of all of it, or of the held-out part when that was worse."""


def _cpu(usage: Usage, aim: float) -> _Cpu:
    hours = _hours(usage)
    flat = _widened(usage, np.zeros_like(hours), aim)
    if days(usage) < SCHEDULE_DAYS:
        return flat
    hourly = _widened(usage, hours, aim)
    # Load that does not follow the clock only seems to, until the next day.
    follows = hourly.expected <= max(ALLOWED * aim, flat.expected)
    return hourly if follows and hourly.requests.mean() <= (1 - WORTH_RESIZING) * flat.requests[0] else flat


def _flat(usage: Usage, request: float) -> _Cpu:
    over, known = (usage.cpu > request).sum(), np.isfinite(usage.cpu).sum()
    return _Cpu(np.array([request]), float(over / max(1, known)))


def _hours(usage: Usage) -> Slots:
    seconds = usage.start + np.arange(usage.cpu.shape[-1]) * usage.step
    return np.asarray(seconds // 3600 % HOURS, np.int64)


def _widened(usage: Usage, slots: Slots, aim: float) -> _Cpu:
    """Requests by slot from all of the history, times what the held-out part asks for."""
    cpu = usage.cpu
    age = np.exp2(-np.arange(cpu.shape[-1], dtype=float)[::-1] * usage.step / HALF_LIFE)
    split = round(cpu.shape[-1] * (1 - HELD_OUT))
    tested = np.maximum(_requests(cpu[:, :split], slots[:split], age[:split], aim), LEAST_CPU)
    held = cpu[:, split:]
    with np.errstate(invalid="ignore"):
        ratios = (held / tested[slots[split:]]).ravel()
    ratios = ratios[np.isfinite(ratios)]
    factor = float(np.quantile(ratios, 1 - aim)) if len(ratios) else 1.0
    factor = min(max(factor, 1.0), MOST_WIDENING)
    missed = float(np.mean(ratios > factor)) if len(ratios) else 0.0
    requests = whole_millicores(np.maximum(_requests(cpu, slots, age, aim) * factor, LEAST_CPU))
    over = float((cpu > requests[slots]).sum() / max(1, np.isfinite(cpu).sum()))
    return _Cpu(requests, max(over, missed))


def _requests(cpu: Floats, slots: Slots, age: Floats, aim: float) -> Floats:
    """The cheapest requests by slot that are exceeded in a share ``aim`` of the time; quantiles weighted by ``age``."""
    count = HOURS if slots.any() else 1
    values, weights = cpu.ravel(), np.tile(age, len(cpu))
    mean = float(np.average(np.nan_to_num(values), weights=weights * np.isfinite(values)))
    by_value = np.argsort(values)
    by_value = by_value[: int(np.isfinite(values).sum())]  # NaN sorts last
    slot = np.tile(slots, len(cpu)).astype(np.int8)[by_value]
    order = by_value[np.argsort(slot, kind="stable")]
    edges = np.searchsorted(np.sort(slot), np.arange(count + 1))
    choices, sizes = np.zeros((count, len(GRID))), np.zeros(count)
    for one in range(count):
        part = order[edges[one] : edges[one + 1]]
        if len(part):
            sums = np.cumsum(weights[part])
            sizes[one] = sums[-1]
            places = np.searchsorted(sums, GRID * sums[-1] * (1 - 1e-12))
            choices[one] = values[part][np.minimum(places, len(part) - 1)]
    choices[sizes == 0] = choices.max(axis=0)  # an hour that was never seen may be as busy as any
    return _cheapest(choices, sizes / max(1e-300, float(sizes.sum())), aim, WORTH * mean / aim)


def _cheapest(choices: Floats, shares: Floats, aim: float, price: float) -> Floats:
    """One choice per slot with the least mean request + price x share above, so that at most ``aim`` of all time lies above.

    By Lagrange: where that price leaves more than ``aim``, the least higher one that does not is found by bisection.
    """
    above = 1 - GRID

    def picks(price: float) -> Slots:
        return np.asarray(np.argmin(choices + price * above, axis=1))

    low, high = price, price + max(float(choices.max()), 1e-9) * 1e6
    if float(shares @ above[picks(price)]) <= aim:
        high = price
    for _ in range(45 if high > low else 0):
        middle = (low + high) / 2
        if float(shares @ above[picks(middle)]) > aim:
            low = middle
        else:
            high = middle
    return np.asarray(choices[np.arange(len(choices)), picks(high)])


def _memory(usage: Usage, aim: float) -> tuple[float, float, float]:
    """Request, limit, and the chance per week of reaching it."""
    peaks = _daily_peaks(usage)
    top = max(float(peaks.max()), *(max(used, usage.memory_request or 0.0) * 1.25 for _, used in usage.ooms), 0.0)
    spread = float(peaks.std(ddof=1)) if len(peaks) > 1 else top * 0.1
    grown = _growth(peaks) * 7
    scale = max(spread * math.sqrt(6) / math.pi, top * 0.005, LEAST_MEMORY * 0.005)
    centre = float(peaks.mean()) - EULER * scale + grown
    # The maximum of seven days is the day's Gumbel moved by scale x ln 7.
    tail = centre + scale * math.log(7) - scale * math.log(-math.log1p(-aim))
    request = max((top + grown) * MEMORY_MARGIN, LEAST_MEMORY)
    limit = max(tail, request * LEAST_HEADROOM)
    risk = -math.expm1(-7 * math.exp(-(limit - centre) / scale))
    return _mib(request), _mib(limit), risk


def _daily_peaks(usage: Usage) -> Floats:
    per_day = max(1, min(round(DAY / usage.step), usage.memory.shape[-1]))
    whole = usage.memory[:, usage.memory.shape[-1] % per_day :].reshape(-1, per_day)
    known = whole[np.isfinite(whole).any(axis=1)]
    return np.asarray(np.nanmax(known, axis=1)) if len(known) else np.zeros(1)


def _growth(peaks: Floats) -> float:
    """Bytes a day by which the peaks grow, when they hardly ever fall: a leak that no restart has ended yet."""
    if len(peaks) < 4:
        return 0.0
    steps = np.diff(peaks)
    if (steps > 0).mean() < 0.9:
        return 0.0
    return max(0.0, float(np.median(steps)))


def _mib(value: float) -> float:
    return math.ceil(value / MIB) * MIB
