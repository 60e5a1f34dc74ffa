"""What is read from files again when they change, between two requests. Extended by ``app`` and ``inventory``.

What cannot be read leaves in force what was known.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from shipway.model.errors import ShipwayError

T = TypeVar("T")


class Watching(ABC, Generic[T]):
    """Looks whether files have changed. ``read`` gives what they hold, ``stamp`` changes when they do."""

    def __init__(self, read: Callable[[], T], stamp: Callable[[], object]) -> None:
        self._read, self._stamp = read, stamp
        self._seen = stamp()

    @abstractmethod
    def _replace(self, found: T) -> None:
        """Take what was read in the place of what was known."""

    @abstractmethod
    def _keep(self, error: ShipwayError) -> None:
        """Say that what was known stays."""

    async def watch(self, every: float) -> None:
        """Look every so many seconds, for ever."""
        while True:
            await asyncio.sleep(every)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the files again if they have changed. Does not hold up requests."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            found = await asyncio.to_thread(self._read)
        except ShipwayError as error:
            self._keep(error)
        else:
            self._replace(found)
