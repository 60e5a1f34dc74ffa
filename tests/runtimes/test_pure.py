"""Decisions of the local runtime that need no process: crash loops, Envoy's answers, what a scrape means."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.metrics.envoy import Scrape, _merged, _Stats
from shipway.model.ids import Generation
from shipway.runtimes.local.admin import Admin
from shipway.runtimes.local.kept import Exit, Kept
from shipway.runtimes.local.release import Record, crash_loop
from tests.runtimes.lab import real, workload


def ended(*times: float) -> Any:
    """An instance whose process ended at these times."""
    return SimpleNamespace(crashes=lambda: [Exit(at, "exit code 1", 1.0) for at in times])


def record(since: float = 0.0, limit: int = 3, window: float = 60.0) -> Record:
    return Record(Generation(1), "running", workload("v1", crash_limit=limit, crash_window=window), since)


@pytest.mark.parametrize(
    ("times", "now", "since", "looping"),
    [
        ([], 100.0, 0.0, False),
        ([98.0, 99.0], 100.0, 0.0, False),
        ([97.0, 98.0, 99.0], 100.0, 0.0, True),
        ([30.0, 98.0, 99.0], 100.0, 0.0, False),  # one is older than the window
        ([97.0, 98.0, 99.0], 200.0, 0.0, False),  # it has stayed up since
        ([97.0, 98.0, 99.0], 100.0, 97.5, False),  # one belongs to the attempt before
    ],
)
def test_a_crash_loop_is_enough_ends_within_the_window(
    times: list[float], now: float, since: float, looping: bool
) -> None:
    found = crash_loop(ended(*times), record(since), now)
    assert bool(found) == looping
    assert not looping or found == "ended 3 times within 2.0 s, last: exit code 1"


@given(st.lists(st.floats(0, 1000), max_size=8).map(sorted), st.floats(0, 1000), st.integers(1, 5))
def test_a_crash_loop_never_needs_fewer_ends_than_the_limit(times: list[float], now: float, limit: int) -> None:
    past = [at for at in times if at <= now]
    found = crash_loop(ended(*past), record(limit=limit), now)
    assert bool(found) == (len([at for at in past if at >= max(now - 60.0, 0.0)]) >= limit)


Bins = Sequence[tuple[float, int]]
bins = st.dictionaries(st.integers(0, 500).map(float), st.integers(1, 100)).map(
    lambda found: tuple(sorted(found.items()))
)


@given(bins, bins)
def test_merged_histograms_keep_every_request_and_stay_ascending(first: Any, second: Any) -> None:
    merged = _merged(first, second)
    assert sum(count for _, count in merged) == sum(count for _, count in (*first, *second))
    assert list(merged) == sorted(set(merged))
    assert {low for low, _ in merged} == {low for low, _ in (*first, *second)}


def test_a_scrape_reads_numbers_texts_and_bins_and_leaves_out_the_rest() -> None:
    answer = {
        "stats": [
            {"name": "cluster.shop/v1.upstream_rq_completed", "value": 7},
            {"name": "cluster.shop/v1.version_text", "value": "abc"},
            {
                "histograms": {
                    "supported_percentiles": [0, 50],
                    "details": [
                        {
                            "name": "cluster.shop/v1.upstream_rq_time",
                            "totals": [
                                {"lower_bound": 0, "width": 0, "count": 5},
                                {"lower_bound": 10, "width": 1, "count": 2},
                            ],
                            "intervals": [],
                        }
                    ],
                }
            },
        ]
    }
    scrape = Scrape(msgspec.convert(answer, _Stats))
    assert scrape.count("cluster.shop/v1.upstream_rq_completed") == 7
    assert scrape.count("cluster.shop/v1.upstream_rq_5xx") == 0
    assert scrape.knows("shop/v1")
    assert not scrape.knows("shop/v2")
    assert scrape.bins("cluster.shop/v1.upstream_rq_time") == ((0, 5), (10, 2))
    assert scrape.bins("cluster.shop/v2.upstream_rq_time") == ()


@real
async def test_an_envoy_that_does_not_answer_has_nothing_to_say(tmp_path: Path) -> None:
    admin = Admin(str(tmp_path / "nobody.sock"))
    assert await admin.stats(["a", "b"]) == {}
    assert await admin.is_live() is False
    assert await admin.listener("shop") == (False, "the proxy does not answer")
    began = asyncio.get_running_loop().time()
    assert await admin.agree("x", lambda: "1", 0.1) is False
    assert asyncio.get_running_loop().time() - began < 5
    await admin.close()


@real
async def test_admin_answers_are_read_from_its_socket(tmp_path: Path) -> None:
    bodies = {
        "/ready": b"LIVE\n",
        "/stats": b'{"stats":[{"name":"a","value":3},{"name":"v","value":"two"},{"histograms":{}}]}',
        "/config_dump": b'{"configs":[{"name":"shop","error_state":{"details":"cannot bind"},"active_state":{"x":1}}]}',
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = bodies[head.split()[1].decode().split("?")[0]]
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, tmp_path / "admin.sock")
    admin = Admin(str(tmp_path / "admin.sock"))
    assert await admin.is_live() is True
    assert await admin.stats(["a", "v"]) == {"a": 3, "v": "two"}
    assert await admin.listener("shop") == (True, "cannot bind")
    assert await admin.agree("v", lambda: "two", 1.0) is True
    await admin.close()
    server.close()


def test_a_directory_without_a_keeper_has_an_empty_state(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "0")
    assert kept.state().phase == ""
    assert kept.child() is None
    assert not kept.is_kept()
    assert kept.specification() == {}
    assert kept.log_files() == []
    assert kept.log_tail() == ()


def test_restart_requests_are_numbered_and_kept_with_the_rest(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "0")
    kept.specify({"argv": ["true"], "port": 1})
    kept.restart("first")
    kept.restart("second")
    assert kept.specification() == {"argv": ["true"], "port": 1, "restart": 2, "restart_reason": "second"}


def test_the_log_tail_is_the_last_lines_even_of_a_long_log(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.log.write_bytes(b"\xff broken\n" + b"x" * 50_000 + b"\nlast but one\nlast\n")
    kept.log.with_name("output.log.1").write_text("older")
    kept.log.with_name("output.log.2").write_text("oldest")
    assert kept.log_tail(2) == ("last but one", "last")
    assert [Path(path).name for path in kept.log_files()] == ["output.log.2", "output.log.1", "output.log"]
