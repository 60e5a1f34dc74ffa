"""Every bad file gives exactly its list of problems; every good one none. ``SHIPWAY_UPDATE_GOLDEN=1`` rewrites the lists."""

import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from shipway.model.problems import Problem
from shipway.spec.reading import Source, read
from shipway.spec.schema import schema
from tests.spec.corpus import BAD, GOOD, parse_file

VALIDATORS = {kind: jsonschema_rs.Draft202012Validator(schema(kind)) for kind in ("Application", "Platform")}

BEYOND_A_SCHEMA = {
    "check-direction": "which way an indicator is better",
    "check-indicator": "names of indicators, some of which the Platform gives",
    "check-twice": "entries that mean the same",
    "check-unit": "the unit that belongs to an indicator",
    "command-bad": "quotes inside a command",
    "delivery-canary-of-a-worker": "fields that depend on each other",
    "delivery-direct-with-steps": "fields that depend on each other",
    "delivery-steps-descending": "order of a list",
    "dependency-mixed": "fields that exclude each other",
    "dependency-on-itself": "fields that depend on each other",
    "documents-same-name": "other documents",
    "environment-breaks-a-rule": "what an environment makes of the file",
    "host-private": "fields that depend on each other",
    "host-tcp": "two fields that contradict each other",
    "platform-shadowed-metric": "names that are taken",
    "platform-twice": "other documents",
    "platform-unknown-environment": "other documents",
    "port-without-main": "which names make a port the main one",
    "queue-unknown": "fields that depend on each other",
    "scale-and-replicas": "fields that exclude each other",
    "scale-reversed": "two bounds",
    "scale-without-max": "required once the environment is laid over it",
    "schedule-bad": "cron",
    "schedule-duration-bad": "cron",
    "schedule-missing": "fields that depend on each other",
    "schedule-on-a-service": "fields that depend on each other",
    "schedule-range": "cron",
    "secret-and-variable": "keys of two maps",
    "storage-of-a-job": "fields that depend on each other",
    "storage-unknown": "fields that depend on each other",
}
"""Bad files that the JSON Schema accepts, and what it would have to understand."""


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_gives_exactly_its_problems(path: Path) -> None:
    parsed = parse_file(path)
    listed = "".join(f"{problem} [{problem.code}]\n" for problem in parsed.problems)
    golden = path.with_suffix(".txt")
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        golden.write_text(listed, encoding="utf-8")
    assert listed == golden.read_text(encoding="utf-8")
    assert parsed.problems


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_problem_says_where_and_what(path: Path) -> None:
    for problem in parse_file(path).problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", problem.code)
        assert "pydantic" not in problem.message
        assert "Input should" not in problem.message


def test_there_is_no_golden_file_without_its_input() -> None:
    assert {path.stem for path in BAD} == {path.stem for path in (BAD[0].parent).glob("*.txt")}
    assert len(BAD) >= 40


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_has_no_problems(path: Path) -> None:
    parsed = parse_file(path)
    assert parsed.problems == ()
    assert parsed.applications


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_valid_to_its_json_schema(path: Path) -> None:
    for document in documents(path):
        VALIDATORS[document["kind"]].validate(document)


READABLE = [path for path in BAD if not read(Source(path.name, path.read_bytes()))[1]]
"""What is no YAML never reaches a JSON Schema."""


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_a_structurally_bad_file_is_invalid_to_the_json_schema(path: Path) -> None:
    accepted = all(VALIDATORS[kind_of(document)].is_valid(document) for document in documents(path))
    assert accepted == (path.stem in BEYOND_A_SCHEMA)


def documents(path: Path) -> list[Any]:
    nodes, _ = read(Source(path.name, path.read_bytes()))
    return [node.data() for node in nodes]


def kind_of(document: object) -> str:
    return document["kind"] if isinstance(document, dict) and document.get("kind") in VALIDATORS else "Application"


def test_the_example_of_the_documentation() -> None:
    """The message that the design promises, to the letter of its form."""
    problem = next(problem for problem in parse_file(BAD[0].parent / "slo-latency.yaml").problems)
    assert isinstance(problem, Problem)
    assert str(problem) == (
        'slo-latency.yaml:13:14 error spec.slo.latency: expected "<share> < <duration>" such as "95% < 200ms", got "95% under 200ms"'
    )
