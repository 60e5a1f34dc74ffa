"""Reactive, predictive and cost-aware scaling on the same trace: overload against money.

Called by ``shipway forecast --simulate`` and ``bench.scaling``. A simulation knows at each step only what was measured
before it. Leaves out queues: a step whose load exceeds what is running counts as overloaded, wholly.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from shipway.insight.forecasting import Forecast, forecast
from shipway.insight.scaling import HOURS_PER_MONTH, Bounds, Margin, decide, reactive
from shipway.insight.series import WEEK, Absent, Floats, Series, filled, regular
from shipway.insight.workloads import History

Policy = Literal["reactive", "predictive", "cost-aware"]
POLICIES: tuple[Policy, ...] = ("reactive", "predictive", "cost-aware")
STABILISATION = 300.0
"""Seconds that a scaler waits before it goes down: the highest wish of that time holds (Kubernetes' default)."""
REFIT = 900.0
"""Seconds between two forecasts."""
FLOOR = 0.1
"""Share of the last day's mean load that is always expected."""
WARM_UP = 96
"""Forecasts before the beginning that the margin learns from: a day's."""
MANY = 4032
"""Values from which a trace finer than five minutes is looked at by five minutes: a forecast for each quarter of an hour
of a week would else take minutes. Peaks within five minutes are kept."""

COARSE = 300.0


class Outcome(msgspec.Struct, frozen=True):
    """What a policy would have cost and spared."""

    policy: Policy
    overloaded: float
    """Share of steps in which the load exceeded the capacity that was running."""
    unserved: float
    """Share of all load above that capacity."""
    cost: float | None
    """For the whole trace; None when the price is unknown."""
    instance_hours: float
    conflicts: int
    """Steps in which budget or bounds allowed fewer instances than needed."""
    covered: float | None
    """Share of forecast peaks that stayed below the forecast with its margin; None for a reactive policy."""
    instances: tuple[int, ...]
    """That carry load, at each step."""
    dearest: float | None = None
    """What the dearest hour costs at that many instances; with a budget never more than budget / 730."""
    conflict: str = ""
    """In words, at the step that lacks most; empty without one."""


class _Wish(msgspec.Struct, frozen=True):
    instances: int
    lacking: int = 0
    """Instances that are needed and not allowed, or not paid for."""
    conflict: str = ""
    covered: bool | None = None
    """Whether the peak of a forecast that has just come true was below it; None: none has."""


class _Expected(NamedTuple):
    """What a step is to be ready for, with the margin in it."""

    load: float
    covered: bool | None


class Simulation(msgspec.Struct, frozen=True):
    """The policies side by side."""

    start: float
    """Seconds since the epoch, of the first simulated value; what lies before is history."""
    step: float
    load: Floats
    outcomes: tuple[Outcome, ...]


def compare(trace: Series, begin: int, bounds: Bounds, startup: float = 120.0) -> Simulation | Absent:
    """Every policy on the same trace, from index ``begin`` on; the forecasts are made once.

    An instance carries load ``startup`` seconds after it is asked for. Only ``cost-aware`` heeds the budget.
    """
    problem = _impossible(trace, begin, bounds)
    if problem:
        return Absent(problem)
    whole = Series(trace.start, trace.step, filled(trace))
    expected = list(_expected(whole, begin))
    outcomes = tuple(_outcome(policy, whole, begin, (bounds, startup), expected) for policy in POLICIES)
    return Simulation(trace.start + begin * trace.step, trace.step, whole.values[begin:], outcomes)


def simulate(trace: Series, begin: int, policy: Policy, bounds: Bounds, startup: float = 120.0) -> Outcome | Absent:
    """One policy alone, as :func:`compare` runs it."""
    problem = _impossible(trace, begin, bounds)
    if problem:
        return Absent(problem)
    whole = Series(trace.start, trace.step, filled(trace))
    expected = () if policy == "reactive" else list(_expected(whole, begin))
    return _outcome(policy, whole, begin, (bounds, startup), expected)


def _impossible(trace: Series, begin: int, bounds: Bounds) -> str:
    """Why nothing can be simulated; empty when it can."""
    if not 0 < begin < len(trace.values):
        return f"a history and a trace are needed: there are {len(trace.values)} values in all"
    if not bounds.capacity > 0:
        return "an instance must be able to carry some load"
    if bounds.least > bounds.most or bounds.least < 0:
        return f"the fewest instances are {bounds.least}, the most {bounds.most}"
    known = trace.values[np.isfinite(trace.values)]
    if not len(known) or (known < 0).any():
        return "the load is below 0 at times" if len(known) else "nothing was measured"
    return ""


def _outcome(
    policy: Policy, trace: Series, begin: int, how: tuple[Bounds, float], expected: Sequence[_Expected]
) -> Outcome:
    bounds, startup = how
    if policy != "cost-aware":
        bounds = msgspec.structs.replace(bounds, budget=None)
    delay = max(1, math.ceil(startup / trace.step))
    wishes = list(_reactive(trace, begin, bounds) if policy == "reactive" else _decided(expected, bounds))
    return _accounted(policy, Series(trace.start, trace.step, trace.values[begin:]), bounds, delay, wishes)


def _reactive(trace: Series, begin: int, bounds: Bounds) -> Iterator[_Wish]:
    current = reactive(1, float(trace.values[begin - 1]), bounds)
    recent = deque([current], maxlen=max(1, round(STABILISATION / trace.step)))
    for at in range(begin, len(trace.values)):
        recent.append(reactive(current, float(trace.values[at - 1]), bounds))
        current = max(recent)
        yield _Wish(current)


def _decided(expected: Sequence[_Expected], bounds: Bounds) -> Iterator[_Wish]:
    for one in expected:
        found = decide(one.load, 1.0, bounds)
        yield _Wish(found.instances, found.needed - found.instances, found.conflict, one.covered)


def _expected(trace: Series, begin: int) -> Iterator[_Expected]:
    """The forecast peak of the next 15 minutes with its margin, and never less than the load of the moment needs."""
    every = max(1, round(REFIT / trace.step))
    margin, peak = Margin(), math.nan
    warm = max(0, min(begin - every, WARM_UP * every)) // every * every
    for at in range(begin - warm, len(trace.values)):
        covered = None
        if (at - begin) % every == 0:
            actual = float(trace.values[max(0, at - every) : at].max())
            covered = actual <= peak * margin.factor if math.isfinite(peak) else None
            margin = margin.after(actual, peak)
            found = forecast(Series(trace.start, trace.step, trace.values[:at]), every)
            peak = float(found.mean.max()) if isinstance(found, Forecast) else float(trace.values[at - 1])
            # A forecast of nothing has no ratio to what comes; a little load is always expected.
            peak = max(peak, FLOOR * float(trace.values[max(0, at - 96 * every) : at].mean()))
        if at >= begin:
            yield _Expected(max(peak * margin.factor, float(trace.values[at - 1])), covered)


def _accounted(policy: Policy, load: Series, bounds: Bounds, delay: int, wishes: Sequence[_Wish]) -> Outcome:
    wished = np.array([wish.instances for wish in wishes])
    # More instances carry load only after their start; fewer are gone at once.
    late = np.concatenate([np.repeat(wished[:1], delay), wished])[: len(wished)]
    running = np.minimum(wished, late)
    beyond = np.maximum(0.0, load.values - running * bounds.capacity)
    hours, total = float(wished.sum()) * load.step / 3600, float(load.values.sum())
    judged = [wish.covered for wish in wishes if wish.covered is not None]
    return Outcome(
        policy=policy,
        overloaded=float(np.mean(beyond > 0)),
        unserved=float(beyond.sum()) / total if total > 0 else 0.0,
        cost=None if bounds.price is None else hours * bounds.price,
        instance_hours=hours,
        conflicts=sum(bool(wish.conflict) for wish in wishes),
        covered=sum(judged) / len(judged) if judged else None,
        instances=tuple(running.tolist()),
        dearest=None if bounds.price is None else float(wished.max()) * bounds.price,
        conflict=max(wishes, key=lambda wish: wish.lacking).conflict,
    )


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


def simulated(history: History, bounds: Bounds, startup: float, currency: str) -> Simulated:
    """The second half of the trace, at most a week of it; what lies before is history."""
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
