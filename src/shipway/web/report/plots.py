"""The pictures of one rollout as inline SVG. Called by ``page``; holds no arithmetic beyond choosing what to show."""

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from shipway.engine.sentences import share
from shipway.engine.timeline import ArmPoint, IndicatorSeries, Timeline
from shipway.rollout.states import Phase
from shipway.web.report.drawing import (
    BAD,
    BASELINE,
    CANARY,
    CARD,
    GOOD,
    INK,
    SOFT,
    WAIT,
    drawn,
    legend,
    series_colours,
    text,
)

_PHASES = {
    Phase.STARTING: SOFT,
    Phase.SHIFTING: SOFT,
    Phase.OBSERVING: CANARY,
    Phase.HOLDING: WAIT,
    Phase.PAUSED: WAIT,
    Phase.AWAITING: WAIT,
    Phase.PROMOTING: GOOD,
    Phase.PROMOTED: GOOD,
    Phase.REVERTING: BAD,
    Phase.ROLLED_BACK: BAD,
    Phase.ABORTED: BAD,
}

_PANEL, _STRIP, _GAP, _FOOT = 1.5, 0.27, 0.5, 0.3
"""Inches."""

_LETTER = 0.0105
"""Width of a letter as a share of the plot's, to leave out names that do not fit their phase."""

_UNITS = ((180.0, 1.0, "s"), (3 * 3600.0, 60.0, "min"), (inf, 3600.0, "h"))
"""(rollouts up to so many seconds, seconds of the unit, its name)."""

_TICKS = [digit * 10**n for n in range(-1, 6) for digit in (1, 2, 5)]

_DOTS = 60
"""Readings up to which each is a dot; beyond, they are a line."""

Panel = Callable[[Axes, Timeline], None]


def picture(timeline: Timeline) -> str:
    """One SVG with a strip of phases and, below it, weights, every count indicator and the evidence; "" without readings."""
    if not timeline.points:
        return ""
    panels = list(_panels(timeline))
    heights = [_STRIP, *(_PANEL for _ in panels)]
    height = sum(heights) + _GAP * len(panels) + _FOOT

    def paint(figure: Figure) -> None:
        # `hspace` is in units of the mean height of a panel.
        gap = _GAP * len(heights) / sum(heights)
        figure.subplots_adjust(left=0.062, right=0.99, top=1 - 0.02 / height, bottom=_FOOT / height, hspace=gap)
        strip, *axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _strip(strip, timeline)
        for ax, panel in zip(axes, panels, strict=True):
            _marks(ax, timeline)
            panel(ax, timeline)
        _time_axis(axes[-1], timeline)

    return drawn(height, timeline.rollout, f"Rollout {timeline.rollout}", paint)


def _panels(timeline: Timeline) -> Iterator[Panel]:
    yield _weights
    for series in timeline.indicators:
        if series.kind in {"errors", "latency"}:
            yield _rates(series)
    if timeline.indicators:
        yield _evidence


def _since(timeline: Timeline, at: float) -> float:
    return at - timeline.started_at


def _end(timeline: Timeline) -> float:
    """Seconds from the start to the last thing that happened before the end."""
    last = timeline.ended_at if timeline.ended_at is not None else timeline.events[-1].at
    return max(_since(timeline, last), 0.5)


def _strip(ax: Axes, timeline: Timeline) -> None:
    """The phases, one after the other."""
    ends = [span.at for span in timeline.phases[1:]] + [timeline.started_at + 1.012 * _end(timeline)]
    width = 1.012 * _end(timeline)
    for span, end in zip(timeline.phases, ends, strict=True):
        begin, length = _since(timeline, span.at), end - span.at
        ax.barh(0, length, left=begin, height=1, color=_PHASES[span.phase], alpha=0.85, edgecolor=CARD, linewidth=1.2)
        name = f"{span.phase} {span.weight:g} %" if span.phase is Phase.OBSERVING else str(span.phase)
        if len(name) * _LETTER < length / width:
            ax.text(begin + length / 2, 0, name, ha="center", va="center_baseline", color=CARD, fontsize=8)
    ax.set_ylim(-0.5, 0.5)
    ax.set_axis_off()


def _marks(ax: Axes, timeline: Timeline) -> None:
    for span in timeline.phases[1:]:
        ax.axvline(
            _since(timeline, span.at), color=_PHASES[span.phase], linewidth=0.8, alpha=0.45, linestyle=(0, (2, 3))
        )


