"""The one composition root: the only module that names concrete adapters. Called by the verbs.

:func:`serve` is the controller process; the rest opens single adapters for verbs that need no controller.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import structlog
import uvicorn
import yaml

import shipway
from shipway.cost.prices import PriceBook
from shipway.engine.decisions import Decisions
from shipway.engine.gating import PolicyGate
from shipway.engine.loop import Engine, Settings
from shipway.engine.service import Service
from shipway.engine.views import ControllerView
from shipway.facts.counters import DAYS, CounterFiles
from shipway.facts.images import images_in
from shipway.facts.organisations import POLICIES
from shipway.facts.policies import PolicyDirectory
from shipway.facts.prices import read_platform
from shipway.facts.usages import UsageFiles
from shipway.journal.repair import RepairReport, repair
from shipway.journal.snapshots import FileSnapshots
from shipway.journal.sqlite import SqliteJournal
from shipway.metrics.envoy import EnvoyMetrics
from shipway.metrics.kept import Kept
from shipway.metrics.prometheus import Prometheus
from shipway.metrics.recording import Key, Recorder
from shipway.model.errors import BadInput, ControllerConflict
from shipway.policy.guarding import parameters_of
from shipway.policy.scanning import scan
from shipway.runtimes.local import ports
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.runtimes.local.secrets import SecretStore
from shipway.runtimes.local.usage import ProcessMeter
from shipway.spec import DeclaredPlatform
from shipway.web.api.app import create_app

log = structlog.get_logger(__name__)

DAY = 86_400.0
LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel allows 108 with the terminating zero, and something is left for a suffix."""


class SystemClock:
    """The Clock port on this machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SecretsFile:
    """Secret values by logical name from ``<home>/secrets.yaml``; each value read is kept in the store under its digest."""

    def __init__(self, path: Path, store: SecretStore) -> None:
        self._path, self._store = path, store

    def resolve(self, names: Sequence[str]) -> Mapping[str, str]:
        """Digest per name; read anew each time, so that a rotated secret needs no restart."""
        if not names or not self._path.exists():
            return {}
        try:
            values = yaml.safe_load(self._path.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise BadInput(f"{self._path} cannot be read: {error}", hint="It holds `name: value` lines.") from error
        return {name: self._store.put(str(values[name])) for name in names if name in values}


@contextlib.contextmanager
def only_controller(home: Path) -> Iterator[None]:
    """Hold the state directory; the kernel lets go when the process dies, however it dies.

    Raises:
        ControllerConflict: another controller holds it; the message names it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "controller.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise ControllerConflict(
                f"another controller already runs for {home}: {handle.read().strip() or 'it has not said who it is'}",
                hint="Use it as it is, end it with `shipway down`, or choose another --home.",
            ) from None
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}, started {time.strftime('%Y-%m-%d %H:%M:%S')}")
        handle.flush()
        yield


async def serve(home: Path, platform: Path | None, ready: Callable[[], None], *, interval: float = 0.5) -> None:
    """Run the controller until SIGTERM, SIGINT or a shutdown request. On a signal everything that runs keeps running.

    Raises:
        ControllerConflict, JournalError, RuntimeFault, BadInput: before ``ready`` is called.
    """
    home = home.absolute()
    structlog.configure(logger_factory=_BestEffortLog)
    with only_controller(home):
        _prefer_our_interpreter()
        declared, book = read_platform(platform)
        journal = SqliteJournal.open(home / "journal.db")
        runtime = LocalRuntime(home)
        try:
            await _serve(
                home,
                platform=declared,
                book=book,
                policies=(home / POLICIES, *([platform / POLICIES] if platform and platform.is_dir() else [])),
                journal=journal,
                runtime=runtime,
                ready=ready,
                interval=interval,
            )
        finally:
            journal.close()


