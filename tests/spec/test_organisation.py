"""Files that are each right and wrong together: exactly their problems, all at once. ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites."""

import os
import random
from pathlib import Path

import pytest

from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source
from tests.spec.corpus import HERE

BAD = sorted((HERE / "organisations").glob("*.yaml"))
EXAMPLE = HERE.parent.parent / "examples" / "platform"


def example() -> list[Source]:
    return [
        Source(path.relative_to(EXAMPLE).as_posix(), path.read_bytes())
        for path in EXAMPLE.rglob("*.yaml")
        if path.parent.name != "policies"
    ]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_an_organisation_gives_exactly_its_problems(path: Path) -> None:
    _, problems = read_organisation([Source(path.name, path.read_bytes())])
    listed = "".join(f"{problem} [{problem.code}]\n" for problem in problems)
    golden = path.with_suffix(".txt")
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        golden.write_text(listed, encoding="utf-8")
    assert listed == golden.read_text(encoding="utf-8")
    assert problems


def test_the_example_has_no_problems_and_all_that_it_promises() -> None:
    organisation, problems = read_organisation(example())
    assert problems == ()
    assert organisation is not None
    assert organisation.environments == ("dev", "staging", "prod")
    clusters = [cluster for name in organisation.environments for cluster in organisation.clusters(name).items()]
    assert (len(clusters), len({region for _, region in clusters})) == (4, 3)
    specs = [one.application.spec for one in organisation.declared.values()]
    assert len(specs) == 12
    assert len({spec.archetype for spec in specs}) == 5
    assert sum(dependency.database is not None for spec in specs for dependency in spec.depends_on) == 2
    replicas = [organisation.application("ml-inference", name).replicas for name in organisation.environments]
    assert replicas == [1, 2, 5]
    factors = [organisation.application("web", name).spec.resources.factor for name in organisation.environments]
    assert factors == [0.5, 0.8, 1.0]


def test_problems_do_not_depend_on_the_order_of_files() -> None:
    path = HERE / "organisations" / "everything-at-once.yaml"
    documents = path.read_text(encoding="utf-8").split("---\n")
    sources = [Source(f"{index}.yaml", text) for index, text in enumerate(documents)]
    expected = read_organisation(sources)[1]
    for seed in range(5):
        shuffled = random.Random(seed).sample(sources, len(sources))
        assert read_organisation(shuffled)[1] == expected


def test_callers_are_known_by_port() -> None:
    organisation, _ = read_organisation(example())
    assert organisation is not None
    assert organisation.callers("ledger", "prod") == (("payment-service", None), ("settlement", "admin"))
    assert organisation.callers("ledger", "dev") == (("payment-service", None),)
    assert organisation.callers("web", "prod") == ()
