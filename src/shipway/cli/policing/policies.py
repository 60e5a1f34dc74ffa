"""Policy files as ``policy`` verbs and the controller read them: the built-in pack, directories of policies, PolicySets."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

import shipway.policy
from shipway.cli.compiling.organisations import POLICIES
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.policy.evaluating import Evaluator
from shipway.policy.loading import load
from shipway.policy.rules import CompiledRule, Document, Object, Place
from shipway.policy.rules import Path as ValuePath
from shipway.spec import Source
from shipway.spec.manifests import Manifest, Positions, read_manifests
from shipway.spec.policies import DeclaredPolicySet, Merged, merged, parse_policy_sets

if TYPE_CHECKING:
    from shipway.engine.gating import Enforced

PACK = Path(shipway.policy.__file__).parent / "pack"
"""The built-in rules, in the wheel."""
PARAMETERS = "shipway-policy-parameters"
"""ConfigMap that built-in rules take their parameters from; a PolicySet's ``parameters`` stand for it."""
YAML = (".yaml", ".yml", ".json")
_TESTS = ("kyverno-test.yaml", "suite.yaml")
MAX_FILE = 64 * 1024 * 1024


class Policies(msgspec.Struct, frozen=True):
    """Rules, and what a platform makes of them."""

    rules: tuple[CompiledRule, ...]
    sets: Merged = Merged()
    declared: tuple[DeclaredPolicySet, ...] = ()
    others: tuple[Object, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """Of what is left out although the rest of its policy holds."""
    documents: tuple[Document, ...] = ()
    """Everything that was read, as it is written."""

    def evaluator(self, environment: str = "") -> Evaluator:
        """The rules as they are enforced in an environment."""
        return Evaluator(self.rules, self.sets, environment)


def read_policies(
    paths: Sequence[Path], *, pack: bool = True, parameters: Mapping[str, str] = MappingProxyType({})
) -> Policies:
    """The policies of these files and directories and, unless a PolicySet forgoes it, the built-in pack.

    ``parameters`` hold where no PolicySet gives them.

    Raises:
        BadInput: with every problem of every file.
    """
    sources = [read_source(file) for path in paths for file in files_below(path, (*YAML, ".rego"), tests=False)]
    found = policies_of(sources, pack=pack, parameters=parameters)
    if found.problems:
        raise BadInput("the policies cannot be used", problems=found.problems)
    return found


class PolicyDirectory:
    """Directories of policies (or none, then the built-in ones alone), read again when one of their files has changed."""

    def __init__(self, *paths: Path, pack: bool = True, parameters: Mapping[str, str] = MappingProxyType({})) -> None:
        self._paths, self._pack, self._parameters = paths, pack, parameters
        self._stamp: object = None
        self._policies = Policies(())

    def read(self) -> "Enforced":
        """What holds now.

        Raises:
            BadInput: with every problem of every file; what held before no longer does.
        """
        from shipway.engine.gating import Enforced  # who reads policies to judge files needs nothing of the engine

        policies = self.policies()
        return Enforced(policies.rules, policies.sets)

    def policies(self) -> Policies:
        """The same with where it is written."""
        stamp = self.stamp()
        if stamp != self._stamp:
            here = [path for path in self._paths if path.exists()]
            self._policies = read_policies(here, pack=self._pack, parameters=self._parameters)
            self._stamp = stamp
        return self._policies

    def stamp(self) -> object:
        """Something that changes when a file does."""
        return stamp_of(self._paths)


def stamp_of(paths: Sequence[Path]) -> object:
    """Something that changes when a file at or below one of the paths does."""
    found = []
    for file in (each for path in paths for each in (sorted(path.rglob("*")) if path.is_dir() else [path])):
        with suppress(OSError):  # gone between the two looks: the next look sees it
            facts = file.stat()
            found.append((str(file), facts.st_mtime_ns, facts.st_size, facts.st_ino))
    return tuple(found)


def manifests(paths: Sequence[Path]) -> list[Object]:
    """Every Kubernetes object of these files and directories.

    Raises:
        BadInput: a file cannot be read; with every problem of every file.
    """
    read = [read_manifests(read_source(file)) for path in paths for file in files_below(path, YAML)]
    problems = [one for _, found in read for one in found if one.severity == "error"]
    if problems:
        raise BadInput("the manifests cannot be used", problems=problems)
    return [one.data for found, _ in read for one in found if isinstance(one.data.get("kind"), str)]


def policies_beside(directory: Path, asked: Sequence[Path]) -> Sequence[Path]:
    """Those in the directory ``policies`` of an organisation or a state directory, then those asked for."""
    own = directory / POLICIES
    return [*([own] if own.is_dir() else []), *asked]


def policies_of(
    sources: Sequence[Source], *, pack: bool = True, parameters: Mapping[str, str] = MappingProxyType({})
) -> Policies:
    """The same for text at hand; problems are returned, not raised."""
    texts = [one for one in sources if not one.file.endswith(".rego")]
    declared, problems = parse_policy_sets([one for one in texts if _mentions(one, "PolicySet")])
    sets = merged(declared)
    if pack and sets.pack:
        texts += [read_source(file) for file in sorted(PACK.glob("*.yaml"))]
    documents = list(_documents(texts, problems))
    if parameters or sets.parameters:
        documents.append(Document(_parameters({**parameters, **sets.parameters})))
    modules = {one.file: _text(one) for one in sources if one.file.endswith(".rego")}
    loaded = load(documents, modules)
    return Policies(
        loaded.rules,
        sets,
        tuple(declared),
        loaded.others,
        tuple(sorted({*problems, *loaded.problems})),
        loaded.warnings,
        tuple(documents),
    )


def files_below(path: Path, suffixes: Sequence[str], *, tests: bool = True) -> Iterator[Path]:
    """The file itself, or every file below a directory with one of the suffixes, in order. Hidden ones are left out.

    Raises:
        BadInput: there is no such file.
    """
    if path.is_file():
        yield path
    elif path.is_dir():
        for directory, inner, names in os.walk(path):
            inner[:] = sorted(one for one in inner if not one.startswith("."))
            for name in sorted(names):
                wanted = name.endswith(tuple(suffixes)) and not name.startswith(".") and (tests or not _is_test(name))
                if wanted and not _is_endless(Path(directory, name)):
                    yield Path(directory, name)
    elif path.exists():
        raise BadInput(f"{path}: expected a file or a directory", hint="Pipes are read as standard input, by `-`.")
    else:
        raise BadInput(f"{path}: no such file or directory")


def _is_endless(file: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which might be waited for without end. A broken link is an error later."""
    return file.exists() and not file.is_file()


def read_source(file: Path) -> Source:
    """A file's bytes under the name that it was given by.

    Raises:
        BadInput: it cannot be read, or is too large to be a file of objects.
    """
    try:
        if file.stat().st_size > MAX_FILE:
            raise BadInput(f"{file}: expected at most {MAX_FILE:,} bytes")
        return Source(str(file), file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def locating(source: Source, manifest: Manifest, positions: Positions | None = None) -> "Locating":
    """Where the values of one object of a file stand."""
    return Locating(source.file, manifest, positions or Positions(source))


class Locating:
    """Path to place, for one object of one file."""

    def __init__(self, file: str, manifest: Manifest, positions: Positions) -> None:
        self._file, self._manifest, self._positions = file, manifest, positions

    def __call__(self, path: ValuePath) -> Place:
        line, column = self._positions.place(self._manifest, path)
        return Place(self._file, line, column)


def _documents(sources: Iterable[Source], problems: list[Problem]) -> Iterator[Document]:
    for source in sources:
        manifests, wrong = read_manifests(source)
        problems += wrong
        positions = Positions(source)
        for one in manifests:
            if one.data.get("kind") not in ("PolicySet", "PolicyTest"):
                yield Document(one.data, source.file, Locating(source.file, one, positions))


def _parameters(values: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PARAMETERS}, "data": values}


def _mentions(source: Source, word: str) -> bool:
    return word.encode() in source.text if isinstance(source.text, bytes) else word in source.text


def _text(source: Source) -> str:
    return source.text if isinstance(source.text, str) else source.text.decode("utf-8", "replace")


def _is_test(name: str) -> bool:
    return name in _TESTS or name.partition(".")[0].endswith(("_test", "-test"))
