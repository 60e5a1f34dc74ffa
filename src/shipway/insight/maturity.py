"""How far an organisation is on five levels of delivery, each criterion answered from evidence, and what is missing.

Called by ``shipway maturity`` with what was found in the repository and in the journal. The levels are those of the
platform engineering model (basic automation, infrastructure as code, platform, self-service, global platform). A level counts
when all of its criteria hold and those of every level below. Leaves out looking (``cli``): it is told facts.
"""

from collections.abc import Callable, Sequence

import msgspec

from shipway.insight.delivery import Statistics

LEVELS = (
    "basic automation",
    "infrastructure as code",
    "platform engineering",
    "self-service platform",
    "global platform",
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen; None: could not be looked at, which is not the same as no."""

    version_control: bool | None = None
    pipeline: bool | None = None
    pipeline_gates: frozenset[str] = frozenset()
    """Of lint, test, coverage, scan, sign, plan."""
    applications: int = 0
    with_slo: int = 0
    canary: int = 0
    """Applications whose releases are judged before they are live for everybody."""
    autoscaled: int = 0
    budgeted: int = 0
    with_dependencies: int = 0
    environments: int = 0
    clusters: int = 0
    regions: int = 0
    policies: int = 0
    policies_denying: int = 0
    gitops: bool | None = None
    catalog: bool | None = None
    delivery: Statistics | None = None
    """Of the last weeks."""
    rolled_back_by_itself: int = 0
    """Releases that the evidence took back."""
    restore_drills: int = 0


class Criterion(msgspec.Struct, frozen=True):
    """One thing that a level asks for."""

    level: int
    """1..5."""
    name: str
    holds: Callable[[Facts], bool | None]
    evidence: Callable[[Facts], str]
    missing: str
    """What to do about it."""


class Answer(msgspec.Struct, frozen=True):
    """A criterion and what was found."""

    level: int
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
    return facts.delivery.change_failure.rate if facts.delivery and facts.delivery.change_failure else None


def _weekly(facts: Facts) -> str:
    return f"{facts.delivery.per_day * 7:.1f} deployments a week" if facts.delivery else "no deployments on record"


def _gates(*names: str) -> Callable[[Facts], bool | None]:
    return lambda facts: set(names) <= facts.pipeline_gates if facts.pipeline is not None else None


def _listed(facts: Facts) -> str:
    return f"pipeline gates: {', '.join(sorted(facts.pipeline_gates)) or 'none'}"


CRITERIA: tuple[Criterion, ...] = (
    Criterion(1, "version control", lambda f: f.version_control, lambda f: "a Git repository" if f.version_control else "no Git repository", "put the applications under version control"),
    Criterion(1, "pipeline", lambda f: f.pipeline, lambda f: "a pipeline definition" if f.pipeline else "no pipeline definition", "add a pipeline that runs on every change"),
    Criterion(1, "deployments are automatic", lambda f: bool(f.delivery and f.delivery.deployments), _weekly, "deploy with `shipway deploy`"),
    Criterion(2, "quality gates", _gates("lint", "test", "scan"), _listed, "let the pipeline lint, test and scan"),
    Criterion(2, "several environments, declared", lambda f: f.environments >= 2, lambda f: f"{f.environments} environments in the Platform", "declare at least two environments in a Platform file"),
    Criterion(2, "releases can be taken back", lambda f: bool(f.delivery and f.delivery.deployments), lambda f: "every release on record can be undone" if f.delivery else "no releases on record", "deploy with `shipway deploy`; `undo` then works"),
    Criterion(3, "progressive delivery", lambda f: _most(f.canary, f.applications), lambda f: _of(f.canary, f.applications, "go through a canary"), "set `delivery: canary`"),
    Criterion(3, "objectives", lambda f: _most(f.with_slo, f.applications), lambda f: _of(f.with_slo, f.applications, "have an SLO"), "say in `slo` what users are promised"),
    Criterion(3, "policies are checked", lambda f: f.policies > 0, lambda f: f"{f.policies} policies", "keep policies beside the Platform file"),
    Criterion(3, "dependencies are declared", lambda f: f.with_dependencies > 0 if f.applications > 1 else None, lambda f: _of(f.with_dependencies, f.applications, "declare what they call"), "declare `dependsOn`"),
    Criterion(4, "self-service catalogue", lambda f: f.catalog, lambda f: "catalogue entries are generated" if f.catalog else "no catalogue", "render the catalogue: `shipway render --format backstage`"),
    Criterion(4, "GitOps", lambda f: f.gitops, lambda f: "rendered for GitOps" if f.gitops else "nothing rendered for GitOps", "render with `--format argocd` or `flux`"),
    Criterion(4, "capacity follows load", lambda f: _most(f.autoscaled, f.applications), lambda f: _of(f.autoscaled, f.applications, "scale by a signal"), "give `scale` a minimum, a maximum and a signal"),
    Criterion(4, "money is bounded", lambda f: _most(f.budgeted, f.applications), lambda f: _of(f.budgeted, f.applications, "have a budget"), "set `budget`"),
    Criterion(4, "policies are enforced", lambda f: f.policies_denying > 0, lambda f: f"{f.policies_denying} policies deny", "move policies from audit to deny"),
    Criterion(4, "few changes fail", lambda f: None if (rate := _rate(f)) is None else rate <= 0.15, lambda f: "unknown" if (rate := _rate(f)) is None else f"{rate:.0%} of changes fail", "make changes smaller; look at `shipway risk`"),
    Criterion(5, "several regions", lambda f: f.regions >= 2, lambda f: f"{f.clusters} clusters in {f.regions} regions", "declare clusters in at least two regions"),
    Criterion(5, "bad releases go back by themselves", lambda f: f.rolled_back_by_itself > 0, lambda f: f"{f.rolled_back_by_itself} releases were taken back by evidence", "nothing to do until a release is bad; the demo shows one"),
    Criterion(5, "recovery is practised", lambda f: f.restore_drills > 0, lambda f: f"{f.restore_drills} drills on record", "practise a restore and record it"),
    Criterion(5, "signed and planned", _gates("sign", "plan"), _listed, "sign images and comment the plan on pull requests"),
)  # fmt: skip


def assess(facts: Facts, criteria: Sequence[Criterion] = CRITERIA) -> Assessment:
    """Every criterion answered, whatever the level reached."""
    answers = []
    for one in criteria:
        holds = one.holds(facts)
        answers.append(Answer(one.level, one.name, holds, one.evidence(facts), "" if holds else one.missing))
    reached = 0
    while reached < len(LEVELS) and all(one.holds for one in answers if one.level == reached + 1):
        reached += 1
    name = LEVELS[reached - 1] if reached else "not yet automated"
    missing = tuple(f"{one.name}: {one.missing}" for one in answers if one.level == reached + 1 and not one.holds)
    return Assessment(reached, name, tuple(answers), missing)
