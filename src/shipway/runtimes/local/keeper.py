"""The keeper: a tiny process that keeps one other process running, whoever else dies.

Started by ``runtimes.local.instance`` as ``python -ISE keeper.py DIRECTORY``, one per instance and one for Envoy, in a
session of its own. Standard library only, so that it starts in some 20 ms and stays small. It knows nothing of
releases, probes or the proxy; it does what ``spec.json`` says and writes what happened to ``state.json``.

Files in DIRECTORY, all replaced by atomic rename:

    spec.json    what is wanted, written by the controller; read again whenever it changes (and at once on SIGHUP)
    state.json   what is, written here alone
    lock         flock for the life of the keeper: there is never a second one
    output.log   the child's stdout and stderr, opened by the child itself: nobody's death breaks its output
    keeper.log   the keeper's own traceback, should it ever have one

Who may die, and what then:

    controller   nothing changes; the next one reads state.json
    child        recorded with its reason, restarted after a delay that doubles
    keeper       the child lives on; the next keeper adopts it (its exit code is then unknown to us)
    any of them between fork and record   a child waits for a byte before it becomes the program, and the byte is sent
                 after its identity is on disk; end of file instead means that nobody knows it, and it exits
    the machine  identities carry the boot id, so a pid of an earlier boot is nobody's

A process is named by pid, start time and boot, never by its pid alone.
"""

# The file as a whole stays away from pathlib: importing it would cost a third of the start-up.
# ruff: noqa: PTH105, PTH110, PTH116, PTH123, PTH202, PTH208

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import sys
import time
from types import FrameType

TICK = 0.25
"""Seconds between looks at the specification, the memory and the log."""

STEADY = 10.0
"""A child that ran this long in seconds starts again with the shortest delay."""

KEPT_EXITS = 20
"""Exits that state.json remembers."""

Identity = tuple[int, str]
"""(pid, start time and boot)."""

TYPE_CHECKING = False  # mypy knows the name; importing typing would cost a sixth of the start-up
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]
else:
    Data = dict


# --- processes (also used by the controller) ----------------------------------------------------------------------


