"""What `rightsize` and `forecast` do: recorded or imported use in, advice and outlooks out, or why there is none."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from shipway.cli.insight.released import Now
from shipway.facts.samples import Sample, spread
from shipway.facts.sheets import Row, read_sheet
from shipway.facts.usages import UsageFiles
from shipway.insight.forecasting import forecast
from shipway.insight.series import DAY, MOST_POINTS, Absent, Floats, Series, regular
from shipway.insight.sizing import krr, shipway, vpa
from shipway.insight.sizing.usage import Recommendation, Recommender, Usage, days
from shipway.model.errors import BadInput, NotFound
from shipway.model.quantities import QuantityError, parse_ratio
from shipway.model.suggestions import did_you_mean

RIVALS: Mapping[str, Recommender] = {"vpa": vpa.recommend, "krr": krr.recommend}
OURS = "shipway"
STEP = 60.0
"""Seconds of the grid that recorded samples are put on."""
SOON, LATER = 900.0, 7 * DAY
"""How far ahead is looked, in seconds: for a scaler, and for whoever plans."""
HOUR = 3600.0
LEAST_DAYS = 3.0
"""Of history, without which a week is not forecast."""


class Moment(NamedTuple):
    """One sample of a workload."""

    at: float
    each: tuple[tuple[float, float], ...]
    """(cores, bytes) of every instance."""
    requests: float
    """A second when recorded here; in whatever unit the table has."""


class History(msgspec.Struct, frozen=True):
    """A workload, over time."""

    name: str
    moments: tuple[Moment, ...]
    step: float = 0.0
    """Seconds of the grid to put it on; 0: the usual distance of its samples."""


class Observed(msgspec.Struct, frozen=True):
    """What an instance used, as far as it was measured; of all instances of an application."""

    samples: int
    cpu_median: float
    """Cores."""
    cpu_p95: float
    cpu_most: float
    memory_median: float
    """Bytes."""
    memory_p95: float
    memory_most: float


class Advice(msgspec.Struct, frozen=True):
    """Of one recommender."""

    recommender: str
    recommendation: Recommendation | None
    absent: str = ""
    """Why there is none."""
    cpu_saved: float | None = None
    """Cores an instance, all day on average; below 0: it needs more. None: nobody knows what it has now."""
    memory_saved: float | None = None
    """Bytes an instance."""


class Sized(msgspec.Struct, frozen=True):
    """One application."""

    application: str
    days: float
    """Of history."""
    now: Now
    advice: tuple[Advice, ...]
    observed: Observed | None = None
    """None: nothing was measured."""


class Outlook(msgspec.Struct, frozen=True):
    """What is to come, so many seconds ahead."""

    application: str
    ahead: float
    absent: str = ""
    """Why nothing can be said; then the rest is empty."""
    start: float = 0.0
    step: float = 0.0
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    level: float = 0.9
    """Share of the values that should lie between ``low`` and ``high``."""
    model: str = ""
    note: str = ""


def recorded(home: Path, app: str | None) -> list[History]:
    """What the controller of ``home`` has recorded of an application, or of all.

    Raises:
        NotFound: nothing.
    """
    files = UsageFiles(home)
    known = files.apps()
    if not known or (app and app not in known):
        hint = "A running controller (`shipway up`) records every 10 s; or name a table: --csv FILE."
        of = f" of {app}{did_you_mean(app, known)}" if app else ""
        raise NotFound(f"no use was recorded{of} in {home}", hint=hint)
    return [History(name, tuple(_moments(spread(files.read(name), STEP))), STEP) for name in ([app] if app else known)]


def _moments(samples: Iterable[Sample]) -> Iterable[Moment]:
    """All releases of an application together, at each moment."""
    inside: dict[float, list[Sample]] = {}
    for sample in samples:
        inside.setdefault(sample.at, []).append(sample)
    for at, found in sorted(inside.items()):
        rate = sum(one.requests / one.seconds for one in found if one.seconds > 0)
        yield Moment(at, tuple(pair for one in found for pair in one.each), rate)


def imported(file: Path, columns: Sequence[str]) -> History:
    """A table of one instance: ``at`` and the columns asked for, of ``cpu`` (cores), ``memory`` (bytes), ``requests``.

    Raises:
        BadInput: with every problem of every line.
    """
    sheet = read_sheet(file, ("at", *columns))
    moments = tuple(_imported(row, columns) for row in sheet.rows)
    sheet.check()
    return History(file.stem, tuple(sorted(moments)))


def _imported(row: Row, columns: Sequence[str]) -> Moment:
    # An empty cell is a gap, which every reader of series knows; a wrong one is an error.
    cells = {name: row.number(name) if row.text(name) else float("nan") for name in columns}
    each = ((cells["cpu"], cells["memory"]),) if "cpu" in cells else ()
    return Moment(row.moment("at"), each, cells.get("requests", float("nan")))


def aim(throttled: str, killed: str) -> shipway.Aim:
    """What may go wrong at most, as written on the command line.

    Raises:
        BadInput: neither of them is a share between 0 and 1.
    """
    found = {}
    for name, text in (("--throttled", throttled), ("--killed", killed)):
        try:
            found[name] = parse_ratio(text)
        except QuantityError as error:
            raise BadInput(f"{name}: {error}") from error
        if not 0 < found[name] < 1:
            raise BadInput(f"{name}: expected more than 0% and less than 100%, got {text}")
    return shipway.Aim(found["--throttled"], found["--killed"])


def sized(history: History, present: Now, aim: shipway.Aim = shipway.Aim()) -> Sized:  # noqa: B008  # frozen
    """Every recommender's advice; ``aim`` is for ours, the others have none."""
    usage = _usage(history, present)
    if isinstance(usage, Absent):
        nothing = tuple(Advice(name, None, usage.reason) for name in (*RIVALS, OURS))
        return Sized(history.name, 0.0, present, nothing, observed(history))
    asked = {name: ask(usage) for name, ask in RIVALS.items()} | {OURS: shipway.recommend(usage, aim)}
    advice = tuple(_advice(name, found, present) for name, found in asked.items())
    return Sized(history.name, days(usage), present, advice, observed(history))


