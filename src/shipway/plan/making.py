"""Two organisations to a plan, with what is known about what changes. Called by ``shipway plan``.

The comparison itself is in :mod:`shipway.plan.changes`. Leaves out where organisations, facts and risks come from.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import msgspec

from shipway.analysis.detect import sight
from shipway.analysis.policy import JudgePolicy, Step
from shipway.cost.estimate import Estimate, difference, estimate
from shipway.cost.prices import PriceBook
from shipway.plan.changes import (
    ApplicationRisk,
    Detects,
    Judged,
    PlaceChange,
    Plan,
    Snapshot,
    compare,
    snapshot,
    touched,
)
from shipway.plan.indicators import indicators
from shipway.plan.releasing import Asking, Known, Knows, estimated, objects_on, releases
from shipway.policy.findings import Summary, summary
from shipway.policy.guarding import admission
from shipway.policy.loading import Policies
from shipway.policy.releases import judge
from shipway.policy.rules import Status
from shipway.policy.scanning import scan, secretive
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.truth import compiled
from shipway.spec import DeclaredApplication
from shipway.spec.crossing import crossing_problems
from shipway.spec.organisation import Organisation

_BAD = ("fail", "warn", "error")
BASELINE_RATE = 0.001
"""Share of bad requests that is assumed of what runs now, when its SLO says nothing."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare."""

    apps: Sequence[str] | None = None
    """None: all of either side."""
    environments: Sequence[str] | None = None
    traffic: float | None = None
    """Requests per second of each application; None: rollouts are not asked about."""


class Side(msgspec.Struct, frozen=True):
    """One of the two organisations."""

    organisation: Organisation
    book: PriceBook
    policies: Policies


Risks = Callable[[Sequence[Compiled]], Iterable[ApplicationRisk]]
"""Of the applications that change and stay."""


def make(before: Side | None, after: Side, asked: Wanted, asking: Asking, risks: Risks) -> Plan:
    """The plan, with findings about what changes; of ``asking`` who asks, when, and what is known counts."""
    past = snapshot(_compiled(asked, before)) if before else {}
    edited = _edited(before.organisation, after.organisation) if before else frozenset()
    found = list(compare(past, _compiled(asked, after), secretive, edited))
    places, becoming = tuple(place for place, _ in found), [one for _, one in found if one and one.application]
    if not places:
        return Plan(places=())
    estimates = [estimated(after.organisation, after.book, one) for one in becoming]
    findings, counted = _findings(asked, asking, after, becoming)
    return Plan(
        places=places,
        platform=_by_platform(asked, before.organisation, after.organisation, past, places) if before else (),
        detects=tuple(_detects(after.organisation, places, asked.traffic)) if asked.traffic is not None else (),
        findings=tuple(findings),
        policy=counted,
        costs=difference(list(_past_estimates(before, past, places)) if before else [], estimates),
        risks=tuple(risks(becoming)),
    )


def _compiled(asked: Wanted, side: Side) -> Iterator[Compiled]:
    organisation = side.organisation
    apps = [one for one in asked.apps or () if one in organisation.declared]
    env = [one for one in organisation.environments if not asked.environments or one in asked.environments]
    if env and (apps or not asked.apps):
        yield from compiled(organisation, apps or None, env, admission(organisation, side.policies))


def _by_platform(
    asked: Wanted, old: Organisation, new: Organisation, past: Snapshot, places: Sequence[PlaceChange]
) -> tuple[str, ...]:
    """What would change with the Platform alone: the applications as they were, under the Platform as it will be.

    Where the two do not fit together, the applications that change without a change of their own file.
    """
    if old.platform == new.platform:
        return ()
    mixed = Organisation(new.declared_platform, old.declared)
    problems = crossing_problems(mixed.declared, mixed.declared_platform, mixed.resolved, frozenset())
    if any(one.severity == "error" for one in problems):
        same = {name for name, one in new.declared.items() if name in old.declared and _same(one, old.declared[name])}
        return tuple(sorted({one.application for one in places} & same))
    only = frozenset(asked.apps) if asked.apps else None
    env = [one for one in mixed.environments if not asked.environments or one in asked.environments]
    return touched(past, (one for name in env for one in compile_organisation(mixed, name, only)))


