"""What counts as a request, an error and a latency, checked against a real Envoy for each way a request can end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery
from shipway.metrics.envoy import EnvoyMetrics
from shipway.model.ids import ReleaseId
from tests.runtimes.lab import SHOP, Lab, lab, real, workload

pytestmark = pytest.mark.e2e


def query(release: str) -> ArmQuery:
    return ArmQuery(SHOP, ReleaseId(release))


async def reading(metrics: EnvoyMetrics, release: str = "v1") -> ArmReading:
    (found,) = await metrics.read([query(release)])
    assert isinstance(found, ArmReading), found
    return found


async def counted(metrics: EnvoyMetrics, requests: int) -> ArmReading:
    """When the proxy has counted so many requests, which it does when it gets to it, and time for one too many has passed."""
    for _ in range(100):
        if (await reading(metrics)).requests >= requests:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    return await reading(metrics)


@asynccontextmanager
async def scraped(it: Lab) -> AsyncIterator[EnvoyMetrics]:
    metrics = EnvoyMetrics(it.runtime.admin_socket, it.runtime.vitals)
    try:
        yield metrics
    finally:
        await metrics.close()


def impatient(path: str, seconds: float) -> Callable[[Lab], Awaitable[None]]:
    async def leave(it: Lab) -> None:
        async with httpx.AsyncClient(trust_env=False) as web:
            with pytest.raises(httpx.ReadTimeout):
                await web.get(f"http://127.0.0.1:{it.port}{path}", timeout=seconds)

    return leave


def broken(path: str) -> Callable[[Lab], Awaitable[None]]:
    async def ask(it: Lab) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await it.get(path)

    return ask


def answered(path: str) -> Callable[[Lab], Awaitable[None]]:
    async def ask(it: Lab) -> None:
        await it.get(path)

    return ask


CASES: list[tuple[str, Callable[[Lab], Awaitable[None]], int, int, float | None]] = [
    # (what happens, how, requests more, errors more, lower edge in ms of the one latency bin that grows)
    ("a good answer", answered("/"), 1, 0, None),
    ("a slow answer", answered("/slow?0.255"), 1, 0, 250),
    ("an error of the service", answered("/500"), 1, 1, None),
    ("a connection reset before the answer", answered("/reset"), 1, 1, None),
    ("an answer that breaks off half-way", broken("/cut"), 1, 1, None),
    ("a client that gives up waiting", impatient("/slow?5", 0.52), 1, 0, 500),
]


@real
async def test_every_way_a_request_can_end_is_counted_once(tmp_path: Path) -> None:
    async with lab(tmp_path) as it, scraped(it) as metrics:
        await it.start(workload("v1"))
        await it.route(v1=100)
        first = await reading(metrics)
        assert (first.requests, first.errors, first.latency) == (0, 0, ())
        for what, act, requests, errors, edge in CASES:
            before = await reading(metrics)
            await act(it)
            after = await counted(metrics, before.requests + requests)
            assert (after.requests - before.requests, after.errors - before.errors) == (requests, errors), what
            if edge is not None:
                grown = [low for low, count in after.latency if count > dict(before.latency).get(low, 0)]
                assert all(edge <= low <= edge + 150 for low in grown), what
                assert len(grown) == 1, what
        assert after.latency == tuple(sorted(after.latency))
        assert dict(after.values)["cpuSeconds"] > 0
        assert 0 < after.youngest < 60


@real
async def test_a_release_that_cannot_be_reached_has_errors(tmp_path: Path) -> None:
    async with lab(tmp_path) as it, scraped(it) as metrics:
        await it.route("v2", v1=50, v2=50)
        for _ in range(20):
            await it.get()
        found = [await reading(metrics, release) for release in ("v1", "v2")]
        assert sum(arm.requests for arm in found) == sum(arm.errors for arm in found) == 20
        it.runtime.proxy.publish(SHOP, ReleaseId("v1"), (1,))
        it.runtime.proxy.publish(SHOP, ReleaseId("v2"), (1,))
        await asyncio.sleep(0.1)
        assert (await it.get()).status_code == 503
        found = [await reading(metrics, release) for release in ("v1", "v2")]
        assert sum(arm.errors for arm in found) == 21


@real
async def test_absence_is_typed(tmp_path: Path) -> None:
    async with lab(tmp_path) as it, scraped(it) as metrics:
        await it.start(workload("v1"))
        assert await metrics.read([]) == []
        known, unknown = await metrics.read([query("v1"), query("v9")])
        assert isinstance(known, ArmReading)
        assert unknown == Absent("the proxy knows no release v9 of shop")
        await it.runtime.proxy.end()
        gone = await metrics.read([query("v1"), query("v9")])
        assert [type(answer) for answer in gone] == [Absent, Absent]
        assert "the proxy's counters cannot be read" in gone[0].reason
        await it.runtime.proxy.open()
