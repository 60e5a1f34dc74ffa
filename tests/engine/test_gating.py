"""A release is asked past the gate of policy before anything happens."""

from collections.abc import Mapping
from typing import Any

import pytest

from shipway.engine.decisions import Decisions
from shipway.engine.gating import Deploying, Enforced, PolicyGate
from shipway.engine.service import DeployRequest
from shipway.model.errors import Denied, JournalError
from shipway.model.problems import Problem
from shipway.policy.evaluating import Evaluator, replayed
from shipway.spec import DeclaredPlatform, Source, parse_documents
from shipway.spec.policies import Merged
from shipway.testing.journals import HostileJournal, MemoryJournal
from tests.engine.desk import Desk, application, desk
from tests.engine.world import simulated
from tests.policy.samples import loaded, vap

APPLICATIONS = {
    "resourceRules": [
        {"apiGroups": ["shipway.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["applications"]}
    ]
}
FEW = vap(
    "few",
    match=APPLICATIONS,
    validations=[{"expression": "object.spec.?replicas.orValue(1) <= 5", "message": "at most 5"}],
)


class Rules:
    """What a platform asks for; changed by tests."""

    def __init__(self, default: str) -> None:
        self.default = default

    def read(self) -> Enforced:
        return Enforced(loaded(FEW).rules, Merged(default=self.default))  # type: ignore[arg-type]  # a literal in every test


async def _desk(default: str) -> tuple[Desk, Rules]:
    made, rules = await desk(), Rules(default)
    made.service._gate = PolicyGate(rules.read)
    return made, rules


def _run(default: str, more: str) -> tuple[Desk, Rules]:
    import asyncio

    found: list[tuple[Desk, Rules]] = []

    async def scenario() -> None:
        found.append(await _desk(default))
        made = found[0][0]
        made.deploy(application(more=more))

    asyncio.run(scenario())
    return found[0]


def test_what_denies_refuses_the_release_and_says_where() -> None:
    with pytest.raises(Denied) as caught:
        _run("deny", "  replicas: 9\n")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path, problem.code) == ("shop.yaml", 15, "spec.replicas", "few")
    assert "at most 5" in problem.message
    assert "shipway policy explain few" in caught.value.hint


def test_what_warns_is_shown_beside_the_answer() -> None:
    import asyncio

    async def scenario() -> None:
        made, rules = await _desk("warn")
        answer = made.deploy(application(more="  replicas: 9\n"))
        assert [(one.severity, one.code) for one in answer.problems] == [("warning", "few")]
        # The same again begins nothing, so there is nothing to refuse.
        rules.default = "deny"
        assert not made.deploy(application(more="  replicas: 9\n")).applications[0].changed
        with pytest.raises(Denied):
            made.deploy(application(more="  replicas: 10\n"))
        assert [view.name for view in made.service.applications()] == ["shop"]

    asyncio.run(scenario())


def test_the_gate_sees_the_release_as_it_would_be() -> None:
    import asyncio

    seen: list[Deploying] = []

    class Watching:
        def admit(self, asked: Deploying) -> tuple[Problem, ...]:
            seen.append(asked)
            return ()

    async def scenario() -> None:
        made = await desk()
        made.service._gate = Watching()
        made.deploy(application(), sets=("spec.replicas=3",))

    asyncio.run(scenario())
    (asked,) = seen
    assert [one.application.spec.replicas for one in asked.new] == [3]
    assert (asked.by, asked.at > 0) == ("ann", True)


PLATFORM = parse_documents(
    [
        Source(
            "platform.yaml",
            "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: p}\nspec: {environments: {prod: {}}}\n",
        )
    ]
).declared_platform
IMAGE = "  image: registry.example.com/shop:1\n"
CALM = vap("calm", validations=[{"expression": "object.spec.replicas <= 5", "message": "at most 5"}])
COST = {
    "resourceRules": [
        {"apiGroups": ["facts.shipway.dev"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deliveries"]}
    ]
}
CHEAP = vap("cheap", match=COST, validations=[{"expression": "object.spec.cost.monthly < 1.0", "message": "too dear"}])


async def _gated(
    *policies: Mapping[str, Any], by: str = "deny", platform: DeclaredPlatform | None = None
) -> tuple[Desk, Decisions]:
    made = await desk(platform)
    decisions = Decisions(made.world.journal)
    enforced = Enforced(loaded(*policies).rules, Merged(default=by))  # type: ignore[arg-type]  # a literal in every test
    made.service._gate = PolicyGate(lambda: enforced, None, decisions)
    return made, decisions


@simulated
async def test_a_rule_on_pods_refuses_the_release() -> None:
    for platform, environment in ((None, ""), (PLATFORM, ""), (PLATFORM, "prod")):
        made, _ = await _gated(CALM, platform=platform)
        with pytest.raises(Denied) as caught:
            made.deploy(application(more=f"{IMAGE}  replicas: 9\n"), environment=environment)
        (problem,) = caught.value.problems
        assert (problem.file, problem.line, problem.column, problem.code) == ("shop.yaml", 16, 13, "calm")
        assert made.deploy(application(more=f"{IMAGE}  replicas: 5\n"), environment=environment).applications[0].changed


@simulated
async def test_what_the_command_line_says_is_where_the_option_is() -> None:
    made, _ = await _gated(CALM, FEW)
    with pytest.raises(Denied) as caught:
        made.deploy(application(more=IMAGE), sets=("spec.replicas=9",))
    places = {(one.code, one.file, one.line) for one in caught.value.problems}
    assert places == {("calm", "--set spec.replicas=9", 0), ("few", "--set spec.replicas=9", 0)}


@simulated
async def test_without_an_image_there_is_no_pod_and_no_word_about_it() -> None:
    made, _ = await _gated(CALM)
    answer = made.deploy(application(more="  replicas: 9\n"))
    assert (answer.applications[0].changed, answer.problems) == (True, ())


@simulated
async def test_what_no_cluster_takes_is_let_in_and_told_unless_it_is_for_one() -> None:
    file = application("monitoring", more=f"{IMAGE}  replicas: 9\n")
    made, _ = await _gated(CALM)
    (problem,) = made.deploy(file).problems
    assert (problem.severity, problem.code, problem.line, problem.column) == ("warning", "not-compiled", 1, 1)
    assert "rules about Kubernetes objects could not be asked" in problem.message
    made, decisions = await _gated(CALM, platform=PLATFORM)
    with pytest.raises(Denied, match="not-compiled"):
        made.deploy(file, environment="prod")
    assert not decisions.read()[0].allowed


@simulated
async def test_a_callee_that_is_live_is_known_to_what_is_compiled() -> None:
    made, _ = await _gated(CALM)
    made.deploy(application("stock", port=8081))
    assert made.deploy(application(more=f"{IMAGE}  dependsOn: [stock]\n")).applications[0].changed


@simulated
async def test_every_decision_is_recorded_with_the_facts() -> None:
    made, decisions = await _gated(CHEAP)
    file = application(more=IMAGE)
    with pytest.raises(Denied):
        made.deploy(file)
    made.service._gate = PolicyGate(Enforced, None, decisions)
    await made.service.learn(DeployRequest(files=(file,), directory="/srv"))
    made.deploy(file)
    refused, allowed = decisions.read()
    assert (refused.allowed, allowed.allowed, refused.app, refused.by) == (False, True, "shop", "ann")
    assert [one.rule for one in refused.findings] == ["cheap"]
    for one in (refused.findings[0].facts, refused.facts, allowed.facts):
        assert one is not None
        assert one["spec"]["cost"]["monthly"] > 1
        assert one["spec"]["application"]["metadata"]["name"] == "shop"
    assert "traffic" not in allowed.facts["spec"]
    assert allowed.facts["spec"]["unknown"]["traffic"] == "nothing of it is live"
    again = Evaluator(loaded(CHEAP).rules, Merged(default="deny"))
    assert [one.status for one in replayed(refused.findings[0], again, refused.at)] == ["fail"]


@simulated
async def test_a_decision_that_cannot_be_recorded_lets_nothing_in() -> None:
    made, _ = await _gated()
    full = HostileJournal(MemoryJournal(made.world.store), every=1, how="refuse")
    made.service._gate = PolicyGate(Enforced, None, Decisions(full))
    with pytest.raises(JournalError, match="no space is left"):
        made.deploy(application())
    assert made.service.applications() == ()


@simulated
async def test_decisions_of_another_writer_do_not_stop_the_next_one() -> None:
    made, decisions = await _gated()
    made.deploy(application())
    other = Decisions(made.world.journal)
    other.record(decisions.read())
    with pytest.raises(JournalError):
        made.deploy(application(version="2"))
    assert made.deploy(application(version="2")).applications[0].changed
    assert len(decisions.read()) == 3
