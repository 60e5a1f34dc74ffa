"""A platform and all of its applications, read together. Called by ``render``, ``plan`` and the verbs of ``cli`` that compile.

What is wrong only between files is found by :mod:`shipway.spec.crossing`, all at once. Text in, values out: whoever calls
has read the files.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from shipway.model.problems import Problem
from shipway.model.suggestions import known
from shipway.spec.application import Application
from shipway.spec.crossing import crossing_problems, sibling_problems
from shipway.spec.documents import parse_documents
from shipway.spec.platform import Platform
from shipway.spec.reading import Path, Source
from shipway.spec.resolving import DeclaredApplication, DeclaredPlatform, Resolved, resolve


class Organisation(msgspec.Struct, frozen=True, dict=True):
    """A platform and its applications. The order of files leaves no trace in it."""

    declared_platform: DeclaredPlatform
    declared: Mapping[str, DeclaredApplication]
    """Applications by name, in the order of names."""

    @property
    def platform(self) -> Platform:
        """What holds for all applications."""
        return self.declared_platform.platform

    @property
    def environments(self) -> tuple[str, ...]:
        """Names of the environments, in the order in which releases pass through them."""
        return tuple(self.platform.spec.environments)

    def clusters(self, environment: str) -> dict[str, str]:
        """Clusters of an environment and their regions, in the order of names."""
        return dict(sorted(self.platform.clusters(environment).items()))

    def names(self, environment: str) -> tuple[str, ...]:
        """Applications that run in the environment, in the order of names."""
        return tuple(name for name, one in self.declared.items() if one.application.runs_in(environment))

    def resolved(self, name: str, environment: str) -> Resolved:
        """An application in an environment; asked twice, worked out once."""
        known = self._resolved.get((name, environment))
        if known is None:
            known = self._resolved[name, environment] = resolve(
                self.declared[name], self.declared_platform, environment
            )
        return known

    def application(self, name: str, environment: str) -> Application:
        """The application with nothing left to look up."""
        return self.resolved(name, environment).application

    def callers(self, name: str, environment: str) -> tuple[tuple[str, str | None], ...]:
        """(application, named port or None) of everything that calls ``name`` in the environment, in order."""
        return self._callers(environment).get(name, ())

    @cached_property
    def _resolved(self) -> dict[tuple[str, str], Resolved]:
        return {}

    @cached_property
    def _called(self) -> dict[str, dict[str, tuple[tuple[str, str | None], ...]]]:
        return {}

    def _callers(self, environment: str) -> Mapping[str, tuple[tuple[str, str | None], ...]]:
        if environment not in self._called:
            found: dict[str, list[tuple[str, str | None]]] = {}
            for caller in self.names(environment):
                for dependency in self.declared[caller].application.spec.depends_on:
                    if dependency.application:
                        found.setdefault(dependency.application, []).append((caller, dependency.port))
            self._called[environment] = {name: tuple(dict.fromkeys(callers)) for name, callers in found.items()}
        return self._called[environment]


def read_organisation(sources: Sequence[Source]) -> tuple[Organisation | None, tuple[Problem, ...]]:
    """The organisation that the files describe, and everything that is wrong with it.

    None when there is no valid platform with an environment. Applications that are wrong in themselves are left out.
    """
    ordered = sorted(sources, key=lambda source: source.file)
    parsed = parse_documents(ordered)
    platform = parsed.declared_platform
    problems = list(parsed.problems)
    if platform is None or not platform.platform.spec.environments:
        if not any(problem.severity == "error" for problem in problems):
            problems.append(_no_platform(platform))
        return None, tuple(problems)
    declared = {one.application.metadata.name: one for one in parsed.declared}
    organisation = Organisation(platform, dict(sorted(declared.items())))
    problems += crossing_problems(organisation.declared, platform, organisation.resolved, parsed.left_out)
    for one, wrong in parsed.readable:
        problems += _beside(organisation, one, wrong, parsed.left_out)
    return organisation, tuple(problems)


def _beside(
    organisation: Organisation, one: DeclaredApplication, wrong: Sequence[Path], left_out: frozenset[str] | None
) -> list[Problem]:
    """What is wrong between its neighbours and an application that is wrong in itself, but for what was wrong already."""
    alone = Organisation(organisation.declared_platform, {one.application.metadata.name: one})
    platform, resolve = organisation.declared_platform, alone.resolved
    return sibling_problems(one, organisation.declared, platform, resolve, left_out, wrong=wrong)


def _no_platform(platform: DeclaredPlatform | None) -> Problem:
    if platform is None:
        message = "expected a file with `kind: Platform`, got none; it names the environments to compile for"
        return Problem("platform.yaml", 0, 0, "", "no-platform", message)
    key, value, _ = platform.node.at(("spec",))
    message = "`environments` is required to compile; for example `environments: {dev: {}, prod: {}}`"
    return Problem(
        platform.file, (key or value).line, (key or value).column, "spec.environments", "missing-field", message
    )


def environments(organisation: Organisation, wanted: list[str] | None) -> tuple[str, ...]:
    """The environments asked for, in the Platform's order; all of them when none is.

    Raises:
        NotFound: there is no such environment.
    """
    for name in wanted or ():
        known(name, organisation.environments, "environment")
    return tuple(name for name in organisation.environments if not wanted or name in wanted)
