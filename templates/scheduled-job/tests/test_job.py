import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from service.job import clear
from tests.running import Running


class JobTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def file(self, name: str, age: float) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def run_once(self, **env: str) -> int:
        clean = {key: value for key, value in os.environ.items() if key != "PORT"}
        environment = {**clean, "DIRECTORY": str(self.directory), "MAX_AGE_DAYS": "1", **env}
        return subprocess.run([sys.executable, "-m", "service"], env=environment, stdout=subprocess.DEVNULL).returncode

    def test_only_what_is_old_goes(self) -> None:
        old, new, outside = self.file("a/old", 100), self.file("new", 1), self.directory / "link"
        outside.symlink_to(new)
        self.assertEqual(clear(self.directory, time.time() - 50), 1)
        self.assertEqual((old.exists(), new.exists(), outside.is_symlink()), (False, True, True))
        self.assertEqual(clear(self.directory / "missing", time.time()), 0)

    def test_a_run_ends_by_itself_and_says_whether_it_went_well(self) -> None:
        old = self.file("old", 2 * 86400)
        self.assertEqual((self.run_once(), old.exists()), (0, False))
        self.assertEqual(self.run_once(), 0)
        self.assertEqual(self.run_once(MAX_AGE_DAYS="many"), 1)

    def test_with_a_port_it_stays_and_runs_again(self) -> None:
        with Running(DIRECTORY=str(self.directory), MAX_AGE_DAYS="1", EVERY="0.05") as service:
            old = self.file("old", 2 * 86400)
            end = time.monotonic() + 10
            while old.exists():
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertEqual(service.get("/healthz")[0].status, 200)
            self.assertEqual(service.get("/")[0].status, 404)
            self.assertEqual(service.end(), 0)
