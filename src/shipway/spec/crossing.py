"""What is wrong between files that are each right. Called by :mod:`shipway.spec.organisation`; every problem has its line.

Only where a whole organisation is compiled do these matter: a single application on one machine needs no image, no unique
host and no neighbour. What fails in several environments for one reason is said once.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipway.model.problems import Problem
from shipway.model.quantities import format_cpu, format_memory
from shipway.model.suggestions import did_you_mean
from shipway.spec.application import Application, Override, Spec
from shipway.spec.diagnosis import parted, problem_at
from shipway.spec.graph import cycles
from shipway.spec.platform import Platform
from shipway.spec.reading import Path
from shipway.spec.resolving import PROFILES, DeclaredApplication, DeclaredPlatform, Origin, Resolved
from shipway.spec.variables import of_call, of_resource

Applications = Mapping[str, DeclaredApplication]
Resolve = Callable[[str, str], Resolved]


class Refused(NamedTuple):
    """One value that an environment does not take."""

    field: str
    code: str
    message: str


NO_IMAGE = "no-image"
"""Code of the problem that concerns only who compiles."""
_OWN = frozenset({"application", "environment override", "command line"})
"""Who says what belongs to the application; the rest is the Platform's own affair."""
LONGEST_NAME = 40
"""Of an application: a CronJob's name may have 52 characters, and other names are made of it."""
LONGEST_DATABASE = 50
"""Of a database cluster: CloudNativePG's limit."""
LONGEST_BUCKET = 63
"""Of a bucket, with the names of the platform, the environment and the application in it."""
_SIDE_CARS = range(15000, 15100)
"""Ports of Istio's side-car: https://istio.io/latest/docs/ops/deployment/application-requirements/"""
_POSTGRES_OWN = re.compile(r"pg-.*|postgres|template[01]|streaming-replica")
"""Names (with an underscore where we have a dash) of PostgreSQL's own users and databases."""
_RESERVED = (
    "default",
    "default-deny",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "istio-system",
    "shipway-policies",
    "argocd",
    "flux-system",
)
_COUNTED = frozenset({"replicas", "scale"})
"""Fields that say the number of instances together."""
_PREVIEW = re.compile(r".*-pr-[0-9]+")
"""Namespaces of previews are called so."""


def crossing_problems(
    applications: Applications, platform: DeclaredPlatform, resolve: Resolve, left_out: frozenset[str] | None
) -> list[Problem]:
    """Every problem, in the order of files and places.

    ``resolve(name, environment)`` is the application there. ``left_out`` are names of applications that are there and wrong in
    themselves; None when not all of them can be told, so that no name is known to be unknown.
    """
    found = [*_clusters(platform), *_platform_profiles(platform), *_overridable_names(platform)]
    for declared in applications.values():
        found += _names(declared, platform.platform)
        found += _overrides(declared, platform.platform)
        found += _dependencies(declared, applications, platform.platform, left_out)
        found += _variables(declared, applications)
        found += _in_environments(declared, platform, resolve)
    found += _hosts(applications, platform.platform, resolve)
    found += _cycles(applications)
    return sorted(set(found))


def sibling_problems(
    declared: DeclaredApplication,
    applications: Applications,
    platform: DeclaredPlatform,
    resolve: Resolve,
    left_out: frozenset[str] | None,
    *,
    wrong: Sequence[Path],
) -> list[Problem]:
    """The same of one application whose file has mistakes: all but what is about a field that is ``wrong``."""
    found = [
        *_overrides(declared, platform.platform),
        *_dependencies(declared, applications, platform.platform, left_out),
        *_in_environments(declared, platform, resolve),
    ]
    silent = {_field(path) for path in wrong}
    if silent & _COUNTED:
        silent |= _COUNTED
    return sorted(
        one
        for one in set(found)
        if _field(parted(one.path)) not in silent and not (one.code == "absent-dependency" and "runsIn" in silent)
    )


