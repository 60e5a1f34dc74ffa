"""Files to applications: the one way in. Called by ``cli`` and the service facade with text that they have read.

Everything wrong is found in one pass and comes back as a list, in the order of the files; nothing is raised for bad
input. Valid applications are returned even beside problems in other documents.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from shipway.model.problems import Problem
from shipway.model.suggestions import closest, did_you_mean
from shipway.spec.application import Application
from shipway.spec.assigning import assign
from shipway.spec.checks import INDICATORS
from shipway.spec.diagnosis import problem_at
from shipway.spec.fields import describe
from shipway.spec.platform import Platform
from shipway.spec.reading import Node, Path, Source, read
from shipway.spec.resolving import Declared, DeclaredApplication, DeclaredPlatform
from shipway.spec.validating import Metrics, environment_problems, readable, rule_problems, validated

MAX_PROBLEMS = 100
"""Per file. Nobody reads more, and a file with more is another sort of file."""

_KINDS = ("Application", "Platform")
_READ_ELSEWHERE = frozenset({"PriceCatalogue", "PolicySet", "ServiceLevels"})
"""Kinds of ours that may stand beside them and that others read."""
_TEXTS: tuple[tuple[str, ...], ...] = (
    ("spec", "command", "*"),
    ("spec", "env", "*"),
    ("spec", "environments", "*", "env", "*"),
    ("spec", "environments", "*", "defaults", "env", "*"),
    ("spec", "defaults", "env", "*"),
)
"""Where a number is a text to whoever reads it, so that ``VERSION: 1.10`` must not become 1.1."""


class Parsed(msgspec.Struct, frozen=True):
    """What a set of files holds."""

    declared: tuple[DeclaredApplication, ...]
    """The valid applications, each with its positions: what :func:`~shipway.spec.resolving.resolve` takes."""
    declared_platform: DeclaredPlatform | None
    problems: tuple[Problem, ...]
    left_out: frozenset[str] | None = frozenset()
    """Names of applications that are left out for being wrong; None when a document's name could not be read."""
    readable: tuple[tuple[DeclaredApplication, tuple[Path, ...]], ...] = ()
    """Of these, what can be read: without what is wrong in them, and where that was."""

    @property
    def applications(self) -> tuple[Application, ...]:
        """The valid applications as written, before anything an environment changes."""
        return tuple(declared.application for declared in self.declared)

    @property
    def platform(self) -> Platform | None:
        """The platform, when a valid one is among the files."""
        return self.declared_platform.platform if self.declared_platform else None


def parse_documents(
    sources: Sequence[Source], platform: DeclaredPlatform | None = None, *, resolved: bool = False
) -> Parsed:
    """Read and validate every document of every source.

    ``platform`` is one that was read before, for sources that bring none. ``resolved``: the applications are as
    ``Application.document`` writes them, with what a Platform said. Never raises for what a file holds.
    """
    problems: list[Problem] = []
    documents = [found for source in sources for found in _documents(source, problems)]
    unread = bool(problems)
    platforms = list(_platforms([declared for kind, declared in documents if kind == "Platform"], problems))
    known = platforms[0] if platforms else platform
    metrics = _metrics(known, any(kind == "Platform" for kind, _ in documents))
    written = [declared for kind, declared in documents if kind == "Application"]
    broken: list[tuple[DeclaredApplication, tuple[Path, ...]]] = []
    read_in = [_application(declared, known, metrics, problems, broken, resolved=resolved) for declared in written]
    applications = [found for found in read_in if found]
    problems += _repeated(applications)
    limited = tuple(_limited(problems, [source.file for source in sources]))
    return Parsed(
        tuple(applications), known, limited, None if unread else _left_out(written, applications), tuple(broken)
    )


def _left_out(written: Sequence[Declared], valid: Sequence[DeclaredApplication]) -> frozenset[str] | None:
    names = {_name(declared) for declared in written}
    return None if "" in names else frozenset(names - {one.application.metadata.name for one in valid})


def _name(declared: Declared) -> str:
    metadata = declared.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""


def _documents(source: Source, problems: list[Problem]) -> Iterator[tuple[str, Declared]]:
    """(kind, document) of everything in a source that is a map."""
    nodes, found = read(source)
    problems += found
    if source.sets:
        problems += assign(source, nodes)
    for node in nodes:
        if node.entries is None:
            message = f"expected an Application or a Platform, got {describe(node.data())}"
            problems.append(problem_at(source.file, node, (), "wrong-type", message))
        elif not _read_elsewhere(node) and (kind := _kind(source.file, node, problems)):
            yield kind, Declared(source.file, node, node.data(_is_text))


def _read_elsewhere(node: Node) -> bool:
    return node.entries is not None and "kind" in node.entries and node.entries["kind"][1].value in _READ_ELSEWHERE


