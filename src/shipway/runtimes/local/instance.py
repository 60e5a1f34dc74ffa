"""One instance of a release: a kept process, its port and its probes. Watched by ``release``.

The process belongs to its keeper; this half only looks: it asks the probes, says whether the proxy may send requests,
and asks the keeper for a restart when liveness fails. Whoever watches is told by ``changed`` and looks again.

States, as people see them:

    backoff --(keeper starts the process)--> starting --(startup probe)--> unready <--(readiness probe)--> ready
    any --(the process ends)--> backoff        any --(stop)--> stopping --> stopped
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import httpx

from shipway.engine.ports import InstanceStatus
from shipway.model.errors import RuntimeFault
from shipway.model.workload import Probe, Workload
from shipway.runtimes.local import keeper, probes
from shipway.runtimes.local.kept import Child, Exit, Kept
from shipway.runtimes.local.ports import free_port, is_free

_LOOK = 0.1
"""Seconds between looks at the keeper's state."""

_BACKOFF = (0.2, 30.0)
"""First and longest delay in seconds before a crashed instance starts again."""

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER")
"""Variables of the controller that instances see; everything else comes from the workload."""


class Instance:
    """One of the N processes of a release."""

    def __init__(self, directory: Path, index: int, web: httpx.AsyncClient, changed: Callable[[], None]) -> None:
        self.kept = Kept(directory)
        self.index = index
        known = self.kept.specification().get("port", 0)
        self.port = known if isinstance(known, int) else 0
        """Loopback port, kept from life to life; 0 before the first :meth:`run`."""
        self.ready = False
        self.never_ready = ""
        """Why the startup probe has given up; empty while it has not."""
        self.detail = ""
        self._web = web
        self._changed = changed
        self._child: Child | None = None
        self._exits = 0.0
        self._adopted = False
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    # -- asking for the process

    def run(self, workload: Workload, secret_files: Sequence[tuple[str, str]], taken: Container[int]) -> None:
        """Have the process running and watch it. ``taken`` are the ports of others."""
        self.port, self._stopping = self.port or free_port(taken), False
        self.kept.specify({**_specification(workload, self.index, self.port, secret_files), **self._restarts()})
        self.kept.ensure_keeper()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._watch(workload, taken))]

    def adopt_ready(self) -> None:
        """The proxy sends requests here already: keep it so until a probe says otherwise."""
        self.ready = self._adopted = self.kept.child() is not None

    async def leave(self) -> None:
        """Stop watching; the process goes on."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._child = None  # whoever watches next looks at the process afresh

    async def stop(self, grace: float) -> None:
        """End the process; returns when it is gone."""
        await self.leave()
        self.ready, self._stopping = False, True
        await self.kept.stop(grace)

    def _restarts(self) -> dict[str, object]:
        known = self.kept.specification()
        return {name: known[name] for name in ("restart", "restart_reason") if name in known}

    # -- looking

    def crashes(self) -> list[Exit]:
        """Ends of the process that nobody asked for, oldest first."""
        return [end for end in self.kept.state().exits if not end.asked]

    def status(self) -> InstanceStatus:
        """What there is now, for people."""
        state, child = self.kept.state(), self.kept.child()
        last = state.exits[-1].reason if state.exits else ""
        return InstanceStatus(
            name=str(self.index),
            state=self._phase(child),
            pid=child.pid if child else 0,
            port=self.port,
            restarts=state.restarts,
            started_at=child.since if child else 0.0,
            memory=keeper.resident(child.pid) if child else 0,
            detail=self.detail or last,
        )

    def _phase(self, child: Child | None) -> str:
        if self._stopping:
            return "stopping" if child else "stopped"
        if child is None:
            return "backoff" if self.crashes() else "starting"
        if self.ready:
            return "ready"
        return "unready" if self._started else "starting"

    async def _watch(self, workload: Workload, taken: Container[int]) -> None:
        """For ever: a keeper must be there, and whatever happened to the process changes what the probes do."""
        asking: asyncio.Task[None] | None = None
        try:
            while True:
                with contextlib.suppress(OSError):  # no memory, no disk: nothing is known, so nothing is changed
                    self.kept.ensure_keeper()
                child = self.kept.child()
                if child != self._child or (self.ready and child is None):
                    asking = await self._replaced(child, workload, asking)
                if child is None:
                    self._move_if_port_is_stolen(workload, taken)
                self._notice_exits()
                await asyncio.sleep(_LOOK)
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    async def _replaced(
        self, child: Child | None, workload: Workload, asking: asyncio.Task[None] | None
    ) -> asyncio.Task[None] | None:
        """The process is another one than before, or none: what the probes knew is void."""
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        keep_ready = self._adopted and self._child is None and child is not None
        self._child, self._adopted, self._started = child, False, keep_ready
        self._say(ready=keep_ready, detail="")
        return asyncio.create_task(self._ask(workload, self.port)) if child is not None else None

    def _move_if_port_is_stolen(self, workload: Workload, taken: Container[int]) -> None:
        """Between two lives of the process somebody else may have taken its port: the next life gets another."""
        if self.kept.state().child is not None or is_free(self.port):
            return
        port = free_port(taken)
        fresh = _specification(workload, self.index, port, ())
        changed = {"port": port, "argv": fresh["argv"], "env": fresh["env"]}
        with contextlib.suppress(RuntimeFault):  # a full disk: the next look tries again
            self.kept.specify({**self.kept.specification(), **changed})
            self.port = port

    def _notice_exits(self) -> None:
        crashes = self.crashes()
        if crashes and crashes[-1].at > self._exits:
            self._exits = crashes[-1].at
            self._changed()

    # -- asking the probes

    async def _ask(self, workload: Workload, port: int) -> None:
        if not self._started:
            fault = await probes.start_up(self._web, workload.startup, port)
            while fault:
                self.never_ready = f"{fault} (for {workload.startup.failures * workload.startup.interval:g} s)"
                self._say(ready=False, detail=fault)
                fault = await probes.start_up(self._web, workload.startup, port)
            self.never_ready, self._started = "", True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_readiness(workload.readiness, port))
            if workload.liveness is not None:
                group.create_task(self._ask_liveness(workload.liveness, port))

    async def _ask_readiness(self, probe: Probe, port: int) -> None:
        streak = probes.Streak(probe)
        while True:
            passing, fault = await streak.ask(self._web, port)
            self._say(ready=not fault or (self.ready and passing), detail=fault)
            await asyncio.sleep(probe.interval)

    async def _ask_liveness(self, probe: Probe, port: int) -> None:
        streak = probes.Streak(probe)
        passing = True
        while passing:
            await asyncio.sleep(probe.interval)
            passing, fault = await streak.ask(self._web, port)
        self._say(ready=False, detail=fault)
        with contextlib.suppress(RuntimeFault):  # a full disk: it stays unready, and the next controller asks again
            self.kept.restart(f"liveness probe failed {probe.failures} times: {fault}")

    def _say(self, *, ready: bool, detail: str) -> None:
        before = (self.ready, self.never_ready)
        self.ready, self.detail = ready, detail
        if before != (ready, self.never_ready) or self.never_ready:
            self._changed()


def _specification(
    workload: Workload, index: int, port: int, secret_files: Sequence[tuple[str, str]]
) -> dict[str, object]:
    """What the keeper is to do for this instance."""
    named = {"{port}": str(port), "{instance}": str(index)}
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment.setdefault("PATH", os.defpath)
    environment |= {
        "PORT": str(port),
        "SHIPWAY_APP": workload.app,
        "SHIPWAY_RELEASE": workload.release,
        "SHIPWAY_INSTANCE": str(index),
    }
    return {
        "wanted": "running",
        "argv": [_fill(word, named) for word in workload.command],
        "directory": workload.directory,
        "env": {**environment, **dict(workload.env)},
        "secret_files": [list(pair) for pair in secret_files],
        "port": port,
        "backoff": list(_BACKOFF),
        "grace": workload.drain_seconds,
        "memory_limit": workload.memory_limit,
        "log_bytes": workload.log_bytes,
        "log_files": workload.log_files,
    }


def _fill(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word
