"""A rollout in the terminal: `rollout watch`, `deploy --watch` and the demo. From timelines to rich renderables, nothing else.

Made to look good at 80 columns. Text from people and services never reaches the terminal as markup or control codes.
"""

from collections.abc import Iterator, Sequence

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shipway.cli.output import plain
from shipway.engine.sentences import duration, share
from shipway.engine.timeline import ArmPoint, IndicatorPoint, IndicatorSeries, Line, Timeline, Verdict
from shipway.rollout.states import TRIAL, Phase

CANARY, BASELINE, EMPTY = "bright_blue", "grey50", "grey27"
GOOD, BAD, WAIT, SOFT = "green", "red", "yellow", "grey62"

_COLOURS: dict[Phase, str] = {
    Phase.HOLDING: WAIT,
    Phase.PAUSED: WAIT,
    Phase.AWAITING: WAIT,
    Phase.PROMOTING: GOOD,
    Phase.PROMOTED: GOOD,
    Phase.REVERTING: BAD,
    Phase.ROLLED_BACK: BAD,
    Phase.ABORTED: WAIT,
}

VERDICTS: dict[Verdict, tuple[str, str]] = {
    "promoted": ("✔ promoted", GOOD),
    "rolled_back": ("✘ rolled back", BAD),
    "aborted": ("■ aborted", WAIT),
    "under_way": ("… under way", CANARY),
}

_BAR = 14
"""Cells of an evidence bar; the limit is at its end."""

_TRACK = 56
"""Cells of the steps together."""


def live(timeline: Timeline, now: float, recent: int = 6) -> RenderableType:
    """The rollout as it stands at ``now`` (seconds since the epoch), with its last ``recent`` events."""
    colour = _COLOURS.get(timeline.phase, CANARY)
    parts: list[RenderableType] = [_headline(timeline, colour)]
    if timeline.steps:
        parts += [Text(), _steps(timeline, now), _traffic(timeline)]
    if any(series.points for series in timeline.indicators):
        parts += [Text(), _indicators(timeline.indicators)]
    if recent and timeline.events:
        parts += [Text(), _events(timeline, recent)]
    ended = timeline.ended_at if timeline.ended_at is not None else now
    title = Text.assemble((f" {plain(timeline.app)} {plain(timeline.name)} ", "bold"), (_kind(timeline), SOFT))
    clock = Text(f" {duration(max(0.0, ended - timeline.started_at))} ", style=SOFT)
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=clock,
        subtitle_align="right",
        box=ROUNDED,
        border_style=colour,
        padding=(0, 1),
    )


