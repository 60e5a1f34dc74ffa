"""``policy test``: tests of policies in our own form, Kyverno's and Gatekeeper's.

apiVersion: shipway.dev/v1alpha1
kind: PolicyTest
metadata: {name: require-labels}
spec:
  policies: [../require-labels.yaml]      # relative to the file
  environment: prod                       # optional
  parameters: []                          # objects that policies take parameters from
  cases:
    - name: without an owner
      objects: [{...}]                    # judged together
      expect: {require-labels: fail}      # the worst status of each rule; rules not named may do as they like
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import msgspec

from shipway.facts.files import files_below, read_source
from shipway.facts.policies import YAML, policies_of
from shipway.model.errors import BadInput
from shipway.policy import facts
from shipway.policy.evaluating import Evaluator
from shipway.policy.gatekeeper import suites as suites_of_gator
from shipway.policy.loading import Policies, locating
from shipway.policy.rules import CompiledRule, Document, Object, Request
from shipway.policy.rules import Status as RuleStatus
from shipway.policy.scanning import scan
from shipway.spec import Source
from shipway.spec.manifests import read_manifests
from shipway.spec.policies import Merged
from shipway.testing.conformance import Case, kyverno

_WORST: Sequence[RuleStatus] = ("error", "fail", "warn", "pass", "skip")


class _Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    objects: list[dict[str, Any]]
    expect: dict[str, RuleStatus]


class _Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    policies: list[str]
    cases: list[_Case]
    environment: str = ""
    parameters: list[dict[str, Any]] = []


def run(directory: Path) -> list[Case]:
    """Every test below a directory (or of one file), each case with why it failed.

    Raises:
        BadInput: a test, or a policy that it names, cannot be read; or there is no test.
    """
    found = [case for file, runner in _tests(directory) for case in runner(file)]
    if not found:
        raise BadInput(
            f"{directory}: no tests found",
            hint="Tests are in files called *_test.yaml, kyverno-test.yaml or suite.yaml.",
        )
    return found


def _tests(directory: Path) -> Iterator[tuple[Path, Callable[[Path], list[Case]]]]:
    files = [directory] if directory.is_file() else sorted(directory.rglob("*"))
    if not directory.exists():
        raise BadInput(f"{directory}: no such file or directory")
    for file in files:
        runner = RUNNERS.get(file.name) or (_ours if file.name.endswith("_test.yaml") else None)
        if runner is not None and file.is_file():
            yield file, runner


def _ours(file: Path) -> list[Case]:
    manifests, problems = read_manifests(read_source(file))
    if problems:
        raise BadInput(f"{file} cannot be used", problems=problems)
    return [case for one in manifests for case in _cases(file, one.data)]


def _cases(file: Path, data: Object) -> list[Case]:
    if data.get("kind") != "PolicyTest":
        raise BadInput(f"{file}: expected kind PolicyTest, got {data.get('kind')!r}")
    try:
        spec = msgspec.convert(data.get("spec"), _Spec)
    except msgspec.ValidationError as error:
        raise BadInput(f"{file} is no PolicyTest: {error}") from error
    policies = _policies(file, spec)
    # Without a PolicySet every rule denies, so that a case sees what the rule itself says.
    sets = policies.sets if policies.declared else Merged(default="deny")
    rules = policies.rules if policies.declared or spec.environment else tuple(map(_everywhere, policies.rules))
    evaluator = Evaluator(rules, sets, spec.environment)
    known = {rule.id for rule in rules}
    return [_judged(str(file), case, evaluator, known) for case in spec.cases]


def _everywhere(rule: CompiledRule) -> CompiledRule:
    return msgspec.structs.replace(rule, environments=())


def _policies(file: Path, spec: _Spec) -> Policies:
    paths = [file.parent / one for one in spec.policies]
    sources = [read_source(one) for path in paths for one in files_below(path, (*YAML, ".rego"), tests=False)]
    given = Source(f"{file} (parameters)", msgspec.json.encode({"kind": "List", "items": spec.parameters}))
    found = policies_of([*sources, *([given] if spec.parameters else [])], pack=False)
    if found.problems:
        raise BadInput("the policies cannot be used", problems=found.problems)
    return found


def _judged(suite: str, case: _Case, evaluator: Evaluator, known: AbstractSet[str]) -> Case:
    statuses: dict[str, RuleStatus] = {}
    said: dict[str, str] = {}
    for value in _subjects(case.objects):
        for one in evaluator.evaluate(Request(object=value)):
            if _WORST.index(one.status) < _WORST.index(statuses.get(one.rule, "skip")):
                statuses[one.rule], said[one.rule] = one.status, one.message
    # A rule that the environment turns off is one that skips; a name that no rule has is a mistake in the test.
    wrong = [f"{rule}: no rule here is called so" for rule in case.expect if rule not in known]
    wrong += [
        f"{rule}: expected {want}, got {statuses.get(rule, 'skip')} {said.get(rule, '')}".rstrip()
        for rule, want in case.expect.items()
        if rule in known and statuses.get(rule, "skip") != want
    ]
    return Case(suite, case.name, not wrong, "; ".join(wrong))


def _subjects(objects: Sequence[Mapping[str, Any]]) -> Iterator[Object]:
    """The objects, and the facts that follow from them."""
    yield from objects
    yield from (fact for fact, _ in facts.workloads(objects))
    yield from (found for one in objects if (found := scan(one)) is not None)


def _kyverno(file: Path) -> list[Case]:
    """A test of Kyverno's CLI; rows about what only Kyverno does (mutation, generation, signatures) are left out."""
    return [
        Case(
            str(file),
            f"{row.policy}/{row.rule} {row.kind} {row.resource}",
            row.passed,
            "" if row.passed else f"expected {row.expected}, got {row.actual}: {row.message}",
        )
        for row in kyverno.rows(file, time.time())
        if row.supported
    ]


def _gator(file: Path) -> list[Case]:
    """A suite of gator's; what it says to skip is left out."""
    return [
        Case(str(file), f"{one.test}/{one.case}#{one.number}", one.passed, one.cause)
        for suite in _documents(file)
        if suites_of_gator.is_suite(suite.data)
        for one in suites_of_gator.run(suite.data, lambda name: _documents(file.parent / name), at=time.time())
        if not one.skipped
    ]


def _documents(file: Path) -> list[Document]:
    source = read_source(file)
    manifests, problems = read_manifests(source)
    if problems:
        raise BadInput(f"{file} cannot be used", problems=problems)
    return [Document(one.data, source.file, locating(source, one)) for one in manifests]


RUNNERS: dict[str, Callable[[Path], list[Case]]] = {
    "kyverno-test.yaml": _kyverno,
    "kyverno-test.yml": _kyverno,
    "suite.yaml": _gator,
}
"""By name of the file: the runners of other people's forms."""