def boot_id() -> str:
    """Names this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read(8)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def identify(pid: int) -> Identity | None:
    """The identity of a process that runs now; None when it does not, or is a zombie."""
    fields = _stat(pid)
    return (pid, f"{fields[19]}@{boot_id()}") if fields and fields[0] not in "ZX" else None


def alive(identity: Identity | None) -> bool:
    """Whether exactly this process still runs."""
    return identity is not None and identify(identity[0]) == tuple(identity)


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    found, index = [pid], 0
    while index < len(found):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{found[index]}/task"):
                with open(f"/proc/{found[index]}/task/{task}/children") as file:
                    found.extend(int(child) for child in file.read().split())
        index += 1
    return found


def resident(pid: int) -> int:
    """Bytes of resident memory of the process and its descendants; pages that they share count for each."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{member}/statm") as file:
            total += int(file.read().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU time in seconds that the process, its descendants and its dead children have used."""
    fields = (_stat(member)[11:15] for member in family(pid))
    return sum(int(field) for four in fields for field in four[:4]) / os.sysconf("SC_CLK_TCK")


def send(identity: Identity | None, number: int) -> bool:
    """Signal exactly this process. False when it no longer runs. Free of the race with a reused pid."""
    if identity is None:
        return False
    try:
        handle = os.pidfd_open(identity[0])
    except OSError:
        return False
    try:
        if not alive(identity):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


# --- files -----------------------------------------------------------------------------------------------------


def write_json(path: str, data: object) -> None:
    """Replace ``path`` at once, readable by its owner alone."""
    temporary = f"{path}.{os.getpid()}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(data, file)
    os.replace(temporary, path)


def read_json(path: str) -> Data:
    """The file's data; empty when there is none."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def rotate(path: str, limit: int, kept: int) -> None:
    """Copy the log to ``path.1`` and empty it, once it has ``limit`` bytes; older copies move up to ``path.kept``.

    The child holds the file open for appending, so the file itself has to stay. What the child writes while we copy is
    copied too; what it writes between our last look and the truncation, some microseconds, is lost.
    """
    if limit <= 0 or kept <= 0 or not os.path.exists(path) or os.path.getsize(path) < limit:
        return
    for number in range(kept - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    with open(path, "rb+") as source, open(f"{path}.1", "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
        target.flush()
        source.truncate(0)


# --- the keeper --------------------------------------------------------------------------------------------------


_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""What a process is asked to end with."""


class Keeper:
    """One child: running, waiting to be started again, or being ended. ``step`` is called for whatever happens."""

    def __init__(self) -> None:
        self.spec: Data = {}
        self.spec_seen = 0
        self.state: Data = {"child": None, "restarts": 0, "streak": 0, "exits": [], "restart_seen": 0}
        self.state.update(read_json("state.json"))
        self.state["keeper"] = identify(os.getpid())
        self.handle = -1
        """pidfd of the child, -1 without one."""
        self.ours = False
        """Whether the child is our own, so that its exit code can be had."""
        self.ending = ""
        """Why the child was asked to end; empty while it was not."""
        self.kill_at = 0.0
        self.start_at = 0.0
        """When a child may be started, on the monotonic clock: the wall clock may jump."""
        self.asked_to_stop = False

    # -- what is wanted

    def load(self) -> None:
        """Read the specification again if it has changed. Without one there is nothing to keep: the directory is gone."""
        try:
            changed = os.stat("spec.json").st_mtime_ns
        except FileNotFoundError:
            self.asked_to_stop = True
            return
        if changed != self.spec_seen:
            self.spec, self.spec_seen = read_json("spec.json") or self.spec, changed

    @property
    def stopping(self) -> bool:
        """Whether the child is to end and the keeper with it."""
        return self.asked_to_stop or self.spec.get("wanted") == "stopped"

    def save(self, phase: str) -> None:
        """Record the state. A full disk must not end what runs: the next change tries again."""
        self.state["phase"] = phase
        with contextlib.suppress(OSError):
            write_json("state.json", self.state)

    # -- the child's life

    def adopt(self) -> None:
        """Find the child of a keeper before us, if it still runs; record that it does not otherwise."""
        child = self.state["child"]
        if child is None:
            return
        with contextlib.suppress(OSError):
            self.handle = os.pidfd_open(child["pid"])
        if self.handle >= 0 and alive((child["pid"], child["start"])):
            self.save("running")
            return
        self.gone("ended while no keeper watched")

    def start(self) -> None:
        """Fork; record; only then let the child become the program."""
        reader, writer = os.pipe()
        # A signal that reaches the child before it is the program must wait for the program, or it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            become(self.spec, reader)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(reader)
        self.handle, self.ours, self.ending = os.pidfd_open(pid), True, ""
        identity = identify(pid)
        self.state["child"] = {"pid": pid, "start": identity[1] if identity else "", "since": time.time()}
        self.save("running")
        with contextlib.suppress(BrokenPipeError):
            os.write(writer, b"1")
        os.close(writer)

    def end(self, reason: str) -> None:
        """Ask the child to end; after its grace it is killed."""
        if not self.ending:
            self.ending = reason
            self.kill_at = time.monotonic() + float(self.spec.get("grace", 5.0))
            self.signal_group(signal.SIGTERM)
            self.save("stopping")

    def signal_group(self, number: int) -> None:
        """Signal the child's process group. The child leads it, and is not reaped yet, so the number is still its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.state["child"]["pid"], number)

    def exited(self) -> bool:
        """Whether the child has ended; if so, record it and clear its process group away."""
        if self.handle < 0 or not readable(self.handle, 0.0):
            return False
        self.signal_group(signal.SIGKILL)  # what the child has left behind would keep its port and its memory
        self.gone(self.exit_reason())
        return True

    def exit_reason(self) -> str:
        """Why the child ended, in words."""
        status = "exited (adopted, so its exit code is unknown)"
        if self.ours:
            code = os.waitstatus_to_exitcode(os.waitpid(self.state["child"]["pid"], 0)[1])
            status = f"killed by {signal_name(-code)}" if code < 0 else f"exit code {code}"
        return f"{self.ending}; {status}" if self.ending else status

    def gone(self, reason: str) -> None:
        """The child is no more: remember why and say when it starts again."""
        ran = time.time() - self.state["child"]["since"]
        first, longest = self.spec.get("backoff") or (0.2, 30.0)
        self.state["streak"] = 1 if ran >= STEADY else self.state["streak"] + 1
        delay = min(longest, first * 2 ** min(self.state["streak"] - 1, 20))
        last = {"at": time.time(), "reason": reason, "ran": ran, "asked": self.stopping}
        self.state["exits"] = [*self.state["exits"], last][-KEPT_EXITS:]
        self.state["child"], self.start_at = None, time.monotonic() + delay
        if self.handle >= 0:
            os.close(self.handle)
        self.handle, self.ours, self.ending = -1, False, ""
        self.save("backoff")

    # -- the loop

    def step(self) -> bool:
        """Look at everything once. False when the keeper's work is over."""
        self.load()
        if self.state["child"] is None or self.exited():
            return self.step_without_child()
        if self.stopping:
            self.end("asked to stop")
        elif self.spec.get("restart", 0) > self.state["restart_seen"]:
            self.state["restart_seen"] = self.spec["restart"]
            self.end(self.spec.get("restart_reason", "asked to restart"))
        elif 0 < self.spec.get("memory_limit", 0) < (used := resident(self.state["child"]["pid"])):
            self.end(f"memory limit: {used >> 20} MiB used, {self.spec['memory_limit'] >> 20} MiB allowed")
            self.kill_at = 0.0
        if self.ending and time.monotonic() >= self.kill_at:
            self.signal_group(signal.SIGKILL)
        with contextlib.suppress(OSError):
            rotate("output.log", self.spec.get("log_bytes", 0), self.spec.get("log_files", 0))
        return True

    def step_without_child(self) -> bool:
        if self.stopping:
            self.save("stopped")
            return False
        if time.monotonic() >= self.start_at:
            exits = self.state["exits"]
            self.state["restarts"] += bool(exits and not exits[-1]["asked"])
            self.state["restart_seen"] = self.spec.get("restart", 0)
            try:
                self.start()
            except OSError:  # no process, memory or file left on the machine: that passes
                self.start_at = time.monotonic() + 1.0
        return True

    def wait(self, wakeup: int) -> None:
        """Until a signal, the child's end, the end of the delay, or the next tick."""
        delay = max(0.0, self.start_at - time.monotonic()) if self.state["child"] is None else TICK
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        if self.handle >= 0:
            poll.register(self.handle, select.POLLIN)
        poll.poll(min(TICK, delay) * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(wakeup, 4096)


def become(spec: Data, reader: int) -> None:
    """In the child: wait to be recorded, then become the program. Never returns."""
    try:
        os.setsid()
        if os.read(reader, 1) != b"1":
            os._exit(0)
        output = os.open("output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
            os.dup2(source, target)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores SIGPIPE, and exec would hand that on
        environment = dict(spec["env"])
        for name, path in spec.get("secret_files", ()):
            with open(path) as file:
                environment[name] = file.read()
        os.chdir(spec["directory"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.execvpe(spec["argv"][0], spec["argv"], environment)  # noqa: S606  # the program's own shell is its business
    except OSError as error:
        os.write(2, f"shipway: cannot start {spec['argv'][0]}: {error}\n".encode())
    finally:
        os._exit(127)


def signal_name(number: int) -> str:
    """``SIGKILL``, or ``signal 35`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def readable(handle: int, seconds: float) -> bool:
    """Whether ``handle`` can be read within ``seconds``; a pidfd can once its process has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def locked(seconds: float) -> int:
    """The directory's lock, or -1 when another keeper holds it for longer than ``seconds``."""
    handle = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN) or time.monotonic() > deadline:
                return -1
            time.sleep(0.02)


def main(directory: str) -> int:
    """Keep the child of ``directory`` until asked to stop. 0: stopped as asked; 3: there is another keeper."""
    os.chdir(directory)
    if locked(seconds=1.0) < 0:
        return 3
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    keeper = Keeper()

    def stop(_number: int, _frame: FrameType | None) -> None:
        keeper.asked_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    keeper.load()
    keeper.adopt()
    while keeper.step():
        keeper.wait(reader)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
