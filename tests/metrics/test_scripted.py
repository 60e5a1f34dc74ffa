"""Scripted metrics say what was written for the moment, and nothing else."""

import pytest

from shipway.analysis.readings import ArmReading, Reading
from shipway.engine.ports import Absent, ArmQuery
from shipway.metrics.scripted import ScriptedMetrics, script_of
from shipway.model.ids import AppName, ReleaseId
from shipway.runtimes.sim.loop import SimClock, run

SHOP, V1, V2 = AppName("shop"), ReleaseId("v1"), ReleaseId("v2")


def played(metrics_of, queries: list[ArmQuery], seconds: int) -> list[list[ArmReading | Absent]]:
    """One reading a second."""

    async def main() -> list[list[ArmReading | Absent]]:
        metrics = metrics_of(SimClock(epoch=0.0))
        seen = []
        for _ in range(seconds):
            seen.append(list(await metrics.read(queries)))
            await SimClock().sleep(1.0)
        return seen

    return run(main())


def test_entries_hold_until_the_next() -> None:
    one, two = ArmReading(10, 0), ArmReading(20, 1)
    script = {ArmQuery(SHOP, V1): [(1.0, one), (2.5, Absent("the proxy restarts")), (4.0, two)]}
    seen = played(lambda clock: ScriptedMetrics(script, clock), [ArmQuery(SHOP, V1)], 6)
    restarts = Absent("the proxy restarts")
    assert [answer for (answer,) in seen] == [Absent("the script begins later"), one, one, restarts, two, two]


def test_what_is_not_in_the_script_is_absent() -> None:
    ((first, second),) = played(
        lambda clock: ScriptedMetrics({ArmQuery(SHOP, V1): [(0.0, ArmReading(1, 0))]}, clock),
        [ArmQuery(SHOP, V2), ArmQuery(SHOP, V1)],
        1,
    )
    assert first == Absent("there is no script for shop v2")
    assert second == ArmReading(1, 0)


def test_recorded_readings_are_played_again() -> None:
    recorded = [Reading(100.0 + n, ArmReading(n, 0), ArmReading(2 * n, n) if n != 1 else None, 0.05) for n in range(3)]
    script = script_of(recorded, SHOP, V1, V2, shift=-100.0)
    seen = played(lambda clock: ScriptedMetrics(script, clock), [ArmQuery(SHOP, V1), ArmQuery(SHOP, V2)], 3)
    assert [baseline for baseline, _ in seen] == [reading.baseline for reading in recorded]
    assert [canary for _, canary in seen] == [ArmReading(0, 0), Absent("missing in the recording"), ArmReading(4, 2)]


def test_a_script_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="shop v1 is not in ascending order"):
        ScriptedMetrics({ArmQuery(SHOP, V1): [(2.0, ArmReading(0, 0)), (1.0, ArmReading(0, 0))]}, SimClock())