def _edited(old: Organisation, new: Organisation) -> frozenset[str]:
    """Files of what is said otherwise than before."""
    platform = {new.declared_platform.file} if old.platform != new.platform else set()
    kept = (name for name in new.declared if name in old.declared and _same(new.declared[name], old.declared[name]))
    return frozenset(
        platform | {one.file for one in new.declared.values()} - {new.declared[name].file for name in kept}
    )


def _same(one: DeclaredApplication, other: DeclaredApplication) -> bool:
    return one.application == other.application


def _past_estimates(side: Side, past: Snapshot, places: Sequence[PlaceChange]) -> Iterator[Estimate]:
    for key in (one.key for one in places if one.application and one.key in past):
        environment, cluster, application = key
        prices = side.book.at(cluster, side.organisation.clusters(environment)[cluster])
        yield estimate(
            application, environment, cluster, [msgspec.json.decode(one) for one in past[key].values()], prices
        )


def _detects(organisation: Organisation, places: Sequence[PlaceChange], rps: float) -> Iterator[Detects]:
    for app, environment in dict.fromkeys((one.application, one.environment) for one in places):
        if environment not in organisation.environments or app not in organisation.names(environment):
            continue
        application = organisation.application(app, environment)
        spec = application.spec
        if spec.delivery.strategy != "canary" or not application.document()["spec"].get("port"):
            continue
        share = spec.slo.availability
        rate = BASELINE_RATE if share is None else min(BASELINE_RATE, 1 - share)
        policy = JudgePolicy(indicators=tuple(indicators(application)), alpha=spec.delivery.alpha)
        steps = [Step(weight=one.weight, at_least=one.at_least) for one in spec.delivery.steps]
        yield Detects(app, environment, tuple(sight(policy, rps, rate, step) for step in steps))


def _findings(asked: Wanted, asking: Asking, side: Side, becoming: Sequence[Compiled]) -> tuple[list[Judged], Summary]:
    """About the applications that change, as they will be; what is the same in several places once. And how many of each."""
    policies = side.policies
    places: dict[tuple[str, str], list[Compiled]] = {}
    for one in becoming:
        places.setdefault((one.environment, one.application), []).append(one)
    evaluators = {environment: policies.evaluator(environment) for environment, _ in places}
    looking = any(rule.engine != "cel" for one in evaluators.values() for rule, _ in one.rules)
    asking = msgspec.structs.replace(
        asking,
        book=side.book,
        knows=_knows(asked, asking.knows),
        around=cache(lambda environment, cluster: objects_on(side.organisation, environment, cluster))
        if looking
        else lambda _environment, _cluster: (),
    )
    found: dict[object, Judged] = {}
    counts: Counter[Status] = Counter()
    for (environment, name), compiled_ in places.items():
        for release in releases(side.organisation, name, environment, asking, compiled_):
            findings = judge(release, evaluators[environment], policies.sets, scan, passes=False, counts=counts)
            for finding in findings:
                key = finding.rule, finding.action, finding.subject, finding.message, finding.path, finding.place
                known = found[key].environments if key in found else ()
                found[key] = Judged(tuple(dict.fromkeys((*known, environment))), finding)
    kept = [one for one in found.values() if one.finding.status in _BAD or one.finding.exception]
    whole = summary(one.finding for one in kept) + Summary(passed=counts["pass"], skipped=counts["skip"])
    return sorted(kept, key=_urgency), whole


def _knows(asked: Wanted, recorded: Knows) -> Knows:
    """What is recorded; a traffic that was named holds in its place."""
    if asked.traffic is None:
        return recorded
    traffic = {"requestsPerSecond": asked.traffic, "source": "--traffic"}

    def knows(application: str, environment: str) -> Known:
        known = recorded(application, environment)
        return Known({**known.facts, "traffic": traffic}, known.unknown)

    return knows


def _urgency(one: Judged) -> tuple[bool, str, int, str]:
    return not one.finding.refuses, one.finding.place.file, one.finding.place.line, one.finding.rule
