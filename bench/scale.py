"""Many rollouts at once in one controller: ``python -m bench.scale --json``. What it costs and how late readings are.

Every application is in the middle of a canary with two indicators (errors, one latency objective) and is read every 5 s.
The engine, the judge, the codec and the SQLite journal are the product's, the journal on a real file; only the services
are virtual (``runtimes.sim``). Two measurements:

    cpu    in virtual time: processor seconds per simulated second. What the virtual services cost, drawing requests and
           answering reads, is measured on its own and taken off: a real metric source has costs of its own, which are
           not in these figures (docs/measurements.md has them).
    lag    in real time, virtual services included: how long after it was due each reading was taken, and how many of
           those that should have been taken were.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading
from shipway.cli.wiring import calm_collector
from shipway.engine.loop import Engine, Settings
from shipway.engine.ports import Absent, Append, ArmQuery
from shipway.journal.sqlite import SqliteJournal
from shipway.model.ids import AppName, ReleaseId
from shipway.model.workload import Workload
from shipway.rollout.events import ReleaseRequested
from shipway.rollout.evolve import LOGIC
from shipway.rollout.plan import DeliveryPlan
from shipway.rollout.states import Phase
from shipway.runtimes.sim import loop as virtual
from shipway.runtimes.sim.adapters import SimMetrics, SimRouter, SimRuntime
from shipway.runtimes.sim.behaviour import Behaviour, Traffic
from shipway.runtimes.sim.cluster import Cluster
from shipway.runtimes.sim.loop import SimClock

INTERVAL = 5.0
"""Seconds between two readings of one rollout."""

WARM = 15.0
"""Seconds of trial before the measurement: three readings each, so that histograms and dispersion are in full use."""

BAR = 0.70
"""Share of one core that 10,000 rollouts may cost."""

Mode = Literal["cpu", "lag"]


class Figures(msgspec.Struct, kw_only=True):
    """One measurement. Seconds are simulated in mode ``cpu`` and real in mode ``lag``; shares are of one core."""

    mode: Mode
    rollouts: int
    seconds: float
    readings: int
    """Trials read and judged."""
    expected: int
    """What one reading per rollout and interval makes."""
    cpu_share: float
    """Of everything the product does: engine, judge, codec, journal."""
    journal_share: float
    """Of that, appending to the journal (writing to the disk waits, and waiting is no CPU time)."""
    world_share: float
    """Of the virtual services, on top of ``cpu_share``."""
    microseconds_per_reading: float
    """Of the product."""
    lag_median: float | None = None
    """Seconds; None in virtual time, where nothing is late."""
    lag_p99: float | None = None
    lag_max: float | None = None
    journal_bytes_per_reading: float


class Meter:
    """Processor seconds of one part."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._began


class MeteredJournal(SqliteJournal):
    """The journal, with its cost."""

    meter: Meter
    appended: int

    def append(self, appends: Sequence[Append]) -> None:
        """As the journal."""
        with self.meter:
            super().append(appends)
        self.appended += sum(len(event.data) for event in appends)


class TimedEngine(Engine):
    """The engine, remembering when the reading that is being taken was due."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self.was_due: dict[AppName, float] = {}

    def _read_at(self, app: Any, moment: float) -> None:
        self.was_due[app.state.app] = app.due
        super()._read_at(app, moment)


class MeteredMetrics(SimMetrics):
    """The virtual services' counters, with their cost and with how late they were asked for."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.meter = Meter()
        self.lags: list[float] = []
        self.engine: TimedEngine | None = None

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """As the metrics."""
        assert self.engine is not None
        now = self._cluster.clock.now()
        self.lags += [now - self.engine.was_due[app] for app in dict.fromkeys(query.app for query in queries)]
        with self.meter:
            return [self._answer(query, reading) for query, reading in self._pairs(queries)]

    def _pairs(self, queries: Sequence[ArmQuery]) -> list[tuple[ArmQuery, ArmReading | None]]:
        return list(zip(queries, self._cluster.read(queries), strict=True))


def plan(app: AppName) -> DeliveryPlan:
    """5 % for an hour: every rollout is in the middle of its trial as long as the measurement lasts."""
    return DeliveryPlan(
        app=app,
        port=8080,
        workload=Workload(app, ReleaseId(""), ("virtual",), "/"),
        strategy="canary",
        steps=(Step(weight=5.0, at_least=3600.0),),
        judge=JudgePolicy(
            indicators=(
                Indicator(name="errorRate", kind="errors", slo=0.01),
                Indicator(name="latency > 200ms", kind="latency", threshold_ms=200.0, slo=0.05, floor=0.05),
            )
        ),
    )


