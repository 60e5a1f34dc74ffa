"""What the machine promises to its callers beyond the transcripts: identity, idempotence, deadlines, what to read."""

import pytest
from msgspec.structs import replace

from shipway.model.ids import Generation, ReleaseId
from shipway.model.routing import Affinity, CanaryMatch
from shipway.rollout import events as e
from shipway.rollout.commands import SetRoutes, StartRelease
from shipway.rollout.decide import Watch, deadline, decide, is_settled, watch
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery, Phase
from tests.rollout.samples import SHOP, V1, V2, plan, release
from tests.rollout.script import Player


def played(script: str) -> Player:
    player = Player()
    player.play(script)
    return player


LIVE = "deploy\nready v1\napplied\n"
TRIAL = LIVE + "wait 10\ndeploy\nready v2\napplied\n"
PHASES = {
    "idle": "",
    "starting": LIVE + "deploy",
    "shifting": LIVE + "deploy\nready v2",
    "observing": TRIAL,
    "holding": TRIAL + "missed 5",
    "paused": TRIAL + "pause",
    "awaiting approval": LIVE + "deploy approvals=ops\nready v2",
    "promoting": LIVE + "deploy strategy=direct\nready v2",
    "reverting": TRIAL + "abort",
    "promoted": LIVE,
    "rolled back": LIVE + "deploy\nfailed v2 exit 1",
    "aborted": LIVE + "deploy\nabort",
}
BY = {"at": 500.0, "by": "eve"}
ILLEGAL: dict[str, tuple[e.Event, ...]] = {
    "idle": (e.PauseRequested(**BY), e.ResumeRequested(**BY), e.PromoteRequested(**BY), e.AbortRequested(**BY)),
    "starting": (e.ResumeRequested(**BY), e.PromoteRequested(**BY, full=True), e.RetryRequested(**BY)),
    "shifting": (e.ResumeRequested(**BY), e.RetryRequested(**BY), e.UndoRequested(**BY, to=V2)),
    "observing": (e.ResumeRequested(**BY), e.RetryRequested(**BY), e.UndoRequested(**BY, to=ReleaseId("v9"))),
    "holding": (e.ResumeRequested(**BY), e.RetryRequested(**BY)),
    "paused": (e.PauseRequested(**BY), e.RetryRequested(**BY)),
    "awaiting approval": (e.ResumeRequested(**BY), e.RetryRequested(**BY)),
    "promoting": (e.PauseRequested(**BY), e.ResumeRequested(**BY), e.PromoteRequested(**BY), e.RetryRequested(**BY)),
    "reverting": (
        e.PauseRequested(**BY),
        e.ResumeRequested(**BY),
        e.PromoteRequested(**BY, full=True),
        e.AbortRequested(**BY),
        e.UndoRequested(**BY),
        e.RetryRequested(**BY),
    ),
    "promoted": (e.PauseRequested(**BY), e.PromoteRequested(**BY), e.AbortRequested(**BY), e.RetryRequested(**BY)),
    "rolled back": (e.PauseRequested(**BY), e.PromoteRequested(**BY, full=True), e.AbortRequested(**BY)),
    "aborted": (e.PauseRequested(**BY), e.PromoteRequested(**BY, full=True), e.AbortRequested(**BY)),
}
LATE: tuple[e.Event, ...] = (
    e.RoutesApplied(at=500.0, generation=Generation(1)),
    e.RoutesApplied(at=500.0, generation=Generation(10_000)),
    e.InstancesChanged(at=500.0, release=V1, ready=0, wanted=1, generation=Generation(10_000)),
    e.InstancesChanged(at=500.0, release=ReleaseId("v9"), ready=1, wanted=1),
    e.ReleaseStopped(at=500.0, release=V1),
    e.ReleaseFailed(at=500.0, release=V1, reason="late", generation=Generation(10_000)),
)


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_is_here(phase: str) -> None:
    assert set(PHASES) == set(ILLEGAL) == {one.value for one in Phase}
    assert played(PHASES[phase]).state.phase.value == phase


@pytest.mark.parametrize("phase", PHASES)
def test_what_is_illegal_or_late_returns_the_same_object(phase: str) -> None:
    state = played(PHASES[phase]).state
    for event in (*ILLEGAL[phase], *LATE):
        assert evolve(state, event) is state, event


@pytest.mark.parametrize("phase", PHASES)
def test_every_fact_seen_twice_returns_the_same_object(phase: str) -> None:
    player = played(PHASES[phase])
    for event in player.events:
        if isinstance(event, e.InstancesChanged | e.ReleaseFailed | e.ReleaseStopped | e.RoutesApplied | e.Observed):
            assert evolve(player.state, event) is player.state, event


@pytest.mark.parametrize("phase", PHASES)
def test_planned_twice_it_is_the_same_plan(phase: str) -> None:
    state = played(PHASES[phase]).state
    assert decide(state) == decide(state)
    kinds = [type(command).__name__ for command in decide(state)]
    assert kinds == sorted(kinds, key=["StartRelease", "SetRoutes", "StopRelease"].index), "starts, routes, stops"
    assert len({command.id for command in decide(state)}) == len(kinds)


