"""The live picture of one application's rollout. Used by ``watching`` and ``demonstration``, on terminals only.

It is drawn from the journal, which may be read beside the controller: only there is the story of how it came about.
"""

import time
from collections import deque

from rich.console import RenderableType
from rich.text import Text

from shipway.cli.delivering.live import live
from shipway.engine.records import Records
from shipway.engine.timeline import Line, line, present
from shipway.model.ids import AppName
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery

RECENT = 6
"""Events shown below the picture."""


class Follower:
    """One application as it stands. :meth:`update` reads what is new, :meth:`picture` draws it."""

    def __init__(self, records: Records, app: str) -> None:
        self._records, self._app = records, app
        self._version = 0
        self._state: Delivery = initial(AppName(app))
        self._lines: deque[Line] = deque(maxlen=RECENT)

    def update(self) -> None:
        """Take in the events since the last time."""
        for event in self._records.events(self._app, self._version):
            before, self._state = self._state, evolve(self._state, event)
            self._version += 1
            if before.rollout and self._state.rollout and before.rollout.id != self._state.rollout.id:
                self._lines.clear()
            self._lines.append(line(event, before, self._state))

    def picture(self) -> RenderableType:
        """How it stands at this moment."""
        timeline = present(self._state, tuple(self._lines))
        return live(timeline, time.time(), RECENT) if timeline else Text("nothing was released yet")
