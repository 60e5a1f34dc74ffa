"""A scripted HTTP server in the test's own loop, which leaves nothing open behind."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def server(answer: bytes, *, delay: float = 0.0, close_every: int = 0) -> AsyncIterator[tuple[int, Counter[str]]]:
    """Answers every request with ``answer`` after ``delay`` seconds, and closes after every n-th: (port, what it saw)."""
    seen: Counter[str] = Counter()
    handlers: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            seen["requests"] += 1
            await asyncio.sleep(delay)
            writer.write(answer)
            await writer.drain()
            if close_every and seen["requests"] % close_every == 0:
                return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen["connections"] += 1
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    found = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield found.sockets[0].getsockname()[1], seen
    finally:
        found.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers)
