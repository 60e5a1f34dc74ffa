"""The pictures beside the rollouts: courses over time, stacked bars, ranges and points. Called by whoever makes a section.

Leaves out where numbers come from. Every picture carries a sentence for whoever cannot see it, and its numbers stand in a
table beside it too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf, isfinite, nan
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from shipway.web.report.drawing import (
    BAD,
    BASELINE,
    CANARY,
    GOOD,
    INK,
    LINE,
    SECOND,
    SOFT,
    WAIT,
    WIDTH,
    drawn,
    legend,
    series_colours,
    text,
)

TONES: Mapping[str, str] = {
    "main": CANARY,
    "other": SECOND,
    "plain": BASELINE,
    "good": GOOD,
    "bad": BAD,
    "wait": WAIT,
    "ink": INK,
}
"""What a picture may be told about colour; the page decides which that is."""

Form = Callable[[float], str]
"""A value as people read it."""

_ROW = 0.34
"""Inches of one bar."""
_DOTS = 40
"""Values up to which each is marked."""


class Picture(NamedTuple):
    """One drawing."""

    svg: str
    caption: str = ""


class Curve(NamedTuple):
    """One line over time, or in front of a band."""

    name: str
    points: Sequence[tuple[float, float]]
    """(seconds since the epoch, value); NaN is a gap."""
    tone: str = "main"
    band: Sequence[tuple[float, float]] = ()
    """(low, high) of each point; empty for none."""
    step: bool = False
    """Whether a value holds until the next."""


def course(
    title: str,
    curves: Sequence[Curve],
    says: str,
    form: Form,
    *,
    limits: Sequence[tuple[float, str]] = (),
    marks: Sequence[tuple[float, str]] = (),
    floor: float | None = None,
    top: float | None = None,
) -> Picture:
    """Values over time, UTC.

    Args:
        title: above it.
        curves: in their order.
        says: the same in a sentence.
        form: writes a value of the axis.
        limits: (value, name) of lines across.
        marks: (seconds since the epoch, name) of lines from top to bottom.
        floor: where the axis begins; as the values need it when None.
        top: where it ends.
    """

    def paint(figure: Figure) -> None:
        ax = _axes(figure, 2.2)
        for curve in curves:
            _curve(ax, curve)
        for value, name in limits:
            ax.axhline(value, color=BAD, linewidth=1, linestyle=(0, (5, 3)), label=text(name))
        for at, name in marks:
            ax.axvline(_when(at), color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)))
            ax.annotate(
                text(name),
                (_when(at), 0.02),
                (2, 0),
                xycoords=ax.get_xaxis_transform(),
                textcoords="offset points",
                color=SOFT,
                fontsize=7.5,
            )
        ax.set_title(text(title))
        ax.margins(x=0.01, y=0.12)
        if floor is not None:
            ax.set_ylim(bottom=floor)
        if top is not None:
            ax.set_ylim(top=top)
        _time(ax)
        _values(ax, form)
        legend(ax)

    return Picture(drawn(2.2, title, says, paint))


def _curve(ax: Axes, curve: Curve) -> None:
    at = [_when(when) for when, _ in curve.points]
    values = [value if isfinite(value) else nan for _, value in curve.points]
    colour = TONES[curve.tone]
    if curve.band:
        low, high = zip(*curve.band, strict=True)
        ax.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    few = sum(map(isfinite, values)) <= _DOTS
    ax.plot(
        at,
        values,
        color=colour,
        label=text(curve.name),
        drawstyle="steps-post" if curve.step else "default",
        marker="o" if few and not curve.step else "",
        markersize=2.6,
        linewidth=1.5,
    )


def bars(
    title: str, rows: Sequence[tuple[str, Mapping[str, float]]], says: str, form: Form, *, tones: Sequence[str] = ()
) -> Picture:
    """A bar for each row, made of named parts; amounts below 0 go to the left."""
    names = list(dict.fromkeys(part for _, parts in rows for part in parts))
    colours = [TONES[tone] for tone in tones] or [colour for colour, _ in zip(series_colours(), names, strict=False)]
    height = _height(len(rows))

    def paint(figure: Figure) -> None:
        ax = _axes(figure, height, left=_left(name for name, _ in rows))
        ends = [[0.0, 0.0] for _ in rows]
        for name, colour in zip(names, colours, strict=False):
            amounts = [parts.get(name, 0.0) for _, parts in rows]
            begins = [end[amount >= 0] for end, amount in zip(ends, amounts, strict=True)]
            ax.barh(range(len(rows)), amounts, 0.62, left=begins, color=colour, label=text(name), alpha=0.85)
            for end, amount in zip(ends, amounts, strict=True):
                end[amount >= 0] += amount
        _rows(ax, [name for name, _ in rows], title)
        _values(ax, form, across=True)
        legend(ax)

    return Picture(drawn(height, title, says, paint))


class Range(NamedTuple):
    """A stretch of values with a middle, and marks that it is to be compared with."""

    name: str
    low: float
    middle: float
    high: float
    marks: Mapping[str, float] = {}
    tone: str = "main"


def ranges(title: str, rows: Sequence[Range], says: str, form: Form, *, legends: tuple[str, str] = ("", "")) -> Picture:
    """A stretch for each row. ``legends`` name the stretch and its middle."""
    kinds = list(dict.fromkeys(mark for row in rows for mark in row.marks))
    height = _height(len(rows))

    def paint(figure: Figure) -> None:
        ax = _axes(figure, height, left=_left(row.name for row in rows))
        for place, row in enumerate(rows):
            first = place == 0
            colour = TONES[row.tone]
            ax.plot(
                (row.low, row.high),
                (place, place),
                color=colour,
                alpha=0.35,
                linewidth=7,
                solid_capstyle="butt",
                label=legends[0] if first else "",
            )
            ax.plot((row.middle,), (place,), "o", color=colour, markersize=5, label=legends[1] if first else "")
        for kind, colour in zip(kinds, (INK, BAD, GOOD), strict=False):
            known = [(row.marks[kind], place) for place, row in enumerate(rows) if kind in row.marks]
            ax.plot(*zip(*known, strict=True), "|", color=colour, markersize=15, markeredgewidth=2, label=text(kind))
        _rows(ax, [row.name for row in rows], title)
        ax.margins(x=0.04)
        ax.set_xlim(left=min(0.0, *(row.low for row in rows)))
        _values(ax, form, across=True)
        legend(ax)

    return Picture(drawn(height, title, says, paint))


class Dots(NamedTuple):
    """Points of one kind."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: str = "main"


