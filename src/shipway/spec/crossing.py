"""What is wrong between files that are each right. Called by :mod:`shipway.spec.organisation`; every problem has its line."""

from collections.abc import Iterator, Mapping

from shipway.model.problems import Problem
from shipway.model.suggestions import did_you_mean
from shipway.spec.diagnosis import problem_at
from shipway.spec.resolving import DeclaredApplication, DeclaredPlatform

Applications = Mapping[str, DeclaredApplication]


def crossing_problems(applications: Applications, platform: DeclaredPlatform, *, complete: bool) -> list[Problem]:
    """Every problem, in the order of files and places.

    ``complete`` says that no application was left out for being wrong, so that an unknown name is really unknown.
    """
    found = [*_clusters(platform)]
    if complete:
        found += _unknown_dependencies(applications)
    return sorted(found)


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


def _unknown_dependencies(applications: Applications) -> Iterator[Problem]:
    for one in applications.values():
        for index, dependency in enumerate(one.application.spec.depends_on):
            name = dependency.application
            if name and name not in applications:
                message = f"there is no application `{name}`{did_you_mean(name, applications)}"
                yield problem_at(one.file, one.node, ("spec", "dependsOn", index), "unknown-application", message)
