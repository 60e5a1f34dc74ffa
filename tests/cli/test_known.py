"""What a machine has recorded, as files are judged on it: releases of the past, facts for policies, history for risk."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from shipway.cli import wiring
from shipway.cli.policing.known import knowledge
from shipway.engine.decisions import Decisions
from shipway.engine.gating import PolicyGate
from shipway.engine.service import Service
from shipway.facts.policies import PolicyDirectory
from shipway.facts.usages import Sample, UsageFiles
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import Denied
from shipway.policy.scanning import scan
from tests.cli.shell import Shell
from tests.engine.desk import Desk, Vault, application
from tests.engine.world import World, simulated

IMAGE = "  image: registry.example.com/shop:1\n"
SLOW = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: slow-start}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  validations:
    - expression: object.spec.template.spec.containers.all(c, c.startupProbe.periodSeconds >= 20)
      message: expected a slow start
"""
SET = """\
apiVersion: shipway.dev/v1alpha1
kind: PolicySet
metadata: {name: s}
spec:
  default: audit
  enforce: [{rules: [change-window], action: deny}]
  freezes: [{name: Stocktaking, from: FROM, until: 2099-01-01, environments: [prod]}]
"""


async def _history(home: Path) -> None:
    """Three releases for prod of which one was refused, on record in a real journal."""
    world = World()
    world.journal = SqliteJournal.open(home / "journal.db")
    await world.start()
    directory = home / "policies"
    directory.mkdir()
    gate = PolicyGate(PolicyDirectory(directory).read, scan, Decisions(world.journal))
    it = Desk(world)
    it.service = Service(world.engine, world._runtime, world.clock, secrets=Vault(), gate=gate)
    for version, frozen in (("1", "2098-01-01"), ("2", "1960-01-01"), ("3", "2098-01-01")):
        (directory / "set.yaml").write_text(SET.replace("FROM", frozen))
        try:
            it.deploy(application(version=version, more=f"{IMAGE}  budget: $99/month\n"), environment="prod")
            await world.settled()
        except Denied:
            assert version == "2"
    await world.die()
    world.journal.close()


@pytest.fixture
def past(home: Path) -> Path:
    simulated(lambda: _history(home))()
    return home


def test_a_new_rule_shows_what_it_would_have_stopped(shipway: Shell, past: Path) -> None:
    (past / "policies" / "slow.yaml").write_text(SLOW)
    found = shipway("policy", "report", "--json").data
    (rule,) = [one for one in found["rules"] if one["rule"] == "slow-start"]
    assert (rule["enforced"], rule["releases"], found["judged"]) == ("audit", ["shop v1", "shop v2"], 2)
    assert "slow-start" in shipway("policy", "report", "--last", "1").out
    assert "slow-start" not in shipway("policy", "report", "--policies", past / "policies" / "set.yaml").out


def test_decisions_tell_refusals_and_facts_and_can_be_judged_again(shipway: Shell, past: Path) -> None:
    one, refused, last = shipway("policy", "decisions", "shop", "--json").data["decisions"]
    assert [each["decision"].get("allowed") for each in (one, refused, last)] == [True, False, True]
    facts: dict[str, Any] = refused["decision"]["facts"]["spec"]
    assert facts["change"]["reason"] == "frozen by Stocktaking"
    assert facts["cost"]["monthly"] > 0
    assert refused["now"] is None
    text = shipway("policy", "decisions", "--last", "2").out
    assert "deny change-window: no changes now" in text
    assert "traffic: unknown, nobody has measured it here" in text
    (again,) = shipway("policy", "decisions", "-n", "1", "--replay", "--json").data["decisions"]
    assert [each["rule"] for each in again["now"]] == ["require-image-digest", "require-two-replicas"]
    (before,) = [
        each
        for each in shipway("policy", "decisions", "--replay", "--json").data["decisions"]
        if not each["decision"]["allowed"]
    ]
    assert [each["rule"] for each in before["now"]] == ["change-window", "require-image-digest", "require-two-replicas"]
    assert "by the rules as they are now: audit require-image-digest" in shipway("policy", "decisions", "--replay").out
    platform = past / "platform.yaml"
    platform.write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: p}\nspec: {components: {registries: [ghcr.io/acme]}}\n"
    )
    (knowing,) = shipway("policy", "decisions", "-n", "1", "--replay", "--platform", platform, "--json").data[
        "decisions"
    ]
    assert "allowed-registries" in [each["rule"] for each in knowing["now"]]


def test_decisions_that_are_not_there(shipway: Shell, past: Path, tmp_path: Path) -> None:
    assert "did you mean `shop`?" in shipway("policy", "decisions", "shopp").err
    assert shipway("policy", "decisions", "--home", tmp_path / "nowhere").code == 5


def test_facts_hold_for_the_environment_that_was_deployed_for(past: Path) -> None:
    at = 1_000_000.0
    samples = [Sample(at - 10 * n, "shop", "v2", 0.1, 1.0, 50, 0, 10.0) for n in range(6)]
    UsageFiles(past).append(samples)
    known = knowledge(past, at)("shop", "prod")
    assert known.facts["traffic"] == {"requestsPerSecond": 5.0, "seconds": 60.0}
    assert "released for prod" in knowledge(past, at)("shop", "dev").unknown["traffic"]
    assert "never been live" in knowledge(past, at)("other", "prod").unknown["errorBudget"]
    assert "nothing is recorded" in knowledge(past / "elsewhere", at)("shop", "prod").unknown["traffic"]
    assert knowledge(past, at + 5000)("shop", "prod").unknown["traffic"]


def test_the_controller_takes_a_platform_with_its_prices_from_a_directory(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "platform"
    declared, book = wiring.read_platform(example)
    assert declared is not None
    assert book.at("prod-us", "us-east-1").name.startswith("fargate")
    assert wiring.read_platform(example / "platform.yaml")[1].at("prod-us", "us-east-1").name == "the Platform"


def test_the_risk_in_a_plan_is_told_by_the_history_of_this_machine(shipway: Shell, past: Path, tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "platform"
    shutil.copytree(example, tmp_path / "after")
    cart = tmp_path / "after" / "applications" / "cart.yaml"
    cart.write_text(cart.read_text().replace("max: 6", "max: 8"))
    words = (
        "plan",
        "cart",
        "--env",
        "dev",
        "--platform",
        tmp_path / "after",
        "--against",
        example,
        "--no-pack",
        "--json",
    )
    (known,) = shipway(*words).data["risks"]
    assert (known["application"], known["risk"]["releases"]) == ("cart", 2)
    assert known["risk"]["low"] < known["risk"]["probability"] < known["risk"]["high"]
    (cold,) = shipway(*words, "--home", tmp_path).data["risks"]
    assert cold["risk"]["releases"] == 0
    assert "a prior from public data" in cold["risk"]["note"]
