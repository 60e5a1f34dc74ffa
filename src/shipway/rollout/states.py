"""What is known about one application: its releases, who serves, and the rollout under way. A fold over its events.

Everything here is immutable; ``evolve`` makes the next value. Nothing here decides.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from shipway.analysis.judge import JudgeState
from shipway.analysis.readings import ArmReading
from shipway.analysis.verdict import Judgement
from shipway.model.commits import Provenance
from shipway.model.ids import AppName, Generation, ReleaseId, RolloutId
from shipway.model.weights import Weights
from shipway.rollout.plan import DeliveryPlan


class Phase(StrEnum):
    """Where a rollout stands. ``IDLE`` is an application without one under way, and nothing else."""

    IDLE = "idle"
    STARTING = "starting"
    SHIFTING = "shifting"
    OBSERVING = "observing"
    HOLDING = "holding"
    PAUSED = "paused"
    AWAITING = "awaiting approval"
    PROMOTING = "promoting"
    REVERTING = "reverting"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"


FINAL = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ABORTED})
"""A rollout ends in exactly one of these and never leaves it."""

TRIAL = (Phase.SHIFTING, Phase.OBSERVING, Phase.HOLDING, Phase.PAUSED, Phase.AWAITING)
"""The canary may have its share of the traffic."""

JUDGED = frozenset({*TRIAL, Phase.PROMOTING})
"""Phases in which both arms are read. Until all traffic is known to follow a promotion, a FAIL still takes it back."""

Kind = Literal["install", "canary", "direct", "undo"]
Outcome = Phase
"""ROLLED_BACK or ABORTED. (A Literal of the two could not be read back from a snapshot.)"""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One version with its config. ``run_generation`` orders starts and stops of its processes."""

    id: ReleaseId
    label: str
    document: str
    plan: DeliveryPlan
    at: float
    by: str
    logic: int
    commit: Provenance | None = None
    run: Literal["stopped", "running", "stopping"] = "stopped"
    run_generation: Generation = Generation(0)
    ready: int = 0
    counted_at: float = float("-inf")
    """When ``ready`` was true: an older count that arrives later, or the same one again, says nothing."""
    stop_at: float | None = None
    """When its processes may end, if it gets no traffic by then; None while it is needed."""
    failure: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether every instance can serve."""
        return self.run == "running" and self.ready >= self.plan.workload.replicas

    @property
    def readiness(self) -> str:
        """How many instances can serve, in words."""
        return f"{self.ready} of {self.plan.workload.replicas} instances are ready"


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to make ``release`` live."""

    id: RolloutId
    kind: Kind
    release: ReleaseId
    baseline: ReleaseId | None
    phase: Phase
    by: str
    started_at: float
    phase_at: float
    """When the present phase began."""
    step: int = -1
    """Index of the step under way; -1 before the first."""
    step_at: float = 0.0
    """When the step's clock started."""
    weight: float = 0.0
    """Percent of traffic asked for the canary."""
    choice: str = ""
    """Why the ramp chose this weight; empty when it was written."""
    judge: JudgeState | None = None
    judgement: Judgement | None = None
    missed: int = 0
    """Consecutive readings that could not be had."""
    read_at: float = float("-inf")
    """Time of the last reading that was judged; an older or equal one is a duplicate."""
    history: tuple[tuple[float, ArmReading], ...] = ()
    """Readings of the baseline from before the rollout."""
    reason: str = ""
    """Why it stands where it stands, in one sentence."""
    outcome: Outcome = Phase.ROLLED_BACK
    """Where REVERTING leads."""
    failed: bool = False
    """A FAIL was seen, or its processes did not stay up: the canary's weight never rises again."""
    log_tail: tuple[str, ...] = ()
    ended_at: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.phase not in FINAL


class Pending(msgspec.Struct, frozen=True):
    """A rollout that begins when the present one has ended. There is one such place: who comes last has it."""

    release: ReleaseId
    kind: Kind
    by: str
    history: tuple[tuple[float, ArmReading], ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of one application."""

    app: AppName
    port: int = 0
    releases: dict[ReleaseId, Release] = {}
    live: ReleaseId | None = None
    previous: ReleaseId | None = None
    """What was live before: the target of a plain undo."""
    weights: Weights | None = None
    """Asked of the router; None until the first release serves."""
    generation: Generation = Generation(0)
    routes_generation: Generation = Generation(0)
    routes_applied: Generation = Generation(0)
    rollout: Rollout | None = None
    """The one under way, or the last."""
    past: tuple[Rollout, ...] = ()
    """Ended rollouts, oldest first, without their accumulators and histories."""
    pending: Pending | None = None
    trouble: str = ""
    """Last command that failed and has not succeeded since."""

    @property
    def phase(self) -> Phase:
        """Phase of the rollout, or IDLE when there was none."""
        return self.rollout.phase if self.rollout else Phase.IDLE
