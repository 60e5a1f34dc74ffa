"""An HTTP server from the standard library: health, metrics, one JSON line per log entry, a polite end.

GET /healthz   200 while the service is well, else 503: an instance that stays ill is replaced
GET /metrics   requests by status code and their durations, in Prometheus' text format, and what `count` has counted

Environment:
    PORT   where to listen (default 8080)
    HOST   on which address (default 127.0.0.1; the container image says 0.0.0.0)
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RD
from typing import NamedTuple

RELEASE = os.environ.get("SHIPWAY_RELEASE", "unreleased")
LONGEST_BODY = 1 << 20  # bytes
LOG = threading.Lock()
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, Prometheus' usual ones


class Request(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    id: str = ""


class Answer(NamedTuple):
    status: int
    body: str
    kind: str = "text/plain"


Service = Callable[[Request], Answer]


def reply(status: int, data: object) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(data) + "\n", "application/json")


def log(message: str, **fields: object) -> None:
    """One line for machines to read: give `request=request.id` to find what belongs together."""
    line = json.dumps({"time": time.time(), "release": RELEASE, "message": message, **fields})
    with LOG:  # `print` writes the line and its end apart: those of two threads would mix
        print(line, flush=True)


class Metrics:
    """Counters of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: Counter[int] = Counter()
        self._below: Counter[float] = Counter()
        self._seconds = 0.0
        self._counts: Counter[str] = Counter()

    def request(self, code: int, seconds: float) -> None:
        with self._lock:
            self._codes[code] += 1
            self._seconds += seconds
            self._below.update(bound for bound in BUCKETS if seconds <= bound)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter of the service's own; by convention its name ends in `_total`."""
        with self._lock:
            self._counts[name] += by

    def text(self) -> str:
        with self._lock:
            total = sum(self._codes.values())
            lines = ["# TYPE http_requests_total counter"]
            lines += [f'http_requests_total{{code="{code}"}} {n}' for code, n in sorted(self._codes.items())]
            lines += ["# TYPE http_request_duration_seconds histogram"]
            lines += [f'http_request_duration_seconds_bucket{{le="{bound}"}} {self._below[bound]}' for bound in BUCKETS]
            lines += [f'http_request_duration_seconds_bucket{{le="+Inf"}} {total}']
            lines += [
                f"http_request_duration_seconds_sum {self._seconds}",
                f"http_request_duration_seconds_count {total}",
            ]
            for name, n in sorted(self._counts.items()):
                lines += [f"# TYPE {name} counter", f"{name} {n}"]
        return "\n".join(lines) + "\n"


METRICS = Metrics()


class Server(ThreadingHTTPServer):
    """A thread per connection. At the end, requests under way are answered and idle connections closed."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service, well: Callable[[], bool]) -> None:
        self.service, self.well, self.ending = service, well, False
        self._connections: set = set()
        super().__init__(address, Handler)

    def process_request(self, request, client_address) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        self.ending = True
        self.shutdown()
        for connection in list(self._connections):
            try:
                connection.shutdown(SHUT_RD)  # reading only: an answer under way still goes out
            except OSError:
                pass  # it has closed by itself just now


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def _handle(self) -> None:
        begin = time.perf_counter()
        length = int(self.headers.get("content-length") or 0)
        if length > LONGEST_BODY:
            self.close_connection = True
            return self._send(Answer(413, f"at most {LONGEST_BODY} bytes\n"), "")
        request = Request(
            self.command,
            self.path.partition("?")[0],
            self.rfile.read(length),
            self.headers.get("x-request-id") or uuid.uuid4().hex,
        )
        if request.path in ("/healthz", "/metrics"):
            return self._send(self._own(request.path), request.id)
        answer = self._answer(request)
        METRICS.request(answer.status, time.perf_counter() - begin)
        self._send(answer, request.id)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

    def _own(self, path: str) -> Answer:
        if path == "/metrics":
            return Answer(200, METRICS.text())
        return Answer(200, "ok\n") if self.server.well() else Answer(503, "not well\n")

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.service(request)
        except Exception:
            log("a request failed", request=request.id, path=request.path, error=traceback.format_exc())
            return reply(500, {"error": "internal error", "request": request.id})

    def _send(self, answer: Answer, request: str) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("content-type", f"{answer.kind}; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", request)
        self.send_header("x-release", RELEASE)
        if self.server.ending or self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            pass  # the client is gone; so is its question

    def log_message(self, format: str, *args: object) -> None:
        """No access log: the proxy in front and /metrics count the requests."""


def serve(service: Service, well: Callable[[], bool] = lambda: True) -> None:
    """Serve until SIGTERM or SIGINT, and return once every request under way has its answer."""
    try:
        address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    except ValueError:
        sys.exit(f"PORT must be a number, not {os.environ['PORT']!r}")
    with Server(address, service, well) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # `shutdown` waits for the loop that this very thread runs, so another one has to ask for it.
            signal.signal(number, lambda *_: threading.Thread(target=server.end).start())
        log("listening", address=f"{address[0]}:{server.server_port}")
        server.serve_forever(poll_interval=0.1)
    log("ended")
