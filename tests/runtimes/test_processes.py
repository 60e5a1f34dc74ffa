"""Instances: started, probed, restarted, limited and ended, with real processes behind a real proxy."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from shipway.model.errors import NotFound
from shipway.model.ids import CommandId, Generation
from shipway.model.workload import Probe
from shipway.rollout.commands import StartRelease, StopRelease
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped
from shipway.testing.load import Load, failures
from tests.runtimes.lab import SHOP, lab, real, workload

pytestmark = pytest.mark.e2e


@real
async def test_a_release_starts_serves_and_stops_without_a_failed_request(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", replicas=2))
        await it.start(workload("v2"))
        assert [(e.release, e.ready, e.wanted) for e in it.reported(InstancesChanged)][-1] == ("v2", 1, 1)
        await it.route("v2", v1=50, v2=50)
        load = asyncio.create_task(Load(it.port, rate=150, seconds=2.5, path="/slow?0.05").run())
        await asyncio.sleep(0.7)
        await it.route(v1=100)
        await it.stop("v2")
        await it.until(lambda: it.reported(ReleaseStopped))
        shots = await load
        assert failures(shots) == []
        assert {"v1", "v2"} == {shot.arm for shot in shots}
        assert it.states("v2") == ["stopped"]
        assert it.instances("v2")[0].pid == 0


@real
async def test_no_ready_instance_is_a_clear_503(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.route(v1=100)
        response = await it.get()
        assert (response.status_code, response.text) == (503, "no instance of shop is ready\n")
        assert response.headers["x-shipway-release"] == "v1"


@real
async def test_environment_is_the_workloads_and_secrets_reach_only_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTROLLERS_OWN", "secret of the controller")
    async with lab(tmp_path) as it:
        digest = it.runtime.secrets.put("hunter2")
        await it.start(workload("v1", env={"MODE": "live"}, secrets=(("PASSWORD", digest),)))
        (instance,) = it.instances("v1")
        response = await it.ask(instance, "/env")
        assert response is not None
        found = response.json()
        assert found["PASSWORD"] == "hunter2"  # noqa: S105  # made up for this test
        assert found["MODE"] == "live"
        assert (found["SHIPWAY_APP"], found["SHIPWAY_RELEASE"], found["SHIPWAY_INSTANCE"]) == ("shop", "v1", "0")
        assert found["PORT"] == str(instance.port)
        assert "CONTROLLERS_OWN" not in found
        holders = [p for p in it.directory.rglob("*") if p.is_file() and b"hunter2" in p.read_bytes()]
        assert holders == [it.directory / "secrets" / digest]
        with pytest.raises(NotFound, match="secret store has no value"):
            await it.start(workload("v2", secrets=(("PASSWORD", "0" * 64),)))


@real
async def test_a_crashed_process_is_restarted_on_its_port(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        (before,) = it.instances("v1")
        await it.ask(before, "/exit?3")
        await it.until(lambda: it.instances("v1")[0].pid not in (0, before.pid) and it.states("v1") == ["ready"])
        (after,) = it.instances("v1")
        assert (after.port, after.restarts) == (before.port, 1)
        assert after.detail == "exit code 3"
        assert [e.ready for e in it.reported(InstancesChanged)] == [0, 1, 0, 1]
        assert it.reported(ReleaseFailed) == []


@real
async def test_a_crash_loop_is_reported_with_the_last_log_lines(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        crashing = workload("v1", env={"EXIT_AFTER": "0.02"})
        await it.start(crashing, ready=False)
        await it.until(lambda: it.reported(ReleaseFailed))
        (failure,) = it.reported(ReleaseFailed)
        assert "does not stay up: ended 3 times within" in failure.reason
        assert "exit code 7" in failure.reason
        assert "giving up: no database" in failure.log_tail
        again = StartRelease(CommandId("again"), Generation(it.generation), crashing)
        await it.runtime.start(again)
        assert len(it.reported(ReleaseFailed)) == 2


@real
async def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", command=("no-such-program", "--port", "{port}")), ready=False)
        await it.until(lambda: it.reported(ReleaseFailed))
        (failure,) = it.reported(ReleaseFailed)
        assert "exit code 127" in failure.reason
        assert "cannot start no-such-program: [Errno 2] No such file or directory" in failure.log_tail[-1]


@real
async def test_a_service_that_never_becomes_ready_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    async with lab(tmp_path) as it:
        probe = Probe("/healthz", interval=0.1, failures=5)
        env = {"UNHEALTHY_IF": str(tmp_path / "ill")}
        await it.start(workload("v1", env=env, startup=probe), ready=False)
        await it.until(lambda: it.reported(ReleaseFailed))
        (failure,) = it.reported(ReleaseFailed)
        assert failure.reason == "instance 0 never became ready: GET /healthz: status 503 (for 0.5 s)"
        assert failure.log_tail[0].startswith("v1 listens on")
        assert it.states("v1") == ["starting"]


@real
async def test_readiness_takes_an_instance_out_and_back(tmp_path: Path) -> None:
    ill = tmp_path / "ill"
    async with lab(tmp_path) as it:
        await it.start(workload("v1", env={"UNHEALTHY_IF": str(ill)}))
        await it.route(v1=100)
        assert (await it.get()).status_code == 200
        ill.touch()
        await it.until(lambda: it.states("v1") == ["unready"])
        assert it.instances("v1")[0].detail == "GET /healthz: status 503"
        await it.until(lambda: it.runtime.proxy.endpoints(SHOP, "v1") == ())
        ill.unlink()
        await it.until(lambda: it.states("v1") == ["ready"])
        assert [e.ready for e in it.reported(InstancesChanged)] == [0, 1, 0, 1]
        assert it.instances("v1")[0].restarts == 0


@real
async def test_failing_liveness_restarts_the_process(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    async with lab(tmp_path) as it:
        probe = Probe("/livez", interval=0.1, failures=2)
        await it.start(workload("v1", env={"DEAD_IF": str(dead)}, liveness=probe))
        before = it.instances("v1")[0].pid
        dead.touch()
        await it.until(lambda: it.instances("v1")[0].restarts == 1)
        dead.unlink()
        await it.until(lambda: it.states("v1") == ["ready"])
        after = it.instances("v1")[0]
        assert after.pid != before
        assert after.detail.startswith("liveness probe failed 2 times: GET /livez: status 503; killed by SIGTERM")


@real
async def test_the_memory_limit_kills_and_says_why(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", memory_limit=80 << 20))
        (before,) = it.instances("v1")
        assert 5 << 20 < before.memory < 80 << 20
        await it.ask(before, "/grow?100")
        await it.until(lambda: it.instances("v1")[0].restarts == 1 and it.states("v1") == ["ready"])
        after = it.instances("v1")[0]
        assert after.detail.startswith("memory limit: ")
        assert "80 MiB allowed; killed by" in after.detail


@real
async def test_logs_rotate_and_outlive_the_processes(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", log_bytes=2000, log_files=2))
        (instance,) = it.instances("v1")
        log = Path(it.runtime.log_paths(SHOP, "v1")[-1])
        for number in range(4):
            await it.ask(instance, f"/say?line-{number}-{'x' * 2500}")
            await it.until(lambda: log.stat().st_size == 0)
        await it.ask(instance, "/say?last")
        paths = it.runtime.log_paths(SHOP, "v1")
        assert [Path(path).name for path in paths] == ["output.log.2", "output.log.1", "output.log"]
        text = texts(paths)
        assert text[0].startswith("line-2-")
        assert text[1].startswith("line-3-")
        assert text[2] == "last\n"
        await it.stop("v1")
        await it.until(lambda: it.reported(ReleaseStopped))
        assert len(it.runtime.log_paths(SHOP, "v1")) == 3


def texts(paths: Sequence[str]) -> list[str]:
    return [Path(path).read_text() for path in paths]


@real
async def test_a_stolen_port_moves_the_instance(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.route(v1=100)
        (before,) = it.instances("v1")
        process = psutil.Process(before.pid)
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            process.kill()
            await it.until(lambda: not steal(thief, before.port))
            await it.until(lambda: it.instances("v1")[0].port != before.port and it.states("v1") == ["ready"])
            assert (await it.get()).text == "v1"


def steal(thief: socket.socket, port: int) -> bool:
    """False once the port is the thief's."""
    try:
        thief.bind(("127.0.0.1", port))
        thief.listen()
    except OSError:
        return True
    return False


