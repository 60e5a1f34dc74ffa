"""What will happen in a simulation and when. Driven by the event loop's timer, or by whoever asks for a later moment."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from shipway.engine.ports import Clock


class Timeline:
    """Callbacks by moment; those of one moment run in the order they were put in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._alarm: asyncio.TimerHandle | None = None
        self._running = False

    def at(self, moment: float, action: Callable[[float], None]) -> None:
        """Have ``action(moment)`` called when that moment has come (at the next advance, if it is past)."""
        heappush(self._due, (moment, next(self._order), action))
        if self._due[0][0] == moment:
            self._set_alarm()

    def advance(self) -> float:
        """Do everything that is due; return the moment it is now."""
        now = self._clock.now()
        if self._running:  # called from one of the actions
            return now
        self._running = True
        try:
            while self._due and self._due[0][0] <= now:
                moment, _, action = heappop(self._due)
                action(moment)
        finally:
            self._running = False
        return now

    def _set_alarm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        wait = max(0.0, self._due[0][0] - self._clock.now())
        self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.advance()
        if self._due:
            self._set_alarm()