def _field(path: Path) -> str:
    """Which field of ``spec`` a path is about, in whichever environment."""
    inside = path[3:] if path[1:2] == ("environments",) else path[1:]
    return re.sub(r"\[.*", "", str(inside[0])) if inside else ""


def _clusters(platform: DeclaredPlatform) -> Iterator[Problem]:
    """A cluster in two environments would hold an application twice under one name."""
    taken: dict[str, str] = {}
    for environment in platform.platform.spec.environments:
        for cluster in platform.platform.clusters(environment):
            first = taken.setdefault(cluster, environment)
            if first != environment:
                path = ("spec", "environments", environment, "clusters", cluster)
                message = (
                    f"the cluster `{cluster}` already belongs to `{first}`; give every environment clusters of its own"
                )
                yield problem_at(platform.file, platform.node, path, "duplicate", message, key=True)


def _platform_profiles(platform: DeclaredPlatform) -> Iterator[Problem]:
    """A profile that the Platform itself chooses by default must exist."""
    spec = platform.platform.spec
    chosen: dict[Path, Mapping[str, str | None]] = {("spec", "defaults"): spec.defaults.profiles.model_dump()}
    for archetype, defaults in spec.archetypes.items():
        chosen["spec", "archetypes", archetype] = defaults.profiles.model_dump()
    for name, environment in spec.environments.items():
        chosen["spec", "environments", name, "defaults"] = environment.defaults.profiles.model_dump()
    for path, names in chosen.items():
        for kind, name in names.items():
            if message := _unknown_profile(platform.platform, kind, name):
                where = (*path, "profiles", kind)
                yield problem_at(platform.file, platform.node, where, "unknown-profile", message)


def _unknown_profile(platform: Platform, kind: str, name: str | None) -> str:
    """What is wrong with a name; a kind of which the Platform lists none takes any name."""
    known = getattr(platform.spec.profiles, kind)
    if name is None or not known or name in known:
        return ""
    hint = did_you_mean(name, known) or f"; there is {', '.join(known)}"
    return f"there is no {kind} profile `{name}`{hint}"


def _overridable_names(platform: DeclaredPlatform) -> Iterator[Problem]:
    fields = [field.alias or name for name, field in Override.model_fields.items()]
    for environment, settings in platform.platform.spec.environments.items():
        for index, name in enumerate(settings.overrides or ()):
            if name not in fields:
                path = ("spec", "environments", environment, "overrides", index)
                message = f"`{name}` cannot differ between environments{did_you_mean(name, fields)}"
                yield problem_at(platform.file, platform.node, path, "not-overridable", message)


def _names(declared: DeclaredApplication, platform: Platform) -> Iterator[Problem]:
    name, components = declared.application.metadata.name, platform.spec.components
    reserved = {
        *_RESERVED,
        components.ingress.namespace,
        components.monitoring.namespace,
        components.tracing.where,
        components.databases.namespace,
        components.network.dns,
        components.network.data,
    }
    path: Path = ("metadata", "name")
    if len(name) > LONGEST_NAME:
        message = (
            f"expected at most {LONGEST_NAME} characters, because names of objects are made of it, got {len(name)}"
        )
        yield problem_at(declared.file, declared.node, path, "bad-name", message)
    if name in reserved:
        message = f"`{name}` is the name of a namespace of the platform's own; choose another"
        yield problem_at(declared.file, declared.node, path, "reserved-name", message)
    if _PREVIEW.fullmatch(name):
        message = (
            f"`{name}` is how previews of pull requests are called; choose a name that does not end in -pr-<number>"
        )
        yield problem_at(declared.file, declared.node, path, "reserved-name", message)
    for index, dependency in enumerate(declared.application.spec.depends_on):
        length = len(name) + 1 + len(dependency.name or "db")
        if dependency.database and length > LONGEST_DATABASE and len(name) <= LONGEST_NAME:
            message = (
                f"expected at most {LONGEST_DATABASE} characters together with the application's name, got {length}"
            )
            where = ("spec", "dependsOn", index, "database")
            yield problem_at(declared.file, declared.node, where, "bad-name", message)
    if _POSTGRES_OWN.fullmatch(name) and any(one.postgres for one in declared.application.spec.depends_on):
        message = f"a database and its user are called like the application, and PostgreSQL keeps `{name}` for itself; choose another"
        yield problem_at(declared.file, declared.node, path, "reserved-name", message)


