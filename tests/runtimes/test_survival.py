"""Any process may be killed at any moment: the controller, Envoy, a keeper, an instance. Nothing is lost."""

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from shipway.model.ids import AppName
from shipway.rollout.events import InstancesChanged, ReleaseStopped
from shipway.runtimes.local.kept import Kept
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.testing.load import Load, failures, shares
from tests.runtimes.lab import SHOP, Lab, lab, real, workload

pytestmark = pytest.mark.e2e


@real
async def test_the_controllers_death_drops_no_request_and_changes_no_weight(tmp_path: Path) -> None:
    async with lab(tmp_path, "v1", "v2") as it:
        await it.runtime.shutdown()
        controller = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.runtimes.controller", str(it.directory), str(it.port),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"},
        )  # fmt: skip
        assert controller.stdout is not None
        assert await controller.stdout.readline() == b"open\n"
        load = asyncio.create_task(Load(it.port, rate=250, seconds=4).run())
        await asyncio.sleep(1)
        controller.kill()
        await controller.wait()
        await asyncio.sleep(1)
        before = {p.pid for p in it.processes()}
        await it.reopen("v1", "v2")
        shots = await load
        assert failures(shots) == []
        assert shares(shots)["v2"] == pytest.approx(0.25, abs=0.07)
        assert {p.pid for p in it.processes()} == before
        assert {(e.release, e.ready) for e in it.reported(InstancesChanged)} == {("v1", 1), ("v2", 1)}
        await it.until(lambda: it.states("v1") + it.states("v2") == ["ready", "ready"])


@real
async def test_envoy_killed_without_any_controller_is_back_with_the_same_weights(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.start(workload("v2"))
        await it.route("v2", v1=75, v2=25)
        await it.runtime.close()
        envoy = Kept(it.directory / "proxy").child()
        assert envoy is not None
        psutil.Process(envoy.pid).kill()
        killed = time.monotonic()
        while not await serves(it):
            assert time.monotonic() - killed < 2.0
        shots = await Load(it.port, rate=500, seconds=1).run()
        assert failures(shots) == []
        assert shares(shots)["v2"] == pytest.approx(0.25, abs=0.08)
        await it.reopen("v1", "v2")
        exits = Kept(it.directory / "proxy").state().exits
        assert [end.reason for end in exits] == ["killed by SIGKILL"]


async def serves(it: Lab) -> bool:
    return failures(await Load(it.port, rate=100, seconds=0.01).run()) == []


@real
async def test_routes_can_be_changed_while_envoy_is_coming_back(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.start(workload("v2"))
        await it.route(v1=100)
        envoy = Kept(it.directory / "proxy").child()
        assert envoy is not None
        psutil.Process(envoy.pid).kill()
        await it.route(v2=100)
        assert (await it.get()).text == "v2"


@real
async def test_a_killed_keeper_is_replaced_and_its_process_adopted(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        kept = Kept(it.directory / "releases/shop/v1/0")
        (before,) = it.instances("v1")
        first = kept.state().keeper
        assert first is not None
        psutil.Process(first[0]).kill()
        await it.until(lambda: kept.state().keeper != first)
        assert it.instances("v1")[0].pid == before.pid
        assert it.states("v1") == ["ready"]
        psutil.Process(before.pid).kill()
        await it.until(lambda: it.instances("v1")[0].restarts == 1 and it.states("v1") == ["ready"])
        assert it.instances("v1")[0].detail == "exited (adopted, so its exit code is unknown)"


@real
async def test_keeper_and_process_killed_together_come_back(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        kept = Kept(it.directory / "releases/shop/v1/0")
        keeper, child = kept.state().keeper, kept.child()
        assert keeper is not None
        assert child is not None
        psutil.Process(keeper[0]).kill()
        psutil.Process(child.pid).kill()
        await it.until(lambda: it.instances("v1")[0].pid not in (0, child.pid) and it.states("v1") == ["ready"])
        assert kept.state().exits[-1].reason == "ended while no keeper watched"


@real
async def test_there_is_never_a_second_keeper(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        directory = it.directory / "releases/shop/v1/0"
        rivals = [Kept(directory) for _ in range(3)]
        before = rivals[0].state()
        for rival in rivals:
            rival.state = type(before)  # type: ignore[method-assign]  # as if it had looked too early
            rival.ensure_keeper()
        await it.until(lambda: not any(psutil.pid_exists(rival._spawned) and rival.is_kept() for rival in rivals))
        assert Kept(directory).state() == before


@real
async def test_what_nobody_knows_is_ended(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.start(workload("v2"))
        await it.route(v1=100)
        (first,), (second,) = it.instances("v1"), it.instances("v2")
        await it.reopen("v1")
        assert it.instances("v1")[0].pid == first.pid
        assert not psutil.pid_exists(second.pid)
        assert it.reported(ReleaseStopped) == []
        assert it.runtime.log_paths(SHOP, "v2") != []
        # An application that nobody knows leaves nothing, so that its name can begin again at generation 1.
        await it.runtime.close()
        other = Lab(it.directory, it.port)
        await other.runtime.open(lambda _app, _event: None, {AppName("other"): []})
        assert not psutil.pid_exists(first.pid)
        assert list((it.directory / "releases").rglob("release.json")) == []
        it.generation, it.runtime = 0, other.runtime
        await it.start(workload("v1"))
        await it.route(v1=100)
        assert (await it.get()).status_code == 200


@real
async def test_shutdown_ends_everything_and_the_next_open_brings_it_back(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.route(v1=100)
        busy = asyncio.create_task(it.get("/slow?0.5"))
        await asyncio.sleep(0.2)
        await it.runtime.shutdown()
        assert (await busy).status_code == 200
        assert it.processes() == []
        await it.reopen("v1")
        await it.until(lambda: it.states("v1") == ["ready"])
        assert (await it.get()).text == "v1"


@real
async def test_what_a_dead_controller_has_left_is_ended_without_starting_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.route(v1=100)
        busy = asyncio.create_task(it.get("/slow?0.5"))
        await asyncio.sleep(0.2)
        await it.runtime.close()
        monkeypatch.setenv("SHIPWAY_ENVOY", "/nonexistent")  # whatever is missing, what runs can be ended
        assert await LocalRuntime(it.directory).end_left_over() == 1
        assert (await busy).status_code == 200
        assert it.processes() == []
        assert await LocalRuntime(it.directory).end_left_over() == 1  # and once more, with nothing there
        monkeypatch.delenv("SHIPWAY_ENVOY")
        await it.reopen("v1")
        await it.until(lambda: it.states("v1") == ["ready"])
        assert (await it.get()).text == "v1"


@real
async def test_a_stop_cut_short_by_the_controllers_death_is_finished_by_the_next(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", drain_seconds=5.0))
        await it.route(v1=100)
        busy = asyncio.create_task(it.get("/slow?0.6"))
        await asyncio.sleep(0.2)
        await it.stop("v1")
        await asyncio.sleep(0.1)
        await it.reopen("v1")
        await it.until(lambda: it.reported(ReleaseStopped))
        assert (await busy).status_code == 200
        assert it.states("v1") == ["stopped"]
