"""What of a delivery can be seen in a repository and in the journal: the facts of ``shipway maturity``.

Looks at files, and asks git for the last merges; runs nothing else. What cannot be read is not counted; ``validate`` says what is
wrong with it. What is not found is said to be without evidence: a forge's settings, for one, cannot be seen from here.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from shipway.facts.commits import recent
from shipway.facts.policies import policies_of
from shipway.insight.delivery import Recorded, statistics
from shipway.insight.maturity import Facts
from shipway.insight.series import DAY
from shipway.model.errors import BadInput
from shipway.spec import Application, Parsed, Source, parse_documents, resolve

PIPELINES = (
    ".github/workflows/*.y*ml",
    ".ci/*",
    ".circleci/config.yml",
    ".gitlab-ci.yml",
    ".gitlab/ci/*.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "Jenkinsfile",
)
GATES = {
    "lint": r"\b(lint\w*|ruff|flake8|pylint|eslint|golangci\S*|checkstyle|mypy|clippy)\b",
    "test": r"\b(tests?|pytest|tox|jest|junit)\b",
    "coverage": r"\bcoverage\b|--cov\b|\bcodecov\b",
    "scan": r"\b(trivy|grype|snyk|codeql|semgrep|gitleaks|detect-secrets|pip-audit|bandit)\b|policy check",
    "sign": r"\b(cosign|sigstore|slsa\S*|attest\S*)\b",
    "parallel": r"\b(matrix|parallel|needs)\s*:|-n auto|\bstage\b.*\bparallel\b",
    "plan": r"\bshipway (plan|render)\b|\bterraform plan\b",
}
"""Words by which a pipeline's gate is known."""
OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
WATCHERS = (
    ".github/dependabot.y*ml",
    "renovate.json*",
    ".renovaterc*",
    ".github/renovate.json*",
    ".gitlab/renovate.json*",
)
INFRASTRUCTURE = ("*.tf", "*.tofu", "Pulumi.yaml", "cdk.json", "*.bicep")
"""Names of files that describe infrastructure; Kubernetes, CloudFormation and Crossplane are known by what is in theirs."""
DRILLS = re.compile(
    r"(^|/)(drills?|restore[-_ ]?(tests?|drills?)|game[-_ ]?days?)/[^/]*?(?P<day>\d{4}-\d{2}-\d{2})[^/]*$",
    re.IGNORECASE,
)
"""A record of a restore that was practised: ``drills/2026-10-05-orders.md``."""
MERGED = re.compile(r"^Merge pull request #\d+|\(#\d+\)$|^See merge request |^Pull request #\d+", re.MULTILINE)
"""In messages of commits, as GitHub, GitLab and Bitbucket write them."""
YEAR = 365 * DAY
WEEKS = 4
"""Of the journal that count."""
MOST_BYTES = 1_000_000
"""A YAML file that is larger was not written by a person."""
_SKIPPED = frozenset({"node_modules", "vendor", "dist", "build"})


def facts(directory: Path, past: Recorded | None, at: float) -> Facts:
    """What is there below ``directory``, and in the journal (None: there is none) up to ``at``.

    Raises:
        BadInput: there is no such directory.
    """
    if not directory.is_dir():
        raise BadInput(f"{directory} is no directory", hint="Name the root of the repository.")
    sources = list(_sources(directory))
    return msgspec.structs.replace(
        _repository(directory, sources, at),
        **_organisation(parse_documents([one for one in sources if b"shipway.dev/" in _bytes(one)])),
        **_policies(sources),
        **_past(past, at),
    )


def _repository(directory: Path, sources: Sequence[Source], at: float) -> Facts:
    pipelines = [_text(file) for pattern in PIPELINES for file in sorted(directory.glob(pattern)) if file.is_file()]
    written = "\n".join(pipelines)
    everything = [_bytes(one) for one in sources]
    here = directory.resolve()
    return Facts(
        version_control=any((place / ".git").exists() for place in (here, *here.parents)),
        reviewed=_reviewed(directory),
        flags=any(
            re.search(rb"flagd|openfeature|unleash|launchdarkly|growthbook", text, re.IGNORECASE) for text in everything
        )
        or any(directory.glob("**/*.flagd.json")),
        pipeline=bool(pipelines),
        pipeline_gates=frozenset(name for name, words in GATES.items() if re.search(words, written, re.IGNORECASE)),
        dependencies_watched=any(True for pattern in WATCHERS for _ in directory.glob(pattern)),
        infrastructure=any(_is_infrastructure(text) for text in everything)
        or any(_visible(directory, file) for pattern in INFRASTRUCTURE for file in directory.rglob(pattern)),
        signatures=any(re.search(rb"verifyImages|ImageValidatingPolicy|sigstore\.dev/", text) for text in everything),
        gitops=any(b"argoproj.io/" in text or b"toolkit.fluxcd.io/" in text for text in everything),
        catalog=any(b"backstage.io/v1" in text for text in everything),
        restore_drills=tuple(_drills(directory, sources, at)),
    )


