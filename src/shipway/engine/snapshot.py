"""A state at rest as bytes, so that a controller need not judge years of readings again when it starts. Used by ``loop``.

Only a short cut: the journal has everything, and a snapshot that is not of this very journal and this very logic is not
believed. It is taken between rollouts, so it holds no half-made judgement.
"""

from hashlib import blake2b
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

import shipway
from shipway.analysis import judge
from shipway.analysis.readings import ArmReading
from shipway.engine.past import Past
from shipway.engine.ports import Recorded
from shipway.model.ids import ReleaseId
from shipway.rollout import evolve
from shipway.rollout.states import Delivery

log = structlog.get_logger(__name__)

_LOGIC = f"{shipway.__version__}/{evolve.LOGIC}/{judge.LOGIC}"


class _Head(msgspec.Struct, frozen=True):
    """Read first: what follows may be of another shape."""

    logic: str
    body: msgspec.Raw


class Snapshot(msgspec.Struct, frozen=True):
    """One application after ``version`` events."""

    version: int
    last: bytes
    """Digest of the last of those events."""
    state: Delivery
    past_of: ReleaseId | None
    past: tuple[tuple[float, ArmReading], ...]

    def is_of(self, event: Recorded) -> bool:
        """Whether ``event`` is the last one that the snapshot has seen."""
        return event.version == self.version and _digest(event.data) == self.last


def write(state: Delivery, version: int, last: bytes, past: Past) -> bytes:
    """A snapshot of a settled state; ``last`` is its last event as journalled."""
    rollout = replace(state.rollout, judge=None, history=()) if state.rollout else None
    body = Snapshot(version, _digest(last), replace(state, rollout=rollout), past.release, past.readings())
    return msgspec.msgpack.encode(_Head(_LOGIC, msgspec.Raw(msgspec.msgpack.encode(body))))


def read(data: bytes) -> Snapshot | None:
    """The snapshot; None when another logic has made it, or it is damaged."""
    try:
        head: Any = msgspec.msgpack.decode(data, type=_Head)
        return msgspec.msgpack.decode(head.body, type=Snapshot) if head.logic == _LOGIC else None
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        log.warning("snapshot", error=str(error))
        return None


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