@real
async def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; sleep 300 & echo up; wait; sleep 300"
    async with lab(tmp_path) as it:
        found = workload("v1", command=("sh", "-c", stubborn), drain_seconds=0.3, env={"LAB": str(it.directory)})
        await it.start(found, ready=False)
        await it.until(lambda: len([p for p in it.processes() if p.name() == "sleep"]) == 1)
        await it.stop("v1")
        await it.until(lambda: it.reported(ReleaseStopped))
        assert [p.name() for p in it.processes() if p.name() in ("sh", "sleep")] == []


@real
async def test_commands_are_ordered_by_generation_even_over_a_restart(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        it.generation = 5
        await it.start(workload("v1"))
        stale = StopRelease(CommandId("stale"), Generation(4), SHOP, workload("v1").release)
        await it.runtime.stop(stale)
        await it.reopen("v1")
        await it.runtime.stop(stale)
        await asyncio.sleep(0.3)
        assert it.states("v1") == ["ready"]
        assert it.reported(ReleaseStopped) == []
        await it.stop("v1")
        await it.until(lambda: it.reported(ReleaseStopped))
        await it.runtime.start(StartRelease(CommandId("late"), Generation(5), workload("v1")))
        assert it.states("v1") == ["stopped"]
        await it.stop("v1")
        assert len(it.reported(ReleaseStopped)) == 2


@real
async def test_a_newer_start_overtakes_a_stop_under_way(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", drain_seconds=1.0))
        await it.route(v1=100)
        busy = asyncio.create_task(it.get("/slow?0.7"))
        await asyncio.sleep(0.2)
        await it.stop("v1")
        await asyncio.sleep(0.1)
        await it.start(workload("v1", drain_seconds=1.0))
        assert (await busy).status_code == 200
        assert it.reported(ReleaseStopped) == []
        assert (await it.get()).text == "v1"


@real
async def test_commands_given_at_once_end_with_the_newest(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        start = StartRelease(CommandId("2"), Generation(2), workload("v1", replicas=2))
        stop = StopRelease(CommandId("3"), Generation(3), SHOP, workload("v1").release)
        await asyncio.gather(it.runtime.start(start), it.runtime.stop(stop))
        await it.until(lambda: it.reported(ReleaseStopped))
        assert set(it.states("v1")) == {"stopped"}


@real
async def test_replicas_grow_and_shrink(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1", replicas=1))
        await it.start(workload("v1", replicas=3))
        await it.route(v1=100)
        pids = [instance.pid for instance in it.instances("v1")]
        await it.start(workload("v1", replicas=1))
        await it.until(lambda: not psutil.pid_exists(pids[1]) and not psutil.pid_exists(pids[2]))
        assert [instance.pid for instance in it.instances("v1")] == pids[:1]
        assert {(await it.get()).headers["x-instance"] for _ in range(4)} == {"0"}
        # Shrinking and growing again before the drain is over ends nothing that is wanted.
        await it.start(workload("v1", replicas=2))
        busy = asyncio.create_task(it.get("/slow?0.5"))
        await asyncio.sleep(0.1)
        await it.start(workload("v1", replicas=1))
        await it.start(workload("v1", replicas=2))
        assert (await busy).status_code == 200
        await asyncio.sleep(0.5)
        assert it.states("v1") == ["ready", "ready"]


@real
async def test_vitals_are_age_and_processor_time(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        assert it.runtime.vitals(SHOP, "v1") == (None, ())
        await it.start(workload("v1", replicas=2))
        await asyncio.sleep(0.3)
        age, values = it.runtime.vitals(SHOP, "v1")
        assert 0.3 <= age < 30
        assert dict(values)["cpuSeconds"] > 0
        psutil.Process(it.instances("v1")[1].pid).send_signal(signal.SIGKILL)
        await it.until(lambda: it.instances("v1")[1].restarts == 1 and it.states("v1") == ["ready", "ready"])
        younger, _ = it.runtime.vitals(SHOP, "v1")
        assert younger < age + 0.3
