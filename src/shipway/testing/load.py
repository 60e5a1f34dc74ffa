"""A light open-loop HTTP/1.1 load on loopback: a fixed rate, whatever the answers do. Used by the demo, benches and tests.

Open loop means that a slow server does not slow the clients down: requests are sent when they are due, and latency is
counted from then (no coordinated omission). Always bounded, in time and in number. Connections are kept and reused; one
that fails is a failed request, never a retry.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

import httptools
import msgspec

_PACE = 0.001
"""Shortest sleep in seconds between two bursts of due requests; the event loop is not finer."""

_LOOPBACK = "127.0.0.1"


class Shot(msgspec.Struct, frozen=True):
    """One request and what became of it."""

    sent: float
    """When it was due, in seconds since the epoch."""
    latency: float
    """Seconds from then to the last byte of the answer, or to the failure."""
    status: int
    """HTTP status; 0 when there was no whole answer."""
    arm: str = ""
    """The chosen response header: who answered."""
    failure: str = ""
    """Why there was no whole answer."""
    number: int = 0
    """Which request of the load it was, from 0."""

    @property
    def failed(self) -> bool:
        """No answer, or a 5xx."""
        return self.status == 0 or self.status >= 500


class Load:
    """``rate`` requests per second for ``seconds``, all to one path of one port.

    Args:
        port: on 127.0.0.1; there is no other target.
        rate: requests per second, evenly spaced.
        seconds: how long; the number of requests is ``rate x seconds``.
        arm_header: response header to record (lower case).
        headers: extra header lines for the n-th request (each ending in CRLF).
        timeout: seconds after which a request counts as failed.
        connections: most connections at a time; requests beyond them wait, and their latency with them.
    """

    def __init__(
        self,
        port: int,
        *,
        rate: float,
        seconds: float,
        path: str = "/",
        arm_header: str = "x-shipway-release",
        headers: Callable[[int], str] = lambda _number: "",
        timeout: float = 5.0,
        connections: int = 256,
    ) -> None:
        self.shots: list[Shot] = []
        """Finished requests, in order of their end; grows while the load runs."""
        self.total = round(rate * seconds)
        self._port, self._rate, self._path = port, rate, path
        self._arm_header = arm_header.encode()
        self._headers = headers
        self._timeout = timeout
        self._limit = connections
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._waiting: deque[_Request] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Send no more; :meth:`run` returns when what is under way has ended."""
        self._stopped = True

    async def run(self) -> list[Shot]:
        """Send everything, wait for the last answer, and return :attr:`shots`."""
        loop = asyncio.get_running_loop()
        offset = time.time() - loop.time()
        start, sent = loop.time(), 0
        while sent < self.total and not self._stopped:
            due = min(self.total, int((loop.time() - start) * self._rate) + 1)
            for number in range(sent, due):
                at = start + number / self._rate
                self._dispatch(_Request(number, at, at + offset))
            sent = max(sent, due)
            self._expire(loop.time())
            await asyncio.sleep(max(_PACE, start + sent / self._rate - loop.time()))
        while self._busy or self._waiting or self._opening:
            self._expire(loop.time())
            await asyncio.sleep(0.005)
        for connection in self._idle:
            connection.close()
        return self.shots

    # -- sending

    def _dispatch(self, request: "_Request") -> None:
        if self._idle:
            self._send(self._idle.pop(), request)
            return
        self._waiting.append(request)
        if len(self._busy) + len(self._opening) < self._limit:
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        """One more connection, for whatever request waits longest."""
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), _LOOPBACK, self._port)
        except OSError as error:
            if self._waiting:
                self.finish(self._waiting.popleft(), 0, "", f"connect: {error.strerror or error}")
            return
        self._release(connection)

    def _send(self, connection: "_Connection", request: "_Request") -> None:
        self._busy.add(connection)
        extra = self._headers(request.number)
        connection.send(request, f"GET {self._path} HTTP/1.1\r\nhost: localhost\r\n{extra}\r\n".encode())

    def _expire(self, now: float) -> None:
        for connection in [c for c in self._busy if c.request and now - c.request.due > self._timeout]:
            connection.fail(f"no answer within {self._timeout:g} s")

    # -- called by connections

    def is_arm_header(self, name: bytes) -> bool:
        """Whether this response header is the one to record."""
        return name.lower() == self._arm_header

    def finish(self, request: "_Request", status: int, arm: str, failure: str = "") -> None:
        """Record what became of a request."""
        latency = asyncio.get_running_loop().time() - request.due
        self.shots.append(Shot(request.sent, latency, status, arm, failure, request.number))

    def free(self, connection: "_Connection", *, reusable: bool) -> None:
        """The connection has no request any more."""
        self._busy.discard(connection)
        if reusable:
            self._release(connection)
        elif connection in self._idle:
            self._idle.remove(connection)

    def _release(self, connection: "_Connection") -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)


class _Request:
    """One request under way: its number, when it was due (loop time and epoch)."""

    __slots__ = ("due", "number", "sent")

    def __init__(self, number: int, due: float, sent: float) -> None:
        self.number, self.due, self.sent = number, due, sent


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on it."""

    def __init__(self, load: Load) -> None:
        self.request: _Request | None = None
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._arm = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: connected."""
        assert isinstance(transport, asyncio.Transport)  # what create_connection gives a Protocol
        self._transport = transport

    def send(self, request: _Request, data: bytes) -> None:
        """Write one request."""
        self.request, self._arm = request, ""
        self._parser = httptools.HttpResponseParser(self)
        if self._transport is None or self._transport.is_closing():
            self.fail("connection closed")
        else:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Asyncio: some bytes of the answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"bad answer: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: closed by the other side or by us."""
        self.fail(f"connection lost: {error}" if error else "connection closed")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: one header."""
        if self._load.is_arm_header(name):
            self._arm = value.decode()

    def on_message_complete(self) -> None:
        """Parser: the answer is whole."""
        request, self.request = self.request, None
        if request is None:
            return
        self._load.finish(request, self._parser.get_status_code(), self._arm)
        reusable = bool(self._parser.should_keep_alive())
        if not reusable:
            self.close()
        self._load.free(self, reusable=reusable)

    def fail(self, why: str) -> None:
        """End the connection, and the request on it with this failure."""
        request, self.request = self.request, None
        if request is not None:
            self._load.finish(request, 0, self._arm, why)
        self._load.free(self, reusable=False)
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


def failures(shots: Iterable[Shot]) -> list[Shot]:
    """Requests without an answer or with a 5xx."""
    return [shot for shot in shots if shot.failed]


def shares(shots: Iterable[Shot]) -> dict[str, float]:
    """Part of the requests (0..1) that each arm answered."""
    counted = Counter(shot.arm for shot in shots)
    total = sum(counted.values())
    return {arm: count / total for arm, count in sorted(counted.items())}