def routes(state: Delivery) -> SetRoutes:
    (found,) = [command for command in decide(state) if isinstance(command, SetRoutes)]
    return found


def test_the_canary_has_a_side_of_its_own_only_while_there_is_a_trial() -> None:
    sides = {}
    for phase, script in PHASES.items():
        state = played(script).state
        sides[phase] = routes(state).routes.canary if state.weights else None
    trial = dict.fromkeys(("shifting", "observing", "holding", "paused"), V2)
    assert sides == dict.fromkeys(PHASES) | trial


def test_match_and_affinity_are_the_trials_and_then_those_of_who_serves() -> None:
    match, mine = CanaryMatch(header="x-canary"), Affinity(by="cookie", name="side")
    state = played(LIVE).state
    state = evolve(state, release(10.0, plan(match=match, affinity=mine)))
    state = evolve(state, e.InstancesChanged(at=11.0, release=V2, ready=1, wanted=1))
    assert (routes(state).routes.match, routes(state).routes.affinity) == (match, mine)
    state = evolve(state, e.AbortRequested(at=12.0, by="ann"))
    assert (routes(state).routes.match, routes(state).routes.affinity) == (CanaryMatch(), Affinity())


def test_a_release_carries_its_own_config_for_ever() -> None:
    """Undo restores config and environment, not only the code."""
    first, second = plan(strategy="direct"), plan(strategy="direct")
    first = replace(first, workload=replace(first.workload, env=(("MODE", "calm"),)))
    player = Player()
    for event in (release(0.0, first), release(0.0, second)):
        player.send(event)
        player.play(f"ready v{len(player.state.releases)}\napplied")
    player.play("wait 100\nundo")
    starts = [command.workload for command in decide(player.state) if isinstance(command, StartRelease)]
    assert [workload.env for workload in starts if workload.release == V1] == [(("MODE", "calm"),)]


def test_the_port_is_the_first_releases_for_ever() -> None:
    state = evolve(evolve(initial(SHOP), release(0.0)), release(0.0, replace(plan(), port=9999)))
    assert state.port == 8080


def test_what_to_read() -> None:
    watched = {phase: watch(played(script).state) for phase, script in PHASES.items()}
    alone, both = Watch(SHOP, V1, None, 0.0), Watch(SHOP, V1, V2, 0.05)
    assert watched == dict.fromkeys(PHASES, alone) | {"idle": None} | dict.fromkeys(
        ("shifting", "observing", "holding", "paused"), both
    )
    promoting = played(TRIAL + "promote full").state
    assert watch(promoting) == Watch(SHOP, V1, V2, 1.0), "until traffic is known to follow, a FAIL takes it back"


def test_deadlines() -> None:
    assert deadline(initial(SHOP)) is None
    assert deadline(played(PHASES["starting"]).state) == 20.0, "to be ready"
    assert deadline(played(PHASES["paused"]).state) is None
    kept = played(LIVE + "deploy strategy=direct\nready v2\napplied").state
    assert deadline(kept) == 60.0, "when the old processes were kept long enough"
    moving = evolve(kept, e.UndoRequested(at=1.0, by="ann"))
    assert deadline(moving) is None, "nothing is stopped while routes are unconfirmed"


def test_a_deadline_that_is_early_changes_nothing() -> None:
    for phase in ("starting", "promoted"):
        state = played(PHASES[phase]).state
        assert evolve(state, e.DeadlineReached(at=5.0)) is state


def test_settled_is_when_nothing_is_under_way() -> None:
    settled = {phase for phase, script in PHASES.items() if is_settled(played(script).state)}
    assert settled == {"idle", "promoted"}, "after a rollback its processes are still being stopped"
    assert is_settled(played(PHASES["aborted"] + "\nstopped v2").state)


def test_a_reading_of_another_trial_is_none_of_this() -> None:
    player = played(TRIAL)
    reading = player.counters.reading(50.0, Watch(SHOP, V1, V2, 0.05), 0.05, "bad")
    assert evolve(player.state, e.Observed(at=50.0, reading=reading, canary=ReleaseId("v1"))) is player.state
    assert evolve(player.state, e.Observed(at=50.0, reading=reading, canary=V2)) is not player.state
    before = replace(reading, at=9.0)
    assert evolve(player.state, e.Observed(at=50.0, reading=before)) is player.state, "read before there was a trial"


def test_trouble_is_over_when_its_own_command_has_worked() -> None:
    player = played(LIVE + "deploy\nrefused shop/v2/start/3 the disk is full")
    assert player.state.trouble == "shop/v2/start/3: the disk is full"
    player.play("ready v1 0\nready v1")
    assert player.state.trouble, "another release is well, but that one is not"
    player.play("ready v2")
    assert player.state.trouble == ""
    player.play("refused shop/routes/4 the proxy is down\napplied")
    assert player.state.trouble == ""


def test_rollouts_are_filed_without_what_only_the_trial_needed() -> None:
    player = played(TRIAL + "read good 3\nabort\napplied\ndeploy")
    filed = player.state.past[-1]
    assert (filed.id, filed.phase, filed.judge, filed.history) == ("shop-2", Phase.ABORTED, None, ())
    assert filed.judgement is not None
    assert player.state.rollout is not None
    assert player.state.rollout.id == "shop-3"