def dots(
    title: str, groups: Sequence[Dots], says: str, forms: tuple[Form | None, Form], *, names: tuple[str, str] = ("", "")
) -> Picture:
    """Points in the plane; the first form None: seconds since the epoch. ``names`` are those of the axes."""
    across, up = forms

    def paint(figure: Figure) -> None:
        ax = _axes(figure, 2.4, foot=0.5 if names[0] else 0.3)
        for group in groups:
            x = [_when(one) if across is None else one for one, _ in group.points]
            ax.plot(
                x, [one for _, one in group.points], "o", color=TONES[group.tone], label=text(group.name), alpha=0.85
            )
        ax.set_title(text(title))
        ax.margins(x=0.06, y=0.2)
        ax.set_ylim(bottom=0)
        if across is None:
            _time(ax)
        else:
            _values(ax, across, across=True)
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        _values(ax, up)
        legend(ax)

    return Picture(drawn(2.4, title, says, paint))


def _axes(figure: Figure, height: float, *, left: float = 0.085, foot: float = 0.3) -> Axes:
    figure.subplots_adjust(left=left, right=0.98, top=1 - 0.3 / height, bottom=foot / height)
    return figure.subplots()


def _height(rows: int) -> float:
    return 0.75 + _ROW * max(1, rows)


def _left(names: Iterable[str]) -> float:
    """Room for names, as a share of the width; 0.075 inches a letter."""
    longest = max((len(name) for name in names), default=0)
    return min(0.4, max(0.085, 0.075 * longest / WIDTH + 0.015))


def _rows(ax: Axes, names: Sequence[str], title: str) -> None:
    ax.set_title(text(title))
    ax.set_yticks(range(len(names)), [text(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x", color=LINE)


def _values(ax: Axes, form: Form, *, across: bool = False) -> None:
    axis = ax.xaxis if across else ax.yaxis
    axis.set_major_locator(MaxNLocator(6 if across else 4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(form(float(value)))))


def _time(ax: Axes) -> None:
    """Times of the day, or dates, by how much is shown."""
    low, high = ax.get_xlim()
    form = next(form for longest, form in _CLOCKS if high - low <= longest)
    ax.xaxis.set_major_locator(AutoDateLocator(tz=UTC, minticks=3, maxticks=8))  # type: ignore[no-untyped-call]  # matplotlib.dates has no types
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda days, _: datetime.fromtimestamp(float(days) * 86_400, UTC).strftime(form))
    )


_CLOCKS = ((0.007, "%H:%M:%S"), (1.5, "%H:%M"), (inf, "%-d %b"))
"""(days up to which, how a moment is written)."""


def _when(at: float) -> float:
    """Days since the epoch, which matplotlib's dates are."""
    return at / 86_400
