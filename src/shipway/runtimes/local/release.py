"""One release: its instances, what the proxy is told of them and what the engine hears. Driven by ``runtime``.

On disk, per release: ``release.json`` (the newest command obeyed) and one directory per instance. A controller may die
between any two writes; the next one reads the record and does again whatever it asks for, which harms nothing:

    record says running   every instance is specified, kept and watched
    record says stopped   the end is carried out again; ReleaseStopped is reported again

A command of an older generation than the record's is ignored.
"""

import asyncio
import shutil
from collections.abc import Callable, Container
from pathlib import Path
from typing import Literal

import httpx
import msgspec

from shipway.engine.ports import InstanceStatus, RuntimeEvent
from shipway.model.errors import RuntimeFault
from shipway.model.ids import Generation
from shipway.model.workload import Workload
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped
from shipway.runtimes.local import keeper
from shipway.runtimes.local.instance import Instance
from shipway.runtimes.local.proxy import Proxy
from shipway.runtimes.local.secrets import SecretStore

_LOG_LINES = 10
"""Last lines of an instance's log that go with a failure."""

_AGAIN = 1.0
"""Seconds until something that the machine refused is tried again."""


class Record(msgspec.Struct, frozen=True):
    """The newest command that was obeyed."""

    generation: Generation
    wanted: Literal["running", "stopped"]
    workload: Workload
    since: float = 0.0
    """When this generation was first obeyed, in seconds since the epoch: earlier crashes are another attempt's."""


class Surroundings(msgspec.Struct, frozen=True):
    """What all releases share."""

    proxy: Proxy
    secrets: SecretStore
    web: httpx.AsyncClient
    report: Callable[[Workload, RuntimeEvent], None]
    now: Callable[[], float]
    ports: Callable[[], Container[int]]
    """Ports that are given away."""


