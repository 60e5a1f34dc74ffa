"""The only loop: event -> append -> evolve -> dispatch commands. It decides nothing.

``service`` submits what people ask for, runtimes report through :meth:`Engine.report`, and :meth:`Engine.run` reads the
counters when they are due. An event is in the journal before anything follows from it. A command stays in the state until
its answer is in the journal, so a death between any two writes only means that it is executed again.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from shipway.analysis.readings import ArmReading, Reading
from shipway.engine.ports import (
    Absent,
    Append,
    ArmQuery,
    Clock,
    Journal,
    MetricSource,
    Router,
    Runtime,
    RuntimeEvent,
)
from shipway.model.errors import JournalError, ShipwayError, VersionConflict
from shipway.model.ids import AppName, CommandId, ReleaseId
from shipway.rollout.codec import decode, encode
from shipway.rollout.commands import Command, SetRoutes, StartRelease, StopRelease
from shipway.rollout.decide import Watch, deadline, decide, watch
from shipway.rollout.events import CommandFailed, DeadlineReached, Event, Observed, ReadingMissed, RoutesApplied
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery

log = structlog.get_logger(__name__)

STREAM = "app:"
"""Prefix of an application's stream in the journal."""

Listener = Callable[[Delivery, Event | None], None]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Rhythm of the loop, in seconds."""

    interval: float = 0.5
    """Between two readings of a trial. One second would do for most; half of it halves what a bad release costs."""
    history_interval: float = 10.0
    """Between two readings of a live release outside a trial: the blocks from which dispersion is learnt."""
    history_length: int = 360
    """Such readings kept: one hour."""
    retry: float = 0.5
    """Before a failed command is tried again; doubled each time, at most ``retry_most``."""
    retry_most: float = 5.0
    batch: int = 500
    """Trials read and recorded in one go; more that fall due at once spread themselves over the interval."""


class _App:
    """What the loop keeps about one application beside its state."""

    def __init__(self, state: Delivery, history_length: int) -> None:
        self.state = state
        self.version = 0
        self.commands: dict[CommandId, asyncio.Task[None] | None] = {}
        """Dispatched and not yet forgotten; None when done."""
        self.history: deque[tuple[float, ArmReading]] = deque(maxlen=history_length)
        self.history_of: ReleaseId | None = None
        self.due = 0.0
        """Next reading."""


class Engine:
    """One controller's loop over all its applications."""

    def __init__(
        self,
        *,
        journal: Journal,
        runtime: Runtime,
        router: Router,
        metrics: MetricSource,
        clock: Clock,
        settings: Settings | None = None,
    ) -> None:
        self._journal, self._runtime, self._router = journal, runtime, router
        self._metrics, self._clock = metrics, clock
        self.settings = settings or Settings()
        self._apps: dict[AppName, _App] = {}
        self._watched: dict[AppName, Watch] = {}
        self._timers: list[tuple[float, AppName]] = []
        """Heap of deadlines; an entry may be out of date, so the state is asked again when it comes up."""
        self._readings_due: list[tuple[float, AppName]] = []
        """Heap of next readings; an entry counts when it equals the application's ``due``."""
        self._backlog: deque[tuple[AppName, Event]] = deque()
        self._listeners: set[Listener] = set()
        self.trouble = ""
        """Why nothing can be recorded at the moment; empty when all is well."""

    # -- for the service

    def states(self) -> Sequence[Delivery]:
        """All applications, in order of their first event."""
        return [app.state for app in self._apps.values()]

    def state(self, app: AppName) -> Delivery | None:
        """One application, or None."""
        found = self._apps.get(app)
        return found.state if found else None

    def history(self, app: AppName) -> tuple[tuple[float, ArmReading], ...]:
        """Readings of the live release from before a rollout."""
        found = self._apps.get(app)
        return tuple(found.history) if found and found.history_of == found.state.live else ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after every change; returns the way to stop it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def submit(self, app: AppName, event: Event) -> bool:
        """Record what a person asks for. False: it would change nothing, and was not recorded.

        Raises:
            JournalError: it could not be recorded, and so was not done.
        """
        return self._record([(app, event)]) > 0

    # -- for the runtime

    def report(self, app: AppName, event: RuntimeEvent) -> None:
        """The runtime's sink. A fact that cannot be recorded now is kept in order until it can."""
        self._later([(app, event)])

    # -- life

    async def open(self) -> None:
        """Fold the journal, adopt what runs, and take up every command where it was left.

        Raises:
            JournalError, RuntimeFault: as the adapters say.
        """
        for stream in self._journal.streams():
            if stream.startswith(STREAM):
                self._fold(AppName(stream.removeprefix(STREAM)))
        known = {
            name: [release.id for release in app.state.releases.values() if release.run != "stopped"]
            for name, app in self._apps.items()
        }
        await self._runtime.open(self.report, known)
        for app in list(self._apps.values()):
            self._after(app, None)

    async def run(self) -> None:
        """Read, note deadlines and retry until cancelled."""
        while True:
            try:
                await self.tick()
            except ShipwayError as error:
                log.error("tick", error=error.message)
            await self._clock.sleep(self._pause())

    async def close(self) -> None:
        """Cancel what is under way. The journal has everything."""
        tasks = [task for app in self._apps.values() for task in app.commands.values() if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def tick(self) -> None:
        """One turn: what was left over, deadlines that have come, readings that are due."""
        self._later([])
        now = self._clock.now()
        self._note_deadlines(now)
        due = self._due(now)
        if due:
            await self._read(due, now)

    # -- inside: the one way in

    def _fold(self, name: AppName) -> None:
        app = self._apps[name] = _App(initial(name), self.settings.history_length)
        for recorded in self._journal.read(STREAM + name):
            event = decode(recorded.data, where=f"event {recorded.sequence} ({name})")
            app.state, app.version = evolve(app.state, event), recorded.version

    def _record(self, events: Sequence[tuple[AppName, Event]]) -> int:
        """Append all that change something in one transaction, then let them take effect. Returns how many did."""
        changed: dict[AppName, tuple[Delivery, int]] = {}
        appends: list[Append] = []
        effects: list[tuple[AppName, Event, Delivery]] = []
        for name, event in events:
            known = self._apps.get(name)
            state, version = changed.get(name) or ((known.state, known.version) if known else (initial(name), 0))
            following = evolve(state, event)
            if following is state:
                continue
            appends.append(Append(STREAM + name, version, event.at, type(event).__name__, encode(event)))
            changed[name] = following, version + 1
            effects.append((name, event, following))
        if appends:
            self._append(appends)
        for name, event, following in effects:
            app = self._apps.setdefault(name, _App(initial(name), self.settings.history_length))
            app.state, app.version = following, app.version + 1
            self._after(app, event)
        return len(effects)

    def _append(self, appends: Sequence[Append]) -> None:
        try:
            self._journal.append(appends)
        except VersionConflict:
            # An append whose answer was lost, or another writer: read again, and let the caller try again on what is true.
            for stream in {append.stream for append in appends}:
                self._fold_again(AppName(stream.removeprefix(STREAM)))
            raise
        except JournalError as error:
            self.trouble = f"{error.message}. {error.hint}".strip()
            raise
        self.trouble = ""

    def _fold_again(self, name: AppName) -> None:
        before = self._apps.get(name)
        self._fold(name)
        if before:
            self._apps[name].commands, self._apps[name].history = before.commands, before.history
        self._after(self._apps[name], None)

    def _later(self, events: Sequence[tuple[AppName, Event]]) -> None:
        """Record facts in order; what the journal refuses waits."""
        self._backlog.extend(events)
        while self._backlog:
            try:
                self._record([self._backlog[0]])
            except JournalError as error:
                log.error("journal", error=error.message, waiting=len(self._backlog))
                return
            self._backlog.popleft()

    def _after(self, app: _App, event: Event | None) -> None:
        """Everything that follows from a new state: commands, watches, timers, listeners."""
        state = app.state
        self._dispatch(app)
        found = watch(state)
        if found is None:
            self._watched.pop(state.app, None)
        elif found != self._watched.get(state.app):
            self._watched[state.app] = found
            self._read_at(app, self._clock.now())
        moment = deadline(state)
        if moment is not None:
            heapq.heappush(self._timers, (moment, state.app))
        for listener in tuple(self._listeners):
            listener(state, event)

    # -- inside: commands

    def _dispatch(self, app: _App) -> None:
        wanted = decide(app.state)
        ids = {command.id for command in wanted}
        for done in [
            known for known, task in app.commands.items() if known not in ids and (task is None or task.done())
        ]:
            del app.commands[done]
        for command in wanted:
            if command.id not in app.commands:
                app.commands[command.id] = asyncio.get_running_loop().create_task(self._execute(app.state.app, command))

    async def _execute(self, name: AppName, command: Command) -> None:
        """Until it has worked or is no longer wanted."""
        wait = self.settings.retry
        while self._is_wanted(name, command):
            try:
                await self._perform(command)
            except ShipwayError as error:
                text = f"{error.message}. {error.hint}".rstrip(". ") + "."
                self._later([(name, CommandFailed(at=self._clock.now(), command=str(command.id), reason=text))])
                await self._clock.sleep(wait)
                wait = min(2 * wait, self.settings.retry_most)
            else:
                break
        app = self._apps[name]
        app.commands[command.id] = None
        if isinstance(command, SetRoutes):
            self._later([(name, RoutesApplied(at=self._clock.now(), generation=command.generation))])

    async def _perform(self, command: Command) -> None:
        match command:
            case StartRelease():
                await self._runtime.start(command)
            case StopRelease():
                await self._runtime.stop(command)
            case SetRoutes():
                await self._router.set_routes(command)

    def _is_wanted(self, name: AppName, command: Command) -> bool:
        return any(command.id == wanted.id for wanted in decide(self._apps[name].state))

    # -- inside: time and readings

    def _note_deadlines(self, now: float) -> None:
        events: list[tuple[AppName, Event]] = []
        while self._timers and self._timers[0][0] <= now:
            _, name = heapq.heappop(self._timers)
            moment = deadline(self._apps[name].state)
            if moment is not None and moment <= now:
                events.append((name, DeadlineReached(at=now)))
        self._later(events)

    def _read_at(self, app: _App, moment: float) -> None:
        app.due = moment
        heapq.heappush(self._readings_due, (moment, app.state.app))

    def _due(self, now: float) -> list[_App]:
        # By name: an application whose watch changed twice within one instant has two entries of the same moment.
        found: dict[AppName, _App] = {}
        while self._readings_due and self._readings_due[0][0] <= now and len(found) < self.settings.batch:
            moment, name = heapq.heappop(self._readings_due)
            if self._apps[name].due == moment and name in self._watched:
                found[name] = self._apps[name]
        return list(found.values())

    async def _read(self, due: Sequence[_App], now: float) -> None:
        watches = [self._watched[app.state.app] for app in due]
        queries: list[ArmQuery] = []
        for found in watches:
            queries.append(ArmQuery(found.app, found.baseline))
            if found.canary:
                queries.append(ArmQuery(found.app, found.canary))
        answers = dict(zip(queries, await self._metrics.read(queries), strict=True))
        at = self._clock.now()
        events: list[tuple[AppName, Event]] = []
        for app, found in zip(due, watches, strict=True):
            self._read_at(app, now + (self.settings.interval if found.canary else self.settings.history_interval))
            baseline = answers[ArmQuery(found.app, found.baseline)]
            self._remember(app, found, baseline, at)
            if found.canary:
                canary = answers[ArmQuery(found.app, found.canary)]
                events.append((found.app, _observation(found, baseline, canary, at)))
        self._readings(events)

    def _remember(self, app: _App, found: Watch, baseline: ArmReading | Absent, at: float) -> None:
        if app.history_of != found.baseline:
            app.history.clear()
            app.history_of = found.baseline
        last = app.history[-1][0] if app.history else float("-inf")
        if not isinstance(baseline, Absent) and at >= last + self.settings.history_interval:
            app.history.append((at, baseline))

    def _readings(self, events: Sequence[tuple[AppName, Event]]) -> None:
        """A reading that cannot be recorded is dropped: counters are cumulative, so the next one holds it."""
        if not events or self._backlog:
            return
        try:
            self._record(events)
        except JournalError as error:
            log.error("journal", error=error.message)

    def _pause(self) -> float:
        now = self._clock.now()
        moments = [heap[0][0] for heap in (self._timers, self._readings_due) if heap]
        earliest = min(moments, default=now + self.settings.interval)
        return min(max(earliest - now, 0.0), self.settings.interval)


def _observation(found: Watch, baseline: ArmReading | Absent, canary: ArmReading | Absent, at: float) -> Event:
    absent = [arm.reason for arm in (baseline, canary) if isinstance(arm, Absent)]
    if len(absent) == 2:
        return ReadingMissed(at=at, reason=absent[0])
    reading = Reading(
        at,
        None if isinstance(baseline, Absent) else baseline,
        None if isinstance(canary, Absent) else canary,
        found.weight,
    )
    return Observed(at=at, reading=reading)
