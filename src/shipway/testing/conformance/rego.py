"""The Gatekeeper library: gator's suites with both engines, and the unit tests of its Rego. See the package."""

from functools import lru_cache
from pathlib import Path

import yaml

from shipway.policy.gatekeeper.engines import Engine
from shipway.policy.gatekeeper.suites import run as run_suite
from shipway.policy.rego.faults import RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.units import run as run_units
from shipway.policy.rules import Document
from shipway.testing.conformance import Case


def run(folder: Path) -> list[Case]:
    """All assertions of ``**/suite.yaml``, with CEL too where the template has it, and all rules ``test_*``."""
    cases: list[Case] = []
    for suite in sorted(folder.glob("**/suite.yaml")):
        cases += _suite(folder, suite, "rego")
        if "K8sNativeValidation" in "".join(path.read_text() for path in suite.parent.glob("template.yaml")):
            cases += _suite(folder, suite, "cel")
    for tests in sorted(folder.glob("src/**/*_test.rego")):
        cases += _units(folder, tests)
    return cases


@lru_cache(maxsize=256)
def documents(path: Path) -> tuple[Document, ...]:
    """The documents of a YAML file."""
    found = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    return tuple(Document(data, str(path)) for data in found if data)


def _suite(folder: Path, suite: Path, engine: Engine) -> list[Case]:
    title = f"gatekeeper-library/{engine}"
    cases: list[Case] = []
    for document in documents(suite):
        for one in run_suite(document.data, lambda name: documents(suite.parent / name), engine=engine):
            name = f"{suite.parent.relative_to(folder)}/{one.test}/{one.case}#{one.number}"
            cases.append(Case(title, name, one.passed, one.cause))
    return cases


def _units(folder: Path, tests: Path) -> list[Case]:
    title, home = "gatekeeper-library/unit", str(tests.parent.relative_to(folder))
    try:
        rules = load({path.name: path.read_text() for path in sorted(tests.parent.glob("*.rego"))}, version=0)
    except RegoError as error:
        return [Case(title, home, passed=False, cause=str(error))]
    return [Case(title, f"{home}/{one.name}", one.passed, one.cause) for one in run_units(rules)]
