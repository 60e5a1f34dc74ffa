"""Drawing as inline SVG that takes the page's colours: what ``plots`` and ``charts`` share. Knows nothing of what is drawn.

The same drawing gives the same bytes. Colours are drawn as placeholders and replaced by the page's CSS variables, so that
one picture serves light and dark; letters stay letters, so that they can be found, read aloud and copied.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLOURS = {
    "#010101": "ink",
    "#010102": "soft",
    "#010103": "line",
    "#010104": "canary",
    "#010105": "baseline",
    "#010106": "bad",
    "#010107": "good",
    "#010108": "wait",
    "#010109": "card",
    "#01010a": "second",
}
"""Placeholder to CSS variable. Placeholders are colours that nobody would choose."""

INK, SOFT, LINE, CANARY, BASELINE, BAD, GOOD, WAIT, CARD, SECOND = COLOURS

WIDTH = 9.6
"""Inches; the page scales it."""

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}


def drawn(height: float, key: str, label: str, paint: Callable[[Figure], None]) -> str:
    """What ``paint`` draws on so many inches, as SVG.

    Args:
        height: inches.
        key: keeps its ids apart from those of every other picture on the page.
        label: what it says, for whoever cannot see it.
        paint: draws; called once.
    """
    with mpl.rc_context({**_RC, "svg.hashsalt": key}):
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        paint(figure)
        out = StringIO()
        with warnings.catch_warnings():
            # The browser draws the text, and it has more fonts than the one whose widths are measured here.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), label)


def _inline(svg: str, label: str) -> str:
    """Without prologue and element ids, with the page's colours and fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r' id="(?:figure|axes|patch|line2d|text|legend|matplotlib\.axis|xtick|ytick|FillBetween\w*|Line\w*)_\d+"',
        "",
        svg,
    )
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    for placeholder, name in COLOURS.items():
        svg = svg.replace(placeholder, f"var(--{name})")
    svg = svg.replace("'DejaVu Sans'", "var(--font)").replace("DejaVu Sans", "var(--font)")
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*" ([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


def series_colours() -> Iterator[str]:
    """One after the other, for ever."""
    while True:
        yield from (CANARY, SECOND, WAIT, GOOD, INK)


def text(words: str) -> str:
    """Names come from users: a dollar sign is no formula, and a leading underscore does not hide them."""
    return words.replace("$", r"\$").lstrip("_") or "–"


def legend(ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.0, 0.99),
            ncols=len(handles),
            fontsize=8,
            borderaxespad=0,
            handlelength=1.4,
            labelcolor=SOFT,
        )
