"""The keeper as a process of its own, without a runtime: what it records, and what survives whom."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.runtimes.local import keeper
from tests import leftovers

pytestmark = pytest.mark.e2e


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A keeper's directory; whatever it keeps is killed afterwards."""
    yield tmp_path
    leftovers.end([tmp_path])


def specify(directory: Path, script: str, **changes: object) -> None:
    spec = {
        "argv": ["sh", "-c", script],
        "directory": "/",
        "env": {"PATH": os.environ["PATH"]},
        "backoff": [0.05, 0.2],
        "grace": 0.3,
    }
    keeper.write_json(str(directory / "spec.json"), {**spec, **changes})


def keep(directory: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-ISE", keeper.__file__, str(directory)], start_new_session=True)


def state(directory: Path) -> keeper.Data:
    return keeper.read_json(str(directory / "state.json"))


def until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_restarts_with_a_growing_delay_and_records_every_exit(directory: Path) -> None:
    specify(directory, "echo hello; exit 4")
    process = keep(directory)
    until(lambda: len(state(directory).get("exits", [])) >= 4)
    process.terminate()
    assert process.wait() == 0
    found = state(directory)
    assert {end["reason"] for end in found["exits"][:4]} == {"exit code 4"}
    gaps = [b["at"] - b["ran"] - a["at"] for a, b in zip(found["exits"], found["exits"][1:4], strict=False)]
    assert gaps[0] >= 0.05
    assert gaps[1] >= 0.1
    assert gaps[2] >= 0.2
    assert found["phase"] == "stopped"
    assert (directory / "output.log").read_text().startswith("hello\nhello\n")


def test_it_starts_fast_and_stays_small(directory: Path) -> None:
    specify(directory, "sleep 60")
    began = time.monotonic()
    process = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    assert time.monotonic() - began < 2  # some 40 ms; the bound is for a busy machine
    assert keeper.resident(process.pid) - keeper.resident(state(directory)["child"]["pid"]) < 20 << 20
    process.terminate()
    process.wait()


def test_sigterm_is_enough_for_a_polite_child_and_sigkill_comes_for_the_other(directory: Path) -> None:
    specify(directory, "trap '' TERM; while :; do sleep 0.1; done")
    process = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    time.sleep(0.1)
    process.terminate()
    assert process.wait() == 0
    assert state(directory)["exits"][-1]["reason"] == "asked to stop; killed by SIGKILL"
    assert state(directory)["exits"][-1]["asked"] is True


def test_a_second_keeper_leaves_at_once_and_touches_nothing(directory: Path) -> None:
    specify(directory, "sleep 60")
    first = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    before = (directory / "state.json").read_bytes()
    assert keep(directory).wait() == 3
    assert (directory / "state.json").read_bytes() == before
    first.terminate()
    first.wait()


def test_the_child_survives_its_keeper_and_the_next_adopts_it(directory: Path) -> None:
    specify(directory, "sleep 60")
    first = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    child = state(directory)["child"]
    first.kill()
    first.wait()
    assert keeper.alive((child["pid"], child["start"]))
    second = keep(directory)
    until(lambda: state(directory)["keeper"][0] == second.pid)
    assert state(directory)["child"] == child
    second.terminate()
    assert second.wait() == 0
    assert not keeper.alive((child["pid"], child["start"]))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -40 $$", "killed by signal 40"),
        ("exec no-such-program", "exit code 127"),
    ],
)
def test_every_end_has_its_words(directory: Path, script: str, reason: str) -> None:
    specify(directory, script)
    process = keep(directory)
    until(lambda: state(directory).get("exits"))
    process.terminate()
    assert process.wait() == 0
    assert state(directory)["exits"][0]["reason"] == reason


def test_without_a_directory_there_is_nothing_to_keep(directory: Path) -> None:
    specify(directory, "sleep 60")
    process = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    child = state(directory)["child"]
    shutil.rmtree(directory)
    assert process.wait() == 0
    assert not keeper.alive((child["pid"], child["start"]))


def test_a_restart_is_asked_for_once_by_number(directory: Path) -> None:
    specify(directory, "exec sleep 60", grace=20)
    process = keep(directory)
    until(lambda: state(directory).get("phase") == "running")
    for _ in range(2):  # the same request twice is one request
        # A long grace: on a busy machine the shell may take longer than 0.3 s to die of SIGTERM.
        specify(directory, "exec sleep 60", restart=1, restart_reason="liveness probe failed", grace=20)
        process.send_signal(signal.SIGHUP)
        until(lambda: state(directory)["restarts"] == 1 and state(directory)["phase"] == "running")
    assert [end["reason"] for end in state(directory)["exits"]] == ["liveness probe failed; killed by SIGTERM"]
    process.terminate()
    process.wait()


def test_a_child_that_nobody_recorded_never_becomes_the_program(tmp_path: Path) -> None:
    """Between fork and record the keeper may die: end of file on the pipe tells the child to leave."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.chdir(tmp_path)
        keeper.become({"argv": ["sh", "-c", "touch started"], "directory": str(tmp_path), "env": {}}, reader)
    os.close(reader)
    os.close(writer)
    assert os.waitpid(pid, 0)[1] == 0
    assert list(tmp_path.iterdir()) == []


def test_identities_tell_a_reused_pid_from_the_process() -> None:
    own = keeper.identify(os.getpid())
    assert own is not None
    assert keeper.alive(own)
    assert not keeper.alive((own[0], "1@00000000"))
    assert keeper.send((own[0], "1@00000000"), signal.SIGKILL) is False
    assert keeper.send(None, signal.SIGKILL) is False
    assert keeper.identify(2**22 + 1) is None


def test_processor_time_and_memory_are_those_of_the_whole_family() -> None:
    busy = (
        "x = [0] * 3_000_000\nfor i in range(2_000_000): pass\nprint('done', flush=True)\nimport time; time.sleep(60)"
    )
    with subprocess.Popen(
        ["sh", "-c", f'{sys.executable} -ISc "{busy}"; :'], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"done\n"
        assert len(keeper.family(shell.pid)) == 2
        assert keeper.resident(shell.pid) > 24_000_000
        assert keeper.cpu_seconds(shell.pid) > 0.02
        os.killpg(shell.pid, signal.SIGKILL)


def test_rotation_moves_copies_up_and_drops_the_oldest(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    with log.open("a") as writer:
        for number in range(5):
            writer.write(f"{number}" * 100)
            writer.flush()
            keeper.rotate(str(log), limit=100, kept=2)
    keeper.rotate(str(log), limit=100, kept=2)
    assert log.read_text() == ""
    assert (tmp_path / "output.log.1").read_text() == "4" * 100
    assert (tmp_path / "output.log.2").read_text() == "3" * 100
    assert not (tmp_path / "output.log.3").exists()


def test_files_that_cannot_be_read_are_as_if_there_were_none(tmp_path: Path) -> None:
    assert keeper.read_json(str(tmp_path / "none.json")) == {}
    (tmp_path / "torn.json").write_text('{"phase": ')
    assert keeper.read_json(str(tmp_path / "torn.json")) == {}
    (tmp_path / "list.json").write_text("[]")
    assert keeper.read_json(str(tmp_path / "list.json")) == {}
    keeper.write_json(str(tmp_path / "good.json"), {"a": 1})
    assert json.loads((tmp_path / "good.json").read_text()) == {"a": 1}
    assert (tmp_path / "good.json").stat().st_mode & 0o777 == 0o600
