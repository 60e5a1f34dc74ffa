"""How far an organisation is on five levels of delivery, each criterion answered from evidence, and what is missing.

Called by ``shipway maturity`` with what was found in the repository and in the journal. The levels are those of the
platform engineering model (basic automation, infrastructure as code, platform, self-service, global platform), and each asks
something of version control, pipeline, infrastructure, monitoring, deployment and security. A level counts when all of its
criteria hold and those of every level below. How many people there are is no criterion. Leaves out looking (``cli``).
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from shipway.insight.delivery import LEAST_DEPLOYMENTS, Statistics

LEVELS = (
    "basic automation",
    "infrastructure as code",
    "platform engineering",
    "self-service platform",
    "global platform",
)


Area = Literal["version control", "pipeline", "infrastructure", "monitoring", "deployment", "security"]
"""Characteristics of a level; each level asks something of each."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen; None: could not be looked at, which is not the same as no."""

    version_control: bool | None = None
    reviewed: str = ""
    """By what reviews are seen; empty when they are not."""
    flags: bool = False
    """Definitions of feature flags."""
    pipeline: bool | None = None
    pipeline_gates: frozenset[str] = frozenset()
    """Of lint, test, coverage, scan, sign, plan, parallel."""
    dependencies_watched: bool = False
    infrastructure: bool = False
    """Terraform, Pulumi, CloudFormation, Crossplane or rendered Kubernetes objects."""
    applications: int = 0
    with_team: int = 0
    with_health: int = 0
    with_slo: int = 0
    canary: int = 0
    """Applications whose releases are judged before they are live for everybody."""
    autoscaled: int = 0
    budgeted: int = 0
    with_dependencies: int = 0
    environments: int = 0
    clusters: int = 0
    regions: int = 0
    journeys: int = 0
    policies: int = 0
    policies_denying: int = 0
    signatures: bool = False
    """Policies that verify who signed an image."""
    gitops: bool | None = None
    catalog: bool | None = None
    delivery: Statistics | None = None
    """Of the last weeks."""
    undone: int = 0
    """Releases that a person took back."""
    rolled_back_by_itself: int = 0
    """Releases that the evidence took back."""
    restore_drills: tuple[str, ...] = ()
    """Where a restore that was practised is on record."""


class Criterion(msgspec.Struct, frozen=True):
    """One thing that a level asks for."""

    level: int
    """1..5."""
    area: Area
    name: str
    holds: Callable[[Facts], bool | None]
    evidence: Callable[[Facts], str]
    missing: str
    """What to do about it."""


class Answer(msgspec.Struct, frozen=True):
    """A criterion and what was found."""

    level: int
    area: Area
    name: str
    holds: bool | None
    """None: unknown."""
    evidence: str
    missing: str
    """Empty when it holds."""


class Assessment(msgspec.Struct, frozen=True):
    """The level, why, and what the next one needs."""

    level: int
    """0..5; 0 when the first is not reached."""
    name: str
    answers: tuple[Answer, ...]
    next: tuple[str, ...]
    """What is missing for the level above; empty at the top."""


def _most(part: int, whole: int) -> bool | None:
    """Four in five count as the rule; None of nothing."""
    return part >= 0.8 * whole if whole else None


def _of(part: int, whole: int, what: str) -> str:
    return f"{part} of {whole} applications {what}" if whole else "no applications were found"


def _rate(facts: Facts) -> float | None:
    """None of too few deployments to tell."""
    share = facts.delivery.change_failure if facts.delivery else None
    return share.rate if share and share.whole >= LEAST_DEPLOYMENTS else None


def _failing(facts: Facts) -> str:
    rate = _rate(facts)
    known = facts.delivery.deployments if facts.delivery else 0
    return f"{rate:.0%} of changes fail" if rate is not None else f"{known} deployments; {LEAST_DEPLOYMENTS} are needed"


def _weekly(facts: Facts) -> str:
    return f"{facts.delivery.per_day * 7:.1f} deployments a week" if facts.delivery else "no deployments on record"


def _gates(*names: str) -> Callable[[Facts], bool | None]:
    return lambda facts: set(names) <= facts.pipeline_gates if facts.pipeline is not None else None


