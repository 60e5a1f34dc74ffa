"""What the audience of the demo sees, and the load that it sees something of. Used by ``demonstration``."""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from shipway.cli.delivering import watching
from shipway.cli.delivering.following import Follower
from shipway.cli.delivering.tables import BAD, FAINT, GOOD
from shipway.cli.output import console, lines
from shipway.engine.records import Records
from shipway.engine.views import ApplicationView, RolloutView
from shipway.testing.load import Load, failures

RATE = 120.0
"""Requests per second: enough for verdicts within seconds, little enough for any laptop."""

LONGEST = 240.0
"""Seconds after which the load ends by itself, whatever has become of us."""


class Traffic:
    """The load, in a thread of its own so that waiting for the controller does not hold it up."""

    def __init__(self, port: int) -> None:
        self._load = Load(port, rate=RATE, seconds=LONGEST)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._load.run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._load.stop()
        self._thread.join(timeout=10)

    def __str__(self) -> str:
        shots = self._load.shots[:]
        return f"load: {RATE:g} requests per second, {len(shots):,} answered, {len(failures(shots)):,} failed"


class Stage:
    """A live picture on a terminal, lines elsewhere, nothing with ``--json``."""

    def __init__(self, journal: Records, *, live: bool, json: bool) -> None:
        self._journal, self._json = journal, json
        self._follower: Follower | None = None
        self.traffic: Traffic | None = None
        self._screen: Live | None = None
        if live and not json and sys.stdout.isatty():
            self._screen = Live(console=console(), get_renderable=self._picture, refresh_per_second=5, transient=True)

    def __enter__(self) -> Self:
        if self._screen:
            self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen:
            self._screen.stop()

    def say(self, text: str, style: str = "") -> None:
        """Something that stays in sight."""
        if self._screen:
            self._screen.console.print(Text(text, style))
        elif not self._json:
            lines([(None, text)], json=False)

    def follow(self, app: str, views: Iterator[ApplicationView]) -> None:
        """Show a rollout of ``app`` until ``views`` ends, and how it ended."""
        if self._screen is None:
            changes = watching.changes(views)
            if self._json:
                deque(changes, maxlen=0)
            else:
                lines(((None, f"  {text}") for _, text in changes), json=False)
            return
        follower = self._follower = Follower(self._journal, app)
        rollout: RolloutView | None = None
        for view in views:
            follower.update()
            rollout = view.rollout
        if rollout:
            good = watching.succeeded(rollout)
            self.say(f"  {'✔' if good else '✘'} {rollout.phase}: {rollout.reason}", GOOD if good else BAD)

    def _picture(self) -> RenderableType:
        parts = [self._follower.picture()] if self._follower else []
        return Group(*parts, Text(str(self.traffic or ""), FAINT))
