"""A service for tests and benches, run as a script: standard library only, up in some 80 ms, does what the path says.

    /            200, the release's name; headers x-release and x-instance
    /healthz     200, or 503 while a file named in UNHEALTHY_IF exists
    /livez       the same for DEAD_IF
    /env         the environment as JSON
    /slow?S      200 after S seconds
    /500 /cut /reset   answers of a bad release
    /grow?MIB    holds that much more memory
    /exit?CODE   ends the process
    /say?TEXT    writes TEXT to stdout

Environment: EXIT_AFTER (0: before it listens) and START_DELAY in seconds; ERRORS, the share of requests to / that fail; SLOW, the seconds that
those which do not fail take, or that SLOW_SHARE of them do.
"""

import asyncio
import json
import os
import random
import sys
from pathlib import Path

HELD: list[bytes] = []
RELEASE = os.environ.get("SHIPWAY_RELEASE", "?")


def answer(status: str, body: str) -> bytes:
    """An HTTP/1.1 response that keeps the connection."""
    lines = [
        f"HTTP/1.1 {status}",
        f"content-length: {len(body)}",
        f"x-release: {RELEASE}",
        f"x-instance: {os.environ.get('SHIPWAY_INSTANCE', '?')}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def health(variable: str) -> bytes:
    bad = os.environ.get(variable, "")
    return answer("503 Service Unavailable", "no") if bad and Path(bad).exists() else answer("200 OK", "yes")


async def root(_argument: str, _writer: asyncio.StreamWriter) -> bytes:
    if random.random() < float(os.environ.get("ERRORS", "0")):  # noqa: S311  # chance, not secrecy
        return answer("500 Internal Server Error", "no")
    if random.random() < float(os.environ.get("SLOW_SHARE", "1")):  # noqa: S311  # as above
        await asyncio.sleep(float(os.environ.get("SLOW", "0")))
    return answer("200 OK", RELEASE)


async def healthz(_argument: str, _writer: asyncio.StreamWriter) -> bytes:
    return health("UNHEALTHY_IF")


async def livez(_argument: str, _writer: asyncio.StreamWriter) -> bytes:
    return health("DEAD_IF")


async def env(_argument: str, _writer: asyncio.StreamWriter) -> bytes:
    return answer("200 OK", json.dumps(dict(os.environ)))


async def slow(argument: str, _writer: asyncio.StreamWriter) -> bytes:
    await asyncio.sleep(float(argument))
    return answer("200 OK", RELEASE)


async def error(_argument: str, _writer: asyncio.StreamWriter) -> bytes:
    return answer("500 Internal Server Error", "no")


async def reset(_argument: str, writer: asyncio.StreamWriter) -> bytes:
    writer.transport.abort()
    return b""


async def cut(_argument: str, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it")
    await writer.drain()
    await asyncio.sleep(0.05)
    return await reset("", writer)


async def grow(argument: str, _writer: asyncio.StreamWriter) -> bytes:
    HELD.append(os.urandom(1) * (int(argument) << 20))
    return answer("200 OK", RELEASE)


async def leave(argument: str, _writer: asyncio.StreamWriter) -> bytes:
    os._exit(int(argument))


async def say(argument: str, _writer: asyncio.StreamWriter) -> bytes:
    print(argument, flush=True)
    return answer("200 OK", RELEASE)


PATHS = {
    "/healthz": healthz,
    "/livez": livez,
    "/env": env,
    "/slow": slow,
    "/500": error,
    "/reset": reset,
    "/cut": cut,
    "/grow": grow,
    "/exit": leave,
    "/say": say,
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path, _, argument = head.split()[1].decode().partition("?")
            writer.write(await PATHS.get(path, root)(argument, writer))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    if os.environ.get("EXIT_AFTER") == "0":
        print("giving up: no database", flush=True)
        sys.exit(7)
    await asyncio.sleep(float(os.environ.get("START_DELAY", "0")))
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    print(f"{RELEASE} listens on {os.environ['PORT']}", flush=True)
    if after := os.environ.get("EXIT_AFTER"):
        await asyncio.sleep(float(after))
        print("giving up: no database", flush=True)
        os._exit(7)  # a clean exit would cancel open connections and log a traceback for each, after the last words
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