def _time_axis(ax: Axes, timeline: Timeline) -> None:
    end = _end(timeline)
    unit, name = next((unit, name) for limit, unit, name in _UNITS if end <= limit)
    step = next(step for step in _TICKS if end / (step * unit) <= 12)
    ax.set_xlim(0, 1.012 * end)
    ax.xaxis.set_major_locator(MultipleLocator(step * unit))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / unit:g} {name}"))


def _weights(ax: Axes, timeline: Timeline) -> None:
    times = [_since(timeline, at) for at, _ in timeline.weights] + [1.012 * _end(timeline)]
    asked = [weight for _, weight in timeline.weights]
    ax.step(times, [*asked, asked[-1]], where="post", color=CANARY, label="asked")
    ax.fill_between(times, [*asked, asked[-1]], step="post", color=CANARY, alpha=0.12, linewidth=0)
    measured = [(_since(timeline, p.at), 100 * p.exposure) for p in timeline.points if p.exposure is not None]
    if measured:
        look: dict[str, Any] = (
            {"marker": ".", "markersize": 4.5, "linewidth": 0} if len(measured) <= _DOTS else {"linewidth": 1}
        )
        ax.plot(*zip(*measured, strict=True), color=INK, label="measured", **look)
    ax.set_title("Traffic of the canary")
    ax.set_ylim(0, 1.06 * max(10.0, *asked))
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %"))
    legend(ax)


def _rates(series: IndicatorSeries) -> Panel:
    def panel(ax: Axes, timeline: Timeline) -> None:
        times = [_since(timeline, point.at) for point in timeline.points]
        top = _top(series)
        _arm(ax, times, [point.baseline for point in series.points], BASELINE, f"baseline {timeline.against}")
        _arm(ax, times, [point.canary for point in series.points], CANARY, f"canary {timeline.name}")
        if series.allowed is not None and series.allowed < top:
            ax.axhline(
                series.allowed, color=BAD, linewidth=1, linestyle=(0, (5, 3)), label=f"allowed {share(series.allowed)}"
            )
        ax.set_title(text(series.name))
        ax.set_ylim(0, top)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
        legend(ax)

    return panel


def _arm(ax: Axes, times: Sequence[float], arms: Sequence[ArmPoint], colour: str, label: str) -> None:
    shown = [(t, a.rate, a.low, a.high) for t, a in zip(times, arms, strict=True) if a.rate is not None]
    if not shown:
        return
    x, rate, low, high = zip(*shown, strict=True)
    ax.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
    ax.plot(x, rate, color=colour, label=text(label))


def _top(series: IndicatorSeries) -> float:
    """Upper end of the axis: what was seen, what is allowed, and the bands once they are worth looking at."""
    arms = [arm for point in series.points for arm in (point.canary, point.baseline) if arm.rate is not None]
    seen = max((arm.rate or 0.0 for arm in arms), default=0.0)
    last = series.points[-1].canary.high or 0.0
    return min(1.02, max(1.3 * seen, 1.15 * min(last, 4 * seen + 0.02), 1.6 * (series.allowed or 0.0), 0.005))


def _evidence(ax: Axes, timeline: Timeline) -> None:
    limit = timeline.indicators[0].points[0].limit
    floor, top = -0.35 * limit, 1.3 * limit
    for series, colour in zip(timeline.indicators, series_colours(), strict=False):
        shown = [
            (_since(timeline, at.at), max(floor, point.evidence))
            for at, point in zip(timeline.points, series.points, strict=True)
            if point.evidence is not None
        ]
        if shown:
            ax.plot(
                *zip(*shown, strict=True),
                color=colour,
                label=text(series.name),
                marker="o" if len(shown) <= _DOTS else "",
                markersize=2.6,
            )
            top = max(top, 1.1 * max(value for _, value in shown))
    ax.axhline(limit, color=BAD, linewidth=1.2)
    ax.axhspan(limit, top, color=BAD, alpha=0.07, linewidth=0)
    ax.text(
        0.006,
        limit + 0.03 * (top - floor),
        "rolled back above this line",
        color=BAD,
        fontsize=8,
        transform=ax.get_yaxis_transform(),
    )
    ax.set_title("Evidence that the canary is worse (natural logarithm)")
    ax.set_ylim(floor, top)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}".replace("-", "−")))
    legend(ax)
