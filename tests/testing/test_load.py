"""The load generator against servers that behave and servers that do not."""

import asyncio
import time

import pytest

from shipway.runtimes.local.ports import free_port
from shipway.testing.load import Load, Shot, failures, shares
from tests.runtimes.lab import real
from tests.testing.servers import server

BODY = b"content-length: 2\r\n\r\nok"
GOOD = b"HTTP/1.1 200 OK\r\n" + BODY


@real
async def test_the_rate_is_kept_and_connections_are_reused() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nX-Shipway-Release: v2\r\n" + BODY) as (port, seen):
        began = time.time()
        shots = await Load(port, rate=200, seconds=1).run()
        assert 0.9 < time.time() - began < 10
    assert len(shots) == seen["requests"] == 200
    assert seen["connections"] < 100
    assert shares(shots) == {"v2": 1.0}
    assert failures(shots) == []
    due = sorted(shot.sent for shot in shots)
    assert due[-1] - due[0] == pytest.approx(199 / 200, abs=1e-3)
    assert sorted(shot.number for shot in shots) == list(range(200))
    assert all(0 < shot.latency < 5 for shot in shots)


@real
async def test_a_slow_server_does_not_slow_the_clients_down() -> None:
    async with server(GOOD, delay=0.3) as (port, _):
        shots = await Load(port, rate=100, seconds=0.5).run()
    assert len(shots) == 50
    assert all(shot.latency >= 0.29 for shot in shots)


@real
async def test_latency_counts_from_when_the_request_was_due() -> None:
    async with server(GOOD, delay=0.1) as (port, _):
        shots = await Load(port, rate=1000, seconds=0.005, connections=1).run()
    assert max(shot.latency for shot in shots) >= 0.4


async def words(answer: bytes, *, delay: float = 0.0, close_every: int = 0, patience: float = 5.0) -> set[str]:
    """The failures of two requests."""
    async with server(answer, delay=delay, close_every=close_every) as (port, _):
        shots = await Load(port, rate=100, seconds=0.02, timeout=patience).run()
    assert len(failures(shots)) == 2
    return {shot.failure for shot in shots}


@real
async def test_each_way_to_fail_has_its_words() -> None:
    refused = await Load(free_port(()), rate=100, seconds=0.02).run()
    assert [shot.failure.split(":")[0] for shot in refused] == ["connect", "connect"]
    assert await words(GOOD, delay=5, patience=0.2) == {"no answer within 0.2 s"}
    assert all(word.startswith("bad answer") for word in await words(b"nonsense\r\n\r\n"))
    assert await words(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf", close_every=1) == {"connection closed"}


@real
async def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + BODY, close_every=1) as (port, seen):
        shots = await Load(port, rate=200, seconds=0.25).run()
    assert failures(shots) == []
    assert seen["connections"] == 50


@real
async def test_it_can_be_stopped_and_headers_differ_by_request() -> None:
    asked: list[int] = []

    def header(number: int) -> str:
        asked.append(number)
        return f"x-user: {number}\r\n"

    async with server(b"HTTP/1.1 500 Oops\r\n" + BODY) as (port, seen):
        load = Load(port, rate=100, seconds=60, headers=header)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(0.2)
        load.stop()
        shots = await running
    assert 5 < len(shots) < 1000
    assert len(shots) == seen["requests"] == len(failures(shots))
    assert sorted(asked) == list(range(len(shots)))


def test_shares_and_failures_of_a_few_shots() -> None:
    shots = [Shot(0, 0.1, 200, "v1"), Shot(0, 0.1, 404, "v1"), Shot(0, 0.1, 503, "v2"), Shot(0, 0.1, 0, "", "lost")]
    assert shares(shots) == {"": 0.25, "v1": 0.5, "v2": 0.25}
    assert [shot.status for shot in failures(shots)] == [503, 0]
    assert shares([]) == {}