def _is_infrastructure(text: bytes) -> bool:
    kubernetes = re.search(rb"^kind: *(Deployment|StatefulSet|CronJob|Cluster|Rollout) *$", text, re.MULTILINE)
    return bool(kubernetes) or b"AWSTemplateFormatVersion" in text or b"apiextensions.crossplane.io/" in text


def _reviewed(directory: Path) -> str:
    """What shows that changes are looked at by others."""
    owners = next((name for name in OWNERS if (directory / name).is_file()), "")
    if owners:
        return f"{owners} names who reviews"
    merged = len(MERGED.findall(recent(directory)))
    return f"{merged} merged requests among the last commits" if merged else ""


def _drills(directory: Path, sources: Sequence[Source], at: float) -> Iterator[str]:
    """Records of restores in the last year, and objects that restore."""
    for file in sorted(directory.rglob("*")):
        inside = file.relative_to(directory).as_posix()
        found = DRILLS.search(inside)
        if found and _visible(directory, file) and 0 <= at - _day(found["day"]) <= YEAR:
            yield inside
    for one in sources:
        text = _bytes(one)
        restores = b"velero.io/" in text and re.search(rb"^kind: *Restore *$", text, re.MULTILINE)
        recovers = b"postgresql.cnpg.io/" in text and re.search(rb"^ +bootstrap:\s+recovery:", text, re.MULTILINE)
        if restores or recovers:
            yield str(Path(one.file).relative_to(directory))


def _day(text: str) -> float:
    """Seconds since the epoch; before every year for what is no day."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("-inf")


def _organisation(parsed: Parsed) -> dict[str, int]:
    """Applications as they are where customers depend on them: in the last environment."""
    platform = parsed.declared_platform
    environments = list(platform.platform.spec.environments) if platform else []
    last = environments[-1] if environments else ""
    found = [resolve(one, platform, last).application for one in parsed.declared if _runs_in(one.application, last)]
    clusters = [pair for name in environments if platform for pair in platform.platform.clusters(name).items()]
    return {
        "applications": len(found),
        "with_team": sum(bool(one.metadata.team) for one in found),
        "with_health": len(found),  # an Application without a word about it is checked by its archetype's default
        "journeys": len(platform.platform.spec.journeys) if platform else 0,
        "with_slo": sum(_promises(one) for one in found),
        "canary": sum(one.spec.delivery.strategy == "canary" for one in found),
        "autoscaled": sum(one.spec.scale is not None for one in found),
        "budgeted": sum(one.spec.budget is not None for one in found),
        "with_dependencies": sum(bool(one.spec.depends_on) for one in found),
        "environments": len(environments),
        "clusters": len({name for name, _ in clusters}),
        "regions": len({region for _, region in clusters if region}),
    }


def _runs_in(application: Application, environment: str) -> bool:
    return not environment or application.runs_in(environment)


def _promises(application: Application) -> bool:
    slo = application.spec.slo
    return bool(slo.availability or slo.latency or slo.objectives)


def _policies(sources: Sequence[Source]) -> dict[str, int]:
    """Rules of the repository's own; the built-in ones are everybody's."""
    rules = policies_of(sources, pack=False).rules
    names = {(rule.policy, rule.action) for rule in rules}
    return {
        "policies": len({name for name, _ in names}),
        "policies_denying": sum(action == "deny" for _, action in names),
    }


def _past(past: Recorded | None, at: float) -> dict[str, object]:
    if past is None:
        return {}
    begin = at - WEEKS * 7 * DAY
    # A deployment that ends in this very moment counts.
    measured = statistics(past.deployments, past.incidents, begin, at + 1)
    taken_back = sum(one.result == "rolled back" and one.finished_at >= begin for one in past.deployments)
    undone = sum(one.opened_at >= begin for one in past.incidents)
    kept = measured if measured.deployments else None
    return {"delivery": kept, "rolled_back_by_itself": taken_back, "undone": undone}


def _sources(directory: Path) -> Iterator[Source]:
    for file in sorted(path for ending in ("*.yaml", "*.yml", "*.rego") for path in directory.rglob(ending)):
        if not _visible(directory, file):
            continue
        text = _read(file)
        if text and len(text) <= MOST_BYTES:
            yield Source(str(file), text)


def _visible(directory: Path, file: Path) -> bool:
    inside = file.relative_to(directory).parts
    return not any(part.startswith(".") or part in _SKIPPED for part in inside) and file.is_file()


def _bytes(source: Source) -> bytes:
    return source.text if isinstance(source.text, bytes) else source.text.encode()


def _text(file: Path) -> str:
    return _read(file).decode("utf-8", "replace")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
