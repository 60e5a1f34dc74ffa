"""``docs/live-rollout.svg``: what `shipway deploy --watch` shows of a good release and of a bad one.

Drawn by the same code as in the terminal, from a simulated rollout with a fixed seed. No fonts are fetched: the picture
asks for none by address.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from io import StringIO

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from shipway.cli.delivering.live import live
from shipway.engine.timeline import Timeline, timelines
from shipway.rollout.events import Event, Observed
from shipway.rollout.states import Phase
from shipway.testing.recordings import APP, shop

WIDTH = 80

THEME = TerminalTheme(
    (17, 22, 31),
    (214, 222, 235),
    [
        (40, 48, 62),
        (255, 107, 107),
        (76, 196, 122),
        (239, 176, 74),
        (110, 163, 255),
        (199, 146, 240),
        (94, 200, 214),
        (214, 222, 235),
    ],
    [
        (99, 112, 134),
        (255, 140, 130),
        (110, 220, 150),
        (250, 200, 110),
        (110, 163, 255),
        (215, 170, 250),
        (130, 220, 230),
        (255, 255, 255),
    ],
)


def live_rollout() -> str:
    """The picture."""
    console = Console(
        width=WIDTH,
        record=True,
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    for part in _parts(shop()):
        console.print(part)
    svg = console.export_svg(
        title="shipway deploy storefront/application.yaml --watch",
        theme=THEME,
        code_format=_format(),
        unique_id="live-rollout",
    )
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _parts(events: Sequence[Event]) -> Iterator[RenderableType]:
    """The good release in the middle of its second step; the failing one at the moment of its verdict."""
    yield _after(events, lambda one: one.label == "1.1" and one.step == 1 and one.sample > 60)
    yield Text()
    yield _after(events, lambda one: one.label == "1.2" and one.phase is Phase.REVERTING)


def _after(events: Sequence[Event], wanted: Callable[[Timeline], bool]) -> RenderableType:
    """The screen after the first reading at which the latest rollout is as ``wanted``."""
    for number, event in enumerate(events, start=1):
        if isinstance(event, Observed):
            latest = timelines(events[:number], APP)[-1]
            if wanted(latest):
                return live(latest, event.at)
    raise AssertionError("the recording no longer holds the moment that the picture shows: choose another")


def _format() -> str:
    """Rich's frame without the fonts that it would load from a server."""
    without = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return without.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, Consolas")
