"""How long one waits for the command line and for a fresh machine: ``python -m bench.start --json``.

help    ``shipway --help``, a new process each time
first   from ``shipway up --detach`` in a new home, through ``shipway deploy FILE``, to the end of the first 200
        that a client gets through the proxy: two commands one after the other, as a person (or a script) runs them
"""

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import live
from bench.live import shipway
from shipway.runtimes.local.ports import free_port

HELP_BAR, FIRST_BAR = 0.2, 3.0
"""Seconds, for the medians."""

PATIENCE = 30.0


class Times(msgspec.Struct, frozen=True):
    """Seconds."""

    runs: int
    median: float
    max: float


class First(msgspec.Struct, frozen=True):
    """Moments of one fresh start, in seconds from its beginning."""

    up: float
    """``up --detach`` has returned: controller and proxy run."""
    deployed: float
    """``deploy`` has returned: the release is asked for."""
    served: float
    """The first 200 is there."""


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def first() -> First:
    """One fresh start; everything is ended before it returns."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as name:
        home, port = Path(name) / "home", free_port(())
        file = Path(name) / "application.yaml"
        file.write_text(json.dumps(live.application(port)), encoding="utf-8")
        try:
            began = time.perf_counter()
            shipway("up", "--detach", "--home", str(home))
            up = time.perf_counter() - began
            shipway("deploy", str(file), "--home", str(home))
            deployed = time.perf_counter() - began
            _wait_for(port, began + PATIENCE)
            return First(round(up, 3), round(deployed, 3), round(time.perf_counter() - began, 3))
        finally:
            shipway("down", "--home", str(home))


def _wait_for(port: int, deadline: float) -> None:
    """Return with the first 200."""
    while not _answers(port):
        if time.perf_counter() > deadline:
            raise RuntimeError(f"nothing served on port {port} within {PATIENCE:g} s")
        time.sleep(0.005)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--runs", type=int, default=20, help="of `shipway --help`")
    parser.add_argument("--starts", type=int, default=5, help="fresh starts")
    options = parser.parse_args(arguments)
    help_ = _times([timed(lambda: shipway("--help")) for _ in range(options.runs)])
    starts = live.run(_starts(options.starts))
    served = _times([one.served for one in starts])
    problems = []
    if help_.median >= HELP_BAR:
        problems.append(f"`shipway --help` takes {help_.median} s, must be under {HELP_BAR} s")
    if served.median >= FIRST_BAR:
        problems.append(f"the first request is served after {served.median} s, must be under {FIRST_BAR} s")
    found = {"help": help_, "first": served, "starts": starts, "missed": problems}
    print(json.dumps(msgspec.to_builtins(found), indent=1) if options.json else _table(help_, starts))
    for problem in problems:
        print(f"BAR MISSED {problem}", file=sys.stderr)
    return int(bool(problems))


async def _starts(count: int) -> list[First]:
    return [await asyncio.to_thread(first) for _ in range(count)]


def _times(seconds: Sequence[float]) -> Times:
    return Times(len(seconds), round(statistics.median(seconds), 3), round(max(seconds), 3))


def _table(help_: Times, starts: Sequence[First]) -> str:
    lines = [f"shipway --help: median {help_.median} s, max {help_.max} s of {help_.runs}"]
    lines += [f"fresh start: up {one.up} s, deployed {one.deployed} s, first 200 {one.served} s" for one in starts]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
