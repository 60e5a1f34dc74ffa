"""Run the job: once, or again and again where nobody else keeps the schedule.

A cluster starts a new container at each time of `schedule` and waits for its end. On one machine a release is a process
that stays and answers on $PORT, so with PORT the job is repeated every $EVERY seconds (default 3600).
"""

import os
import sys
import threading
import time
from pathlib import Path

from service import web
from service.job import clear


def once() -> bool:
    """One run; False when it failed, which has been logged."""
    try:
        directory, days = Path(os.environ.get("DIRECTORY", ".")), float(os.environ.get("MAX_AGE_DAYS", "30"))
        cleared = clear(directory, time.time() - days * 86400)
    except (OSError, ValueError) as error:
        web.METRICS.count("runs_failed_total")
        web.log("the run failed", error=str(error))
        return False
    web.METRICS.count("runs_done_total")
    web.METRICS.count("files_cleared_total", cleared)
    web.log("the run is done", cleared=cleared)
    return True


def again_and_again(ending: threading.Event) -> None:
    every = float(os.environ.get("EVERY", "3600"))
    while not ending.is_set():
        once()
        ending.wait(every)


def main() -> None:
    if "PORT" not in os.environ:
        sys.exit(0 if once() else 1)
    ending = threading.Event()
    thread = threading.Thread(target=again_and_again, args=(ending,))
    thread.start()
    try:
        web.serve(lambda request: web.reply(404, {"error": "see /healthz and /metrics"}), thread.is_alive)
    finally:
        ending.set()
        thread.join()


if __name__ == "__main__":
    main()
