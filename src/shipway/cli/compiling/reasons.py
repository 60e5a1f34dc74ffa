"""``explain APP ENV FIELD``: the chain that leads to a value, of the application or of an object made of it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.compiling.organisations import known, load
from shipway.model.errors import NotFound
from shipway.model.suggestions import did_you_mean
from shipway.render.compiling import compile_application
from shipway.render.context import Context, Place
from shipway.render.rendered import Reason, Rendered
from shipway.render.tracing import PLATFORM
from shipway.spec.diagnosis import parted
from shipway.spec.resolving import said_by


class Link(msgspec.Struct, frozen=True):
    """One link of a chain: somebody who says something."""

    depth: int
    kind: str
    words: str
    value: Any = None
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"  {self.file}:{self.line}" if self.line else f"  {self.file}" if self.file else ""
        value = "" if self.value is None else f" = {_short(self.value)}"
        return f"{'  ' * self.depth}{self.kind}: {self.words}{value}{where}"


class Chain(msgspec.Struct, frozen=True):
    """Why one value is what it is. The first link decides; what it was decided against or follows from comes below."""

    field: str
    value: Any
    links: tuple[Link, ...]
    clusters: tuple[str, ...] = ()
    """Where it is so, of what is not the same in all clusters that were asked about."""

    def __str__(self) -> str:
        where = f"  [{', '.join(self.clusters)}]" if self.clusters else ""
        return "\n".join([f"{self.field} = {_short(self.value)}{where}", *map(str, self.links)])


def chains(directory: Path, app: str, environment: str, field: str, cluster: str | None = None) -> tuple[Chain, ...]:
    """A chain for every value at or below ``field``: ``spec.replicas``, or ``Deployment.spec.replicas`` of an object.

    Without a ``cluster`` all of the environment are asked, and what differs between them is said for each.

    Raises:
        BadInput: the organisation cannot be read.
        NotFound: there is no such application, environment, cluster or value; with what was probably meant.
    """
    organisation = load(directory)
    known(environment, organisation.environments, "environment")
    known(app, organisation.names(environment), f"application in {environment}")
    clusters = tuple(organisation.clusters(environment))
    if cluster is not None:
        clusters = (known(cluster, clusters, f"cluster of {environment}"),)
    contexts = {name: Place(organisation, environment, name).neighbour(app) for name in clusters}
    if field.split(".", maxsplit=1)[0] in {"spec", "metadata"}:  # the same in all of them
        return tuple(_of_application(contexts[clusters[0]], field))
    return _together({name: _of_object(context, field) for name, context in contexts.items()})


def table(found: tuple[Chain, ...]) -> str:
    """For people."""
    return "\n\n".join(map(str, found))


def _together(asked: Mapping[str, Iterator[Chain]]) -> tuple[Chain, ...]:
    """What is the same in every cluster once, and the rest with the clusters where it is so; in the order of fields."""
    found: dict[str, tuple[Chain, ...]] = {}
    for index, (cluster, answer) in enumerate(asked.items(), 1):
        try:
            found[cluster] = tuple(answer)
        except NotFound:  # it may be somewhere else
            if not any(found.values()) and index == len(asked):
                raise
            found[cluster] = ()
    where: dict[bytes, tuple[Chain, list[str]]] = {}
    for cluster, chains_ in found.items():
        for chain in chains_:
            where.setdefault(msgspec.json.encode(chain), (chain, []))[1].append(cluster)
    order = {field: index for index, field in enumerate(chain.field for chains_ in found.values() for chain in chains_)}
    merged = (
        chain if len(clusters) == len(found) else msgspec.structs.replace(chain, clusters=tuple(clusters))
        for chain, clusters in where.values()
    )
    return tuple(sorted(merged, key=lambda chain: order[chain.field]))


def _of_application(context: Context, field: str) -> Iterator[Chain]:
    document, given = context.application.document(), context.resolved.provenance
    whole = next((path for path in given if field.startswith(f"{path}[")), None)
    if whole is not None and (entry := _entry(_value(document, whole), field.removeprefix(whole))) is not None:
        yield Chain(field, entry, tuple(_said(context, whole, 1)))  # a list is somebody's as a whole
        return
    for path in _below(given, field, f"{context.name} has no value"):
        yield Chain(path, _value(document, path), tuple(_said(context, path, 1)))


def _of_object(context: Context, field: str) -> Iterator[Chain]:
    wanted, _, path = field.partition(".")
    kind, _, name = wanted.partition("/")
    objects = compile_application(context)
    kinds = tuple(dict.fromkeys(one.identity[1] for one in objects))
    known(kind, kinds, f"kind of object of {context.name}")
    some = [one for one in objects if one.identity[1] == kind and name in {"", one.identity[3]}]
    known(name or some[0].identity[3], tuple(one.identity[3] for one in objects if one.identity[1] == kind), kind)
    for one in some:
        yield from _leaves(context, one, path)


def _leaves(context: Context, one: Rendered, path: str) -> Iterator[Chain]:
    _, kind, _, name = one.identity
    for leaf in _below(one.provenance, path, f"{kind}/{name} has no value"):
        links = tuple(_reason(context, one.provenance[leaf], 1))
        yield Chain(f"{kind}/{name}.{leaf}", one.values[leaf], links)


def _reason(context: Context, reason: Reason, depth: int) -> Iterator[Link]:
    if reason.kind in {"derived", "house rule"}:
        yield Link(depth, reason.kind, reason.words)
        for cause in reason.because:
            yield from _reason(context, cause, depth + 1)
    elif reason.field.startswith(PLATFORM):
        field = reason.field.removeprefix(PLATFORM)
        yield Link(depth, reason.kind, f"Platform {field}", _of_platform(context, field), reason.file, reason.line)
    else:
        yield from _said(context, reason.field, depth)


def _said(context: Context, field: str, depth: int) -> Iterator[Link]:
    """Who says something about a field, strongest first; what is weaker stands one step in."""
    organisation = context.organisation
    declared = organisation.declared[context.name]
    found = said_by(declared, organisation.declared_platform, context.environment, field)
    for index, (origin, value) in enumerate(found):
        yield Link(depth + (index > 0), origin.kind, field, value, origin.file, origin.line)
    if not found:
        value = _value(context.application.document(), field)
        yield Link(depth, "default", field, value)


def _of_platform(context: Context, field: str) -> Any:
    return _value(context.organisation.platform.model_dump(mode="json", exclude_none=True), field)


def _value(document: Mapping[str, Any], field: str) -> Any:
    value: Any = document
    for part in parted(field):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _entry(value: Any, rest: str) -> Any:
    """What stands at ``[1].weight`` of a list; None when nothing does."""
    for index, key in re.findall(r"\[(\d+)\]|\.([^.\[\]]+)|.+", rest):
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif key and isinstance(value, Mapping):
            value = value.get(key)
        else:
            return None
    return value


def _below(values: Mapping[str, object], field: str, what: str) -> list[str]:
    found = [path for path in values if not field or path == field or path.startswith((f"{field}.", f"{field}["))]
    if not found:
        raise NotFound(f"{what} `{field}`{did_you_mean(field, values)}", hint="Name a part of it to see all below.")
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else f"{text[:97]}..."
