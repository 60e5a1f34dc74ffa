"""However tests end, what they have started ends with them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipway.runtimes.local import keeper

pytestmark = pytest.mark.e2e

TEST = """
import os
from pathlib import Path

import pytest

from shipway.runtimes.local import keeper
from tests.runtimes.lab import lab, real, workload


@pytest.mark.e2e
@real
async def test_of_a_service_that_has_lost_its_keeper(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.route(v1=100)
        for process in it.processes():
            print("started", *keeper.identify(process.pid), flush=True)
            if "keeper.py" in " ".join(process.cmdline()) and "proxy" not in " ".join(process.cmdline()):
                process.kill()
        ENDING
"""


@pytest.mark.parametrize(
    "ending", ["os.kill(os.getpid(), 9)", "os._exit(1)", "raise AssertionError", "os.kill(os.getpid(), 2)"]
)
def test_nothing_outlives_tests_that_are_killed_or_fail(tmp_path: Path, ending: str) -> None:
    (tmp_path / "test_inner.py").write_text(TEST.replace("ENDING", ending))
    words = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-s", "-q", "--basetemp", str(tmp_path / "inner")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode != 0
    started = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("started")]
    assert len(started) == 4, done.stdout + done.stderr  # a keeper and what it keeps: the service, and Envoy
    deadline = time.monotonic() + 20
    while left := [pid for pid, start in started if keeper.alive((int(pid), start))]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