class Release:
    """The processes of one release."""

    def __init__(self, directory: Path, record: Record, around: Surroundings) -> None:
        self.directory = directory
        self.record = record
        self.instances: list[Instance] = []
        self.lock = asyncio.Lock()
        """Held by whoever carries out a command: the generation is compared under it."""
        self._around = around
        self._ending: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._reported: tuple[int, int] | None = None
        self._failure: ReleaseFailed | None = None
        self._published: tuple[int, ...] | None = None

    @classmethod
    def load(cls, directory: Path, around: Surroundings) -> "Release | None":
        """The release whose record lies in ``directory``; None when there is none that can be read."""
        try:
            record = msgspec.json.decode((directory / "release.json").read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            return None
        return cls(directory, record, around)

    # -- commands

    async def start(self, record: Record) -> None:
        """Have the record's workload running."""
        if record.generation > self.record.generation:
            self._failure = None
        else:
            record = msgspec.structs.replace(record, since=self.record.since)
        secret_files = [(name, str(self._around.secrets.path(digest))) for name, digest in record.workload.secrets]
        await self._stay()
        self._obey(record)
        self._around.proxy.admit(record.workload.app, record.workload.release)
        await self._resize(record.workload)
        for instance in self.instances:
            instance.run(record.workload, secret_files, self._around.ports())
        self._reported = None
        self._look()
        if self._failure is not None:
            self._around.report(record.workload, self._failure)

    def stop(self, generation: Generation) -> None:
        """Drain and end everything, in the background."""
        self._obey(Record(generation, "stopped", self.record.workload, self._around.now()))
        if self._ending is None or self._ending.done():
            self._ending = asyncio.create_task(self._end())

    def stop_again(self, generation: Generation) -> None:
        """It has ended already; a newer stop is remembered, so that no start that it overtook is obeyed, and answered."""
        if generation > self.record.generation:
            self._obey(msgspec.structs.replace(self.record, generation=generation))
        self.report_stopped()

    async def adopt(self) -> None:
        """After a restart of the controller: carry on where the record and the proxy's endpoints say."""
        workload = self.record.workload
        await self._resize(workload)
        published = self._around.proxy.endpoints(workload.app, workload.release)
        if self.record.wanted == "stopped":
            if any(instance.kept.child() or instance.kept.is_kept() for instance in self.instances):
                self.stop(self.record.generation)
            else:
                self._around.proxy.forget(workload.app, workload.release)
            return
        for instance in self.instances:
            if instance.port in published:
                instance.adopt_ready()
        await self.start(self.record)

    async def leave(self) -> None:
        """Stop watching; everything keeps running. An end under way is carried out by the next controller."""
        await self._stay()
        await asyncio.gather(*(instance.leave() for instance in self.instances))

    async def shut_down(self, *, for_good: bool = False) -> None:
        """End the processes. Unless ``for_good`` the wish to have them stays: the next :meth:`adopt` starts them again."""
        await self._stay()
        await self._resize(self.record.workload)
        if for_good and self.record.wanted == "running":
            self._obey(msgspec.structs.replace(self.record, wanted="stopped"))
        await self._stop_instances(self.record.workload)
        await asyncio.gather(*self._retiring)

    # -- looking

    def statuses(self) -> list[InstanceStatus]:
        """Every instance, for people."""
        return [instance.status() for instance in self.instances]

    def log_paths(self) -> list[str]:
        """Every instance's logs, each oldest first."""
        return [path for instance in self.instances for path in instance.kept.log_files()]

    def vitals(self) -> tuple[float | None, tuple[tuple[str, float], ...]]:
        """(age of the youngest ready instance in s, None without one; cumulative measures of the processes)."""
        children = [(i.ready, child) for i in self.instances if (child := i.kept.child()) is not None]
        ages = [self._around.now() - child.since for ready, child in children if ready]
        cpu = sum(keeper.cpu_seconds(child.pid) for _, child in children)
        return min(ages, default=None), (("cpuSeconds", round(cpu, 2)),)

    # -- inside

    def _obey(self, record: Record) -> None:
        """Remember the command before anything is done about it."""
        if record == self.record and (self.directory / "release.json").exists():
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            temporary = self.directory / "release.json.tmp"
            temporary.write_bytes(msgspec.json.encode(record))
            temporary.replace(self.directory / "release.json")
        except OSError as error:
            raise RuntimeFault(f"cannot write {self.directory}: {error}", hint="free some disk space") from error
        self.record = record

    async def _resize(self, workload: Workload) -> None:
        """As many instances as wanted; more than that are drained and ended."""
        for index in range(len(self.instances), workload.replicas):
            self.instances.append(Instance(self.directory / str(index), index, self._around.web, self._look))
        leaving, self.instances = self.instances[workload.replicas :], self.instances[: workload.replicas]
        leftover = [p for p in self.directory.glob("[0-9]*") if p.name.isdigit() and int(p.name) >= workload.replicas]
        await asyncio.gather(*(instance.leave() for instance in leaving))  # here, as a retirement may be broken off
        known = {instance.kept.directory for instance in leaving}
        leaving += [Instance(p, int(p.name), self._around.web, lambda: None) for p in leftover if p not in known]
        for instance in leaving:
            task = asyncio.create_task(self._retire(instance, workload))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, instance: Instance, workload: Workload) -> None:
        self._look()
        await self._around.proxy.drained(workload.app, workload.release, workload.drain_seconds)
        await instance.stop(workload.drain_seconds)
        shutil.rmtree(instance.kept.directory, ignore_errors=True)

    async def _stay(self) -> None:
        """Break off whatever is being ended; each of the steps can be repeated."""
        under_way = [*self._retiring, *([self._ending] if self._ending else [])]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._ending = None

    async def _end(self) -> None:
        """Out of the proxy, requests in flight finish, processes end, the proxy forgets."""
        workload = self.record.workload
        await asyncio.gather(*(instance.leave() for instance in self.instances))
        for instance in self.instances:
            instance.ready = False
        self._publish(())
        await self._around.proxy.drained(workload.app, workload.release, workload.drain_seconds)
        await self._stop_instances(workload)
        self._around.proxy.forget(workload.app, workload.release)
        self._published = None
        self.report_stopped()

    async def _stop_instances(self, workload: Workload) -> None:
        """Until it has worked: a full disk or a process stuck in the kernel is waited for."""
        while True:
            stops = (instance.stop(workload.drain_seconds) for instance in self.instances)
            faults = [found for found in await asyncio.gather(*stops, return_exceptions=True) if found is not None]
            if not faults:
                return
            await asyncio.sleep(_AGAIN)

    def fail(self, reason: str) -> None:
        """Say that the release cannot run."""
        workload = self.record.workload
        self._failure = ReleaseFailed(
            at=self._around.now(), release=workload.release, reason=reason, generation=self.record.generation
        )
        self._around.report(workload, self._failure)

    def report_stopped(self) -> None:
        """Say that the last process has ended on request."""
        workload = self.record.workload
        event = ReleaseStopped(at=self._around.now(), release=workload.release, generation=self.record.generation)
        self._around.report(workload, event)

    @property
    def is_stopped(self) -> bool:
        """Whether a stop was asked for and has been carried out."""
        return self.record.wanted == "stopped" and (self._ending is None or self._ending.done())

    def _look(self) -> None:
        """Called whenever an instance has changed: tell the proxy first, then the engine."""
        workload = self.record.workload
        if self.record.wanted == "stopped":
            return
        ready = tuple(sorted(instance.port for instance in self.instances if instance.ready))
        self._publish(ready)
        if self._reported != (len(ready), workload.replicas):
            self._reported = (len(ready), workload.replicas)
            event = InstancesChanged(
                at=self._around.now(),
                release=workload.release,
                ready=len(ready),
                wanted=workload.replicas,
                generation=self.record.generation,
            )
            self._around.report(workload, event)
        self._look_for_failure(workload)

    def _publish(self, ports: tuple[int, ...]) -> None:
        if self._published == ports:
            return
        try:
            self._around.proxy.publish(self.record.workload.app, self.record.workload.release, ports)
            self._published = ports
        except RuntimeFault:  # a full disk
            asyncio.get_running_loop().call_later(_AGAIN, self._look)

    def _look_for_failure(self, workload: Workload) -> None:
        if self._failure is not None:
            return
        for instance in self.instances:
            reason = crash_loop(instance, self.record, self._around.now()) or instance.never_ready
            if not reason:
                continue
            tail = instance.kept.log_tail(_LOG_LINES)
            self._failure = ReleaseFailed(
                at=self._around.now(),
                release=workload.release,
                reason=_sentence(instance, reason),
                log_tail=tail,
                generation=self.record.generation,
            )
            self._around.report(workload, self._failure)
            return


def crash_loop(instance: Instance, record: Record, now: float) -> str:
    """Why the instance counts as crashing again and again; empty when it does not."""
    workload = record.workload
    recent = [end for end in instance.crashes() if end.at >= max(now - workload.crash_window, record.since)]
    if len(recent) < workload.crash_limit:
        return ""
    span = recent[-1].at - recent[-workload.crash_limit].at
    return f"ended {workload.crash_limit} times within {max(span, 0.1):.1f} s, last: {recent[-1].reason}"


def _sentence(instance: Instance, reason: str) -> str:
    if instance.never_ready == reason:
        return f"instance {instance.index} never became ready: {reason}"
    return f"instance {instance.index} does not stay up: {reason}"