async def _serve(
    home: Path,
    *,
    platform: DeclaredPlatform | None,
    book: PriceBook,
    policies: Sequence[Path],
    journal: SqliteJournal,
    runtime: LocalRuntime,
    ready: Callable[[], None],
    interval: float,
) -> None:
    clock, started = SystemClock(), time.time()
    metrics = EnvoyMetrics(runtime.admin_socket, runtime.vitals)
    engine = Engine(
        journal=journal,
        runtime=runtime,
        router=runtime,
        metrics=metrics,
        clock=clock,
        snapshots=FileSnapshots(home / "snapshots"),
        settings=Settings(interval=interval),
    )
    secrets = SecretsFile(home / "secrets.yaml", runtime.secrets)
    said = parameters_of(platform.platform) if platform else {}
    gate = PolicyGate(PolicyDirectory(*policies, parameters=said).read, scan, Decisions(journal))
    counters = CounterFiles(home)
    service = Service(
        engine,
        runtime,
        clock,
        secrets=secrets,
        port_trouble=_port_trouble,
        platform=platform,
        gate=gate,
        counts=lambda app: counters.read(app, clock.now() - DAYS * DAY),
        book=book,
        images=images_in(home),
    )
    recorder = Recorder(
        UsageFiles(home),
        running=lambda: _running(engine, runtime),
        meter=ProcessMeter(),
        metrics=Kept(metrics, counters, clock),
        clock=clock,
    )
    stopping = asyncio.Event()
    wanted_down = asyncio.Event()

    def stop() -> None:
        wanted_down.set()
        stopping.set()

    def describe() -> ControllerView:
        return ControllerView(
            version=shipway.__version__,
            pid=os.getpid(),
            home=str(home),
            started_at=started,
            trouble=engine.trouble,
            applications=service.applications(),
        )

    await engine.open()
    calm_collector()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = _Server(
        uvicorn.Config(
            create_app(service, describe, stop),
            uds=_socket(home),
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve())
    turning = asyncio.create_task(engine.run())
    recording = asyncio.create_task(recorder.run())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        ready()
        await asyncio.wait({asyncio.create_task(stopping.wait()), serving, turning}, return_when="FIRST_COMPLETED")
        for task in (serving, turning):
            if task.done():
                task.result()
    finally:
        turning.cancel()
        recording.cancel()
        server.should_exit = True
        await asyncio.gather(serving, turning, recording, return_exceptions=True)
        await engine.close()
        await metrics.close()
        await (runtime.shutdown() if wanted_down.is_set() else runtime.close())
        Path(_socket(home)).unlink(missing_ok=True)


def _running(engine: Engine, runtime: LocalRuntime) -> dict[Key, list[int]]:
    """The pids of every release that runs."""
    return {
        (state.app, release.id): [one.pid for one in runtime.instances(state.app, release.id)]
        for state in engine.states()
        for release in state.releases.values()
        if release.run != "stopped"
    }


def calm_collector() -> None:
    """Have Python look for reference cycles among long-lived objects rarely. For a process that only runs a controller.

    States are immutable trees, freed without the collector, but it walks all of them: with 10,000 rollouts and Python's
    own thresholds that took a sixth of the time, in pauses of a second. Cycles are still found while they are young.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


class _BestEffortLog:
    """The log must not end what it tells of: on a full disk, or when nobody reads any more, its lines are lost."""

    def __init__(self, *_: object) -> None: ...

    def msg(self, text: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)

    log = debug = info = warn = warning = error = critical = fatal = failure = exception = msg


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: a signal must not end the server before the engine has let go."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to :func:`serve`."""
        yield


async def end_orphans(home: Path) -> int:
    """End what still runs after a controller died, as ``shipway down`` would have. Returns the number of applications.

    Raises:
        ControllerConflict: a controller is alive after all.
    """
    home = home.absolute()
    if not home.exists():
        return 0
    with only_controller(home):
        return await LocalRuntime(home).end_left_over()


def open_journal(home: Path) -> SqliteJournal:
    """The journal for reading, beside a running controller or without one."""
    return SqliteJournal.open(home.absolute() / "journal.db", read_only=True)


def prometheus(url: str) -> Prometheus:
    """A Prometheus to be asked; use as a context manager."""
    return Prometheus(url)


def check_journal(path: Path) -> int:
    """Check every event against its digest; how many there are.

    Raises:
        JournalError: damaged (the message says where and what can be saved), or not a journal.
    """
    journal = SqliteJournal.open(path, read_only=True)
    try:
        journal.inspect(thorough=True)
        return journal.verify()
    finally:
        journal.close()


def repair_journal(path: Path) -> RepairReport:
    """Every intact event into a new journal; see :func:`shipway.journal.repair.repair`."""
    return repair(path)


def _socket(home: Path) -> str:
    """Path of the socket: in the state directory, or somewhere shorter when that is too long for the kernel."""
    path = str(home / "controller.sock")
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        digest = blake2b(str(home).encode(), digest_size=8).hexdigest()
        path = str(Path(tempfile.gettempdir()) / f"shipway-{os.getuid()}-{digest}.sock")
    (home / "controller.address").write_text(path, encoding="utf-8")
    return path


def _port_trouble(port: int) -> str:
    return "" if ports.is_free(port) else f"port {port} is in use by {ports.describe_holder(port)}"


def _prefer_our_interpreter() -> None:
    """`python` in a command means the one that runs Shipway, also when its environment was not activated."""
    directory = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([directory, os.environ.get("PATH", os.defpath)])