def _overrides(declared: DeclaredApplication, platform: Platform) -> Iterator[Problem]:
    """Overrides outside of the environment's allow-list."""
    for environment, override in declared.application.spec.environments.items():
        allowed = (
            platform.spec.environments[environment].overrides if environment in platform.spec.environments else None
        )
        names = {name: field.alias or name for name, field in type(override).model_fields.items()}
        for field in sorted(override.model_fields_set):
            if allowed is not None and names[field] not in allowed:
                path = ("spec", "environments", environment, names[field])
                listed = ", ".join(allowed) or "nothing"
                message = (
                    f"the platform lets nobody change `{names[field]}` in `{environment}`; what may change: {listed}"
                )
                yield problem_at(declared.file, declared.node, path, "not-overridable", message, key=True)


def _dependencies(
    declared: DeclaredApplication, applications: Applications, platform: Platform, left_out: frozenset[str] | None
) -> Iterator[Problem]:
    for index, dependency in enumerate(declared.application.spec.depends_on):
        name, path = dependency.application, ("spec", "dependsOn", index)
        if name is None or name == declared.application.metadata.name:
            continue
        if name not in applications:
            if left_out is not None and name not in left_out:
                message = f"there is no application `{name}`{did_you_mean(name, [*applications, *left_out])}"
                yield problem_at(declared.file, declared.node, path, "unknown-application", message)
            continue
        other = applications[name].application
        yield from _port(declared, path, other, dependency.port)
        yield from _presence(declared, path, other, platform)


def _variables(declared: DeclaredApplication, applications: Applications) -> Iterator[Problem]:
    """Two dependencies that a container would be told by one variable: of two addresses it would get one."""
    taken: dict[str, str] = {}
    for index, dependency in enumerate(declared.application.spec.depends_on):
        called, resource = applications.get(dependency.application or ""), dependency.resource
        if called is not None:
            variable = of_call(called.application, dependency.port)
            main = variable == of_call(called.application, None)
            name = str(dependency.application) if main else f"{dependency.application}:{dependency.port}"
        elif resource is not None:
            variable = of_resource(dependency)
            name = f"{dependency.kind}: {resource.engine}" + (f"/{resource.name}" if resource.name else "")
        else:
            continue
        first = taken.setdefault(variable, name)
        if first != name:
            hint = "give the resource a name of its own" if ": " in name + first else "rename one of the two"
            message = f"`{variable}` is already the variable of `{first}`; {hint}"
            yield problem_at(declared.file, declared.node, ("spec", "dependsOn", index), "duplicate", message)


def _port(declared: DeclaredApplication, path: Path, other: Application, port: str | None) -> Iterator[Problem]:
    name, ports = other.metadata.name, other.open_ports
    if port is None and not ports:
        message = f"`{name}` is a {other.spec.archetype} without ports and answers no calls; remove the dependency"
        yield problem_at(declared.file, declared.node, path, "unknown-port", message)
    elif port is None and other.spec.protocol not in ports:
        message = f"`{name}` has no main port; say which one, of {', '.join(ports)}: `{name}:{next(iter(ports))}`"
        yield problem_at(declared.file, declared.node, path, "unknown-port", message)
    elif port is not None and port not in ports:
        hint = did_you_mean(port, ports) or (f"; there is {', '.join(ports)}" if ports else "; it has none")
        message = f"`{name}` has no port `{port}`{hint}"
        yield problem_at(declared.file, declared.node, path, "unknown-port", message)


