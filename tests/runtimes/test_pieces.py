"""The small parts of the local runtime, each by itself."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from shipway.model.errors import NotFound
from shipway.model.workload import Probe
from shipway.runtimes.local import probes
from shipway.runtimes.local.ports import describe_holder, free_port, holder, is_free
from shipway.runtimes.local.secrets import SecretStore
from tests.runtimes.lab import real
from tests.testing.servers import server


def test_secrets_are_found_by_the_digest_of_their_value(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets")
    first, second = store.put("s3cret"), store.put("grün")
    assert first != second
    assert store.put("s3cret") == first
    assert (store.get(first), store.get(second)) == ("s3cret", "grün")
    assert sorted(path.name for path in store.directory.iterdir()) == sorted([first, second])
    assert {path.stat().st_mode & 0o777 for path in store.directory.iterdir()} == {0o600}
    assert store.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("digest", ["", "0" * 64, "../../etc/passwd", "abc"])
def test_a_secret_that_is_not_there_is_not_found(tmp_path: Path, digest: str) -> None:
    with pytest.raises(NotFound, match="no value with digest"):
        SecretStore(tmp_path).get(digest)


def test_ports_are_free_distinct_and_outside_the_ephemeral_range() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    taken: set[int] = set()
    for _ in range(50):
        port = free_port(taken)
        assert port not in taken
        assert port < lowest or lowest <= 21_000
        assert is_free(port)
        taken.add(port)


def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert holder(port) == os.getpid()
        assert describe_holder(port).startswith(f"process {os.getpid()} (")
    assert is_free(port)
    assert holder(port) == 0
    assert describe_holder(port) == "another process"


def response(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "delay", "probe", "fault"),
    [
        (b"200 OK", 0.0, Probe("/up"), ""),
        (b"302 Found", 0.0, Probe("/up"), ""),
        (b"404 Not Found", 0.0, Probe("/up"), "GET /up: status 404"),
        (b"200 OK", 5.0, Probe("/up", timeout=0.1), "GET /up: no answer within 0.1 s"),
        (b"500 Oops", 0.0, Probe(""), ""),
        (b"nonsense", 0.0, Probe("/up"), "GET /up: "),
    ],
)
def test_what_a_probe_makes_of_an_answer(status: bytes, delay: float, probe: Probe, fault: str) -> None:
    async def ask() -> str:
        async with server(response(status), delay=delay) as (port, _), probes.client() as web:
            return await probes.check(web, probe, port)

    found = asyncio.run(ask())
    assert found == fault or (fault.endswith(": ") and found.startswith(fault))


@pytest.mark.parametrize("path", ["/up", ""])
def test_nobody_listening_is_a_fault(path: str) -> None:
    async def ask() -> str:
        async with probes.client() as web:
            return await probes.check(web, Probe(path), free_port(()))

    assert ": " in asyncio.run(ask())


@real
async def test_the_start_up_probe_gives_up_when_its_time_is_over() -> None:
    async with server(response(b"503 Not Yet"), close_every=1) as (port, seen), probes.client() as web:
        began = asyncio.get_running_loop().time()
        fault = await probes.start_up(web, Probe("/up", interval=0.1, failures=4), port)
        assert fault == "GET /up: status 503"
        assert 0.2 <= asyncio.get_running_loop().time() - began < 5
        assert seen["requests"] >= 4


@real
async def test_a_streak_counts_failures_in_a_row() -> None:
    async with probes.client() as web:
        streak = probes.Streak(Probe("/up", failures=3))
        async with server(response(b"503 No")) as (port, _):
            assert [(await streak.ask(web, port))[0] for _ in range(4)] == [True, True, False, False]
        async with server(response(b"200 OK")) as (port, _):
            assert await streak.ask(web, port) == (True, "")
        assert streak.failures == 0
