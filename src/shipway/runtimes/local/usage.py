"""What processes use: CPU and memory of each instance with everything it has started. Called by the usage recorder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import psutil

_Key = tuple[int, float]
"""A process: its pid and when it was created, since pids are used again."""


class ProcessMeter:
    """Reads processes by pid. Synchronous; a reading of some hundred processes takes milliseconds."""

    def __init__(self) -> None:
        self._known: dict[_Key, float] = {}
        self._read_at = float("inf")

    def read(self, pids: Sequence[int], at: float) -> Mapping[int, tuple[float, float]]:
        """(CPU seconds since the reading before, bytes of resident memory) of each pid that is there, with its children.

        Memory that processes share counts for each of them. What a process used between the last reading and its end is
        lost. The first reading knows no CPU: it says 0.
        """
        children = _children()
        seen: dict[_Key, float] = {}
        found = {pid: self._tree(pid, children, seen) for pid in pids}
        self._known, self._read_at = seen, at
        return {pid: used for pid, used in found.items() if used is not None}

    def _tree(
        self, root: int, children: Mapping[int, list[int]], seen: dict[_Key, float]
    ) -> tuple[float, float] | None:
        used = [one for pid in _below(root, children) if (one := self._one(pid, seen)) is not None]
        return (sum(cpu for cpu, _ in used), sum(memory for _, memory in used)) if used else None

    def _one(self, pid: int, seen: dict[_Key, float]) -> tuple[float, float] | None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, created = process.cpu_times(), process.create_time()
                memory = float(process.memory_info().rss)
        except psutil.Error:  # it has ended, or is somebody else's
            return None
        total = times.user + times.system
        seen[pid, created] = total
        before = self._known.get((pid, created), 0.0 if created >= self._read_at else total)
        return max(0.0, total - before), memory


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        found.setdefault(process.info["ppid"], []).append(process.pid)
    return found


def _below(root: int, children: Mapping[int, Iterable[int]]) -> Iterator[int]:
    """``root`` and everything under it, each once."""
    waiting, done = [root], set[int]()
    while waiting:
        pid = waiting.pop()
        if pid not in done:
            done.add(pid)
            yield pid
            waiting += children.get(pid, ())
