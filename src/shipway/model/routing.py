"""How requests reach the releases of one application. Made by ``rollout``, rendered by ``render``, applied by routers."""

from typing import Literal

import msgspec

from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.weights import Weights


class Affinity(msgspec.Struct, frozen=True):
    """What keeps one client on one release while weights stand still (and moves it only towards the canary as they rise)."""

    by: Literal["none", "cookie", "header"] = "none"
    name: str = ""
    """Header or cookie that identifies the client; for ``cookie`` the proxy hands one out when it is missing."""


class CanaryMatch(msgspec.Struct, frozen=True):
    """Requests that choose their side themselves. They are not part of the measured split."""

    header: str = ""
    """``<header>: always`` goes to the canary, ``never`` to the baseline."""
    cookie: str = ""
    """The same with a cookie of this name."""


class Routes(msgspec.Struct, frozen=True):
    """Everything a router applies for one application, atomically. An older ``generation`` than the last applied is stale."""

    app: AppName
    port: int
    """Loopback port on which the proxy listens for this application; stays the same for the application's life."""
    weights: Weights
    generation: Generation
    canary: ReleaseId | None = None
    """The release on trial, if there is one: the target of ``match`` and the side whose share affinity lets only grow."""
    match: CanaryMatch = CanaryMatch()
    affinity: Affinity = Affinity()
