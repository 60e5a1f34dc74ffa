"""A controller over a virtual cluster, with everything that can be killed under it. Used by the engine's tests.

A :class:`World` outlives its controllers: releases, routes, traffic and the journal's events are its own. It watches for
what must never happen and :meth:`World.check` says so.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

import msgspec
import structlog

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.engine.loop import STREAM, Engine, Settings
from shipway.engine.ports import Append, Journal, Recorded, RuntimeEvent, Snapshots
from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.workload import Probe, Workload
from shipway.rollout.codec import decode
from shipway.rollout.decide import is_settled
from shipway.rollout.events import Event, ReleaseRequested
from shipway.rollout.evolve import LOGIC, evolve, initial
from shipway.rollout.invariants import violated
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Delivery, Rollout
from shipway.runtimes.sim.adapters import Faults, SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Latency, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.loop import run
from shipway.testing.journals import Crash, HostileJournal, MemoryJournal

SHOP = AppName("shop")
V1, V2, V3 = ReleaseId("v1"), ReleaseId("v2"), ReleaseId("v3")

GOOD = Behaviour(error_rate=0.002, latency=Latency(median=15.0, spread=0.4))
FAILING = Behaviour(error_rate=0.2, latency=Latency(median=15.0, spread=0.4))
SLOW = Behaviour(error_rate=0.002, latency=Latency(median=60.0, spread=0.4))
CLUSTERED = Behaviour(error_rate=0.005, cluster_size=5.0, latency=Latency(median=15.0, spread=0.4))

SHORT = tuple(Step(weight=weight, at_least=2.0, min_requests=20) for weight in (5.0, 25.0, 50.0))
LONG = tuple(Step(weight=weight, at_least=600.0, min_requests=200) for weight in (5.0, 25.0, 50.0))

POLICY = JudgePolicy(
    indicators=(
        Indicator(name="errorRate", kind="errors", slo=0.05),
        Indicator(name="latency > 50ms", kind="latency", threshold_ms=50.0, floor=0.05),
    ),
    warm_up=0.0,
)


def plan(app: AppName = SHOP, **changes: Any) -> DeliveryPlan:
    """A canary in three short steps."""
    settings: dict[str, Any] = {
        "app": app,
        "port": 8080,
        "workload": Workload(
            app, ReleaseId(""), ("serve",), "/", startup=Probe(interval=0.5, failures=8), drain_seconds=1.0
        ),
        "strategy": "canary",
        "steps": SHORT,
        "judge": POLICY,
        "keep": 5.0,
        "ready_within": 20.0,
    }
    return DeliveryPlan(**{**settings, **changes})


class Mortal(HostileJournal):
    """A hostile journal of a process that, once dead, writes no more."""

    dead = False

    def append(self, appends: Sequence[Append]) -> None:
        if self.dead:
            raise Crash
        try:
            super().append(appends)
        except Crash:
            self.dead = True
            raise


class Aloof(SimRuntime):
    """A cluster goes on when the controller dies of its news."""

    def _tell(self, app: AppName, event: RuntimeEvent) -> None:
        with contextlib.suppress(Crash):
            super()._tell(app, event)


class World:
    """A cluster, a journal's events, and one controller after another."""

    def __init__(
        self, *, seed: int = 1, traffic: Traffic | None = None, faults: Faults | None = None, **settings: Any
    ) -> None:
        self.cluster = Cluster(seed, behaviour=GOOD, traffic=traffic or Traffic(rate=200.0))
        self.clock = self.cluster.clock
        self.store: list[Recorded] = []
        self.journal: Journal = MemoryJournal(self.store)
        self.faults = faults or Faults()
        # A router answers when requests follow, so its commands are never late.
        self.router_faults = msgspec.structs.replace(self.faults, delay_command=0.0)
        self.settings = Settings(**settings)
        self.snapshots: Snapshots | None = None
        self.wrongs: list[str] = []
        self.engine: Engine
        self.controllers = 0
        self._turning: asyncio.Task[None] | None = None
        self._guard()

    # -- controllers

    async def start(self) -> None:
        """A (new) controller opens the journal and the cluster."""
        self.controllers += 1
        self._runtime = Aloof(self.cluster, self.faults)
        self.engine = Engine(
            journal=self.journal,
            runtime=self._runtime,
            router=SimRouter(self.cluster, self.router_faults),
            metrics=SimMetrics(self.cluster, self.faults),
            clock=self.clock,
            snapshots=self.snapshots,
            settings=self.settings,
        )
        await self.engine.open()
        self._turning = asyncio.create_task(self.engine.run())

    async def die(self) -> None:
        """The controller is gone; nobody is told."""
        if self._turning:
            self._turning.cancel()
            await asyncio.gather(self._turning, return_exceptions=True)
        await self.engine.close()
        await self._runtime.close()

    async def until(self, happened: Callable[[Delivery], object], seconds: float = 7200.0) -> Delivery:
        """Wait, restarting the controller whenever its journal has killed it."""
        end = self.clock.now() + seconds
        while True:
            if isinstance(self.journal, Mortal) and self.journal.dead:
                await self.die()
                self.journal = MemoryJournal(self.store)
                await self.start()
            state = self.engine.state(SHOP)
            if state and happened(state):
                return state
            assert self.clock.now() < end, f"never happened; {state and state.rollout}"
            await self.clock.sleep(0.05)

    async def settled(self, seconds: float = 7200.0) -> Delivery:
        """Wait until nothing is under way."""
        return await self.until(is_settled, seconds)

    # -- people

    def release(self, behaviour: Behaviour | None = None, **changes: Any) -> None:
        """Ask for a release that behaves like that."""
        state = self.engine.state(SHOP)
        number = len(state.releases) + 1 if state else 1
        if behaviour:
            self.cluster.behave(SHOP, f"v{number}", behaviour)
        self.submit(
            ReleaseRequested(
                at=self.clock.now(),
                plan=plan(**changes),
                label=f"1.{number}",
                document="{}",
                by="ann",
                logic=LOGIC,
                history=self.engine.history(SHOP),
            )
        )

    def submit(self, event: Event) -> int:
        """Ask for something."""
        return self.engine.submit((SHOP, event))

    async def live(self, **changes: Any) -> Delivery:
        """A first release, live."""
        if not hasattr(self, "engine"):
            await self.start()
        self.release(GOOD, **changes)
        return await self.settled()

    # -- looking

    def rollout(self) -> Rollout:
        """The last one."""
        state = self.engine.state(SHOP)
        assert state is not None
        assert state.rollout is not None
        return state.rollout

    def events(self, app: AppName = SHOP) -> list[Event]:
        """What the journal holds."""
        return [decode(recorded.data) for recorded in self.store if recorded.stream == STREAM + app]

    def of(self, kind: type[Event]) -> list[Event]:
        """Events of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    def routed(self) -> dict[ReleaseId, float]:
        """What the cluster's proxy does now."""
        routes = self.cluster._apps[SHOP].routes
        return dict(routes.weights.shares) if routes else {}

    def check(self, *, judge: bool = True) -> None:
        """What must hold after everything: invariants at every event, the live state is the fold, no stop under traffic.

        ``judge`` False leaves out the accumulators of ended rollouts: a snapshot has none.
        """
        assert self.wrongs == []
        state = initial(SHOP)
        for event in self.events():
            following = evolve(state, event)
            assert violated(state, event, following) == [], event
            state = following
        live = self.engine.state(SHOP)
        assert live is not None
        assert (live if judge else _without_judge(live)) == (state if judge else _without_judge(state))
        if state.weights:
            assert self.routed() == dict(state.weights.shares)

    def _guard(self) -> None:
        """Look at every stop and every change of routes: traffic must never go to what was stopped."""
        stop, route = self.cluster.stop, self.cluster.route

        def guarded_stop(app: AppName, release: ReleaseId, generation: Generation) -> None:
            stop(app, release, generation)
            self._look(f"stop {release}")

        def guarded_route(routes: Routes) -> None:
            route(routes)
            self._look(f"route {dict(routes.weights.shares)}")

        self.cluster.stop, self.cluster.route = guarded_stop, guarded_route  # type: ignore[method-assign]  # to watch

    def _look(self, after: str) -> None:
        app = self.cluster._apps[SHOP]
        served = app.routes.weights if app.routes else ()
        gone = [release for release, _ in served if app.releases[release].state in {"stopping", "stopped"}]
        if gone and len(dict(served)) + len(app.releases) > 2:  # a first install that fails has nowhere else to send
            self.wrongs.append(f"traffic to {gone} after {after}")


def _without_judge(state: Delivery) -> Delivery:
    assert state.rollout is not None
    return msgspec.structs.replace(state, rollout=msgspec.structs.replace(state.rollout, judge=None))


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in virtual time, without the log of the faults it provokes."""

    def runs(*args: Any, **arguments: Any) -> None:
        with structlog.testing.capture_logs():
            run(_quiet(test(*args, **arguments)))

    runs.__name__, runs.__doc__ = test.__name__, test.__doc__
    runs.__wrapped__ = test  # type: ignore[attr-defined]  # pytest reads the arguments from it
    return runs


async def _quiet(test: Coroutine[Any, Any, None]) -> None:
    """Crashes of a controller that end up in the loop's callbacks are what the test wants."""
    asyncio.get_running_loop().set_exception_handler(_only_crashes)
    await test


def _only_crashes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)


How = Literal["refuse", "crash-before", "crash-after"]
