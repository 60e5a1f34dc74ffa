import json
import tempfile
import time
import unittest
from pathlib import Path

from service.worker import LONGEST, TRIES, Worker
from tests.running import Running


class WorkerTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.queue = Path(directory.name)
        self.done: list[dict] = []

    def put(self, name: str, task: object) -> None:
        (self.queue / f"{name}.part").write_text(task if isinstance(task, str) else json.dumps(task))
        (self.queue / f"{name}.part").rename(self.queue / f"{name}.json")

    def left(self) -> list[str]:
        return sorted(path.relative_to(self.queue).as_posix() for path in self.queue.rglob("*.json"))

    def test_tasks_are_done_in_order_and_once(self) -> None:
        worker = Worker(self.queue, self.done.append)
        self.put("2", {"n": 2})
        self.put("1", {"n": 1})
        self.assertEqual([worker.once(), worker.once(), worker.once()], [True, True, False])
        self.assertEqual((self.done, self.left()), ([{"n": 1}, {"n": 2}], []))

    def test_what_fails_is_tried_again_and_then_put_aside(self) -> None:
        worker = Worker(self.queue, self.done.append)
        self.put("bad", "no JSON")
        self.put("good", {"n": 1})
        rounds = sum(iter(worker.once, False))
        self.assertEqual((rounds, self.done, self.left()), (TRIES + 1, [{"n": 1}], ["failed/bad.json"]))

    def test_what_a_killed_worker_had_taken_is_put_back(self) -> None:
        Worker(self.queue)
        self.put("1", {"n": 1})
        (self.queue / "1.json").rename(self.queue / "taken" / "1.json")
        Worker(self.queue, self.done.append).once()
        self.assertEqual(self.done, [{"n": 1}])

    def test_a_loop_that_is_stuck_is_ill(self) -> None:
        now = 0.0
        worker = Worker(self.queue, now=lambda: now)
        self.assertTrue(worker.well())
        now = LONGEST
        self.assertFalse(worker.well())

    def test_the_process_does_what_is_in_the_queue_and_ends_when_told_to(self) -> None:
        with Running(QUEUE=str(self.queue)) as service:
            self.put("1", {"n": 1})
            end = time.monotonic() + 10
            while "tasks_done_total 1" not in service.get("/metrics")[1]:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertEqual(service.get("/")[0].status, 404)
            self.assertEqual(service.end(), 0)
        self.assertEqual(self.left(), [])
