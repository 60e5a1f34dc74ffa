import os
import threading
from pathlib import Path

from service import web
from service.worker import Worker


def main() -> None:
    worker = Worker(Path(os.environ.get("QUEUE", "/tmp/queue")))  # noqa: S108  # the volume for temporary files
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        web.serve(lambda request: web.reply(404, {"error": "see /healthz and /metrics"}), worker.well)
    finally:
        worker.end()  # a task under way is finished first
        thread.join()


if __name__ == "__main__":
    main()