def _presence(declared: DeclaredApplication, path: Path, other: Application, platform: Platform) -> Iterator[Problem]:
    mine = [name for name in platform.spec.environments if declared.application.runs_in(name)]
    absent = [name for name in mine if not other.runs_in(name)]
    if absent:
        where = " and ".join(f"`{name}`" for name in absent)
        message = f"`{other.metadata.name}` does not run in {where}, where this application does; see its `runsIn`"
        yield problem_at(declared.file, declared.node, path, "absent-dependency", message)


def _in_environments(declared: DeclaredApplication, platform: DeclaredPlatform, resolve: Resolve) -> Iterator[Problem]:
    """What an environment makes of the application: said where the value was written, once for each value."""
    seen: set[tuple[str, str, int, str]] = set()
    for environment in platform.platform.spec.environments:
        if not declared.application.runs_in(environment):
            continue
        resolved = resolve(declared.application.metadata.name, environment)
        for refused in _judged(resolved, platform.platform, environment):
            origin = resolved.provenance.get(refused.field, Origin("default"))
            key = (refused.field, origin.file, origin.line, refused.message)
            if key not in seen:
                seen.add(key)
                yield _placed(declared, platform, origin, refused)


def _placed(declared: DeclaredApplication, platform: DeclaredPlatform, origin: Origin, refused: Refused) -> Problem:
    """At the line where the value was written, in whichever file; at the application when nobody wrote it."""
    field, code, message = refused
    if origin.line:
        key = parted(field)[-1]
        documents = [one.node for one in (declared, platform) if one.file == origin.file]
        column = max(one.column_of(key, origin.line) for one in documents)
        return Problem(origin.file, origin.line, column, field, code, message)
    return problem_at(declared.file, declared.node, parted(field), code, message)


def _judged(resolved: Resolved, platform: Platform, environment: str) -> Iterator[Refused]:
    """Everything that the environment refuses."""
    application, spec = resolved.application, resolved.application.spec
    if spec.image is None:
        message = "`image` is required to run in a cluster; a command alone runs on one machine"
        yield Refused("spec.image", NO_IMAGE, message)
    for kind in PROFILES:
        name = getattr(spec.profiles, kind)
        field = f"spec.profiles.{kind}"
        if (message := _unknown_profile(platform, kind, name)) and resolved.provenance[field].kind in _OWN:
            yield Refused(field, "unknown-profile", message)
    if (
        spec.scale
        and spec.scale.min == 0
        and (platform.spec.components.autoscaler != "keda" or spec.scale.signal != "queue")
    ):
        # Requests are counted by whoever answers them, and of nothing nobody does: it would never wake up.
        message = "expected at least 1, got 0; only KEDA scales to nothing, and only by a queue"
        yield Refused("spec.scale.min", "out-of-range", message)
    yield from _side_cars(spec, platform)
    yield from _buckets(application, platform, environment)
    yield from _minimums(application, platform, environment)
    yield from _objectives(application, platform)


def _side_cars(spec: Spec, platform: Platform) -> Iterator[Refused]:
    """Ports that the mesh has beside the application's."""
    if platform.spec.components.mesh == "istio":
        for name, port in spec.listens.items():
            if port in _SIDE_CARS:
                message = f"expected a port outside of {_SIDE_CARS[0]} to {_SIDE_CARS[-1]}, which the mesh's side-car has, got {port}"
                yield Refused(
                    "spec.port" if list(spec.listens) == ["http"] else f"spec.port.{name}", "reserved-port", message
                )


def _buckets(application: Application, platform: Platform, environment: str) -> Iterator[Refused]:
    for dependency in application.spec.depends_on:
        if dependency.bucket is not None:
            bucket = platform.bucket_of(application.metadata.name, environment, dependency.name)
            if len(bucket) > LONGEST_BUCKET:
                message = f"a bucket's name has at most {LONGEST_BUCKET} characters, and `{bucket}` has {len(bucket)}; choose a shorter name"
                yield Refused("spec.dependsOn", "bad-name", message)


