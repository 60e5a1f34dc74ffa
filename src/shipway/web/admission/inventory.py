"""What else there is beside the object under review: manifests in files, and objects that were admitted. Asked by ``app``.

Files are read again when they change; files that cannot be used leave what was known in force. What was admitted is
remembered by one process alone, from its start: other workers, and objects from before, are not in it.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from shipway.model.errors import ShipwayError
from shipway.policy.facts import Around
from shipway.policy.resources import name, namespace
from shipway.policy.rules import Object
from shipway.web.admission.reviewing import Answered

log = structlog.get_logger(__name__)
Identity = tuple[str, str, str, str]
MOST = 20_000
"""Objects that are remembered: each takes some 10 kB, and there must be an end."""


class Inventory:
    """Objects by identity. ``read`` gives those of files, ``stamp`` changes when they do."""

    def __init__(
        self, read: Callable[[], Sequence[Object]], stamp: Callable[[], object], *, remember: bool = False
    ) -> None:
        self._read, self._stamp, self._remember = read, stamp, remember
        self._seen = stamp()
        self._written = {_identity(one): one for one in read()}
        self._admitted: dict[Identity, Object | None] = {}
        self._around: Around | None = None

    @property
    def around(self) -> Around:
        """Everything that is known now."""
        if self._around is None:
            found = {**self._written, **self._admitted}
            self._around = Around(tuple(one for one in found.values() if one is not None))
        return self._around

    def note(self, answered: Answered) -> None:
        """Remember what was allowed to come or to go."""
        if not self._remember or (answered.came is None and answered.went is None):
            return
        if answered.went is not None:
            self._admitted[_identity(answered.went)] = None
        if answered.came is not None:
            self._admitted[_identity(answered.came)] = answered.came
        while len(self._admitted) > MOST:
            self._admitted.pop(next(iter(self._admitted)))
        self._around = None

    async def watch(self, every: float) -> None:
        """Look for changes of the files for ever."""
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
            log.error("the inventory cannot be read; the old one stays in force", error=error.message)
            return
        self._written, self._around = {_identity(one): one for one in found}, None
        log.info("inventory replaced", objects=len(self._written))


def _identity(value: Object) -> Identity:
    return str(value.get("apiVersion", "")), str(value.get("kind", "")), namespace(value), name(value)
