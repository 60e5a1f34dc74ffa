"""Takes tasks from a queue and does them. The queue is a directory of JSON files; put your broker here.

    queue/*.json     waiting: write elsewhere and rename into it, so that no half a task is ever read
    queue/taken/     being done by a worker; taken by renaming, so that two workers never have the same task
    queue/failed/    failed three times: somebody must look

A task that a killed worker had taken is put back by the next start, so a task may be done twice: make yours idempotent.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service.web import METRICS, log

TRIES = 3
POLL = 0.2  # seconds
LONGEST = 60.0  # seconds: a loop that has not come round for so long is stuck


def do(task: dict) -> None:
    """The work itself. Raise to have it tried again."""
    log("done", task=task)


class Worker:
    def __init__(self, queue: Path, do: Callable[[dict], None] = do, now: Callable[[], float] = time.monotonic) -> None:
        self._queue, self._do, self._now = queue, do, now
        self._taken, self._failed = queue / "taken", queue / "failed"
        self._tries: dict[str, int] = {}
        self._ending = threading.Event()
        for directory in (self._taken, self._failed):
            directory.mkdir(parents=True, exist_ok=True)
        for left in self._taken.glob("*.json"):
            left.rename(queue / left.name)
        self._round = now()

    def well(self) -> bool:
        return self._now() - self._round < LONGEST

    def run(self) -> None:
        while not self._ending.is_set():
            self._round = self._now()
            if not self.once():
                self._ending.wait(POLL)

    def end(self) -> None:
        self._ending.set()

    def once(self) -> bool:
        """Do the oldest task; False when there is none."""
        for path in sorted(self._queue.glob("*.json")):
            taken = self._taken / path.name
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            self._try(taken)
            return True
        return False

    def _try(self, taken: Path) -> None:
        try:
            self._do(json.loads(taken.read_text(encoding="utf-8")))
        except Exception as error:
            self._again(taken, error)
            return
        taken.unlink()
        self._tries.pop(taken.name, None)
        METRICS.count("tasks_done_total")

    def _again(self, taken: Path, error: Exception) -> None:
        tries = self._tries[taken.name] = self._tries.get(taken.name, 0) + 1
        log("a task failed", task=taken.name, tries=tries, error=repr(error))
        METRICS.count("tasks_failed_total")
        taken.rename((self._failed if tries >= TRIES else self._queue) / taken.name)
