"""Virtual time: an event loop that jumps to the next timer instead of waiting for it. Used by tests, benchmarks, the demo.

Everything that sleeps on the loop runs in an instant and in the same order every time. Threads and sockets are left out:
nothing here waits for the real world.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from shipway.model.errors import RuntimeFault

T = TypeVar("T")

EPOCH = 1_767_225_600.0
"""Where a simulation's clock starts: 2026-01-01 00:00 UTC, so that transcripts show readable times."""


class _Jumping(selectors.SelectSelector):
    """Lets the time that ``select`` was asked to wait pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeFault(
                "the simulation stands still: every task waits for something that nobody will do",
                hint="Look for a task that waits for an event whose sender has ended.",
            )
        if not ready:
            self.now += timeout or 0.0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


class SimClock:
    """The Clock port on the running loop's time, be it virtual or real."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self.epoch = epoch

    def now(self) -> float:
        """Seconds since 1970, if the loop had started at ``epoch``."""
        return self.epoch + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
