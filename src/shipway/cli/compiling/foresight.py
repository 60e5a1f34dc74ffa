"""What ``plan`` does: two organisations in, a plan and what is known about it out. The comparison is in :mod:`shipway.plan`."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from shipway.analysis.detect import sight
from shipway.analysis.policy import JudgePolicy, Step
from shipway.cli.compiling.rendering import no_collection
from shipway.cli.delivering.watching import person
from shipway.cli.output import to_json
from shipway.cli.policing.known import knowledge, risks
from shipway.cli.spending.bills import told
from shipway.cost.estimate import Estimate, difference, estimate
from shipway.cost.prices import PriceBook
from shipway.engine.planning import indicators
from shipway.facts import organisations
from shipway.facts.commits import Question, commit_of, own_paths, revision
from shipway.facts.images import images_in
from shipway.facts.policies import policies_for
from shipway.facts.prices import read_book
from shipway.facts.revisions import at_revision
from shipway.insight.risk import Change, described
from shipway.model.errors import BadInput
from shipway.model.suggestions import did_you_mean, known
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
from shipway.plan.fields import without_secrets
from shipway.plan.releasing import Asking, Known, Knows, estimated, objects_on, releases
from shipway.plan.wording import markdown, text
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
_SHOWN = (
    "rule",
    "status",
    "action",
    "refuses",
    "severity",
    "subject",
    "message",
    "path",
    "found",
    "allowed",
    "place",
    "fix",
    "controls",
    "exception",
    "facts",
)


def _json(plan: Plan) -> str:
    findings = [
        {
            "environments": one.environments,
            **{name: getattr(one.finding, name) for name in _SHOWN},
            "facts": without_secrets(one.finding.facts, secretive),  # the whole Application is among them
        }
        for one in plan.findings
    ]
    whole = {"changes": not plan.empty, "refused": plan.refused, **msgspec.structs.asdict(plan), "findings": findings}
    return to_json(told(whole))


FORMATS: Mapping[str, Callable[[Plan], str]] = {"text": text, "markdown": markdown, "json": _json}
BASELINE_RATE = 0.001
"""Share of bad requests that is assumed of what runs now, when its SLO says nothing."""


MOST_ASKED = 25
"""Applications of which git is asked what changed: that takes some 50 ms each."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare, and by what to judge it."""

    directory: Path
    apps: list[str] | None = None
    environments: list[str] | None = None
    against: str = "HEAD"
    policies: tuple[Path, ...] = ()
    pack: bool = True
    home: Path = Path()
    """State directory: what is recorded of releases and their traffic."""
    traffic: float | None = None
    """Requests per second of each application; None: rollouts are not asked about."""


class Side(msgspec.Struct, frozen=True):
    """One of the two organisations."""

    organisation: Organisation
    book: PriceBook
    policies: Policies


def planned(asked: Asked, form: str, *, json: bool = False) -> tuple[str, int]:
    """The plan in a format, and the exit code: 0 without changes, 2 with some, 1 when a policy denies them.

    Raises:
        BadInput: anything is wrong with either side, a policy, or an argument.
        NotFound: neither side has an application or environment that is asked for.
    """
    if form not in FORMATS:
        raise BadInput(f"--format: expected one of {', '.join(FORMATS)}, got {form!r}{did_you_mean(form, [*FORMATS])}")
    if asked.traffic is not None and not (math.isfinite(asked.traffic) and asked.traffic > 0):
        raise BadInput(f"--traffic: expected requests per second above 0, got {asked.traffic:g}")
    with no_collection():
        plan = make(asked)
    return FORMATS["json" if json else form](plan), 1 if plan.refused else 0 if plan.empty else 2


def make(asked: Asked) -> Plan:
    """The plan, with findings about what changes.

    Raises:
        BadInput, NotFound: as :func:`planned` says.
    """
    with at_revision(asked.directory, asked.against) as old:
        before = _past_side(asked, old) if organisations.paths(old) else None
    after = _side(asked, asked.directory)
    _known(asked, *(side.organisation for side in (before, after) if side))
    past = snapshot(_compiled(asked, before)) if before else {}
    edited = _edited(before.organisation, after.organisation) if before else frozenset()
    found = list(compare(past, _compiled(asked, after), secretive, edited))
    places, becoming = tuple(place for place, _ in found), [one for _, one in found if one and one.application]
    if not places:
        return Plan(places=())
    estimates = [estimated(after.organisation, after.book, one) for one in becoming]
    findings, counted = _findings(asked, after, becoming)
    return Plan(
        places=places,
        platform=_by_platform(asked, before.organisation, after.organisation, past, places) if before else (),
        detects=tuple(_detects(after.organisation, places, asked.traffic)) if asked.traffic is not None else (),
        findings=tuple(findings),
        policy=counted,
        costs=difference(list(_past_estimates(before, past, places)) if before else [], estimates),
        risks=tuple(_risks(asked, before.organisation if before else None, after.organisation, becoming)),
    )


