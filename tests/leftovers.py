"""Ends what tests have started and left behind: controllers, keepers, and what keepers keep.

All of these are made to outlive whoever started them, and instances neither stand below their keeper's directory nor name it.
What they are is in the ``state.json`` of each keeper, so the state directory finds them even when the keeper is dead.

``python -m tests.leftovers PID DIRECTORY HOMES`` waits for the end of a process, however it ends, then ends everything of both
directories and removes the second. Started by ``conftest`` beside tests with real processes: nobody else can tidy up when the
tests themselves are killed.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from shipway.runtimes.local import keeper


def processes(directory: Path) -> list[psutil.Process]:
    """Every process that lies in a directory, names it, or was kept from it, but for this one."""
    found = {process.pid: process for process in _kept(directory)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd()]
            if any(word == str(directory) or word.startswith(f"{directory}{os.sep}") for word in words):
                found[process.pid] = process
    found.pop(os.getpid(), None)
    return list(found.values())


def _kept(directory: Path) -> Iterator[psutil.Process]:
    for file in directory.rglob("state.json"):
        child = keeper.read_json(str(file)).get("child")
        if isinstance(child, dict) and keeper.alive((child["pid"], child["start"])):
            for pid in keeper.family(child["pid"]):
                with contextlib.suppress(psutil.Error):
                    yield psutil.Process(pid)


def end(directories: Iterable[Path], seconds: float = 10.0) -> None:
    """End all of them by force: first whoever would start others again."""
    directories, deadline = list(directories), time.monotonic() + seconds
    while (left := [one for directory in directories for one in processes(directory)]) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1.0)


def watch(directory: Path, homes: Path) -> None:
    """Tidy up in both once this process is gone."""
    root = Path(__file__).parents[1]
    words = [sys.executable, "-m", "tests.leftovers", str(os.getpid()), str(directory), str(homes)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src"), *sys.path])}
    # It must not hold open what somebody reads the tests' output from.
    silence = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # What ends the tests may end their whole process group: it has a session of its own.
    os.posix_spawn(sys.executable, words, environment, file_actions=silence, setsid=True)


def main(pid: int, directory: Path, homes: Path) -> None:
    """Wait for a process, then tidy up."""
    with contextlib.suppress(ProcessLookupError):
        keeper.readable(os.pidfd_open(pid), 7 * 86_400)
    end([directory, homes])
    shutil.rmtree(homes, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