async def deploy(engine: Engine, clock: SimClock, apps: Sequence[AppName], label: str, phase: Phase) -> None:
    """Ask for a release of every application, evenly over one interval as a fleet would, and wait for the phase."""
    for number, app in enumerate(apps):
        event = ReleaseRequested(at=clock.now(), plan=plan(app), label=label, document="{}", by="bench", logic=LOGIC)
        engine.submit((app, event))
        if number % 50 == 49:
            await clock.sleep(INTERVAL * 50 / len(apps))
    async with asyncio.timeout(600):
        while any(state.phase is not phase for state in engine.states()):
            await clock.sleep(0.1)


async def measure(mode: Mode, rollouts: int, seconds: float, directory: Path) -> Figures:
    """Bring every rollout into its trial, then count for ``seconds`` of the loop's time."""
    clock = SimClock()
    behaviour = Behaviour(error_rate=0.002, start_delay=0.2)
    cluster = Cluster(1, clock=clock, behaviour=behaviour, traffic=Traffic(rate=20.0))
    journal = MeteredJournal.open(directory / "journal.db")
    journal.meter, journal.appended = Meter(), 0
    metrics = MeteredMetrics(cluster)
    engine = TimedEngine(
        journal=journal,
        runtime=SimRuntime(cluster),
        router=SimRouter(cluster),
        metrics=metrics,
        clock=clock,
        settings=Settings(interval=INTERVAL),
    )
    metrics.engine = engine
    await engine.open()
    calm_collector()  # as the controller does
    turning = asyncio.create_task(engine.run())
    apps = [AppName(f"app-{number:05}") for number in range(rollouts)]
    try:
        await deploy(engine, clock, apps, "v1", Phase.PROMOTED)
        await deploy(engine, clock, apps, "v2", Phase.OBSERVING)
        await clock.sleep(WARM)
        return await _count(mode, rollouts, seconds, clock=clock, journal=journal, metrics=metrics)
    finally:
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        await engine.close()
        journal.close()


async def _count(
    mode: Mode, rollouts: int, seconds: float, *, clock: SimClock, journal: MeteredJournal, metrics: MeteredMetrics
) -> Figures:
    metrics.lags.clear()
    appended, world, written = journal.appended, metrics.meter.seconds, journal.meter.seconds
    began, cpu = clock.now(), time.process_time()
    await clock.sleep(seconds)
    cpu, seconds = time.process_time() - cpu, clock.now() - began
    world, written = metrics.meter.seconds - world, journal.meter.seconds - written
    readings = len(metrics.lags)
    median, p99, top = np.quantile(metrics.lags, (0.5, 0.99, 1.0)).round(4).tolist()
    return Figures(
        mode=mode,
        rollouts=rollouts,
        seconds=round(seconds, 3),
        readings=readings,
        expected=round(rollouts * seconds / INTERVAL),
        cpu_share=round((cpu - world) / seconds, 4),
        journal_share=round(written / seconds, 4),
        world_share=round(world / seconds, 4),
        microseconds_per_reading=round((cpu - world) / readings * 1e6, 1),
        journal_bytes_per_reading=round((journal.appended - appended) / readings, 1),
        **({"lag_median": median, "lag_p99": p99, "lag_max": top} if mode == "lag" else {}),
    )


def run(mode: Mode, rollouts: int, seconds: float) -> Figures:
    """One measurement, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="shipway-scale-") as name:
        main_ = measure(mode, rollouts, seconds, Path(name))
        return virtual.run(main_) if mode == "cpu" else asyncio.run(main_)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when 10,000 rollouts cost more than their bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--rollouts", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each measurement")
    parser.add_argument("--mode", choices=["cpu", "lag", "both"], default="both")
    options = parser.parse_args(arguments)
    modes: list[Mode] = ["cpu", "lag"] if options.mode == "both" else [options.mode]
    rows = []
    for rollouts in options.rollouts:
        for mode in modes:
            rows.append(run(mode, rollouts, options.seconds))
            if not options.json:
                print(_line(rows[-1]), flush=True)
    missed = [
        f"{row.rollouts} rollouts cost {row.cpu_share:.0%} of a core, must be under {BAR:.0%}"
        for row in rows
        if row.mode == "cpu" and row.cpu_share >= BAR * max(1.0, row.rollouts / 10_000)
    ]
    if options.json:
        print(json.dumps({"rows": [msgspec.to_builtins(row) for row in rows], "missed": missed}, indent=1))
    for text in missed:
        print(f"BAR MISSED {text}", file=sys.stderr)
    return int(bool(missed))


def _line(row: Figures) -> str:
    lag = (
        ""
        if row.lag_p99 is None
        else f"  lag median {row.lag_median:.3f} s, p99 {row.lag_p99:.3f} s, max {row.lag_max:.3f} s"
    )
    return (
        f"{row.mode}  {row.rollouts:6,} rollouts  {row.seconds:.0f} s  product {row.cpu_share:6.1%} of a core "
        f"(journal {row.journal_share:.1%})  virtual services {row.world_share:.1%}  "
        f"{row.microseconds_per_reading:.0f} us a reading  {row.readings:,} of {row.expected:,} readings{lag}"
    )


if __name__ == "__main__":
    sys.exit(main())
