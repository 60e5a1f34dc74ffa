"""The transition table as a picture: ``docs/state-machine.svg``. Called by ``tools.generate``; knows the table, no transition.

Only the places of the phases are written here. Arrows, their numbers and the list below come from the table, so that the
picture cannot say anything else. Rows that (nearly) all phases of a trial share are one arrow from the frame around them.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple
from xml.etree import ElementTree as ET

from shipway.rollout import guards
from shipway.rollout.states import TRIAL, Phase
from shipway.rollout.transitions import REST, TABLE, Row

WIDTH = 1400
"""Pixels; the height follows from the list."""

_EVENTS = {
    "Observed": "reading",
    "ReadingMissed": "reading missed",
    "ReleaseFailed": "processes fail",
    "DeadlineReached": "deadline",
    "ReleaseRequested": "new release",
    "UndoRequested": "undo",
    "AbortRequested": "abort",
    "PauseRequested": "pause",
    "ResumeRequested": "resume",
    "PromoteRequested": "promote",
}

_BOX = (150.0, 46.0)
_PLACES: dict[str, tuple[float, float]] = {
    Phase.STARTING: (130, 240),
    Phase.SHIFTING: (440, 240),
    Phase.OBSERVING: (720, 240),
    Phase.AWAITING: (980, 240),
    Phase.PAUSED: (440, 470),
    Phase.HOLDING: (720, 470),
    Phase.PROMOTING: (1270, 240),
    Phase.REVERTING: (580, 650),
    Phase.IDLE: (130, 800),
    Phase.ABORTED: (440, 800),
    Phase.ROLLED_BACK: (740, 800),
    Phase.PROMOTED: (1270, 800),
}
_FRAMES: dict[str, tuple[float, float, float, float]] = {
    "on trial": (330, 175, 760, 360),
    "at rest": (35, 748, 1330, 90),
}
"""Left, top, width, height."""

_BENDS: dict[tuple[str, str], float] = {
    (Phase.STARTING, Phase.PROMOTING): -0.17,
    (Phase.STARTING, Phase.AWAITING): -0.16,
    (Phase.STARTING, Phase.REVERTING): 0.3,
    (Phase.PROMOTING, Phase.REVERTING): -0.22,
    (Phase.OBSERVING, Phase.PROMOTING): -0.2,
    (Phase.HOLDING, Phase.PROMOTING): 0.12,
    (Phase.OBSERVING, Phase.SHIFTING): 0.28,
    (Phase.SHIFTING, Phase.OBSERVING): 0.0,
}
"""How far an arrow bows to the right of its way, as a share of its length."""
_BEND = 0.1

_COLOURS = {"back": "#b3261e", "on": "#1b7f4b", "wait": "#a86400", "way": "#3b5b7a"}
_KINDS = {
    Phase.REVERTING: "back",
    Phase.ROLLED_BACK: "back",
    Phase.ABORTED: "back",
    Phase.PROMOTING: "on",
    Phase.PROMOTED: "on",
    Phase.HOLDING: "wait",
    Phase.PAUSED: "wait",
    Phase.AWAITING: "wait",
}
_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_LINE, _COLUMNS = 19.0, 3


class Arrow(NamedTuple):
    """One arrow: a phase, or the name of a frame, to a phase; with the rows that it stands for."""

    source: str
    target: Phase
    labels: tuple[str, ...]
    rows: tuple[Row, ...]


def arrows() -> tuple[Arrow, ...]:
    """Every row of the table, by arrow, in the order of the table."""
    alike: dict[tuple[str, Phase], list[Row]] = {}
    for row in TABLE:
        alike.setdefault((_label(row), row.target), []).append(row)
    found: dict[tuple[str, Phase], tuple[list[str], list[Row]]] = {}
    for (label, target), rows in alike.items():
        for source, said, its in _gathered(label, rows):
            labels, all_rows = found.setdefault((source, target), ([], []))
            labels.append(said)
            all_rows.extend(its)
    return tuple(Arrow(source, target, tuple(a), tuple(b)) for (source, target), (a, b) in found.items())


def conditions() -> dict[str, str]:
    """What each condition of the table means, in the words of its docstring."""
    names = {name for row in TABLE for name in row.when.__name__.split(", ")} - {"always"}
    return {_words(name): str(getattr(guards, name).__doc__).strip() for name in sorted(names)}


def svg() -> str:
    """The picture: the same text on every machine."""
    drawn = arrows()
    columns, meanings = _columns(drawn), list(conditions().items())
    top = 900.0
    below = top + _LINE * max(len(column) for column in columns) + 30
    height = below + _LINE * len(meanings) + 40
    root = ET.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height:g}", "font-family": _FONT}
    )
    ET.SubElement(root, "title").text = "The phases of a rollout"
    _heads(root)
    _add(root, "rect", width=WIDTH, height=height, fill="#ffffff")
    _text(root, 35, 48, "The phases of a rollout", size=24, weight="bold")
    _text(root, 35, 74, "Drawn from the transition table; the numbers are explained below.", fill="#555555")
    for name, (left, upper, wide, high) in _FRAMES.items():
        _add(root, "rect", x=left, y=upper, width=wide, height=high, rx=14, fill="#f4f6f8", stroke="#c3ccd5")
        _text(root, left + 12, upper + 20, name, size=13, fill="#66727e")
    for phase in Phase:
        _phase(root, phase)
    for number, arrow in enumerate(drawn, 1):
        _arrow(root, number, arrow)
    for column, lines in enumerate(columns):
        for i, (text, is_head) in enumerate(lines):
            _text(root, 35 + column * 455, top + i * _LINE, text, size=13, weight="bold" if is_head else "normal")
    for i, (name, meaning) in enumerate(meanings):
        _text(root, 35, below + i * _LINE, name, size=13, weight="bold")
        _text(root, 240, below + i * _LINE, meaning, size=13)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _gathered(label: str, rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """(where an arrow begins, what it says, its rows) for rows that differ only in their source."""
    left = {row.source: row for row in rows}
    if set(REST) <= set(left):
        yield "at rest", label, [left.pop(phase) for phase in REST]
    missing = [phase for phase in TRIAL if phase not in left]
    if len(missing) <= 1:
        others = [phase for phase in missing if phase is not rows[0].target]
        said = f"{label} (not from {others[0].value})" if others else label
        yield "on trial", said, [left.pop(phase) for phase in TRIAL if phase in left]
    for source, row in left.items():
        yield source, label, [row]


def _label(row: Row) -> str:
    conditions = ", ".join(_words(name) for name in row.when.__name__.split(", ") if name != "always")
    event = _EVENTS[row.event.__name__] if row.event else "as soon as"
    return f"{event}: {conditions}" if conditions else event


def _words(name: str) -> str:
    return name.replace("_", " ")


def _columns(drawn: Sequence[Arrow]) -> list[list[tuple[str, bool]]]:
    """Lines of the list, and whether each begins an arrow's, which is never torn apart."""
    columns: list[list[tuple[str, bool]]] = [[]]
    fair = sum(1 + len(arrow.labels) for arrow in drawn) / _COLUMNS
    for number, arrow in enumerate(drawn, 1):
        if len(columns[-1]) >= fair and len(columns) < _COLUMNS:
            columns.append([])
        columns[-1].append((f"{number}\u2002{arrow.source} → {arrow.target.value}", True))
        columns[-1].extend((f"\u2003\u2002{label}", False) for label in arrow.labels)
    return columns


