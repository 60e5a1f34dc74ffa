"""What both services of the shop share: an HTTP/1.1 server from the standard library that starts fast and ends politely.

Nothing needs to be installed to run the shop: any Python from 3.9 on will do.
"""

from __future__ import annotations

import os
import random
import signal
import socketserver
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from math import log
from socket import SHUT_RD

RELEASE = os.environ.get("SHIPWAY_RELEASE", "unreleased")

SPREAD = 0.45
"""Of the logarithm of a response time: the slowest 5 % take more than twice the median, as in many a real service."""


def number(name: str, default: float) -> float:
    """A number from the environment. A release whose configuration is wrong says so and does not start."""
    try:
        return float(os.environ.get(name) or default)
    except ValueError:
        raise SystemExit(f"{name} must be a number, not {os.environ[name]!r}") from None


def work(median_ms: float) -> None:
    """Take about ``median_ms`` milliseconds, as if there were something to do."""
    if median_ms > 0:
        time.sleep(random.lognormvariate(log(median_ms / 1000), SPREAD))


class Handler(BaseHTTPRequestHandler):
    """One connection. A service derives its own and says what :meth:`page` answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def page(self) -> tuple[int, str, str]:
        """Status, content type and body for ``self.path``."""
        raise NotImplementedError

    def do_GET(self) -> None:
        status, kind, body = (200, "text/plain", "ok\n") if self.path == "/healthz" else self.page()
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", f"{kind}; charset=utf-8")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-release", RELEASE)
        if self.server.ending:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.do_GET()

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client is gone; so is its question
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name for it
        """No access log: the proxy in front counts the requests."""


class Server(socketserver.ThreadingTCPServer):
    """A thread per connection; at the end, requests under way are answered and idle connections closed."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[Handler]) -> None:
        self.ending = False
        self._connections: set = set()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request, client_address) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """No new connections, and nothing more is read from those there are."""
        self.ending = True
        self.shutdown()
        for connection in list(self._connections):
            with suppress(OSError):  # it may have closed by itself just now
                connection.shutdown(SHUT_RD)  # reading only: an answer under way still goes out


def serve(handler: type[Handler]) -> None:
    """Serve on ``$PORT`` until SIGTERM or SIGINT, then return once every request under way has its answer."""
    port = int(number("PORT", 8080))
    with Server(port, handler) as server:
        for signum in (signal.SIGTERM, signal.SIGINT):
            # `shutdown` waits for the loop that this very thread runs, so another one has to ask for it.
            signal.signal(signum, lambda *_: threading.Thread(target=server.end).start())
        print(f"{RELEASE} listens on 127.0.0.1:{port}", flush=True)
        server.serve_forever(poll_interval=0.1)
    print(f"{RELEASE} has ended", flush=True)