def _listed(facts: Facts) -> str:
    return f"pipeline gates: {', '.join(sorted(facts.pipeline_gates)) or 'none'}"


VC: Area = "version control"
CI: Area = "pipeline"
IN: Area = "infrastructure"
MO: Area = "monitoring"
DE: Area = "deployment"
SE: Area = "security"
CRITERIA: tuple[Criterion, ...] = (
    Criterion(1, VC, "version control", lambda f: f.version_control, lambda f: "a Git repository" if f.version_control else "no Git repository", "put the applications under version control"),
    Criterion(1, CI, "pipeline", lambda f: f.pipeline, lambda f: "a pipeline definition" if f.pipeline else "no pipeline definition", "add a pipeline that runs on every change"),
    Criterion(1, IN, "applications are described in files", lambda f: f.applications > 0, lambda f: f"{f.applications} applications", "write an Application file: `shipway init`"),
    Criterion(1, MO, "health is checked", lambda f: _most(f.with_health, f.applications), lambda f: _of(f.with_health, f.applications, "say how their health is checked"), "set `health`"),
    Criterion(1, DE, "deployments are automatic", lambda f: bool(f.delivery and f.delivery.deployments), _weekly, "deploy with `shipway deploy`"),
    Criterion(1, SE, "dependencies are watched", lambda f: f.dependencies_watched or "scan" in f.pipeline_gates, lambda f: "a robot or a scan watches them" if f.dependencies_watched or "scan" in f.pipeline_gates else "no evidence of Dependabot, Renovate or a scan", "let Dependabot, Renovate or a scan watch dependencies"),
    Criterion(2, VC, "changes are reviewed", lambda f: bool(f.reviewed) or None, lambda f: f.reviewed or "no evidence: no CODEOWNERS and no merged requests; the forge's settings cannot be seen from here", "name code owners, and merge by request"),
    Criterion(2, CI, "quality gates", _gates("lint", "test", "scan"), _listed, "let the pipeline lint, test and scan"),
    Criterion(2, IN, "several environments, declared", lambda f: f.environments >= 2, lambda f: f"{f.environments} environments in the Platform", "declare at least two environments in a Platform file"),
    Criterion(2, IN, "infrastructure as code", lambda f: f.infrastructure, lambda f: "infrastructure is in files" if f.infrastructure else "no Terraform, Pulumi, CloudFormation, Crossplane or Kubernetes files", "keep infrastructure in files; `shipway render` makes Kubernetes objects"),
    Criterion(2, MO, "something is promised and measured", lambda f: f.with_slo > 0, lambda f: _of(f.with_slo, f.applications, "have an SLO"), "say in `slo` what users are promised"),
    Criterion(2, DE, "releases can be taken back", lambda f: bool(f.delivery and f.delivery.deployments), lambda f: f"every release on record can be undone; {f.undone} were by a person, {f.rolled_back_by_itself} by evidence" if f.delivery else "no releases on record", "deploy with `shipway deploy`; `undo` then works"),
    Criterion(2, SE, "the pipeline scans", _gates("scan"), _listed, "let the pipeline scan for vulnerabilities and secrets"),
    Criterion(3, VC, "features are switched by flags", lambda f: f.flags, lambda f: "feature flags are defined" if f.flags else "no definitions of feature flags", "define flags (flagd, OpenFeature, Unleash), so that main can always be released"),
    Criterion(3, CI, "parallel stages and coverage", _gates("parallel", "coverage"), _listed, "run stages side by side, and measure coverage"),
    Criterion(3, IN, "clusters", lambda f: f.clusters > 0, lambda f: f"{f.clusters} clusters in the Platform", "declare `clusters` of the environments"),
    Criterion(3, IN, "dependencies are declared", lambda f: f.with_dependencies > 0 if f.applications > 1 else None, lambda f: _of(f.with_dependencies, f.applications, "declare what they call"), "declare `dependsOn`"),
    Criterion(3, MO, "objectives", lambda f: _most(f.with_slo, f.applications), lambda f: _of(f.with_slo, f.applications, "have an SLO"), "say in `slo` what users are promised"),
    Criterion(3, DE, "progressive delivery", lambda f: _most(f.canary, f.applications), lambda f: _of(f.canary, f.applications, "go through a canary"), "set `delivery: canary`"),
    Criterion(3, SE, "policies are checked", lambda f: f.policies > 0, lambda f: f"{f.policies} policies", "keep policies beside the Platform file"),
    Criterion(4, VC, "every application has an owner", lambda f: _most(f.with_team, f.applications), lambda f: _of(f.with_team, f.applications, "name a team"), "set `metadata.team`"),
    Criterion(4, CI, "self-service catalogue", lambda f: f.catalog, lambda f: "catalogue entries are generated" if f.catalog else "no catalogue", "render the catalogue: `shipway catalog`"),
    Criterion(4, IN, "capacity follows load", lambda f: _most(f.autoscaled, f.applications), lambda f: _of(f.autoscaled, f.applications, "scale by a signal"), "give `scale` a minimum, a maximum and a signal"),
    Criterion(4, IN, "money is bounded", lambda f: _most(f.budgeted, f.applications), lambda f: _of(f.budgeted, f.applications, "have a budget"), "set `budget`"),
    Criterion(4, MO, "bad releases go back by themselves", lambda f: f.rolled_back_by_itself > 0, lambda f: f"{f.rolled_back_by_itself} releases were taken back by evidence", "nothing to do until a release is bad; the demo shows one"),
    Criterion(4, DE, "GitOps", lambda f: f.gitops, lambda f: "rendered for GitOps" if f.gitops else "nothing rendered for GitOps", "render with `--format argocd` or `flux`"),
    Criterion(4, DE, "few changes fail", lambda f: None if (rate := _rate(f)) is None else rate <= 0.15, _failing, "make changes smaller; look at `shipway risk`"),
    Criterion(4, SE, "policies are enforced", lambda f: f.policies_denying > 0, lambda f: f"{f.policies_denying} policies deny", "move policies from audit to deny"),
    Criterion(5, VC, "changes show what they do before they are merged", _gates("plan"), _listed, "let the pipeline comment `shipway plan` on requests"),
    Criterion(5, CI, "artefacts are signed", _gates("sign"), _listed, "sign images in the pipeline"),
    Criterion(5, IN, "several regions", lambda f: f.regions >= 2, lambda f: f"{f.clusters} clusters in {f.regions} regions", "declare clusters in at least two regions"),
    Criterion(5, IN, "recovery is practised", lambda f: bool(f.restore_drills), lambda f: f"on record: {', '.join(f.restore_drills)}" if f.restore_drills else "no evidence of a restore in the last year", "practise a restore and keep its record in `drills/YYYY-MM-DD-….md`"),
    Criterion(5, MO, "journeys through applications are promised", lambda f: f.journeys > 0, lambda f: f"{f.journeys} journeys in the Platform", "declare `journeys` in the Platform file"),
    Criterion(5, DE, "every release is judged", lambda f: f.canary == f.applications if f.applications else None, lambda f: _of(f.canary, f.applications, "go through a canary"), "set `delivery: canary` everywhere"),
    Criterion(5, SE, "signatures are verified", lambda f: f.signatures, lambda f: "a policy verifies them" if f.signatures else "no policy verifies who signed an image", "verify signatures by a policy"),
)  # fmt: skip


def assess(facts: Facts, criteria: Sequence[Criterion] = CRITERIA) -> Assessment:
    """Every criterion answered, whatever the level reached."""
    answers = []
    for one in criteria:
        holds = one.holds(facts)
        answers.append(Answer(one.level, one.area, one.name, holds, one.evidence(facts), "" if holds else one.missing))
    reached = 0
    while reached < len(LEVELS) and all(one.holds for one in answers if one.level == reached + 1):
        reached += 1
    name = LEVELS[reached - 1] if reached else "not yet automated"
    missing = tuple(f"{one.name}: {one.missing}" for one in answers if one.level == reached + 1 and not one.holds)
    return Assessment(reached, name, tuple(answers), missing)
