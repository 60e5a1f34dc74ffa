"""The verbs on the real thing: controller, Envoy and processes. Every test ends what it started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import shipway.testing.service
from shipway.cli.controlling import starting
from shipway.cli.home import JOURNAL
from tests import leftovers
from tests.cli.shell import Shell

pytestmark = [pytest.mark.e2e]

FILE = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {{name: here}}
spec:
  defaults: {{health: {{startup: {startup}}}}}
---
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata:
  name: shop
spec:
  archetype: api-service
  command: [{python}, {service}]
  port: {port}
  health: /healthz
  env: {{VERSION: "1"}}
  delivery: {delivery}
"""
CANARY = "{steps: [{weight: 5%, for: 1h}]}"


@pytest.fixture(autouse=True)
def nothing_is_left(home: Path) -> Iterator[None]:
    """Whatever a test leaves running is ended, and it is an error if that does not end everything."""
    yield
    try:
        if (home / "proxy").exists():
            starting.end(home)
        assert _processes_of(home) == []
    finally:
        leftovers.end([home])


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def file(tmp_path: Path, port: int) -> Path:
    return write(tmp_path / "shop.yaml", port)


def write(path: Path, port: int, *, delivery: str = "direct", startup: str = "10s") -> Path:
    words = {"python": sys.executable, "service": shipway.testing.service.__file__, "port": port}
    path.write_text(FILE.format(**words, delivery=delivery, startup=startup))
    return path


