"""Releases as processes on this machine behind one Envoy: the Runtime and the Router of a laptop. Made by ``cli.wiring``.

Everything that runs survives this process: each instance and Envoy have a keeper of their own, and Envoy's configuration
is files. :meth:`LocalRuntime.open` finds them again. Layout of the state directory:

    proxy/                              Envoy: keeper, bootstrap and discovery documents, admin socket, log
    proxy/routes/APP.json               the routes last applied
    releases/APP/RELEASE/release.json   the newest command for the release
    releases/APP/RELEASE/N/             one instance: keeper, state, log
    secrets/DIGEST                      secret values
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from shipway.engine.ports import InstanceStatus, RuntimeEvent, Sink
from shipway.model.errors import NotFound
from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.workload import Workload
from shipway.rollout.commands import SetRoutes, StartRelease, StopRelease
from shipway.rollout.events import ReleaseStopped
from shipway.runtimes.local import probes
from shipway.runtimes.local.proxy import Proxy
from shipway.runtimes.local.release import Record, Release, Surroundings
from shipway.runtimes.local.secrets import SecretStore


class LocalRuntime:
    """Implements :class:`~shipway.engine.ports.Runtime` and :class:`~shipway.engine.ports.Router`.

    Args:
        state_dir: everything lies below it; one controller at a time (the caller sees to that).
        now: seconds since the epoch, for the events reported.
    """

    def __init__(self, state_dir: Path, *, now: Callable[[], float] = time.time) -> None:
        self.state_dir = state_dir.absolute()
        self.secrets = SecretStore(self.state_dir / "secrets")
        self.proxy = Proxy(self.state_dir / "proxy")
        self._now = now
        self._sink: Sink | None = None
        self._web: httpx.AsyncClient = probes.client()
        self._releases: dict[tuple[AppName, ReleaseId], Release] = {}
        self._stops: dict[tuple[AppName, ReleaseId], Generation] = {}
        """Newest stop of what had never been started here: a start that it has overtaken is not obeyed."""
        self._around = Surroundings(self.proxy, self.secrets, self._web, self._report, now, self._ports)

    @property
    def admin_socket(self) -> str:
        """Envoy's admin socket, for :class:`~shipway.metrics.envoy.EnvoyMetrics`; valid while this object is open."""
        return self.proxy.admin_socket

    # -- Runtime

    async def open(self, sink: Sink, known: Mapping[AppName, Sequence[ReleaseId]]) -> None:
        """Start or adopt Envoy and every release that should run; end what ``known`` does not name.

        Raises:
            RuntimeFault: Envoy is missing or does not start.
        """
        self._sink = sink
        await self.proxy.open()
        self._recall()
        for (app, release_id), release in list(self._releases.items()):
            if release_id in known.get(app, ()):
                await self._adopt(release)
            else:
                await self._end_unknown(app, release_id, release, forget=app not in known)
        for app in [app for app in self.proxy.routes if app not in known]:
            await self.proxy.remove_routes(app)

    async def start(self, command: StartRelease) -> None:
        """Have the release running; see the port.

        Raises:
            NotFound: a secret's value is not in the store.
            RuntimeFault: the disk is full, or no port is free.
        """
        workload = command.workload
        key = (workload.app, workload.release)
        record = Record(command.generation, "running", workload, self._now())
        release = self._releases.get(key)
        if release is None:
            if command.generation < self._stops.get(key, command.generation):
                return
            directory = self.state_dir / "releases" / workload.app / workload.release
            release = self._releases[key] = Release(directory, record, self._around)
        async with release.lock:
            if command.generation >= release.record.generation:
                await release.start(record)

    async def stop(self, command: StopRelease) -> None:
        """Drain and end the release in the background; see the port."""
        release = self._releases.get((command.app, command.release))
        if release is None:
            key = command.app, command.release
            self._stops[key] = max(command.generation, self._stops.get(key, command.generation))
            event = ReleaseStopped(at=self._now(), release=command.release, generation=command.generation)
            self._tell(command.app, event)
            return
        async with release.lock:
            if release.is_stopped:
                release.stop_again(command.generation)
            elif command.generation >= release.record.generation:
                release.stop(command.generation)

    def instances(self, app: AppName, release: ReleaseId) -> Sequence[InstanceStatus]:
        """What is there now; nothing for a release that never ran here."""
        found = self._releases.get((app, release))
        return found.statuses() if found else ()

    def log_paths(self, app: AppName, release: ReleaseId) -> Sequence[str]:
        """Log files, instance by instance, each oldest first. They outlive the processes."""
        found = self._releases.get((app, release))
        return found.log_paths() if found else ()

    async def close(self) -> None:
        """Stop watching. Releases and Envoy keep running."""
        for release in self._releases.values():
            await release.leave()
        await self.proxy.close()
        await self._web.aclose()

    # -- Router

    async def set_routes(self, command: SetRoutes) -> None:
        """Apply the routes; see the port."""
        await self.proxy.set_routes(command.routes)

    # -- beyond the ports

    def vitals(self, app: AppName, release: ReleaseId) -> tuple[float | None, tuple[tuple[str, float], ...]]:
        """(age in seconds of the youngest ready instance or None, cumulative measures) for the metric source."""
        found = self._releases.get((app, release))
        return found.vitals() if found else (None, ())

    async def shutdown(self) -> None:
        """End everything: no new requests, those in flight finish, instances end, Envoy ends.

        What was wanted stays on disk: the next :meth:`open` starts the same releases again, with the same routes.
        """
        drain = max((release.record.workload.drain_seconds for release in self._releases.values()), default=0.0)
        await self.proxy.shut_down(drain)
        for release in self._releases.values():
            await release.leave()
        for release in self._releases.values():
            await release.shut_down()
        await self.proxy.end()
        await self.close()

    async def end_left_over(self) -> int:
        """End what still runs after a controller died, instead of :meth:`open`: nothing is started to be ended, and no
        journal is needed. Returns the number of applications.
        """
        self.proxy.recall()
        self._recall()
        await self.shutdown()
        return len({app for app, _ in self._releases})

    # -- inside

    def _recall(self) -> None:
        for directory in sorted((self.state_dir / "releases").glob("*/*")):
            release = Release.load(directory, self._around)
            if release is not None:
                self._releases[AppName(directory.parent.name), ReleaseId(directory.name)] = release

    async def _adopt(self, release: Release) -> None:
        try:
            await release.adopt()
        except NotFound as error:  # a secret is gone: no reason not to open the other releases
            release.fail(error.message)

    async def _end_unknown(self, app: AppName, release_id: ReleaseId, release: Release, *, forget: bool) -> None:
        """End the processes without a report. With ``forget`` nothing of it stays, as the name may be used anew."""
        await release.shut_down(for_good=True)
        if forget:
            await self.proxy.remove_routes(app)
            del self._releases[app, release_id]
            shutil.rmtree(release.directory, ignore_errors=True)
        self.proxy.forget(app, release_id)

    def _report(self, workload: Workload, event: RuntimeEvent) -> None:
        self._tell(workload.app, event)

    def _tell(self, app: AppName, event: RuntimeEvent) -> None:
        if self._sink is not None:
            self._sink(app, event)

    def _ports(self) -> set[int]:
        return {instance.port for release in self._releases.values() for instance in release.instances}