# --- drawing ------------------------------------------------------------------------------------------------------


def _add(parent: ET.Element, tag: str, **attributes: object) -> ET.Element:
    named = {
        name.replace("_", "-"): f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in attributes.items()
    }
    return ET.SubElement(parent, tag, named)


def _text(
    parent: ET.Element,
    x: float,
    y: float,
    text: str,
    *,
    size: int = 14,
    weight: str = "normal",
    fill: str = "#1f2933",
    anchor: str = "start",
) -> None:
    _add(parent, "text", x=x, y=y, font_size=size, font_weight=weight, fill=fill, text_anchor=anchor).text = text


def _heads(root: ET.Element) -> None:
    """Arrow heads, one per colour."""
    defs = _add(root, "defs")
    for kind, colour in _COLOURS.items():
        size = {"viewBox": "0 0 10 10", "markerWidth": "7", "markerHeight": "7"}
        marker = _add(defs, "marker", id=f"head-{kind}", refX=9, refY=5, orient="auto", **size)
        _add(marker, "path", d="M0 0L10 5L0 10z", fill=colour)


def _phase(root: ET.Element, phase: Phase) -> None:
    (x, y), (wide, high) = _PLACES[phase], _BOX
    colour = _COLOURS[_KINDS.get(phase, "way")]
    _add(
        root,
        "rect",
        x=x - wide / 2,
        y=y - high / 2,
        width=wide,
        height=high,
        rx=10,
        fill="#ffffff",
        stroke=colour,
        stroke_width=2,
    )
    _text(root, x, y + 5, phase.value, size=15, weight="bold", anchor="middle")


