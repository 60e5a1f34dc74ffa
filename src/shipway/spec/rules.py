"""What must hold between the fields of an application, beyond what each field says of itself.

Called by :mod:`shipway.spec.documents` for the file as written and for what every environment makes of it. Each rule
yields what it finds; which fields it looked at lets the caller stay silent where one of them is already known to be wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from shipway.model.quantities import format_percent
from shipway.model.suggestions import did_you_mean
from shipway.spec.application import HEALTH_PORT, RESOURCE_KINDS, SERVING, SPOKEN, Application, Dependency
from shipway.spec.cron import cron_error
from shipway.spec.reading import Path
from shipway.spec.variables import of_resource


class Broken(msgspec.Struct, frozen=True):
    """One broken rule."""

    path: Path
    code: str
    message: str
    about: tuple[Path, ...] = ()
    """Other fields that the rule looked at."""
    key: bool = False
    """The name is wrong rather than the value."""


UNNAMED = ("db", "postgres")
"""What a PostgreSQL database without a name is called: in the names of objects, and under ``storage``."""
Rule = Callable[[Application], Iterator[Broken]]
REPLICAS_OR_SCALE = "expected `replicas` or `scale`, got both; a fixed number and a range contradict each other"
_DELIVERY: Path = ("spec", "delivery")
_TARGETS = {"application": "called", **{kind: kind for kind in RESOURCE_KINDS}}


def broken_rules(application: Application) -> list[Broken]:
    """Every broken rule, of the application as it stands (an environment's, or the file's own)."""
    return [broken for rule in _RULES for broken in rule(application)]


def contradictions(application: Application) -> Iterator[Broken]:
    """What is odd only when one person wrote both in one place; an environment may well override one of the two."""
    delivery = application.spec.delivery
    if (
        delivery.strategy == "direct"
        and "steps" in delivery.model_fields_set
        and "strategy" in delivery.model_fields_set
    ):
        message = "steps have no effect with `strategy: direct`; remove them, or use `strategy: canary`"
        yield Broken((*_DELIVERY, "steps"), "conflict", message, ((*_DELIVERY, "strategy"),), key=True)


def _runs_something(application: Application) -> Iterator[Broken]:
    spec = application.spec
    if spec.image is None and spec.command is None:
        message = "expected `image` or `command`, got neither; say what to run, for example `command: python -m shop`"
        yield Broken(("spec",), "missing-field", message, (("spec", "image"), ("spec", "command")), key=True)


def _instances(application: Application) -> Iterator[Broken]:
    spec, path = application.spec, ("spec", "scale")
    if spec.scale is None:
        return
    if spec.replicas is not None:
        yield Broken(("spec", "replicas"), "conflict", REPLICAS_OR_SCALE, (path,), key=True)
    if spec.scale.max is None:
        yield Broken((*path, "max"), "missing-field", "`max` is required: the most instances that may run")
    elif spec.scale.min > spec.scale.max:
        message = f"expected at most max ({spec.scale.max}), got {spec.scale.min}"
        yield Broken((*path, "min"), "out-of-range", message, ((*path, "max"),))


def _steps(application: Application) -> Iterator[Broken]:
    steps = application.spec.delivery.steps
    path = (*_DELIVERY, "steps")
    for index, (before, step) in enumerate(pairwise(steps), start=1):
        if step.weight <= before.weight:
            message = f"expected more than the step before ({format_percent(before.weight)}), got {format_percent(step.weight)}"
            yield Broken((*path, index, "weight"), "not-ascending", message, ((*path, index - 1, "weight"),))


def _checks(application: Application) -> Iterator[Broken]:
    seen: set[str] = set()
    for index, check in enumerate(application.spec.delivery.check):
        if check.text in seen:
            yield Broken(
                (*_DELIVERY, "check", index), "duplicate", f'"{check.text}" is already checked; remove one of the two'
            )
        seen.add(check.text)


def _canary_needs_requests(application: Application) -> Iterator[Broken]:
    spec = application.spec
    if (
        spec.archetype in SERVING
        or spec.delivery.strategy != "canary"
        or "strategy" not in spec.delivery.model_fields_set
    ):
        return
    message = f"a canary is judged by its requests and {_an(spec.archetype)} answers none; use `delivery: direct`"
    yield Broken((*_DELIVERY, "strategy"), "conflict", message, (("spec", "archetype"),))


def _dependencies(application: Application) -> Iterator[Broken]:
    seen: Counter[str] = Counter()
    for index, dependency in enumerate(application.spec.depends_on):
        path: Path = ("spec", "dependsOn", index)
        if dependency.application == application.metadata.name:
            message = f"`{dependency.application}` cannot depend on itself; remove it"
            yield Broken(path, "self-dependency", message, (("metadata", "name"),))
        yield from _dependency(path, dependency)
        identity = str(dependency.model_dump())
        if seen[identity] == 1:
            one = dependency.resource
            hint = f", or tell them apart by name: `{one.engine}/<name>`" if one else ""
            yield Broken(path, "duplicate", f"this dependency is already declared; remove one of the two{hint}")
        seen[identity] += 1
        yield from _told_by_one_name(application, index)
        if dependency.postgres and dependency.name in UNNAMED:
            message = f"`{dependency.name}` is what a database without a name is called; choose another"
            yield Broken((*path, "database"), "reserved-name", message)


def _dependency(path: Path, dependency: Dependency) -> Iterator[Broken]:
    given = [kind for kind, field in _TARGETS.items() if getattr(dependency, field) is not None]
    if len(given) != 1:
        message = f"expected one of {', '.join(_TARGETS)}, got {' and '.join(given) or 'none of them'}"
        yield Broken(path, "conflict", message, tuple((*path, kind) for kind in _TARGETS))


def _told_by_one_name(application: Application, index: int) -> Iterator[Broken]:
    """Two resources of one kind and name, whatever their engines: a container is told both by one variable."""
    dependencies = application.spec.depends_on
    one = dependencies[index].resource
    for other in dependencies[:index]:
        if one and other.resource and other.kind == dependencies[index].kind and other.resource.name == one.name:
            if other.resource.engine == one.engine:
                continue  # the same thing twice, which is said already
            message = f"`{of_resource(dependencies[index])}` is already that of `{other.resource.engine}`; tell them apart by name: `{one.engine}/<name>`"
            yield Broken(("spec", "dependsOn", index, dependencies[index].kind), "duplicate", message)


def _schedule(application: Application) -> Iterator[Broken]:
    spec, path = application.spec, ("spec", "schedule")
    about = (("spec", "archetype"),)
    if spec.archetype == "scheduled-job" and spec.schedule is None:
        message = '`schedule` is required for a scheduled-job: cron\'s five fields in UTC. For example "0 3 * * *"'
        yield Broken(path, "missing-field", message, about)
    elif spec.schedule is not None and spec.archetype != "scheduled-job":
        yield Broken(
            path,
            "conflict",
            f"{_an(spec.archetype)} has no schedule; use `archetype: scheduled-job` or remove it",
            about,
            key=True,
        )
    if spec.schedule is not None and (error := cron_error(spec.schedule)):
        yield Broken(path, "bad-schedule", error)
    if spec.archetype == "scheduled-job" and spec.scale is not None:
        yield Broken(
            ("spec", "scale"),
            "conflict",
            "a scheduled-job runs by its schedule and does not scale; remove it",
            about,
            key=True,
        )


def _requests(application: Application) -> Iterator[Broken]:
    spec, path = application.spec, ("spec", "scale", "signal")
    if spec.scale is None or spec.scale.signal != "requests":
        return
    if spec.archetype not in SERVING:
        message = f"the number of instances follows requests and {_an(spec.archetype)} answers none; follow cpu, memory or a queue"
        yield Broken(path, "conflict", message, (("spec", "archetype"),))
    elif spec.protocol == "tcp":
        message = "the number of instances follows requests, and nobody can count them in bare TCP; follow cpu, memory or a queue"
        yield Broken(path, "conflict", message, (("spec", "port"),))


def _queue(application: Application) -> Iterator[Broken]:
    scale = application.spec.scale
    if scale and scale.signal == "queue" and not any(one.queue for one in application.spec.depends_on):
        message = (
            "the number of instances follows a queue and `dependsOn` names none; add for example {queue: rabbitmq}"
        )
        yield Broken(("spec", "scale", "signal"), "conflict", message, (("spec", "dependsOn"),))


def _storage(application: Application) -> Iterator[Broken]:
    spec, path = application.spec, ("spec", "storage")
    disks = [place for place in spec.storage if place.startswith("/")]
    if disks and spec.archetype == "scheduled-job":
        message = "a scheduled-job keeps nothing between two runs; use a bucket or a database, or remove it"
        yield Broken(path, "conflict", message, (("spec", "archetype"),), key=True)
    if len(disks) > 1:
        message = f"an instance has one disk, and here are {' and '.join(disks)}; keep one of them"
        yield Broken((*path, disks[-1]), "conflict", message, key=True)
    databases = [one.resource.key for one in spec.depends_on if one.resource and one.postgres]
    for name in spec.storage:
        if name not in databases and name not in disks:
            hint = did_you_mean(name, databases) or f"; {_known(databases)}"
            message = (
                f"expected the path of a disk such as /data or a PostgreSQL database of `dependsOn`, got `{name}`{hint}"
            )
            yield Broken((*path, name), "unknown-database", message, (("spec", "dependsOn"),), key=True)


def _environment_variables(application: Application) -> Iterator[Broken]:
    spec = application.spec
    for name in spec.secrets:
        if name in spec.env:
            message = f"`{name}` is in `env` as well; a variable has one value, so remove one of the two"
            yield Broken(("spec", "secrets", name), "conflict", message, (("spec", "env", name),), key=True)
    for section, names in (("env", spec.env), ("secrets", spec.secrets)):
        if "PORT" in names:
            message = "`PORT` is set for you, to the port that an instance must listen on; remove it"
            yield Broken(("spec", section, "PORT"), "reserved-name", message, key=True)


def _ports(application: Application) -> Iterator[Broken]:
    spec, path = application.spec, ("spec", "port")
    about = (("spec", "archetype"), ("spec", "health"))
    if spec.archetype in SERVING and not spec.main:
        message = (
            f"expected a main port, called after what is spoken on it: {', '.join(SPOKEN)}; for example {{http: 8080}}"
        )
        yield Broken(path, "missing-field", message, about)
    elif spec.archetype == "background-worker" and spec.health.path is not None and not spec.main:
        message = (
            f"`health` is asked on a port, and none is called `{HEALTH_PORT}`; for example {{{HEALTH_PORT}: 8081}}"
        )
        yield Broken(path, "missing-field", message, about)
    used: dict[int, str] = {}
    for name, port in spec.listens.items():
        if name == HEALTH_PORT and spec.archetype in SERVING:
            message = f"health is asked on the main port, and that is `{spec.main}`; choose another name"
            yield Broken((*path, name), "reserved-name", message, key=True)
        if port in used:
            message = f"{port} is already the port `{used[port]}`; ports are told apart by number"
            yield Broken((*path, name), "duplicate", message)
        used[port] = name


def _host(application: Application) -> Iterator[Broken]:
    spec = application.spec
    if spec.host is not None and spec.visibility == "private":
        message = "a private application has no host name; use `visibility: internal` or `public`, or remove it"
        yield Broken(("spec", "host"), "conflict", message, (("spec", "visibility"),), key=True)
    if spec.host is not None and spec.archetype not in SERVING:
        message = f"{_an(spec.archetype)} answers no requests from outside, so it has no host name; remove it"
        yield Broken(("spec", "host"), "conflict", message, (("spec", "archetype"),), key=True)
    elif spec.host is not None and spec.protocol == "tcp":
        message = "a tcp service has no host name: no name travels with bare TCP; call the port `http` or `grpc`, or remove it"
        yield Broken(("spec", "host"), "conflict", message, (("spec", "port"),), key=True)


def _known(databases: Sequence[str]) -> str:
    return f"there is {', '.join(databases)}" if databases else "there is none"


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


_RULES: Sequence[Rule] = (
    _runs_something,
    _instances,
    _steps,
    _checks,
    _canary_needs_requests,
    _dependencies,
    _schedule,
    _environment_variables,
    _ports,
    _host,
    _requests,
    _queue,
    _storage,
)
