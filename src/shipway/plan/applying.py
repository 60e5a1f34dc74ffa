"""Applications among the files of ``policy check``: each as its releases in the environments that are asked about.

Used by ``policy check``. With a Platform they are compiled, so that rules are asked about the Kubernetes objects too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from shipway.cost.prices import priced
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.model.suggestions import known
from shipway.plan.releasing import Asking, Images, Known, Knows, nothing_known, objects_on, releases, uncompiled
from shipway.policy.findings import Finding
from shipway.policy.loading import Policies
from shipway.policy.releases import Release, judge, once
from shipway.policy.rules import Object, Status
from shipway.policy.scanning import scan
from shipway.spec import DeclaredApplication, Parsed, Source, parse_documents, resolve
from shipway.spec.crossing import crossing_problems
from shipway.spec.organisation import Organisation
from shipway.spec.platform import Platform

NO_PLATFORM = "no Platform says what they are compiled for; `--platform DIR` names one"


class Applying(msgspec.Struct, frozen=True, kw_only=True):
    """Which Applications, judged by what."""

    sources: Sequence[Source]
    """Files with documents of ours: the Applications in these are judged."""
    organisation: Sequence[Source] = ()
    """Files with the rest of the organisation."""
    platform: str = ""
    """Directory that these are from; it must hold a Platform. Empty: nobody has named one."""
    environment: str = ""
    """Empty: every environment of the Platform."""
    policies: Callable[[Platform | None], Policies]
    """Those that hold on a Platform."""
    passes: bool = False
    at: float = 0.0
    given: Mapping[str, Any] = {}
    """Facts that a person gives; they hold in place of what was recorded."""
    knows: Knows = nothing_known
    """What was recorded."""
    images: Images
    by: str
    """Who asks."""


class Applied(msgspec.Struct):
    """What came out."""

    findings: list[Finding] = []
    quiet: Counter[Status] = msgspec.field(default_factory=Counter)
    problems: list[Problem] = []
    applications: int = 0


def applied(asked: Applying) -> Applied:
    """Judge the Applications.

    Raises:
        BadInput, NotFound: the organisation, its prices or the environment cannot be used.
    """
    found = Applied()
    sources = [*asked.sources, *asked.organisation]
    parsed = parse_documents(sources)
    found.problems += parsed.problems
    given = {one.file for one in asked.sources}
    mine = [one for one in parsed.declared if one.file in given]
    found.applications = len(mine)
    organisation = _organisation(parsed, found.problems)
    if organisation is None and asked.platform and not found.problems:
        hint = "It needs a file with `kind: Platform` that names environments."
        raise BadInput(f"--platform: there is no Platform with environments in {asked.platform}", hint=hint)
    if organisation is None and mine:
        message = f"Applications are judged as they are written, and no Kubernetes objects of them: {NO_PLATFORM}"
        found.problems.append(
            Problem(mine[0].file, mine[0].node.line, mine[0].node.column, "", "not-compiled", message, "warning")
        )
    if mine and not any(one.severity == "error" for one in found.problems):
        _judge(asked, sources, organisation, mine, found)
    return found


def _organisation(parsed: Parsed, problems: list[Problem]) -> Organisation | None:
    """None: nobody says where the Applications run."""
    platform = parsed.declared_platform
    if platform is None or not platform.platform.spec.environments:
        return None
    names = {one.application.metadata.name: one for one in parsed.declared}
    organisation = Organisation(platform, dict(sorted(names.items())))
    problems += crossing_problems(organisation.declared, platform, organisation.resolved, parsed.left_out)
    return organisation


def _judge(
    asked: Applying,
    sources: Sequence[Source],
    organisation: Organisation | None,
    mine: Sequence[DeclaredApplication],
    found: Applied,
) -> None:
    policies = asked.policies(organisation.platform if organisation else None)
    environments: Sequence[str] = [asked.environment]
    if organisation and asked.environment:
        known(asked.environment, organisation.environments, "environment")
    elif organisation:
        environments = organisation.environments
    asking = Asking(
        at=asked.at,
        book=priced(sources, organisation),
        by=asked.by,
        knows=_knows(asked),
        images=asked.images,
        around=cache(lambda environment, cluster: _around(policies, organisation, environment, cluster)),
    )
    findings: list[Finding] = []
    for environment in environments:
        evaluator = policies.evaluator(environment)
        for release in _releases(organisation, mine, environment, asking):
            judged = judge(release, evaluator, policies.sets, scan, passes=asked.passes, counts=found.quiet)
            many = environment if len(environments) > 1 else ""
            findings += [msgspec.structs.replace(one, environment=many) for one in judged]
    found.findings = once(findings)


def _releases(
    organisation: Organisation | None, mine: Sequence[DeclaredApplication], environment: str, asking: Asking
) -> Iterator[Release]:
    for one in mine:
        if organisation is None:
            document = resolve(one, None, environment).application.document()
            yield uncompiled(one, document, environment, asking, NO_PLATFORM)
        elif one.application.runs_in(environment):
            yield from releases(organisation, one.application.metadata.name, environment, asking)


def _around(
    policies: Policies, organisation: Organisation | None, environment: str, cluster: str
) -> tuple[Object, ...]:
    """Everything on a cluster, where a rule may ask for it."""
    looking = any(rule.engine != "cel" for rule, _ in policies.evaluator(environment).rules)
    return objects_on(organisation, environment, cluster) if organisation and looking else ()


def _knows(asked: Applying) -> Knows:
    def knows(application: str, environment: str) -> Known:
        known, own = asked.knows(application, environment), asked.given.get(application)
        given = {**asked.given, **(own if isinstance(own, Mapping) else {})}
        return Known({**known.facts, **given}, known.unknown)

    return knows