def final_table(timelines: Sequence[Timeline]) -> Table:
    """What became of each release: the end of the demo."""
    table = Table(box=SIMPLE_HEAD, header_style=SOFT, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    table.add_column("release", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("time", "requests", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("evidence", ratio=1)
    for one in timelines:
        words, colour = VERDICTS[one.verdict]
        table.add_row(
            Text(plain(one.name), style="bold", overflow="ellipsis"),
            Text(words, style=colour),
            duration(one.seconds_to_verdict),
            f"{one.requests:,}",
            f"{one.failed_requests:,}",
            Text(plain(one.evidence)),
        )
    return table


def _kind(timeline: Timeline) -> str:
    release = f"{timeline.release} "
    if timeline.kind == "canary":
        return f"{release}against {plain(timeline.against)} "
    return f"{release}{timeline.kind} "


def _headline(timeline: Timeline, colour: str) -> Text:
    """Where it stands and why, in one sentence."""
    where = VERDICTS[timeline.verdict][0] if timeline.verdict != "under_way" else f"● {timeline.phase}"
    return Text.assemble((where, f"bold {colour}"), "  ", plain(timeline.evidence))


def _steps(timeline: Timeline, now: float) -> Table:
    """One bar per step and one for all traffic, each filled as far as it has come."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    names = [f"{step.weight:g} %" for step in timeline.steps] + ["100 %"]
    filled = [_come(timeline, i, now) for i in range(len(names))]
    width = max(4, _TRACK // len(names) - 1)
    for _ in names:
        grid.add_column(width=width)
    grid.add_row(*(_gauge(part, width, _step_colour(timeline, part)) for part in filled))
    grid.add_row(*(Text(name, style="bold" if part > 0 else SOFT) for name, part in zip(names, filled, strict=True)))
    return _row("steps", grid)


def _step_colour(timeline: Timeline, part: float) -> str:
    if timeline.phase in {Phase.REVERTING, Phase.ROLLED_BACK}:
        return BAD
    return GOOD if part >= 1 else CANARY


def _gauge(part: float, width: int, colour: str, rest: str = EMPTY) -> Text:
    """A line of which ``part`` (0..1) is filled; what is not nothing shows."""
    full = round(width * part) or (1 if part > 0 else 0)
    return Text.assemble(("━" * full, colour), ("━" * (width - full), rest))


def _come(timeline: Timeline, index: int, now: float) -> float:
    """How far a step has come, 0..1: the lesser of its time and its requests."""
    if index == len(timeline.steps):
        return 1.0 if timeline.verdict == "promoted" else 0.0
    if index != timeline.step or timeline.phase in {Phase.PROMOTING, Phase.PROMOTED}:
        return 1.0 if index <= timeline.step else 0.0
    step = timeline.steps[index]
    until = now if timeline.phase in TRIAL else timeline.phase_at
    time = (until - timeline.step_at) / step.at_least if step.at_least else 1.0
    seen = timeline.sample / step.min_requests if step.min_requests else 1.0
    return max(0.0, min(1.0, time, seen)) if timeline.phase is not Phase.SHIFTING else 0.0


def _traffic(timeline: Timeline) -> Table:
    """Who is to get how much, and how much the canary got."""
    weight = timeline.weights[-1][1] if timeline.weights else 0.0
    words = f"{weight:g} % canary"
    exposure = timeline.points[-1].exposure if timeline.points else None
    if exposure is not None and timeline.phase in TRIAL and timeline.phase is not Phase.SHIFTING:
        words += f", {share(exposure)} measured"
    bar = _gauge(weight / 100, _TRACK // 2, CANARY, BASELINE)
    return _row("traffic", bar.append(f"  {words}", style=SOFT))


def _row(name: str, what: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8, style=SOFT)
    grid.add_column()
    grid.add_row(name, what)
    return grid


def _indicators(indicators: Sequence[IndicatorSeries]) -> Table:
    table = Table(box=None, header_style=SOFT, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column("indicator", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("canary", justify="right", no_wrap=True)
    table.add_column("baseline", justify="right", no_wrap=True)
    table.add_column("evidence", width=_BAR)
    table.add_column("of limit", justify="right", no_wrap=True)
    for series in indicators:
        if series.points:
            table.add_row(*_indicator(series, series.points[-1]))
    return table


def _indicator(series: IndicatorSeries, point: IndicatorPoint) -> Iterator[RenderableType]:
    colour = _evidence_colour(point)
    yield Text(plain(series.name))
    yield Text(_arm(point.canary, series.kind), style=colour if colour == BAD else "")
    yield Text(_arm(point.baseline, series.kind), style=SOFT)
    part = max(0.0, min(1.0, (point.evidence or 0.0) / point.limit))
    yield _gauge(part, _BAR, colour)
    yield Text("–" if point.evidence is None else f"{max(0.0, point.evidence):.1f} of {point.limit:.1f}", style=colour)


def _evidence_colour(point: IndicatorPoint) -> str:
    evidence = point.evidence or 0.0
    return BAD if evidence > point.limit else WAIT if evidence > point.limit / 2 else GOOD


def _arm(arm: ArmPoint, kind: str) -> str:
    if kind in {"errors", "latency"}:
        return f"{arm.bad:,.0f} of {arm.total:,}"
    return f"{arm.total:,} requests" if arm.rate is None else f"{arm.rate:.4g}"


def _events(timeline: Timeline, recent: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(justify="right", style=SOFT, width=8)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for line in timeline.events[-recent:]:
        grid.add_row(f"{line.at - timeline.started_at:.1f} s", _line(line))
    return grid


def _line(line: Line) -> Text:
    quiet = line.kind == "Observed" and not line.phase
    text = Text(plain(line.sentence), style=SOFT if quiet else "")
    if line.phase:
        text.append(f"  → {line.phase}", style=_COLOURS.get(Phase(line.phase), CANARY))
    return text
