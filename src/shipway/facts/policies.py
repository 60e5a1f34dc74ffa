"""Policy files as ``policy`` verbs and the controller read them: the built-in pack, directories of policies, PolicySets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from shipway.facts.files import files_below, read_source
from shipway.facts.organisations import POLICIES
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.policy.guarding import parameters_of
from shipway.policy.loading import PACK, Locating, Policies, load
from shipway.policy.rules import Document, Object
from shipway.spec import Source
from shipway.spec.manifests import Positions, read_manifests
from shipway.spec.organisation import Organisation
from shipway.spec.policies import merged, parse_policy_sets

if TYPE_CHECKING:
    from shipway.engine.gating import Enforced

PARAMETERS = "shipway-policy-parameters"
"""ConfigMap that built-in rules take their parameters from; a PolicySet's ``parameters`` stand for it."""
YAML = (".yaml", ".yml", ".json")


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


def policies_for(
    organisation: Organisation, directory: Path, others: Sequence[Path] = (), *, pack: bool = True
) -> Policies:
    """All of them, with what the Platform says for parameters that no PolicySet gives.

    Raises:
        BadInput: with every problem of every file.
    """
    said = parameters_of(organisation.platform)
    return read_policies(policies_beside(directory, others), pack=pack, parameters=said)
