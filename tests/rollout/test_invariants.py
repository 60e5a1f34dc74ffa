"""Each sentence can be broken, and is then named: an invariant that nothing violates guards nothing."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipway.model.ids import Generation
from shipway.model.weights import Weights, split, weights
from shipway.rollout.events import AbortRequested, DeadlineReached, Event, Observed
from shipway.rollout.invariants import INVARIANTS, violated
from shipway.rollout.states import Delivery, Phase
from tests.rollout.samples import V1, V2
from tests.rollout.script import Player

NOTHING = DeadlineReached(at=0.0)


def after(script: str) -> Delivery:
    player = Player()
    player.play("deploy\nready v1\napplied\n" + script)
    return player.state


TRIAL = after("deploy\nready v2\napplied\nread good 3")
ENDED = after("deploy\nready v2\nabort\napplied")


def rollout(state: Delivery, **changes: Any) -> Delivery:
    assert state.rollout is not None
    return replace(state, rollout=replace(state.rollout, **changes))


def runs(state: Delivery, release: Any, **changes: Any) -> Delivery:
    return replace(state, releases={**state.releases, release: replace(state.releases[release], **changes)})


def observed(state: Delivery) -> Event:
    player = Player()
    player.state = state
    event = player._event(["read", "good"])
    assert isinstance(event, Observed)
    return event


BROKEN: dict[str, tuple[Delivery, Event, Delivery]] = {
    "weights are 0..100 and sum to 100": (TRIAL, NOTHING, replace(TRIAL, weights=Weights(((V1, 90.0), (V2, 5.0))))),
    "a release with traffic is never stopped": (TRIAL, NOTHING, runs(TRIAL, V1, run="stopping")),
    "nothing is stopped until routes without it are confirmed": (
        TRIAL,
        NOTHING,
        runs(replace(TRIAL, weights=weights({V1: 100.0})), V2, run="stopping"),
    ),
    "after FAIL the canary's weight never rises again": (
        rollout(TRIAL, failed=True),
        NOTHING,
        rollout(TRIAL, failed=True, weight=50.0),
    ),
    "after FAIL, unless rollback is manual, the canary's weight is 0": (TRIAL, NOTHING, rollout(TRIAL, failed=True)),
    "a rollout ends in exactly one of promoted, rolled back, aborted": (
        ENDED,
        NOTHING,
        rollout(ENDED, phase=Phase.PROMOTED),
    ),
    "no forward step without a PASS, unless a person or the written plan says so": (
        TRIAL,
        observed(TRIAL),
        rollout(TRIAL, step=1, weight=50.0),
    ),
    "what was promoted is live": (TRIAL, NOTHING, rollout(TRIAL, phase=Phase.PROMOTED)),
    "an abort ends the rollout, unless it is decided already": (TRIAL, AbortRequested(at=0.0, by="ann"), TRIAL),
    "traffic goes only to a release that is ready": (
        TRIAL,
        NOTHING,
        runs(replace(TRIAL, weights=split(V1, V2, 50.0)), V2, ready=0),
    ),
    "what a trial says of its weight is what the router is asked": (TRIAL, NOTHING, rollout(TRIAL, weight=7.0)),
    "both releases of a rollout run until it has ended": (TRIAL, NOTHING, runs(TRIAL, V2, run="stopped")),
    "what waits begins as soon as nothing is under way": (
        ENDED,
        NOTHING,
        replace(ENDED, pending=after("deploy supersede=queue\ndeploy supersede=queue").pending),
    ),
    "generations only rise": (TRIAL, NOTHING, replace(TRIAL, generation=Generation(1))),
}


@pytest.mark.parametrize("sentence", INVARIANTS)
def test_it_can_be_broken(sentence: str) -> None:
    assert sentence in violated(*BROKEN[sentence])


@pytest.mark.parametrize("state", [TRIAL, ENDED], ids=["trial", "ended"])
def test_nothing_is_broken_by_nothing(state: Delivery) -> None:
    assert violated(state, NOTHING, state) == []


def test_an_old_pass_moves_nothing() -> None:
    """The PASS of the step before, seen again, would jump over a step: only a reading of its own lets one end."""
    passed = after("deploy\nready v2\napplied\nread good 5\napplied")
    jumped = rollout(passed, phase=Phase.PROMOTING, step=2, weight=100.0)
    assert passed.rollout is not None
    assert passed.rollout.judgement is not None
    assert passed.rollout.judgement.verdict.value == "pass"
    sentence = "no forward step without a PASS, unless a person or the written plan says so"
    assert sentence in violated(passed, observed(passed), jumped)