def observed(history: History) -> Observed | None:
    """From the samples as they came."""
    pairs = [(c, m) for one in history.moments for c, m in one.each if math.isfinite(c) and math.isfinite(m)]
    if not pairs:
        return None
    cpu, memory = (np.quantile(np.array(values), (0.5, 0.95, 1.0)).tolist() for values in zip(*pairs, strict=True))
    return Observed(len(pairs), *cpu, *memory)


def _advice(name: str, found: Recommendation | Absent, present: Now) -> Advice:
    if isinstance(found, Absent):
        return Advice(name, None, found.reason)
    cpu = float(np.mean(found.cpu_by_hour)) if found.cpu_by_hour else found.cpu_request
    return Advice(name, found, "", _less(present.cpu, cpu), _less(present.memory, found.memory_request))


def _less(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _usage(history: History, present: Now) -> Usage | Absent:
    """On an even grid: the mean CPU and the peak of memory of each instance."""
    at = np.array([one.at for one in history.moments])
    gaps = np.diff(at)
    if not (gaps > 0).any():
        return Absent(f"{len(at)} samples: at least 2 of different times are needed")
    step = history.step or float(np.median(gaps[gaps > 0]))
    most = max(len(one.each) for one in history.moments)
    if most == 0:
        return Absent("no instance was running")
    length = float(at[-1] - at[0]) / step + 1
    if length * most > MOST_POINTS:
        return Absent(f"samples span {length:,.0f} steps of {step:g} s: has a clock jumped?")
    slots = np.rint((at - at[0]) / step).astype(np.int64)
    cpu, memory = _grid(history.moments, slots, most)
    if not (np.isfinite(cpu).any() and np.isfinite(memory).any()):
        return Absent("nothing was measured")
    return Usage(
        name=history.name,
        start=float(at[0]),
        step=step,
        cpu=cpu,
        memory=memory,
        cpu_request=present.cpu,
        memory_request=present.memory,
        scaled_on=frozenset(name for name in ("cpu", "memory") if name in present.scaled_on),
    )


def _grid(moments: Sequence[Moment], slots: "np.typing.NDArray[np.int64]", most: int) -> tuple[Floats, Floats]:
    length = int(slots[-1]) + 1
    sums, counts = np.zeros((most, length)), np.zeros((most, length))
    peaks = np.full((most, length), -np.inf)
    for slot, moment in zip(slots.tolist(), moments, strict=True):
        for place, (cores, size) in enumerate(moment.each):
            if np.isfinite(cores):
                sums[place, slot] += cores
                counts[place, slot] += 1
            if np.isfinite(size):
                peaks[place, slot] = max(peaks[place, slot], size)
    cpu = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return cpu, np.where(np.isfinite(peaks), peaks, np.nan)


def outlooks(history: History) -> list[Outlook]:
    """The next quarter of an hour, and the next week."""
    rates = [one.requests for one in history.moments]
    series = regular([one.at for one in history.moments], rates, history.step)
    if isinstance(series, Absent):
        return [Outlook(history.name, ahead, series.reason) for ahead in (SOON, LATER)]
    return [_outlook(history.name, series, SOON), _outlook(history.name, _hourly(series), LATER)]


def _hourly(series: Series) -> Series | Absent:
    """By the hour, so that a week is 168 steps; as it is when it is coarser than that."""
    span = len(series.values) * series.step / DAY
    if span < LEAST_DAYS:
        return Absent(f"{span:.1f} days of history: {LEAST_DAYS:g} are needed for a week ahead")
    factor = round(HOUR / series.step)
    return series.coarser(factor) if factor > 1 else series


def _outlook(name: str, series: Series | Absent, ahead: float) -> Outlook:
    if isinstance(series, Absent):
        return Outlook(name, ahead, series.reason)
    steps = round(ahead / series.step)
    if steps < 1:
        return Outlook(name, ahead, f"samples are {series.step:g} s apart: nothing can be said about {ahead:g} s")
    found = forecast(series, steps)
    if isinstance(found, Absent):
        return Outlook(name, ahead, found.reason)
    # Nobody sends fewer than no requests.
    mean, low, high = (tuple(np.maximum(part, 0.0).tolist()) for part in (found.mean, found.low, found.high))
    return Outlook(name, ahead, "", found.start, found.step, mean, low, high, found.level, found.model, found.note)


def histories(home: Path, app: str | None, csv: Path | None, columns: Sequence[str]) -> list[History]:
    """From the table, or else from the recorder.

    Raises:
        BadInput: the table is wrong, or an application is named beside it.
        NotFound: nothing was recorded.
    """
    if csv is None:
        return recorded(home, app)
    if app:
        raise BadInput(f"expected an application or --csv, got both: {app} and {csv}")
    return [imported(csv, columns)]
