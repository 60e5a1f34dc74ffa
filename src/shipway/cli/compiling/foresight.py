"""``plan``: reads two organisations and what is known of their applications. What is made of them is in :mod:`shipway.plan`."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from shipway.cli.compiling.rendering import no_collection
from shipway.cli.output import to_json
from shipway.cli.person import person
from shipway.cli.policing.known import knowledge, risks
from shipway.cli.spending.bills import told
from shipway.facts import organisations
from shipway.facts.commits import Question, commit_of, own_paths, revision
from shipway.facts.images import images_in
from shipway.facts.policies import policies_for
from shipway.facts.prices import read_book
from shipway.facts.revisions import at_revision
from shipway.insight.risk import Change, described
from shipway.model.errors import BadInput
from shipway.model.suggestions import did_you_mean, known
from shipway.plan import making
from shipway.plan.changes import (
    ApplicationRisk,
    Plan,
)
from shipway.plan.fields import without_secrets
from shipway.plan.making import Side, Wanted
from shipway.plan.releasing import Asking, Knows
from shipway.plan.wording import markdown, text
from shipway.policy.scanning import secretive
from shipway.render.compiling import Compiled
from shipway.spec import DeclaredApplication
from shipway.spec.organisation import Organisation

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
        at = time.time()
        knows = knowledge(asked.home, at)

        def risks_of(becoming: Sequence[Compiled]) -> Iterator[ApplicationRisk]:
            return _risks(asked, knows, at, (before.organisation if before else None, after.organisation), becoming)

        return making.make(
            before,
            after,
            Wanted(apps=asked.apps, environments=asked.environments, traffic=asked.traffic),
            Asking(at=at, book=after.book, by=person(), knows=knows, images=images_in(asked.home)),
            risks_of,
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


def _risks(
    asked: Asked,
    knows: Knows,
    at: float,
    sides: tuple[Organisation | None, Organisation],
    becoming: Sequence[Compiled],
) -> Iterator[ApplicationRisk]:
    """Of every application that changes and stays, as if it went now."""
    before, after = sides
    names = list(dict.fromkeys(one.application for one in becoming))
    since = revision(asked.directory, asked.against) if len(names) <= MOST_ASKED else ""
    changes = [
        _change(before.declared.get(name) if before else None, after.declared[name], since, at) for name in names
    ]
    left: dict[str, list[float]] = {}
    for name, environment in dict.fromkeys((one.application, one.environment) for one in becoming):
        found = knows(name, environment).facts.get("errorBudget")
        left.setdefault(name, []).extend([found["left"]] if found else [])
    changes = [msgspec.structs.replace(one, budget_left=min(left[one.application], default=None)) for one in changes]
    for change, risk in zip(changes, risks(asked.home, changes), strict=True):
        yield ApplicationRisk(change.application, risk)


def _change(old: DeclaredApplication | None, new: DeclaredApplication, since: str, at: float) -> Change:
    """With its size and kind where git can compare; unknown where it cannot, or is not asked."""
    spec, name = new.application.spec, new.application.metadata.name
    same = old is not None and old.application.spec.image == spec.image
    change = Change(application=name, at=at, author=person(), config_only=same)
    return described(change, commit_of(Question(own_paths(Path(new.file)), since))) if since else change