def _arrow(root: ET.Element, number: int, arrow: Arrow) -> None:
    kind = _KINDS.get(arrow.target, "way")
    points = _loop(arrow.target) if arrow.source == arrow.target else _curve(arrow)
    (x0, y0), (x1, y1), (x2, y2) = points
    _add(
        root,
        "path",
        d=f"M{x0:.1f} {y0:.1f}Q{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}",
        fill="none",
        stroke=_COLOURS[kind],
        stroke_width=1.6,
        marker_end=f"url(#head-{kind})",
    )
    x, y = x0 / 4 + x1 / 2 + x2 / 4, y0 / 4 + y1 / 2 + y2 / 4
    _add(root, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=11, fill="#ffffff", stroke=_COLOURS[kind])
    _text(root, round(x, 1), round(y, 1) + 4, str(number), size=12, weight="bold", fill=_COLOURS[kind], anchor="middle")


Point = tuple[float, float]


def _curve(arrow: Arrow) -> tuple[Point, Point, Point]:
    """From border to border, bowed a little, so that the way back is another line."""
    end = _PLACES[arrow.target]
    start = _port(arrow.source, end)
    bend = _BENDS.get((arrow.source, arrow.target), _BEND)
    middle = (start[0] + end[0]) / 2 - bend * (end[1] - start[1]), (start[1] + end[1]) / 2 + bend * (end[0] - start[0])
    if arrow.source in _PLACES:
        start = _border(start, middle)
    return start, middle, _border(end, middle)


def _loop(phase: Phase) -> tuple[Point, Point, Point]:
    """An arrow from a phase to itself, at its lower right corner."""
    (x, y), (wide, high) = _PLACES[phase], _BOX
    return (x + wide / 2, y), (x + wide, y + high), (x + wide / 4, y + high / 2)


def _port(source: str, end: Point) -> Point:
    """The middle of a phase; of a frame, the place on its edge that is nearest to where the arrow goes."""
    if source in _PLACES:
        return _PLACES[source]
    left, top, wide, high = _FRAMES[source]
    x, y = min(max(end[0], left), left + wide), min(max(end[1], top), top + high)
    inside = left < end[0] < left + wide and top < end[1] < top + high
    return (x, top if inside and y < top + high / 2 else top + high) if inside else (x, y)


def _border(middle: Point, towards: Point) -> Point:
    """Where the way from the middle of a phase's box crosses its border."""
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    scale = min(_BOX[0] / 2 / abs(dx) if dx else inf, _BOX[1] / 2 / abs(dy) if dy else inf)
    return middle[0] + dx * scale, middle[1] + dy * scale
