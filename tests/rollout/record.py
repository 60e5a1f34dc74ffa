"""Records a history to keep: ``python -m tests.rollout.record``, once for every new number of the logic.

The real engine on a simulated cluster: an install, a good release, one that answers a fifth of its requests with 500, one
that is slow, and an undo. What is recorded is never changed again; ``test_history`` replays it for ever.
"""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.engine.loop import STREAM, Engine, Settings
from shipway.rollout.decide import is_settled
from shipway.rollout.events import Event, ReleaseRequested, UndoRequested
from shipway.rollout.evolve import LOGIC
from shipway.rollout.plan import DeliveryPlan
from shipway.runtimes.sim.adapters import SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Latency, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.loop import SimClock, run
from shipway.testing.journals import MemoryJournal
from tests.rollout.samples import SHOP, plan

HISTORIES = Path(__file__).parent / "histories"

BEHAVIOURS = {
    "v2": Behaviour(error_rate=0.002),
    "v3": Behaviour(error_rate=0.2),
    "v4": Behaviour(error_rate=0.002, latency=Latency().scaled(4.0)),
}


def how() -> DeliveryPlan:
    """Three short steps, errors and slow requests."""
    errors = Indicator(name="errorRate", kind="errors", slo=0.01)
    slow = Indicator(name="latency > 100ms", kind="latency", threshold_ms=100.0, slo=0.05, floor=0.05)
    stages = tuple(Step(weight=weight, at_least=10.0) for weight in (5.0, 25.0, 50.0))
    return replace(plan(keep=30.0), steps=stages, judge=JudgePolicy(indicators=(errors, slow), warm_up=2.0))


async def record() -> list[bytes]:
    """The events of one application, as journalled."""
    cluster, journal, clock = Cluster(seed=11, traffic=Traffic(rate=200.0)), MemoryJournal(), SimClock()
    for release, behaviour in BEHAVIOURS.items():
        cluster.behave(SHOP, release, behaviour)
    engine = Engine(
        journal=journal,
        runtime=SimRuntime(cluster),
        router=SimRouter(cluster),
        metrics=SimMetrics(cluster),
        clock=clock,
        settings=Settings(interval=1.0),
    )
    await engine.open()
    running = asyncio.create_task(engine.run())
    try:
        for number in range(1, 5):
            label = f"1.{number}"
            at, past = clock.now(), engine.history(SHOP)[-6:]
            await _until_settled(
                engine,
                ReleaseRequested(at=at, plan=how(), label=label, document="{}", by="ann", logic=LOGIC, history=past),
            )
            await clock.sleep(60.0)
        await _until_settled(engine, UndoRequested(at=clock.now(), by="ann"))
    finally:
        running.cancel()
        await engine.close()
    return [recorded.data for recorded in journal.read(STREAM + SHOP)]


async def _until_settled(engine: Engine, event: Event) -> None:
    engine.submit(SHOP, event)
    for _ in range(600):
        await asyncio.sleep(1.0)
        state = engine.state(SHOP)
        if state is not None and is_settled(state):
            return
    raise RuntimeError(f"{event!r} never settled")


def main() -> None:
    """Write the history of the present logic, unless there is one."""
    path = HISTORIES / f"logic-{LOGIC}.jsonl"
    if path.exists():
        raise SystemExit(f"{path} is there already, and a history is never changed: raise LOGIC first")
    path.write_bytes(b"".join(line + b"\n" for line in run(record())))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
