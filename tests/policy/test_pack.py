"""The built-in rules: each says what, why and how, and is tried on what keeps it and what breaks it."""

from pathlib import Path

import pytest
import yaml

from shipway.facts.policies import read_policies
from shipway.policy.loading import PACK
from shipway.policy.rules import CompiledRule
from shipway.testing import policytests
from tests.policy.samples import statuses

RULES = read_policies([]).rules


@pytest.mark.parametrize("file", sorted(PACK.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_rule_keeps_its_examples(file: Path) -> None:
    test = PACK / "tests" / f"{file.stem}_test.yaml"
    cases = policytests.run(test)
    assert [case.cause for case in cases if not case.passed] == []
    expected = [one["expect"][file.stem] for one in yaml.safe_load(test.read_text())["spec"]["cases"]]
    assert {"pass", "fail"} <= set(expected)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_explains_itself(rule: CompiledRule) -> None:
    assert rule.title
    assert rule.rationale.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.place.file.endswith(f"{rule.policy}.yaml")
    assert rule.controls or rule.id == "cost-within-budget"  # no benchmark knows of budgets


def test_the_pack_judges_a_bad_object_without_an_error() -> None:
    odd = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "a"}]}}
    documents = [yaml.safe_load_all(file.read_text()) for file in PACK.glob("*.yaml")]
    found = statuses(*(one for many in documents for one in many), object=odd)
    assert "error" not in found