def answer(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text


def _processes_of(home: Path) -> list[int]:
    return [process.pid for process in leftovers.processes(home)]


def kill(pid: int) -> None:
    """kill -9, and wait until it is gone (the controller is a child of this process)."""
    os.kill(pid, signal.SIGKILL)
    with_deadline(lambda: not starting._alive(pid))


def with_deadline(condition: object, seconds: float = 20.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def test_from_the_first_deployment_to_the_last_process(shipway: Shell, home: Path, file: Path, port: int) -> None:
    up = shipway("up", "--detach", "--json").data
    assert up["pid"] in _processes_of(home)
    assert shipway("deploy", file, "--watch").code == 0
    assert answer(port) == "v1"
    assert shipway("deploy", file, "--json").data["applications"][0]["changed"] is False
    again = shipway("deploy", file, "--set", "spec.env.VERSION=2", "--watch", "--json")
    assert (again.code, again.data["rollouts"][0]["phase"]) == (0, "promoted")
    assert answer(port) == "v2"

    assert shipway("undo", "shop").code == 0
    assert shipway("rollout", "watch", "shop").code == 0
    assert answer(port) == "v1"
    assert shipway("undo", "shop", "--to", "v9").code == 2
    view = shipway("status", "shop", "--json").data
    assert (view["live"], view["weights"]) == ("v1", {"v1": 100.0})
    assert "v1/0  v1 listens on" in shipway("logs", "shop", "--release", "v1").out
    assert shipway("explain", "shop", "spec.port").out.split()[-3:-1] == [str(port), "application"]
    past = shipway("history", "shop", "--json").data["rollouts"]
    assert [one["verdict"] for one in past] == ["promoted"] * 3
    assert {one["commit"]["reason"] for one in past} == {"the application's file is in no git work tree"}
    assert shipway("rollout", "list", "--json").data["rollouts"][-1]["kind"] == "undo"
    assert "3 events" not in shipway("journal", "check").out
    assert "never came to a trial" in shipway("replay", "shop").err

    assert shipway("down").code == 0
    assert _processes_of(home) == []
    assert shipway("history", "shop").code == 0  # the past needs no controller
    assert shipway("journal", "repair").out.rstrip().endswith("nothing was changed.")


def test_steering_a_canary(shipway: Shell, home: Path, tmp_path: Path, port: int) -> None:
    file = write(tmp_path / "shop.yaml", port, delivery=CANARY)
    shipway("up", "--detach")
    assert shipway("deploy", file, "--watch").code == 0
    shipway("deploy", file, "--set", "spec.env.VERSION=2")
    with_deadline(lambda: shipway("rollout", "show", "shop", "--json").data["phase"] == "observing")
    assert "observing at 5 %" in shipway("rollout", "show", "shop-2").out
    assert shipway("rollout", "pause", "shop", "--json").data["rollout"]["phase"] == "paused"
    assert shipway("rollout", "resume", "shop", "--json").data["rollout"]["active"]
    assert shipway("rollout", "abort", "shop", "--reason", "wrong branch").code == 0
    watched = shipway("rollout", "watch", "shop")
    assert (watched.code, "shipway rollout retry shop-2" in watched.err) == (1, True)
    assert "wrong branch" in shipway("history", "shop").out
    assert shipway("rollout", "pause", "shop").code == 1  # nothing is under way: refused
    assert shipway("rollout", "retry", "shop").code == 0
    with_deadline(lambda: shipway("rollout", "show", "shop", "--json").data["phase"] == "observing")
    assert shipway("rollout", "promote", "shop", "--full").code == 0
    assert shipway("rollout", "watch", "shop").code == 0
    assert answer(port) == "v2"
    report = tmp_path / "report.html"
    assert shipway("report", "shop-2", "shop", "-o", report).code == 0
    assert "shop-3" in report.read_text()


def test_nothing_stops_when_the_controller_is_killed(shipway: Shell, home: Path, file: Path, port: int) -> None:
    first = shipway("up", "--detach", "--json").data["pid"]
    shipway("deploy", file, "--watch")
    before = shipway("status", "shop", "--json").data["releases"][0]["instances"]
    kill(first)
    assert answer(port) == "v1"
    assert shipway("status").code == 3
    second = shipway("up", "--detach")
    assert f"adopted shop at http://127.0.0.1:{port}: v1 (1/1 ready, 100 %)" in second.out
    assert shipway("status", "shop", "--json").data["releases"][0]["instances"][0]["pid"] == before[0]["pid"]
    kill(shipway("status", "--json").data["pid"])
    assert "what it had left behind was ended" in shipway("down").out
    assert _processes_of(home) == []


@pytest.mark.slow
def test_an_error_budget_outlives_the_controller_and_the_proxy(
    shipway: Shell, home: Path, file: Path, port: int
) -> None:
    def events() -> float:
        (one,) = shipway("slo", "status", "shop", "--json").data["applications"]
        return float(one["statuses"][0]["spending"].get("events", 0))

    def send(count: int) -> None:
        for _ in range(count):
            assert answer(port) == "v1"

    file.write_text(file.read_text() + "  slo: {availability: 99%}\n")
    controller = shipway("up", "--detach", "--json").data["pid"]
    shipway("deploy", file, "--watch")
    with_deadline(lambda: list(home.glob("counters/shop/*.jsonl")), 30.0)  # counted from here on
    send(150)
    with_deadline(lambda: "[150" in next(home.glob("counters/shop/*.jsonl")).read_text(), 30.0)
    kill(controller)
    send(70)
    shipway("up", "--detach")
    assert events() >= 220  # the proxy has counted on
    with_deadline(lambda: "[220" in next(home.glob("counters/shop/*.jsonl")).read_text(), 30.0)
    assert shipway("down").code == 0
    shipway("up", "--detach")
    shipway("deploy", file, "--watch")
    with_deadline(lambda: shipway("status", "shop", "--json").data["settled"])
    assert events() >= 220  # with the proxy its counters have gone; what was kept is kept


def test_only_one_controller(shipway: Shell, home: Path) -> None:
    pid = shipway("up", "--detach", "--json").data["pid"]
    for words in (["up", "--detach"], ["up"]):
        result = shipway(*words)
        assert result.code == 4
        assert str(pid) in result.err
        assert "shipway down" in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_a_foreground_controller_is_not_the_end_of_what_runs(
    shipway: Shell, home: Path, file: Path, port: int, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "shipway.cli.main", "up"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith(f"Controller {up.pid} is up in {home}")
        assert shipway("deploy", file, "--watch").code == 0
        up.send_signal(number)
        assert up.wait(timeout=20) == 0
    assert answer(port) == "v1"


def test_a_port_that_somebody_else_has(shipway: Shell, home: Path, file: Path, port: int) -> None:
    shipway("up", "--detach")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        result = shipway("deploy", file)
        assert result.code == 1
        assert f"port {port} is in use" in result.err
        assert str(os.getpid()) in result.err
        assert "--set port=" in result.err
    assert shipway("deploy", file, "--watch").code == 0  # freed: the same command works


def test_a_service_that_never_becomes_ready(shipway: Shell, home: Path, tmp_path: Path, port: int) -> None:
    shipway("up", "--detach")
    file = write(tmp_path / "shop.yaml", port, startup="1s")
    result = shipway("deploy", file, "--watch", "--set", "spec.env.START_DELAY=60")
    assert result.code == 1
    assert "never became ready: GET /healthz" in result.out
    assert "shipway logs shop --release v1" in result.err


def test_a_service_that_crashes_shows_its_last_words(shipway: Shell, home: Path, file: Path) -> None:
    shipway("up", "--detach")
    deployed = shipway("deploy", file, "--set", "spec.env.EXIT_AFTER=0", "--watch")
    assert deployed.code == 1
    assert "  | giving up: no database\n" in deployed.err
    shown = shipway("rollout", "show", "shop").out
    assert "exit code 7" in shown
    assert "| giving up: no database" in shown


def test_bad_files_and_names(shipway: Shell, home: Path, file: Path) -> None:
    shipway("up", "--detach")
    text = file.read_text().replace("port:", "prot:").replace("startup: 10s", "startup: 10")
    file.write_text(text)
    result = shipway("deploy", file)
    assert result.code == 2
    assert f"{file}:14:3 error spec.prot: there is no field `prot` here; did you mean `port`?" in result.err
    assert f"{file}:5:32 error spec.defaults.health.startup" in result.err
    assert "did you mean `10s`?" in result.err
    write(file, 8080, delivery="{alpha: 0.1%}")
    result = shipway("deploy", file)
    assert result.code == 2
    assert f"{file}:17:14 error spec.delivery.alpha: `alpha` is for the Platform to say" in result.err
    error = shipway("deploy", file, "--json").error
    assert (error["exit_code"], [one["code"] for one in error["problems"]]) == (2, ["for-the-platform"])
    assert shipway("status", "--json").data["applications"] == []
    nobody = shipway("status", "shpo", "--json").error
    assert (nobody["code"], nobody["exit_code"]) == ("not-found", 2)


@pytest.mark.parametrize("detach", [[], ["--detach"]])
def test_without_envoy(shipway: Shell, home: Path, monkeypatch: pytest.MonkeyPatch, detach: list[str]) -> None:
    monkeypatch.setenv("SHIPWAY_ENVOY", "/nonexistent")
    result = shipway("up", *detach)
    assert (result.code, result.out) == (6, "")
    assert "/nonexistent does not exist" in result.err
    assert "SHIPWAY_ENVOY" in result.err
    monkeypatch.delenv("SHIPWAY_ENVOY")


def test_an_envoy_that_does_not_start(
    shipway: Shell, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "envoy"
    broken.write_text("#!/bin/sh\necho 'cannot bind: no luck' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("SHIPWAY_ENVOY", str(broken))
    result = shipway("up", "--detach", "--json")
    assert result.code == 6
    assert "cannot bind: no luck" in result.error["message"]
    with_deadline(lambda: _processes_of(home) == [])
    monkeypatch.delenv("SHIPWAY_ENVOY")


def test_a_platform_with_mistakes(shipway: Shell, home: Path, tmp_path: Path) -> None:
    platform = tmp_path / "platform.yaml"
    platform.write_text("apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\nspec: {lokal: 1}\n")
    result = shipway("up", "--detach", "--platform", platform)
    assert result.code == 2
    assert "did you mean `local`?" in result.err
    (problem,) = shipway("up", "--detach", "--platform", platform, "--json").error["problems"]
    assert problem["file"] == str(platform)


def test_an_interrupted_start_leaves_no_controller(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_home: Path) -> None:
        if _processes_of(home):
            raise KeyboardInterrupt

    monkeypatch.setattr(starting, "answering", interrupted)
    with pytest.raises(KeyboardInterrupt):
        starting.start_detached(home, None)
    monkeypatch.undo()
    assert starting.answering(home) is None
    starting.end(home)
    assert _processes_of(home) == []


def test_what_runs_can_be_ended_although_the_journal_is_damaged(shipway: Shell, home: Path, file: Path) -> None:
    pid = shipway("up", "--detach", "--json").data["pid"]
    shipway("deploy", file, "--watch")
    kill(pid)
    (home / JOURNAL).write_bytes(b"SQLite format 3\0 but no more")
    assert shipway("down").code == 0
    assert _processes_of(home) == []
    assert "journal repair" in shipway("up", "--detach").err


def test_a_damaged_journal(shipway: Shell, home: Path, file: Path) -> None:
    shipway("up", "--detach")
    shipway("deploy", file, "--watch")
    shipway("down")
    journal = home / JOURNAL
    size = journal.stat().st_size
    with journal.open("r+b") as handle:
        handle.truncate(size // 2)
    for words in (["up", "--detach"], ["history", "shop"], ["journal", "check"]):
        result = shipway(*words)
        assert (result.code, "shipway journal repair" in result.err) == (5, True)
    repaired = shipway("journal", "repair", "--json").data
    assert Path(repaired["damaged"]).exists()
    assert shipway("journal", "check").code == 0


def test_a_home_with_a_very_long_path(shipway: Shell, tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / ("er" * 30)
    try:
        assert shipway("up", "--detach", "--home", home).code == 0
        assert shipway("status", "--home", home).code == 0
    finally:
        assert shipway("down", "--home", home).code == 0


def test_logs_follow_what_is_written(shipway: Shell, home: Path, file: Path, port: int) -> None:
    shipway("up", "--detach")
    shipway("deploy", file, "--watch")
    command = [sys.executable, "-m", "shipway.cli.main", "logs", "shop", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert "v1 listens on" in tail.stdout.readline()
        httpx.get(f"http://127.0.0.1:{port}/say?hello", trust_env=False)
        assert tail.stdout.readline() == "v1/0  hello\n"
        tail.send_signal(signal.SIGINT)
        assert tail.stderr is not None
        assert tail.stderr.read() == ""
        assert tail.wait(timeout=20) == 130
