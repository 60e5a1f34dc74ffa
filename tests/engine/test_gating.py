"""A release is asked past the gate of policy before anything happens."""

import pytest

from shipway.engine.gating import Deploying, Enforced, PolicyGate
from shipway.model.errors import Denied
from shipway.model.problems import Problem
from shipway.spec.policies import Merged
from tests.engine.desk import Desk, application, desk
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
    assert (problem.file, problem.line, problem.path, problem.code) == ("shop.yaml", 17, "spec.replicas", "few")
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
