"""Kyverno's CLI tests in a folder: every ``kyverno-test.yaml`` below it. Called by ``make conformance`` and the tests.

Reads the files; the judging is ``shipway.policy.kyverno.suites``. Rows about mutation, generation and signatures are no cases.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from shipway.model.errors import BadInput
from shipway.policy.kyverno import suites
from shipway.policy.loading import load
from shipway.policy.rules import CompiledRule, Document
from shipway.testing.conformance import Case

AT = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
"""The time that policies see: the suites have images that are too old and others from the future."""
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.CSafeLoader):
    """As Kubernetes reads YAML: times stay text, and of YAML 1.1's words only ``true`` and ``false`` are bools."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in {_TIMESTAMP, "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"}
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0[0-7]+)$"), list("-+0123456789")
)


def run(folder: Path) -> list[Case]:
    """Every row of every test below ``folder``."""
    files = sorted([*folder.rglob("kyverno-test.yaml"), *folder.rglob("kyverno-test.yml")])
    return [case for file in files for case in _run_file(file, folder)]


def _run_file(file: Path, folder: Path) -> list[Case]:
    name = str(file.parent.relative_to(folder)).removesuffix("/.kyverno-test")
    try:
        found = rows(file, AT)
    except BadInput as error:
        return [Case("kyverno", name, passed=False, cause=error.message)]
    return [_case(name, row) for row in found if row.supported]


def rows(file: Path, at: float) -> list[suites.ResultRow]:
    """The rows of a test, at a time in seconds since the epoch. Raises :class:`BadInput` for files that cannot be used."""
    return [
        row
        for test in documents(file)
        for row in suites.run_test(test, lambda path: documents(file.parent / path), at, _admission)
    ]


def _admission(found: Sequence[Document]) -> Sequence[CompiledRule]:
    loaded = load([one for one in found if str(one.data.get("kind", "")).startswith("ValidatingAdmissionPolicy")])
    if loaded.problems:
        raise BadInput("the policies cannot be used", problems=loaded.problems)
    return loaded.rules


def _case(name: str, row: suites.ResultRow) -> Case:
    cause = "" if row.passed else f"expected {row.expected}, found {row.actual}: {row.message}"
    return Case("kyverno", f"{name}: {row.policy}/{row.rule} {row.kind} {row.resource}", row.passed, cause)


def documents(file: Path) -> Sequence[dict[str, Any]]:
    """The documents of a file that are maps."""
    try:
        text = file.read_text(encoding="utf-8")
        return [one for one in yaml.load_all(text, Loader=_Loader) if isinstance(one, dict)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"cannot read {file.name}: {error}") from None
