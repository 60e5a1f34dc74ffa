"""Whole histories of an application, made by the simulation in a blink: for pictures, reports and tests of what reads events.

    events = shop(seed=7)          the demo's four releases: installed, good, failing, slow
    events = record([...], seed)   releases of your own

A controller of a few lines stands in for the engine: it executes every command at once, reads once a second and loses
nothing. What a real one must survive is the engine's business and is tested there.
"""

from collections.abc import Sequence

import msgspec

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.engine.ports import Absent, ArmQuery
from shipway.model.ids import AppName, CommandId, release_id
from shipway.model.workload import Workload
from shipway.rollout.commands import Command, SetRoutes, StartRelease
from shipway.rollout.decide import Watch, deadline, decide, is_settled, watch
from shipway.rollout.events import (
    DeadlineReached,
    Event,
    Observed,
    ReadingMissed,
    ReleaseRequested,
    RoutesApplied,
)
from shipway.rollout.evolve import LOGIC, evolve, initial
from shipway.rollout.plan import DeliveryPlan
from shipway.runtimes.sim.adapters import SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Latency, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.loop import run

APP = AppName("storefront")

TICK = 0.25
"""Seconds between two looks at what there is to do: about what a real proxy takes to follow a change of weights."""

HISTORY = 10
"""Readings, 10 s apart, that a new release finds of the live one."""

POLICY = JudgePolicy(
    indicators=(
        Indicator(name="errorRate", kind="errors", slo=0.01),
        Indicator(name="latency > 60ms", kind="latency", threshold_ms=60.0, slo=0.05),
    ),
    warm_up=1.0,
)
STEPS = tuple(
    Step(weight=weight, at_least=4.0, min_requests=least) for weight, least in ((5.0, 20), (25.0, 80), (50.0, 160))
)

GOOD = Behaviour(error_rate=0.001, latency=Latency(median=13.0, spread=0.45))
FAILING = msgspec.structs.replace(GOOD, error_rate=0.2)
SLOW = msgspec.structs.replace(GOOD, latency=Latency(median=52.0, spread=0.45))


class Version(msgspec.Struct, frozen=True):
    """A release to come: what people call it, how it behaves, and how it is judged."""

    label: str
    behaviour: Behaviour = GOOD
    policy: JudgePolicy = POLICY
    steps: tuple[Step, ...] = STEPS
    then: tuple[tuple[float, Event], ...] = ()
    """(seconds after the request, what happens besides: a pause, an abort). Its own ``at`` is ignored."""


DEMO = (Version("1.0"), Version("1.1"), Version("1.2", FAILING), Version("1.3", SLOW))


def shop(seed: int = 7, rate: float = 120.0) -> list[Event]:
    """The events of the demo's four releases."""
    return record(DEMO, seed, rate)


def record(versions: Sequence[Version], seed: int = 7, rate: float = 120.0) -> list[Event]:
    """Release one version after the other, each when the rollout before has ended; ``rate`` in requests per second."""
    return run(_record(versions, Cluster(seed, traffic=Traffic(rate=rate))))


async def _record(versions: Sequence[Version], cluster: Cluster) -> list[Event]:
    controller = _Controller(cluster)
    await controller.runtime.open(lambda _app, event: controller.inbox.append(event), {})
    for number, version in enumerate(versions, start=1):
        cluster.behave(APP, f"v{number}", version.behaviour)
        await controller.release(version)
    return controller.events


class _Controller:
    """Event, evolve, decide, execute; nothing survives it."""

    def __init__(self, cluster: Cluster) -> None:
        self.clock = cluster.clock
        self.runtime, self.router, self.metrics = SimRuntime(cluster), SimRouter(cluster), SimMetrics(cluster)
        self.state, self.events, self.inbox = initial(APP), list[Event](), list[Event]()
        self._sent: set[CommandId] = set()
        self._read_at = self.clock.now()

    async def release(self, version: Version) -> None:
        """Ask for it and see it through."""
        history = await self._history()
        asked, coming = self.clock.now(), list(version.then)
        self._note(
            ReleaseRequested(
                at=asked,
                plan=_plan(version),
                label=version.label,
                document="{}",
                by="ada",
                logic=LOGIC,
                history=history,
            )
        )
        while not is_settled(self.state):
            await self._turn()
            while coming and self.clock.now() >= asked + coming[0][0]:
                self._note(msgspec.structs.replace(coming.pop(0)[1], at=self.clock.now()))

    async def _history(self) -> tuple[tuple[float, ArmReading], ...]:
        found = []
        for _ in range(HISTORY if self.state.live else 0):
            await self.clock.sleep(10.0)
            answer = (await self.metrics.read([ArmQuery(APP, self.state.live)]))[0] if self.state.live else Absent("")
            if isinstance(answer, ArmReading):
                found.append((self.clock.now(), answer))
        return tuple(found)

    def _note(self, event: Event) -> None:
        self.state = evolve(self.state, event)
        self.events.append(event)

    async def _turn(self) -> None:
        for command in decide(self.state):
            if command.id not in self._sent:
                self._sent.add(command.id)
                await self._execute(command)
        await self.clock.sleep(TICK)
        arrived, self.inbox[:] = list(self.inbox), []
        for event in arrived:
            self._note(msgspec.structs.replace(event, at=self.clock.now()))
        due = deadline(self.state)
        if due is not None and due <= self.clock.now():
            self._note(DeadlineReached(at=self.clock.now()))
        asked = watch(self.state)
        if asked and asked.canary and self.clock.now() >= self._read_at + 1.0:
            self._read_at = self.clock.now()
            await self._read(asked)

    async def _execute(self, command: Command) -> None:
        if isinstance(command, SetRoutes):
            await self.router.set_routes(command)
            await self.clock.sleep(TICK)
            self._note(RoutesApplied(at=self.clock.now(), generation=command.generation))
        elif isinstance(command, StartRelease):
            await self.runtime.start(command)
        else:
            await self.runtime.stop(command)

    async def _read(self, asked: Watch) -> None:
        assert asked.canary is not None
        arms = await self.metrics.read([ArmQuery(APP, asked.baseline), ArmQuery(APP, asked.canary)])
        baseline, canary = (arm if isinstance(arm, ArmReading) else None for arm in arms)
        at = self.clock.now()
        if baseline is None and canary is None:
            self._note(ReadingMissed(at=at, reason="no arm could be read"))
        else:
            self._note(Observed(at=at, reading=Reading(at, baseline, canary, asked.weight), canary=asked.canary))


def _plan(version: Version) -> DeliveryPlan:
    return DeliveryPlan(
        app=APP,
        port=8080,
        workload=Workload(APP, release_id(1), ("serve",), "/", drain_seconds=1.0),  # evolve says which release
        strategy="canary",
        steps=version.steps,
        judge=version.policy,
    )
