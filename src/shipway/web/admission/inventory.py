"""What else there is beside the object under review: manifests in files, and objects that were admitted. Asked by ``app``.

Files are read again when they change; files that cannot be used leave what was known in force. What was admitted is
remembered by one process alone, from its start: other workers, and objects from before, are not in it.
"""

from collections.abc import Callable, Sequence

import structlog

from shipway.model.errors import ShipwayError
from shipway.policy.facts import Around
from shipway.policy.resources import name, namespace
from shipway.policy.rules import Object
from shipway.web.admission.reviewing import Answered
from shipway.web.admission.watching import Watching

log = structlog.get_logger(__name__)
Identity = tuple[str, str, str, str]
MOST = 20_000
"""Objects that are remembered: each takes some 10 kB, and there must be an end."""


class Inventory(Watching[Sequence[Object]]):
    """Objects by identity. ``read`` gives those of files, ``stamp`` changes when they do."""

    def __init__(
        self, read: Callable[[], Sequence[Object]], stamp: Callable[[], object], *, remember: bool = False
    ) -> None:
        super().__init__(read, stamp)
        self._remember = remember
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

    def _replace(self, found: Sequence[Object]) -> None:
        self._written, self._around = {_identity(one): one for one in found}, None
        log.info("inventory replaced", objects=len(self._written))

    def _keep(self, error: ShipwayError) -> None:
        log.error("the inventory cannot be read; the old one stays in force", error=error.message)


def _identity(value: Object) -> Identity:
    return str(value.get("apiVersion", "")), str(value.get("kind", "")), namespace(value), name(value)
