"""What must hold between the fields of an application, beyond what each field says of itself.

Called by :mod:`shipway.spec.documents` for the file as written and for what every environment makes of it. Each rule
yields what it finds; which fields it looked at lets the caller stay silent where one of them is already known to be wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from shipway.model.quantities import format_duration, format_percent
from shipway.spec.application import SERVING, Application, Dependency
from shipway.spec.cron import cron_error
from shipway.spec.reading import Path


class Broken(msgspec.Struct, frozen=True):
    """One broken rule."""

    path: Path
    code: str
    message: str
    about: tuple[Path, ...] = ()
    """Other fields that the rule looked at."""
    key: bool = False
    """The name is wrong rather than the value."""


Rule = Callable[[Application], Iterator[Broken]]
REPLICAS_OR_SCALE = "expected `replicas` or `scale`, got both; a fixed number and a range contradict each other"
_DELIVERY: Path = ("spec", "delivery")


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
    for index, step in enumerate(steps):
        if step.at_most is not None and step.at_most < step.at_least:
            least = format_duration(step.at_least)
            message = f"expected at least as long as `for` ({least}), got {format_duration(step.at_most)}"
            yield Broken((*path, index, "atMost"), "out-of-range", message, ((*path, index, "for"),))


def _checks(application: Application) -> Iterator[Broken]:
    seen: set[str] = set()
    for index, check in enumerate(application.spec.delivery.check):
        if check.text in seen:
            yield Broken(
                (*_DELIVERY, "check", index), "duplicate", f'"{check.text}" is already checked; remove one of the two'
            )
        seen.add(check.text)


def _one_availability(application: Application) -> Iterator[Broken]:
    slo, path = application.spec.slo, ("spec", "slo")
    if slo.availability is not None and slo.error_rate is not None:
        message = "expected `availability` or `errorRate`, got both; they say the same thing in two ways"
        yield Broken((*path, "errorRate"), "conflict", message, ((*path, "availability"),), key=True)


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


def _affinity(application: Application) -> Iterator[Broken]:
    affinity = application.spec.delivery.affinity
    if affinity.cookie and affinity.header:
        message = "expected a cookie or a header, got both; a client is known by one of them"
        yield Broken((*_DELIVERY, "affinity"), "conflict", message)


def _dependencies(application: Application) -> Iterator[Broken]:
    seen: Counter[str] = Counter()
    for index, dependency in enumerate(application.spec.depends_on):
        path: Path = ("spec", "dependsOn", index)
        if dependency.application == application.metadata.name:
            message = f"`{dependency.application}` cannot depend on itself; remove it"
            yield Broken(path, "self-dependency", message, (("metadata", "name"),))
        yield from _dependency(path, dependency)
        identity = str(dependency.model_dump(exclude={"storage"}))
        if seen[identity] == 1:
            hint = "" if dependency.application or dependency.host else ", or tell them apart by `name`"
            yield Broken(path, "duplicate", f"this dependency is already declared; remove one of the two{hint}")
        seen[identity] += 1


def _dependency(path: Path, dependency: Dependency) -> Iterator[Broken]:
    kinds = ("application", "database", "cache", "queue", "bucket", "host")
    given = [kind for kind in kinds if getattr(dependency, kind) is not None]
    if len(given) != 1:
        message = f"expected one of {', '.join(kinds)}, got {' and '.join(given) or 'none of them'}"
        yield Broken(path, "conflict", message, tuple((*path, kind) for kind in kinds))
        return
    allowed = {"application": {"port"}, "host": set()}.get(given[0], {"name"})
    own = {"storage"} if dependency.database == "postgres" else set()  # everything else is shared or measured
    for extra in ("port", "name", "storage"):
        if getattr(dependency, extra) is not None and extra not in allowed | own:
            what = "a shared mysql database" if dependency.database == "mysql" else _an(given[0])
            yield Broken((*path, extra), "conflict", f"a dependency on {what} has no `{extra}`; remove it", key=True)


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
    if spec.expected_duration is not None and spec.archetype != "scheduled-job":
        message = f"{_an(spec.archetype)} runs all the time; remove `expectedDuration`"
        yield Broken(("spec", "expectedDuration"), "conflict", message, about, key=True)
    if spec.archetype == "scheduled-job" and spec.scale is not None:
        yield Broken(
            ("spec", "scale"),
            "conflict",
            "a scheduled-job runs by its schedule and does not scale; remove it",
            about,
            key=True,
        )


def _queue(application: Application) -> Iterator[Broken]:
    scale = application.spec.scale
    if scale and scale.signal == "queue" and not any(one.queue for one in application.spec.depends_on):
        message = (
            "the number of instances follows a queue and `dependsOn` names none; add for example {queue: rabbitmq}"
        )
        yield Broken(("spec", "scale", "signal"), "conflict", message, (("spec", "dependsOn"),))


def _storage(application: Application) -> Iterator[Broken]:
    spec = application.spec
    if spec.storage and spec.archetype == "scheduled-job":
        message = "a scheduled-job keeps nothing between two runs; use a bucket or a database, or remove it"
        yield Broken(("spec", "storage"), "conflict", message, (("spec", "archetype"),), key=True)


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
    used = {application.spec.port: "the main port"}
    for name, port in application.spec.ports.items():
        if name in {application.spec.protocol, "health"}:
            message = f"`{name}` is the name of the main port already; choose another"
            yield Broken(("spec", "ports", name), "reserved-name", message, (("spec", "protocol"),), key=True)
        if port in used:
            yield Broken(
                ("spec", "ports", name),
                "duplicate",
                f"{port} is already {used[port]}; ports are told apart by number",
                (("spec", "port"),),
            )
        used[port] = f"the port `{name}`"


def _host(application: Application) -> Iterator[Broken]:
    spec = application.spec
    if spec.host is not None and spec.visibility == "private":
        message = "a private application has no host name; use `visibility: internal` or `public`, or remove it"
        yield Broken(("spec", "host"), "conflict", message, (("spec", "visibility"),), key=True)
    if spec.host is not None and spec.protocol == "tcp":
        message = "a tcp service has no host name: no name travels with bare TCP; use `protocol: http` or `grpc`, or remove it"
        yield Broken(("spec", "host"), "conflict", message, (("spec", "protocol"),), key=True)


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


_RULES: Sequence[Rule] = (
    _runs_something,
    _instances,
    _steps,
    _checks,
    _canary_needs_requests,
    _one_availability,
    _affinity,
    _dependencies,
    _schedule,
    _environment_variables,
    _ports,
    _host,
    _queue,
    _storage,
)
