"""Everything that can happen to an application: requests by people and facts from the world. Journalled as they are.

Verdicts, phases and weights are not events: they follow from these by :func:`~shipway.rollout.evolve.evolve`, so a
history can be judged again with another alpha. Every event carries its time; none is ever changed or removed.
"""

import msgspec

from shipway.analysis.readings import ArmReading, Reading
from shipway.model.commits import Provenance
from shipway.model.ids import Generation, ReleaseId
from shipway.rollout.plan import DeliveryPlan


class _Event(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    at: float
    """Seconds since the epoch, from the engine's clock."""


# --- requests by people (or by a pipeline on their behalf) -------------------------------------------------------


class ReleaseRequested(_Event, frozen=True, tag=True):
    """A new version or configuration is to become live. The first event of every application."""

    plan: DeliveryPlan
    """Workload, routing and judgement, complete: undo restores all of it."""
    label: str
    """What people call it: an image tag, a version."""
    document: str
    """The Application as written and resolved, in JSON."""
    by: str
    logic: int
    """Which logic judges the rollout that follows; old histories replay under theirs."""
    history: tuple[tuple[float, ArmReading], ...] = ()
    """Readings of the live release from before the rollout: traffic and the dispersion of its errors."""
    commit: Provenance | None = None
    """Where it comes from. None in journals from before this was kept."""


class UndoRequested(_Event, frozen=True, tag=True):
    """Traffic is to go back to an earlier release, at once and without a trial."""

    by: str
    to: ReleaseId | None = None
    """None: the release that was live before the present one."""


class PauseRequested(_Event, frozen=True, tag=True):
    """No step forward until resumed; a FAIL still rolls back."""

    by: str


class ResumeRequested(_Event, frozen=True, tag=True):
    """End of a pause."""

    by: str


class PromoteRequested(_Event, frozen=True, tag=True):
    """A person answers for the next step (or, with ``full``, for all of them)."""

    by: str
    full: bool = False


class AbortRequested(_Event, frozen=True, tag=True):
    """Back to the baseline, whatever the evidence says."""

    by: str
    reason: str = ""


class RetryRequested(_Event, frozen=True, tag=True):
    """Try the release of the last rollout again, from the first step."""

    by: str
    history: tuple[tuple[float, ArmReading], ...] = ()


# --- facts from the world -----------------------------------------------------------------------------------------

ANY = Generation(0)
"""Of no particular start or stop: believed whenever it arrives."""


class InstancesChanged(_Event, frozen=True, tag=True):
    """How many instances of a release are ready now."""

    release: ReleaseId
    ready: int
    wanted: int
    generation: Generation = ANY
    """Of the start that these instances come from: news of an earlier one is late and changes nothing."""


class ReleaseFailed(_Event, frozen=True, tag=True):
    """The processes of a release do not stay up, or never became ready."""

    release: ReleaseId
    reason: str
    log_tail: tuple[str, ...] = ()
    generation: Generation = ANY
    """Of the start that failed."""


class ReleaseStopped(_Event, frozen=True, tag=True):
    """The last process of a release has ended on request."""

    release: ReleaseId
    generation: Generation = ANY
    """Of the stop that this answers."""


class RoutesApplied(_Event, frozen=True, tag=True):
    """Requests follow the routes of this generation."""

    generation: Generation


class Observed(_Event, frozen=True, tag=True):
    """One reading of both arms."""

    reading: Reading
    canary: ReleaseId | None = None
    """Whose counters the canary's are, when whoever read them says so: those of a trial that has ended count for none."""


class ReadingMissed(_Event, frozen=True, tag=True):
    """A reading was due and could not be had."""

    reason: str


class CommandFailed(_Event, frozen=True, tag=True):
    """A command could not be carried out; it will be tried again. Shown to people, changes no decision."""

    command: str
    reason: str


class DeadlineReached(_Event, frozen=True, tag=True):
    """The moment that ``decide.deadline`` named has come."""


Event = (
    ReleaseRequested
    | UndoRequested
    | PauseRequested
    | ResumeRequested
    | PromoteRequested
    | AbortRequested
    | RetryRequested
    | InstancesChanged
    | ReleaseFailed
    | ReleaseStopped
    | RoutesApplied
    | Observed
    | ReadingMissed
    | CommandFailed
    | DeadlineReached
)