def _side(asked: Asked, directory: Path) -> Side:
    organisation = organisations.load(directory)
    book = read_book(organisation, organisations.sources(directory), ())
    return Side(organisation, book, policies_for(organisation, directory, asked.policies, pack=asked.pack))


def _past_side(asked: Asked, old: Path) -> Side:
    """What is wrong there is named as it is found again, and not by the place where it was laid out for a moment."""
    try:
        return _side(asked, old)
    except BadInput as error:
        problems = [
            msgspec.structs.replace(one, file=f"{asked.against}:{Path(one.file).relative_to(old)}")
            if old != Path(asked.against) and Path(one.file).is_relative_to(old)
            else one
            for one in error.problems
        ]
        raise BadInput(str(error).replace(str(old), asked.against), problems=problems, hint=error.hint) from error


def _known(asked: Asked, *sides: Organisation) -> None:
    """Refuse what neither side has: on one side alone it is new, or goes away."""
    applications = tuple(sorted({name for side in sides for name in side.declared}))
    environments = tuple(dict.fromkeys(name for side in sides for name in side.environments))
    for app in asked.apps or ():
        known(app, applications, "application")
    for name in asked.environments or ():
        known(name, environments, "environment")


def _compiled(asked: Asked, side: Side) -> Iterator[Compiled]:
    organisation = side.organisation
    apps = [one for one in asked.apps or () if one in organisation.declared]
    env = [one for one in organisation.environments if not asked.environments or one in asked.environments]
    if env and (apps or not asked.apps):
        yield from compiled(organisation, apps or None, env, admission(organisation, side.policies))


def _by_platform(
    asked: Asked, old: Organisation, new: Organisation, past: Snapshot, places: Sequence[PlaceChange]
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


def _risks(
    asked: Asked, before: Organisation | None, after: Organisation, becoming: Sequence[Compiled]
) -> Iterator[ApplicationRisk]:
    """Of every application that changes and stays, as if it went now."""
    names = list(dict.fromkeys(one.application for one in becoming))
    since = revision(asked.directory, asked.against) if len(names) <= MOST_ASKED else ""
    changes = [_change(before.declared.get(name) if before else None, after.declared[name], since) for name in names]
    knows = knowledge(asked.home, time.time())
    left: dict[str, list[float]] = {}
    for name, environment in dict.fromkeys((one.application, one.environment) for one in becoming):
        found = knows(name, environment).facts.get("errorBudget")
        left.setdefault(name, []).extend([found["left"]] if found else [])
    changes = [msgspec.structs.replace(one, budget_left=min(left[one.application], default=None)) for one in changes]
    for change, risk in zip(changes, risks(asked.home, changes), strict=True):
        yield ApplicationRisk(change.application, risk)


def _change(old: DeclaredApplication | None, new: DeclaredApplication, since: str) -> Change:
    """With its size and kind where git can compare; unknown where it cannot, or is not asked."""
    spec, name = new.application.spec, new.application.metadata.name
    same = old is not None and old.application.spec.image == spec.image
    change = Change(application=name, at=time.time(), author=person(), config_only=same)
    return described(change, commit_of(Question(own_paths(Path(new.file)), since))) if since else change


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


def _findings(asked: Asked, side: Side, becoming: Sequence[Compiled]) -> tuple[list[Judged], Summary]:
    """About the applications that change, as they will be; what is the same in several places once. And how many of each."""
    policies = side.policies
    places: dict[tuple[str, str], list[Compiled]] = {}
    for one in becoming:
        places.setdefault((one.environment, one.application), []).append(one)
    evaluators = {environment: policies.evaluator(environment) for environment, _ in places}
    looking = any(rule.engine != "cel" for one in evaluators.values() for rule, _ in one.rules)
    asking = Asking(
        at=time.time(),
        book=side.book,
        by=person(),
        knows=_knows(asked),
        images=images_in(asked.home),
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


def _knows(asked: Asked) -> Knows:
    """What is recorded on this machine; a traffic that was named holds in its place."""
    recorded = knowledge(asked.home, time.time())
    if asked.traffic is None:
        return recorded
    traffic = {"requestsPerSecond": asked.traffic, "source": "--traffic"}

    def knows(application: str, environment: str) -> Known:
        known = recorded(application, environment)
        return Known({**known.facts, "traffic": traffic}, known.unknown)

    return knows


def _urgency(one: Judged) -> tuple[bool, str, int, str]:
    return not one.finding.refuses, one.finding.place.file, one.finding.place.line, one.finding.rule
