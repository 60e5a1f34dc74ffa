"""What a release on record asks for, as its Application said: size, instances, budget, owner. Called by what advises and charges."""

from collections.abc import Iterable

import msgspec

from shipway.cli.recalling.records import Records
from shipway.cost.allocation import Owner
from shipway.cost.usage import Requested
from shipway.model.quantities import Money, QuantityError, parse_cpu, parse_memory, parse_money
from shipway.rollout.states import Delivery
from shipway.spec.fields import Misspelt
from shipway.spec.texts import parse_signal

LOCAL = "local"
"""Environment of a release that was asked for none."""


class Now(msgspec.Struct, frozen=True):
    """What an instance has today; None: unknown or unset."""

    cpu: float | None = None
    """Cores."""
    memory: float | None = None
    """Bytes; here a process that takes more is ended, so it is the limit too."""
    scaled_on: frozenset[str] = frozenset()
    instances: int = 1
    """The fewest that run."""
    carries: float | None = None
    """Requests a second for which a scaler starts another instance."""
    budget: Money | None = None


class _Resources(msgspec.Struct):
    cpu: str | float | None = None
    memory: str | int | None = None
    factor: float = 1.0


class _Scale(msgspec.Struct):
    min: int = 1
    signal: str = "cpu"
    """What is followed and what an instance carries of it, such as ``requests 50/s``."""


class _Spec(msgspec.Struct):
    resources: _Resources = msgspec.field(default_factory=_Resources)
    scale: _Scale | None = None
    replicas: int | None = None
    budget: str | None = None


class _Metadata(msgspec.Struct):
    team: str | None = None


class _Application(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


class _Document(msgspec.Struct):
    application: _Application
    environment: str = ""


def asked(document: str) -> Now:
    """From what a release remembers of its file; nothing where that cannot be read."""
    try:
        spec = msgspec.json.decode(document, type=_Document).application.spec
        cpu = parse_cpu(str(spec.resources.cpu)) if spec.resources.cpu else None
        memory = float(parse_memory(str(spec.resources.memory))) if spec.resources.memory else None
        budget = parse_money(spec.budget) if spec.budget else None
        signal = parse_signal(spec.scale.signal) if spec.scale else None
    except (msgspec.DecodeError, QuantityError, Misspelt):
        return Now()
    scale, factor = spec.scale, spec.resources.factor
    fewest = spec.replicas if spec.replicas is not None else scale.min if scale else 1
    return Now(
        cpu=None if cpu is None else cpu * factor,
        memory=None if memory is None else memory * factor,
        scaled_on=frozenset({signal.kind} & {"cpu", "memory"}) if signal else frozenset(),
        instances=fewest,
        carries=signal.target if signal and signal.kind == "requests" else None,
        budget=budget,
    )


def state(journal: Records, app: str) -> Delivery:
    """An application as it stands after everything on record."""
    return journal.state(app)


def now(journal: Records, app: str) -> Now:
    """What the live release of an application asks for; nothing of one that is not on record, or has none."""
    if app not in journal.apps:
        return Now()
    found = state(journal, app)
    return asked(found.releases[found.live].document) if found.live else Now()


def requested(journal: Records, apps: Iterable[str]) -> dict[tuple[str, str], Requested]:
    """By (application, release), of releases that ask for anything."""
    found: dict[tuple[str, str], Requested] = {}
    for app in apps:
        if app in journal.apps:
            for name, release in state(journal, app).releases.items():
                one = asked(release.document)
                if one.cpu or one.memory:
                    many = max(1, one.instances)
                    found[app, name] = Requested(many * (one.cpu or 0.0), many * (one.memory or 0.0), many)
    return found


def owners(journal: Records, apps: Iterable[str]) -> dict[tuple[str, str], Owner]:
    """By (application, release): the team that its file named, and the environment it was asked for (`local` without one)."""
    return {
        (app, name): _owner(app, name, release.document)
        for app in apps
        if app in journal.apps
        for name, release in state(journal, app).releases.items()
    }


def _owner(app: str, release: str, document: str) -> Owner:
    try:
        kept = msgspec.json.decode(document, type=_Document)
    except msgspec.DecodeError:
        return Owner(app, release)
    return Owner(app, release, kept.application.metadata.team or "", kept.environment or LOCAL)
