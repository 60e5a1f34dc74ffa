"""A rollout's story as plain records. Made by ``timeline``; shown by ``web.report`` and ``cli.live``; the JSON of both.

Field names are promised to readers of that JSON.
"""

from typing import Literal

import msgspec

from shipway.analysis.policy import Step
from shipway.model.commits import Commit, Provenance
from shipway.model.ids import AppName, ReleaseId, RolloutId
from shipway.rollout.states import Kind, Phase

Verdict = Literal["promoted", "rolled_back", "aborted", "under_way"]

VERDICTS: dict[Phase, Verdict] = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled_back",
    Phase.ABORTED: "aborted",
}


class ArmPoint(msgspec.Struct, frozen=True):
    """One arm's side of an indicator since the rollout began. Rates 0..1 (for a continuous indicator: mean per request)."""

    bad: float
    total: int
    rate: float | None
    """None before the first request."""
    low: float | None = None
    high: float | None = None
    """Time-uniform confidence band; None for indicators that are no shares of requests."""


class IndicatorPoint(msgspec.Struct, frozen=True):
    """One indicator at one reading."""

    canary: ArmPoint
    baseline: ArmPoint
    evidence: float | None
    """Natural log; above ``limit`` the release is rolled back. None while nothing is asked of it."""
    limit: float


class IndicatorSeries(msgspec.Struct, frozen=True):
    """One indicator through the rollout; its points belong to ``Timeline.points`` one by one."""

    name: str
    kind: str
    allowed: float | None
    """The limit that a person wrote, or else what the SLO allows: a rate 0..1 (or a mean); None when there is neither."""
    sentence: str
    """The last numbers in words."""
    points: tuple[IndicatorPoint, ...]


class Point(msgspec.Struct, frozen=True):
    """One reading."""

    at: float
    weight: float
    """Percent that the canary was to have."""
    exposure: float | None
    """Share 0..1 that it had, measured since the step began."""
    verdict: str
    """``pass``, ``fail``, ``inconclusive``, ``hold`` or ``error``."""


class PhaseSpan(msgspec.Struct, frozen=True):
    """One phase from its beginning on."""

    at: float
    phase: Phase
    weight: float
    """Percent asked for the canary when it began."""
    reason: str


class Line(msgspec.Struct, frozen=True):
    """One event in words."""

    at: float
    kind: str
    sentence: str
    phase: str = ""
    """The phase it led to; empty when it led nowhere."""
    reason: str = ""
    """Why that phase."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """One rollout. Times in seconds since the epoch; durations in seconds."""

    app: AppName
    rollout: RolloutId
    kind: Kind
    release: ReleaseId
    label: str
    baseline: ReleaseId | None
    baseline_label: str
    by: str
    started_at: float
    ended_at: float | None
    phase: Phase
    phase_at: float
    steps: tuple[Step, ...]
    step: int
    """Index into ``steps`` of the one under way or the last; -1 before the first."""
    step_at: float
    """When the step's clock started."""
    sample: int
    """Requests that the canary has answered in this step."""
    verdict: Verdict
    seconds_to_verdict: float | None
    """From the first canary traffic to the decision; without canary traffic, from the start to the end."""
    requests: int
    """Answered by the release on trial, up to the last reading of the trial."""
    failed_requests: int
    """Of those, answered 5xx."""
    evidence: str
    """Why it ended (or stands) as it does, in one sentence."""
    log_tail: tuple[str, ...]
    weights: tuple[tuple[float, float], ...]
    """(time, percent asked for the canary from then on)."""
    points: tuple[Point, ...]
    indicators: tuple[IndicatorSeries, ...]
    phases: tuple[PhaseSpan, ...]
    events: tuple[Line, ...]
    commit: Provenance | None = None
    """Where the release comes from; None where that was not kept."""

    @property
    def code(self) -> str:
        """The commit as people read it; empty when it is unknown."""
        return self.commit.short if isinstance(self.commit, Commit) else ""

    @property
    def name(self) -> str:
        """What people call the release, or else its id."""
        return self.label or self.release

    @property
    def against(self) -> str:
        """The same of the baseline; empty without one."""
        return self.baseline_label or self.baseline or ""