def _kind(file: str, node: Node, problems: list[Problem]) -> str:
    """What a document is meant to be; empty (and a problem) when that cannot be told. A misspelt kind is judged later."""
    kind = node.entries["kind"][1].value if node.entries and "kind" in node.entries else "Application"
    meant = str(kind) if kind in _KINDS else closest(kind, _KINDS) if isinstance(kind, str) else ""
    if not meant:
        message = f"expected {' or '.join(_KINDS)}, got {describe(kind)}"
        problems.append(problem_at(file, node, ("kind",), "not-one-of", message))
    return meant


def _is_text(path: Path) -> bool:
    return any(
        len(path) == len(pattern) and all(want in {"*", part} for want, part in zip(pattern, path, strict=True))
        for pattern in _TEXTS
    )


def _platforms(written: Sequence[Declared], problems: list[Problem]) -> Iterator[DeclaredPlatform]:
    for index, declared in enumerate(written):
        instance, found, _ = validated(declared, Platform, None)
        if instance is not None:
            found += _shadowing(declared, instance)
        if index:
            first = written[0]
            message = f"expected one Platform, got another; the first is {first.file}:{first.node.line}"
            found.append(problem_at(declared.file, declared.node, ("kind",), "duplicate", message))
        problems += found
        if instance is not None and not found:
            yield DeclaredPlatform(declared.file, declared.node, declared.data, instance)


def _shadowing(declared: Declared, platform: Platform) -> Iterator[Problem]:
    for name in platform.spec.metrics:
        if name in INDICATORS:
            message = f"`{name}` is measured for every service already; give the metric another name"
            yield problem_at(
                declared.file, declared.node, ("spec", "metrics", name), "reserved-name", message, key=True
            )


def _metrics(platform: DeclaredPlatform | None, attempted: bool) -> Metrics:
    """Names that checks may use beside the built-in ones; None (any) when the Platform is there but cannot be read."""
    if platform is None:
        return None if attempted else {}
    return platform.platform.metric_units


def _application(
    declared: Declared,
    platform: DeclaredPlatform | None,
    metrics: Metrics,
    problems: list[Problem],
    broken: list[tuple[DeclaredApplication, tuple[Path, ...]]],
    *,
    resolved: bool,
) -> DeclaredApplication | None:
    instance, found, wrong = validated(declared, Application, metrics, resolved=resolved)
    result = None
    if instance is not None:
        found += rule_problems(declared, instance, wrong)
    if instance is not None and not wrong:
        result = DeclaredApplication(declared.file, declared.node, declared.data, instance)
        found += environment_problems(result, platform, metrics)
    problems += found
    if wrong and (rest := readable(declared, instance, wrong)):
        broken.append((rest, tuple(wrong)))
    if result is not None:
        # Nothing of the application depends on it, so it is there for its neighbours.
        problems += _unknown_environments(result, platform)
    return None if found else result


def _unknown_environments(declared: DeclaredApplication, platform: DeclaredPlatform | None) -> Iterator[Problem]:
    known = platform.platform.spec.environments if platform else {}
    for name in declared.application.spec.environments if known else ():
        if name not in known:
            hint = did_you_mean(name, known) or f"; there is {', '.join(known)}"
            message = f"the platform has no environment `{name}`{hint}"
            yield problem_at(
                declared.file, declared.node, ("spec", "environments", name), "unknown-environment", message, key=True
            )
    for index, name in enumerate(declared.application.spec.runs_in if known else ()):
        if name not in known:
            hint = did_you_mean(name, known) or f"; there is {', '.join(known)}"
            message = f"the platform has no environment `{name}`{hint}"
            yield problem_at(declared.file, declared.node, ("spec", "runsIn", index), "unknown-environment", message)


def _repeated(applications: Sequence[DeclaredApplication]) -> Iterator[Problem]:
    """An application declared twice: which of the two holds would depend on the order of files."""
    first: dict[str, DeclaredApplication] = {}
    path = ("metadata", "name")
    for declared in applications:
        name = declared.application.metadata.name
        earlier = first.setdefault(name, declared)
        if earlier is not declared:
            line = earlier.node.at(path)[1].line
            message = f"`{name}` is already declared in {earlier.file}:{line}; rename or remove one of the two"
            yield problem_at(declared.file, declared.node, path, "duplicate-application", message)


def _limited(problems: Sequence[Problem], files: Sequence[str]) -> Iterator[Problem]:
    """By file as given, then by place; at most :data:`MAX_PROBLEMS` of each file."""
    groups: Mapping[str, list[Problem]] = {file: [] for file in files}
    rest: list[Problem] = []
    for problem in problems:
        groups.get(problem.file, rest).append(problem)
    for file, found in groups.items():
        yield from sorted(found)[:MAX_PROBLEMS]
        if len(found) > MAX_PROBLEMS:
            message = f"and {len(found) - MAX_PROBLEMS} more problems; mend these first"
            yield Problem(file, 0, 0, "", "too-many-problems", message)
    yield from sorted(rest)
