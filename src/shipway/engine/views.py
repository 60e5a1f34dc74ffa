"""What people and programs are shown: plain records made from the state. Built by ``service``, sent by ``web``, read by ``cli``.

Field names are part of the JSON that ``--json`` and the API promise. Times are seconds since the epoch, weights percent,
rates and shares 0..1.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shipway.analysis.verdict import IndicatorEvidence
from shipway.engine.ports import InstanceStatus
from shipway.model.commits import Provenance
from shipway.model.ids import ReleaseId
from shipway.model.problems import Problem
from shipway.rollout.decide import is_settled
from shipway.rollout.states import Delivery, Release, Rollout
from shipway.slo.budget import Status, Unknown
from shipway.slo.journeys import Composite


class IndicatorView(msgspec.Struct, frozen=True, kw_only=True):
    """One indicator of a rollout, with both arms."""

    name: str
    kind: str
    verdict: str
    canary_bad: float
    canary_total: int
    baseline_bad: float
    baseline_total: int
    canary_band: tuple[float, float] | None
    baseline_band: tuple[float, float] | None
    evidence: float | None
    """Log evidence that the canary is worse; None when nothing was asked yet."""
    limit: float
    """FAIL above this."""
    sentence: str


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """One rollout, under way or ended."""

    id: str
    app: str
    release: str
    label: str
    baseline: str | None
    kind: str
    phase: str
    active: bool
    by: str
    started_at: float
    phase_at: float
    ended_at: float | None
    step: int
    """Index of the step under way, from 0; -1 before the first."""
    steps: tuple[float, ...]
    """Weight of every step."""
    weight: float
    verdict: str
    """pass | fail | inconclusive | hold | error, or empty before the first reading."""
    reason: str
    evidence: str
    """The judge's sentence."""
    more_requests: int | None
    exposure: float | None
    indicators: tuple[IndicatorView, ...]
    log_tail: tuple[str, ...] = ()


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """One release of an application."""

    id: str
    label: str
    at: float
    by: str
    run: str
    ready: int
    wanted: int
    weight: float
    live: bool
    failure: str
    instances: tuple[InstanceStatus, ...] = ()
    commit: Provenance | None = None


class ApplicationView(msgspec.Struct, frozen=True, kw_only=True):
    """One application."""

    name: str
    url: str
    live: str | None
    settled: bool
    """Nothing is under way."""
    weights: dict[str, float]
    releases: tuple[ReleaseView, ...]
    rollout: RolloutView | None
    pending: str | None
    trouble: str
    """What the controller could not do and keeps trying; empty when all is well."""


class ControllerView(msgspec.Struct, frozen=True, kw_only=True):
    """The controller itself."""

    version: str
    pid: int
    home: str
    started_at: float
    trouble: str
    """Why nothing can be recorded at the moment (disk full); empty when all is well."""
    applications: tuple[ApplicationView, ...]


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one application."""

    app: str
    release: str
    rollout: str
    changed: bool
    message: str


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a deployment."""

    applications: tuple[Deployed, ...]
    problems: tuple[Problem, ...] = ()


class FieldView(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an application and where it came from."""

    path: str
    value: object
    origin: str
    file: str = ""
    line: int = 0


class PromiseView(msgspec.Struct, frozen=True, kw_only=True):
    """How the promises of one application stand."""

    app: str
    release: str | None
    """The live release, whose file holds the promises; None when nothing is live."""
    statuses: tuple[Status, ...]
    """One per promise; empty when nothing was promised."""


class JourneyView(msgspec.Struct, frozen=True, kw_only=True):
    """How a journey through several applications stands."""

    name: str
    applications: tuple[str, ...]
    objective: float
    """0..1."""
    window: float
    """Seconds."""
    spending: Composite | Unknown


class PromisesView(msgspec.Struct, frozen=True, kw_only=True):
    """The same of all."""

    applications: tuple[PromiseView, ...]
    journeys: tuple[JourneyView, ...] = ()


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A log file on this machine."""

    release: str
    instance: str
    path: str


def application_view(
    state: Delivery, instances: Mapping[ReleaseId, Sequence[InstanceStatus]], trouble: str = ""
) -> ApplicationView:
    """``instances`` by release; only releases that run or are live are given in full."""
    return ApplicationView(
        name=state.app,
        url=f"http://127.0.0.1:{state.port}",
        live=state.live,
        settled=is_settled(state),
        weights=dict(state.weights.shares) if state.weights else {},
        releases=tuple(_release(state, r, tuple(instances.get(r.id, ()))) for r in state.releases.values()),
        rollout=rollout_view(state, state.rollout) if state.rollout else None,
        pending=state.pending.release if state.pending else None,
        trouble=state.trouble or trouble,
    )


def rollout_view(state: Delivery, rollout: Rollout) -> RolloutView:
    """The rollout as people see it."""
    release, judgement = state.releases[rollout.release], rollout.judgement
    return RolloutView(
        id=rollout.id,
        app=state.app,
        release=release.id,
        label=release.label,
        baseline=rollout.baseline,
        kind=rollout.kind,
        phase=rollout.phase.value,
        active=rollout.is_active,
        by=rollout.by,
        started_at=rollout.started_at,
        phase_at=rollout.phase_at,
        ended_at=rollout.ended_at,
        step=rollout.step,
        steps=tuple(step.weight for step in release.plan.steps) if rollout.kind == "canary" else (),
        weight=rollout.weight,
        verdict=judgement.verdict.value if judgement else "",
        reason=rollout.reason,
        evidence=judgement.sentence if judgement else "",
        more_requests=judgement.more_requests if judgement else None,
        exposure=judgement.exposure if judgement else None,
        indicators=tuple(indicator_view(found) for found in judgement.indicators) if judgement else (),
        log_tail=rollout.log_tail,
    )


def indicator_view(found: IndicatorEvidence) -> IndicatorView:
    """The evidence of one indicator, with its bands."""
    return IndicatorView(
        name=found.name,
        kind=found.kind,
        verdict=found.verdict.value,
        canary_bad=found.canary_bad,
        canary_total=found.canary_total,
        baseline_bad=found.baseline_bad,
        baseline_total=found.baseline_total,
        canary_band=found.canary_band,
        baseline_band=found.baseline_band,
        evidence=None if found.e == float("-inf") else found.e,
        limit=found.limit,
        sentence=found.sentence,
    )


def _release(state: Delivery, release: Release, instances: tuple[InstanceStatus, ...]) -> ReleaseView:
    return ReleaseView(
        id=release.id,
        label=release.label,
        at=release.at,
        by=release.by,
        run=release.run,
        ready=release.ready,
        wanted=release.plan.workload.replicas,
        weight=state.weights.of(release.id) if state.weights else 0.0,
        live=state.live == release.id,
        failure=release.failure,
        instances=instances,
        commit=release.commit,
    )
