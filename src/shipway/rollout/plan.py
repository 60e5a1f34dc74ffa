"""One release's delivery, fully decided before it starts: what runs, how it is routed, how it is judged.

Made from a resolved Application by ``spec``'s caller in ``engine.service``; carried inside ``ReleaseRequested``.
"""

from typing import Literal

import msgspec

from shipway.analysis.policy import JudgePolicy, Step
from shipway.model.ids import AppName
from shipway.model.routing import Affinity, CanaryMatch
from shipway.model.workload import Workload


class DeliveryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, weights in percent."""

    app: AppName
    port: int
    workload: Workload
    strategy: Literal["canary", "direct"]
    steps: tuple[Step, ...] = ()
    """Ascending weights below 100; promotion follows the last."""
    judge: JudgePolicy
    rollback: Literal["automatic", "manual"] = "automatic"
    inconclusive: Literal["hold", "extend", "advance"] = "hold"
    """What happens when a step's maximum duration is over without enough evidence."""
    supersede: Literal["replace", "queue"] = "replace"
    """What happens to a rollout under way when this release arrives."""
    keep: float = 600.0
    """How long the processes of a release that lost its traffic stay up, ready for an undo."""
    ready_within: float = 60.0
    """How long the instances may take to become ready."""
    affinity: Affinity = Affinity()
    match: CanaryMatch = CanaryMatch()
