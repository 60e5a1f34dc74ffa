"""Random people, processes, readings and deaths, against a small world: every invariant holds after every event.

Answers come late, twice and out of order; commands are executed late and twice; the controller dies between any two writes
and folds its journal. In the end the world is left alone, with people who answer, and then every rollout ends.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from shipway.model.ids import CommandId
from shipway.rollout import events as e
from shipway.rollout.codec import decode, encode
from shipway.rollout.commands import Command
from shipway.rollout.decide import deadline, decide, is_settled, watch
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.invariants import violated
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Delivery, Phase
from tests.rollout.samples import SHOP, plan, release
from tests.rollout.world import Answer, World

THOROUGH = os.environ.get("SHIPWAY_HYPOTHESIS") == "thorough"
EXAMPLES = 3_500 if THOROUGH else 60
"""For each of the three kinds of plans."""

MOODS = ("good", "good", "good", "bad", "trouble", "few", "broken", "still", "no-canary", "no-baseline")

FACTS = e.InstancesChanged | e.ReleaseFailed | e.ReleaseStopped | e.RoutesApplied | e.Observed

ACTS = ("deploy", "undo", "pause", "resume", "promote", "promote full", "abort", "retry")

canaries = st.builds(
    lambda weights, approvals, **more: plan(*weights, approvals=approvals, **more),
    weights=st.sampled_from([(5.0,), (5.0, 50.0), (10.0, 20.0, 50.0)]),
    approvals=st.sampled_from([(), ("",), ("ops",), ("", "leads")]),
    replicas=st.integers(1, 2),
    inconclusive=st.sampled_from(["hold", "extend", "advance"]),
    supersede=st.sampled_from(["replace", "queue"]),
    keep=st.sampled_from([0.0, 10.0, 60.0]),
)
at_once = st.builds(plan, strategy=st.just("direct"), keep=st.sampled_from([0.0, 60.0]))
PLANS: dict[str, st.SearchStrategy[DeliveryPlan]] = {
    "automatic": st.one_of(canaries, canaries, at_once),
    "manual": st.one_of(canaries, at_once).map(lambda one: _with(one, rollback="manual")),
    "budget": canaries.map(lambda one: _with(one, judge=plan(budget=40.0).judge)),
}


def _with(one: DeliveryPlan, **changes: object) -> DeliveryPlan:
    return replace(one, **changes)


class Rollouts(RuleBasedStateMachine):
    """One application, one controller at a time."""

    plans: st.SearchStrategy[DeliveryPlan]

    def __init__(self) -> None:
        super().__init__()
        self.state: Delivery = initial(SHOP)
        self.journal: list[bytes] = []
        self.world = World()
        self.now = self.last_rise = 0.0
        self.answers: list[e.Event] = []
        """On their way."""
        self.sent: list[Command] = []
        """Every command that was ever issued: any of them may be executed again."""
        self.facts: list[e.Event] = []
        """The last that were heard: any of them may be heard again."""
        self.judged: set[float] = set()
        """Moments of the readings that changed something."""
        self.meaning: dict[CommandId, Command] = {}

    # --- the controller

    def record(self, event: e.Event) -> None:
        """Append, then evolve; what changes nothing is not recorded."""
        before, after = self.state, evolve(self.state, event)
        broken = violated(before, event, after)
        assert not broken, f"{broken} after {event!r}"
        if isinstance(event, FACTS):
            self.facts = [*self.facts[-30:], event]
        if after is before:
            return
        assert not self.is_late(event), f"late or seen before, and yet it changed something: {event!r}"
        if isinstance(event, e.Observed):
            self.judged.add(event.at)
        self.journal.append(encode(event))
        self.state = after
        if before.weights != after.weights:
            self.last_rise = self.now
        for command in decide(after):
            assert self.meaning.setdefault(command.id, command) == command, "an id names one command for ever"

    def is_late(self, event: e.Event) -> bool:
        """Whether the event is no news: of an earlier start or stop, of another trial, or judged already."""
        if isinstance(event, e.InstancesChanged | e.ReleaseFailed | e.ReleaseStopped):
            return event.generation != self.state.releases[event.release].run_generation
        if isinstance(event, e.Observed):
            rollout = self.state.rollout
            return event.at in self.judged or rollout is None or event.canary != rollout.release
        return False

    def folded(self) -> Delivery:
        """What a controller that starts now knows."""
        state = initial(SHOP)
        for line in self.journal:
            state = evolve(state, decode(line))
        return state

    def run_command(self, command: Command) -> None:
        self.sent = [*self.sent[-30:], command]
        answers: list[Answer] = self.world.execute(command, self.now, deserted=self.state.live is None)
        self.answers.extend(answers)

    # --- people

    @initialize(data=st.data(), is_live=st.sampled_from([True, True, True, False]))
    def install(self, data: st.DataObject, is_live: bool) -> None:
        self.record(release(self.now, data.draw(type(self).plans)))
        if is_live:
            self.all_goes_well()
            self.record(release(self.now, data.draw(type(self).plans)))

    @rule(data=st.data(), act=st.sampled_from(ACTS))
    def somebody_acts(self, data: st.DataObject, act: str) -> None:
        by = {"at": self.now, "by": "ann"}
        events: dict[str, Callable[[], e.Event]] = {
            "deploy": lambda: release(self.now, data.draw(type(self).plans)),
            "undo": lambda: e.UndoRequested(**by, to=data.draw(st.sampled_from([None, None, *self.state.releases]))),
            "pause": lambda: e.PauseRequested(**by),
            "resume": lambda: e.ResumeRequested(**by),
            "promote": lambda: e.PromoteRequested(**by),
            "promote full": lambda: e.PromoteRequested(**by, full=True),
            "abort": lambda: e.AbortRequested(**by),
            "retry": lambda: e.RetryRequested(**by),
        }
        self.record(events[act]())

    # --- the world

    @rule()
    def all_goes_well(self) -> None:
        """Commands are executed, instances become ready, and all of it is heard of."""
        for _ in range(2):
            self.execute_all()
            self.become_ready()
            self.deliver_all()

    @precondition(lambda self: watch(self.state))
    @rule(mood=st.sampled_from(MOODS), times=st.integers(1, 40))
    def all_goes_well_and_is_read(self, mood: str, times: int) -> None:
        self.all_goes_well()
        self.read(mood, times, late=False)

    @rule()
    def execute_all(self) -> None:
        for command in decide(self.state):
            self.run_command(command)

    @precondition(lambda self: decide(self.state))
    @rule(pick=st.integers(0, 9), late=st.booleans())
    def execute(self, pick: int, late: bool) -> None:
        commands = self.sent if late and self.sent else decide(self.state)
        self.run_command(commands[-1 - pick % len(commands)])

    @precondition(lambda self: self.answers)
    @rule(pick=st.integers(0, 3), again=st.booleans())
    def deliver(self, pick: int, again: bool) -> None:
        index = (pick - 2) % len(self.answers)
        self.record(self.answers[index] if again else self.answers.pop(index))

    @precondition(lambda self: self.facts)
    @rule(pick=st.integers(0, 30))
    def be_told_again(self, pick: int) -> None:
        self.record(self.facts[-1 - pick % len(self.facts)])

    @rule()
    def deliver_all(self) -> None:
        answers, self.answers = self.answers, []
        for answer in answers:
            self.record(answer)

    @precondition(lambda self: self.world.processes)
    @rule(pick=st.integers(0, 9), ready=st.sampled_from([0, 1, 2, None]), heard=st.booleans())
    def instances_change(self, pick: int, ready: int | None, heard: bool) -> None:
        """``ready`` None: they do not stay up at all."""
        names = list(self.world.processes)
        name = names[-1 - pick % len(names)]
        self.answers.extend(
            self.world.fail(name, self.now) if ready is None else self.world.change(name, ready, self.now)
        )
        if heard:
            self.deliver_all()

    def become_ready(self) -> None:
        for name, its in self.world.processes.items():
            if its.running and its.ready < its.replicas:
                self.answers.extend(self.world.change(name, its.replicas, self.now))

    @precondition(lambda self: watch(self.state))
    @rule(mood=st.sampled_from(MOODS), times=st.integers(1, 8), late=st.booleans())
    def read(self, mood: str, times: int, late: bool) -> None:
        for _ in range(times):
            self.now += 1.0
            if (told := watch(self.state)) is None or told.canary is None:
                return  # the live release alone is nobody's evidence
            event = e.Observed(at=self.now, reading=self.world.read(told, self.now, mood), canary=told.canary)
            if late:
                self.answers.append(event)
            else:
                self.record(event)

    @rule(times=st.integers(1, 6))
    def miss(self, times: int) -> None:
        for _ in range(times):
            self.now += 1.0
            self.record(e.ReadingMissed(at=self.now, reason="no answer"))

    @rule()
    def command_fails(self) -> None:
        for command in decide(self.state)[-1:]:
            self.record(e.CommandFailed(at=self.now, command=str(command.id), reason="refused"))

    @rule(seconds=st.sampled_from([0.0, 1.0, 15.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        moment = deadline(self.state)
        if moment is not None and moment <= self.now:
            before = self.state
            self.record(e.DeadlineReached(at=self.now))
            assert self.state is not before, "a deadline that was named changes something"

    @rule(lost=st.booleans())
    def die(self, lost: bool) -> None:
        """The controller is killed: what was not written is gone. What it had sent may still be executed."""
        folded = self.folded()
        assert folded == self.state
        assert decide(folded) == decide(self.state)
        self.state = folded
        if lost:
            self.answers.clear()
        self.answers.extend(self.world.adopt(self.now))

    # --- the end

    def teardown(self) -> None:
        """Left alone, with good readings and people who answer, everything ends, and the world is as the state says."""
        assert self.folded() == self.state
        for _ in range(1000):
            moment = deadline(self.state)
            if is_settled(self.state) and not self.answers and (moment is None or moment > self.now):
                return self._compare()
            self._live_on()
        raise AssertionError(f"it never ends: {self.state.rollout!r}")

    def _live_on(self) -> None:
        self.now += 1.0
        self.execute_all()
        self.become_ready()
        self.deliver_all()
        self.time_passes(0.0)
        self._answer()
        if (told := watch(self.state)) and told.canary:
            self.record(e.Observed(at=self.now, reading=self.world.read(told, self.now, "good"), canary=told.canary))

    def _answer(self) -> None:
        rollout = self.state.rollout
        assert rollout is not None
        if self.state.phase is Phase.PAUSED and not rollout.failed:
            self.record(e.ResumeRequested(at=self.now, by="bob"))
        elif self.state.phase is Phase.AWAITING:
            self.record(e.PromoteRequested(at=self.now, by="bob"))
        elif self.state.phase is Phase.HOLDING and rollout.failed:
            self.record(e.AbortRequested(at=self.now, by="bob"))
        elif rollout.choice and self.now - self.last_rise > 90:  # the budget allows no more, so a person decides
            self.record(e.PromoteRequested(at=self.now, by="bob"))

    def _compare(self) -> None:
        for name, its in self.world.processes.items():
            assert its.running == (self.state.releases[name].run == "running"), name
        if self.state.weights is not None:
            assert self.world.routes is not None
            assert self.world.routes.weights == self.state.weights
            assert self.world.routes.canary is None, "a side for headers only while there is a trial"
            assert self.state.live is not None
            assert self.state.weights.of(self.state.live) == 100


@pytest.mark.timeout(1800 if THOROUGH else 120)
@pytest.mark.parametrize("kind", PLANS)
def test_every_invariant_holds_whatever_happens(kind: str) -> None:
    machine = type(f"Rollouts_{kind}", (Rollouts,), {"plans": PLANS[kind]})
    run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=40))
