"""Virtual time: nothing waits, everything happens in order, and a standstill is an error instead of a hang."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.model.errors import RuntimeFault
from shipway.runtimes.sim.loop import EPOCH, SimClock, run


def test_a_day_passes_at_once() -> None:
    async def day() -> float:
        clock = SimClock()
        await clock.sleep(86_400)
        return clock.now()

    began = time.monotonic()
    assert run(day()) == EPOCH + 86_400
    assert time.monotonic() - began < 5


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_sleepers_wake_in_order_at_their_time(delays: list[float]) -> None:
    async def all_of_them() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        woken: list[tuple[float, float]] = []

        async def sleeper(delay: float) -> None:
            await asyncio.sleep(delay)
            woken.append((delay, loop.time()))

        await asyncio.gather(*map(sleeper, delays))
        return woken

    woken = run(all_of_them())
    assert [delay for delay, _ in woken] == sorted(delays)
    assert all(at == pytest.approx(delay, abs=1e-6) for delay, at in woken)


def test_time_does_not_pass_while_there_is_work() -> None:
    async def busy() -> float:
        for _ in range(1_000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(busy()) == 0


def test_a_standstill_is_an_error() -> None:
    async def waits_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeFault, match="stands still"):
        run(waits_for_nobody())


def test_the_clock_works_on_a_real_loop_too() -> None:
    async def real() -> float:
        clock = SimClock(epoch=0.0)
        before = clock.now()
        await clock.sleep(0.01)
        return clock.now() - before

    assert asyncio.run(real()) >= 0.009