def _objectives(application: Application, platform: Platform) -> Iterator[Refused]:
    """A promise about a metric of the organisation's own needs its queries."""
    known = platform.spec.metrics
    for name in application.spec.slo.objectives:
        metric = known.get(name)
        if metric is None:
            message = f"the platform has no metric `{name}`{did_you_mean(name, known)}"
            yield Refused("spec.slo.objectives", "unknown-metric", message)
        elif metric.good is None or metric.total is None:
            message = f"the platform says no `good` and `total` queries of `{name}`, so nothing can be promised of it"
            yield Refused("spec.slo.objectives", "unmeasured", message)


def _minimums(application: Application, platform: Platform, environment: str) -> Iterator[Refused]:
    spec, least = application.spec, platform.spec.environments[environment].minimums
    if spec.archetype != "scheduled-job" and application.replicas < least.replicas:
        field = "spec.scale.min" if spec.scale else "spec.replicas"
        message = f"expected at least {least.replicas}, the minimum in `{environment}`, got {application.replicas}"
        yield Refused(field, "below-minimum", message)
    factor = spec.resources.factor
    for kind, minimum, given, write in (
        ("cpu", least.cpu, spec.resources.cpu, format_cpu),
        ("memory", least.memory, spec.resources.memory, lambda size: format_memory(int(size))),
    ):
        if minimum is not None and given is not None and given * factor < minimum:
            times = f" times the factor {factor:g}" if factor != 1 else ""
            got = write(given)
            message = f"expected at least {write(minimum)}, the minimum in `{environment}`, got {got}{times}"
            yield Refused(f"spec.resources.{kind}", "below-minimum", message)


def _hosts(applications: Applications, platform: Platform, resolve: Resolve) -> Iterator[Problem]:
    """Two applications that have one host in one environment, whether they say it or get it."""
    for environment in platform.spec.environments:
        taken: dict[str, DeclaredApplication] = {}
        for name, declared in applications.items():
            if not declared.application.runs_in(environment):
                continue
            host = platform.host_of(resolve(name, environment).application, environment)
            first = taken.setdefault(host, declared) if host else declared
            if host and first is not declared:
                yield _taken(host, first, declared, environment, resolve)


def _taken(
    host: str, first: DeclaredApplication, second: DeclaredApplication, environment: str, resolve: Resolve
) -> Problem:
    """Said to the second of the two, or to the first if the second has the host by its name alone."""
    if resolve(second.application.metadata.name, environment).application.spec.host is None:
        first, second = second, first
    theirs = resolve(first.application.metadata.name, environment)
    said = theirs.provenance.get("spec.host") if theirs.application.spec.host is not None else None
    where = f"({said.file}:{said.line})" if said else "(it is public and called so)"
    origin = resolve(second.application.metadata.name, environment).provenance["spec.host"]
    message = (
        f"`{host}` already belongs to `{first.application.metadata.name}` {where}; a host leads to one application"
    )
    return Problem(
        origin.file, origin.line, second.node.column_of("host", origin.line), "spec.host", "duplicate-host", message
    )


def _cycles(applications: Applications) -> Iterator[Problem]:
    """Each cycle once, at the dependency with which its first application (by name) goes into it."""
    graph = {
        name: [str(one.application) for one in declared.application.spec.depends_on if one.application in applications]
        for name, declared in applications.items()
    }
    for cycle in cycles(graph):
        declared = applications[cycle[0]]
        names = [one.application for one in declared.application.spec.depends_on]
        path = ("spec", "dependsOn", names.index(cycle[1 % len(cycle)]))
        if len(cycle) > 1:  # an application that depends on itself is a problem of its own file
            message = f"these depend on each other in a circle: {' -> '.join([*cycle, cycle[0]])}; one of them must go without"
            yield problem_at(declared.file, declared.node, path, "dependency-cycle", message)
