"""Starting and ending the controller's process, in the foreground or detached. Used by ``up``, ``down`` and ``demo``.

What takes long to import is imported late: a detached controller starts meanwhile, on another core.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.facts.home import LOG, socket_path
from shipway.model.errors import ControllerConflict, ControllerUnreachable, ShipwayError

if TYPE_CHECKING:
    from shipway.engine.views import ControllerView

_START = 60.0
"""Seconds for a detached controller to answer. Adopting thousands of releases takes a while; nothing takes this long."""

_END = 120.0
"""Seconds for everything to drain and end."""

_POLL = 0.05
_TAIL = 15
"""Lines of the log that a failed start shows."""


def run(home: Path, platform: Path | None, ready: Callable[[], None]) -> None:
    """Be the controller until told to end."""
    import asyncio

    from shipway.cli import wiring

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(wiring.serve(home, platform, ready))


def start_detached(home: Path, platform: Path | None) -> "ControllerView":
    """Start the controller in a session of its own and wait until it answers.

    Raises:
        ControllerConflict: one runs already.
        ShipwayError: it ended at once; its last words are in the message, its exit code is ours.
    """
    if (running := answering(home)) is not None:
        raise ControllerConflict(
            f"controller {running.pid} already runs in {home}", hint="Use it, or end it with `shipway down` first."
        )
    home.mkdir(parents=True, exist_ok=True)
    log = home / LOG
    begin = log.stat().st_size if log.exists() else 0
    process: subprocess.Popen[bytes] | None = None
    try:
        with _undisturbed():
            process = _spawn(home, platform, log)
        return _answered(home, process, log, begin)
    except KeyboardInterrupt:  # nobody waits for it any more
        if process is not None:
            process.terminate()
            process.wait(_END)
        raise


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait until the block is over: one between a fork and its being remembered would leave the child behind."""
    waiting: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # where Python handles no signals
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _frame: waiting.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for waited in waiting:
        signal.raise_signal(waited)


def _answered(home: Path, process: subprocess.Popen[bytes], log: Path, begin: int) -> "ControllerView":
    import shipway.web.api.client  # noqa: F401  # so that the first answer is read at once

    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        view = answering(home)
        if view is not None and view.pid == process.pid:
            process.returncode = 0  # not ours any more: Popen must not mind that it still runs
            return view
        if process.poll() is not None:
            raise _failed(process.returncode, _tail(log, begin))
        time.sleep(_POLL)
    process.terminate()
    raise ShipwayError(f"the controller did not answer within {_START:g} s", hint=f"Its log is {log}.")


def answering(home: Path) -> "ControllerView | None":
    """The controller of ``home``, if one answers."""
    if not socket_path(home).exists():
        return None
    from shipway.web.api.client import Client

    with Client(home) as client, contextlib.suppress(ControllerUnreachable):
        return client.controller()
    return None


def end(home: Path) -> int | None:
    """End everything that runs for ``home``; the pid of the controller that did it, None when there was none.

    Raises:
        ShipwayError: it is not over after two minutes.
    """
    running = answering(home)
    if running is None:
        import asyncio

        from shipway.cli import wiring

        asyncio.run(wiring.end_orphans(home))
        return None
    from shipway.web.api.client import Client

    with Client(home) as client:
        client.shut_down()
    deadline = time.monotonic() + _END
    while _alive(running.pid):
        if time.monotonic() > deadline:
            raise ShipwayError(
                f"controller {running.pid} has not ended within {_END:g} s", hint=f"Its log is {home / LOG}."
            )
        time.sleep(_POLL)
    return running.pid


def _alive(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _spawn(home: Path, platform: Path | None, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shipway.cli.main", "up", "--home", str(home)]
    command += ["--platform", str(platform.absolute())] if platform else []
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _tail(log: Path, begin: int) -> list[str]:
    """Lines that the controller wrote since ``begin`` (bytes)."""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").splitlines()


def _failed(code: int, said: list[str]) -> ShipwayError:
    """The controller's own error with its own exit code; without one, its last lines."""
    starts = [number for number, line in enumerate(said) if line.startswith("error: ")]
    words = said[starts[-1] :] if starts else [f"error: the controller ended with exit code {code}", *said[-_TAIL:]]
    hints = [number for number, line in enumerate(words) if line.startswith("hint: ")]
    message = "\n".join(words[: hints[0]] if hints else words).removeprefix("error: ")
    # The log may be another controller's too, and on a full disk it is empty.
    hint = words[hints[0]].removeprefix("hint: ") if hints else "`shipway up` without --detach shows what is wrong."
    kind = next((kind for kind in ShipwayError.__subclasses__() if kind.exit_code == code), ShipwayError)
    return kind(message, hint=hint)
