"""The only loop: event -> append -> evolve -> dispatch commands. It decides nothing.

``service`` submits what people ask for, runtimes report through :meth:`Engine.report`, and :meth:`Engine.run` reads the
counters when they are due. An event is in the journal before anything follows from it. A command stays in the state until
its answer is in the journal, so a death between any two writes only means that it is executed again (see ``executing``).

When the journal refuses, nothing changes: what people ask for fails, a reading is dropped (counters are cumulative, the
next one holds it), and every other fact waits in order until there is space again.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec
import structlog

from shipway.analysis.readings import ArmReading, Reading
from shipway.engine import snapshot
from shipway.engine.executing import Executor
from shipway.engine.past import Past, Readings
from shipway.engine.ports import (
    Absent,
    Append,
    ArmQuery,
    Clock,
    Journal,
    MetricSource,
    Recorded,
    Router,
    Runtime,
    RuntimeEvent,
    Snapshots,
)
from shipway.model.errors import JournalError, ShipwayError, VersionConflict
from shipway.model.ids import AppName, ReleaseId
from shipway.rollout.codec import decode, encode
from shipway.rollout.decide import Watch, deadline, is_settled, watch
from shipway.rollout.events import DeadlineReached, Event, Observed, ReadingMissed
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery, Phase

log = structlog.get_logger(__name__)

STREAM = "app:"
"""Prefix of an application's stream in the journal."""

Listener = Callable[[Delivery, Event | None], None]

_WAITING = frozenset({Phase.HOLDING, Phase.PAUSED, Phase.AWAITING})
"""Phases that wait for people, and may do so for days."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Rhythm of the loop, in seconds."""

    interval: float = 0.5
    """Between two readings of a trial. One second would do for most; half of it halves what a bad release costs."""
    waiting_interval: float = 2.0
    """The same for a trial that has waited for people for ``patience``: every reading is kept for ever."""
    patience: float = 60.0
    history_interval: float = 10.0
    """Between two readings of a live release outside a trial: the blocks from which dispersion is learnt."""
    history_length: int = 360
    """Such readings kept: one hour."""
    retry: float = 0.5
    """Before a failed command is tried again; doubled each time, at most ``retry_most``."""
    retry_most: float = 5.0
    grace: float = 2.0
    """After opening, before deadlines count: what happened while nobody listened is heard first."""
    forget: float = 30.0
    """After a refusal of the journal, when nothing waits to be recorded, before it is no trouble any more."""
    snapshot: int = 500
    """Events after which a state at rest is saved: judging them again takes about 0.15 s."""
    snapshot_interval: float = 300.0
    """After so long it is saved too, for the readings of the live release that no journal has."""
    batch: int = 500
    """Events recorded and trials read in one go; more that fall due at once spread themselves over the interval."""


class _App:
    """What the loop keeps about one application beside its state."""

    def __init__(self, name: AppName, settings: Settings) -> None:
        self.state = initial(name)
        self.version = 0
        self.past = Past(settings.history_interval, settings.history_length)
        self.watch: Watch | None = None
        self.due = 0.0
        """Next reading."""
        self.timer: float | None = None
        """Deadline that is in the heap."""
        self.last = b""
        """The event that ``version`` counts last."""
        self.saved = 0
        self.saved_at = 0.0
        """Version and time of the last snapshot."""


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
        snapshots: Snapshots | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._journal, self._runtime, self._metrics, self._clock = journal, runtime, metrics, clock
        self._snapshots = snapshots
        self._executor = Executor(
            runtime, router, clock, self._fact, retry=self.settings.retry, retry_most=self.settings.retry_most
        )
        self._apps: dict[AppName, _App] = {}
        self._timers: list[tuple[float, AppName]] = []
        """Heap of deadlines; an entry may be out of date, so the state is asked again when it comes up."""
        self._readings_due: list[tuple[float, AppName]] = []
        """Heap of next readings; an entry counts when it equals the application's ``due``."""
        self._backlog: deque[tuple[AppName, Event]] = deque()
        """Facts to be recorded, in order."""
        self._recording = False
        self._listeners: set[Listener] = set()
        self._opened: float | None = None
        self.trouble = ""
        """Why something could not be recorded; empty when all is well."""
        self._trouble_at = 0.0

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
        return found.past.readings() if found and found.state.live else ()

    def past(self, app: AppName) -> tuple[ReleaseId | None, Readings]:
        """Readings of live releases outside trials, and whose the last one is."""
        found = self._apps.get(app)
        return (found.past.release, found.past.readings()) if found else (None, ())

    def recorded(self, app: AppName, after: int = 0) -> Iterable[Recorded]:
        """The application's events in the journal with a version above ``after``."""
        return self._journal.read(STREAM + app, after=after)

    async def readings(self, app: AppName) -> dict[ReleaseId, ArmReading]:
        """The counters of every running release at this moment; those that cannot be read are left out."""
        state = self.state(app)
        running = [one.id for one in state.releases.values() if one.run == "running"] if state else []
        answers = await self._answers([ArmQuery(app, release) for release in running])
        found = zip(running, answers, strict=True)
        return {release: answer for release, answer in found if not isinstance(answer, Absent)}

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after every change; returns the way to stop it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def submit(self, *requests: tuple[AppName, Event]) -> int:
        """Record what people ask for, all of it or nothing. Returns how many requests change something; others are not kept.

        Raises:
            JournalError: it could not be recorded, and so was not done.
        """
        self._flush()
        if self._backlog:
            raise JournalError(self.trouble or "earlier events are still to be recorded", hint="Try again in a moment.")
        return self._record(requests)

    # -- for the runtime

    def report(self, app: AppName, event: RuntimeEvent) -> None:
        """The runtime's sink. A fact that cannot be recorded now is kept in order until it can."""
        self._fact(app, event)

    # -- life

    async def open(self) -> None:
        """Fold the journal, adopt what runs, and take up every command where it was left.

        Raises:
            JournalError, RuntimeFault: as the adapters say.
        """
        for stream in self._journal.streams():
            if stream.startswith(STREAM):
                name = AppName(stream.removeprefix(STREAM))
                self._apps[name] = self._read_on(self._saved(name))
        known = {
            name: [release.id for release in app.state.releases.values() if release.run != "stopped"]
            for name, app in self._apps.items()
        }
        await self._runtime.open(self.report, known)
        self._opened = self._clock.now()
        for app in list(self._apps.values()):
            self._follow(app, None)

    async def run(self) -> None:
        """Read, note deadlines and retry until cancelled."""
        while True:
            try:
                await self.tick()
            except ShipwayError as error:
                log.error("tick", error=error.message)
            await self._clock.sleep(self._pause())

    async def close(self) -> None:
        """Break off what is under way. The journal has everything."""
        self._opened = None
        await self._executor.close()

    async def tick(self) -> None:
        """One turn: what was left over, deadlines that have come, readings that are due."""
        now = self._clock.now()
        self._flush()
        if self.trouble and not self._backlog and now >= self._trouble_at + self.settings.forget:
            self.trouble = ""
        self._note_deadlines(now)
        due = self._due(now)
        if due:
            await self._read(due)

    # -- inside: the one way in

    def _saved(self, name: AppName) -> _App:
        """The application as a snapshot has it, if there is one of this very journal; else from its beginning."""
        app = _App(name, self.settings)
        data = self._snapshots.load(name) if self._snapshots else None
        found = snapshot.read(data) if data else None
        last = next(iter(self._journal.read(STREAM + name, after=found.version - 1)), None) if found else None
        if found and last and found.is_of(last):
            app.state, app.version, app.saved = found.state, found.version, found.version
            app.last, app.saved_at = last.data, self._clock.now()
            app.past.restore(found.past_of, found.past)
        return app

    def _save(self, app: _App) -> None:
        """A snapshot, if it is time for one and nothing is under way."""
        now = self._clock.now()
        due = app.version >= app.saved + self.settings.snapshot or now >= app.saved_at + self.settings.snapshot_interval
        if self._snapshots and due and is_settled(app.state):
            app.saved, app.saved_at = app.version, now
            self._snapshots.save(app.state.app, snapshot.write(app.state, app.version, app.last, app.past))

    def _read_on(self, app: _App) -> _App:
        """A copy of ``app`` with the events that the journal has beyond it."""
        name = app.state.app
        found = _App(name, self.settings)
        found.state, found.version, found.past, found.last = app.state, app.version, app.past, app.last
        found.saved, found.saved_at = app.saved, app.saved_at
        for recorded in self._journal.read(STREAM + name, after=app.version):
            event = decode(recorded.data, where=f"event {recorded.sequence} ({name})")
            found.past.recall(found.state, event)
            found.state, found.version, found.last = evolve(found.state, event), recorded.version, recorded.data
        return found

    def _fact(self, app: AppName, event: Event) -> None:
        self._backlog.append((app, event))
        self._flush()

    def _flush(self) -> None:
        """Record the facts that wait; what the journal refuses goes on waiting."""
        while self._backlog and not self._recording:
            facts = list(islice(self._backlog, self.settings.batch))
            try:
                self._record(facts)
            except JournalError as error:
                log.error("journal", error=error.message, waiting=len(self._backlog))
                return
            for _ in facts:
                self._backlog.popleft()

    def _record(self, events: Sequence[tuple[AppName, Event]]) -> int:
        """Append all that change something in one transaction, then let them take effect. Returns how many did."""
        states: dict[AppName, tuple[Delivery, int]] = {}
        appends: list[Append] = []
        effects: list[tuple[AppName, Event, Delivery]] = []
        for name, event in events:
            known = self._apps.get(name)
            state, version = states.get(name) or ((known.state, known.version) if known else (initial(name), 0))
            following = evolve(state, event)
            if following is not state:
                appends.append(Append(STREAM + name, version, event.at, type(event).__name__, encode(event)))
                states[name] = following, version + 1
                effects.append((name, event, following))
        if not appends:
            return 0
        self._recording = True  # listeners and adapters may have news while they are told some
        try:
            self._append(appends)
            for (name, event, following), append in zip(effects, appends, strict=True):
                app = self._apps.setdefault(name, _App(name, self.settings))
                app.state, app.version, app.last = following, app.version + 1, append.data
                self._follow(app, event)
                self._save(app)
        finally:
            self._recording = False
        return len(effects)

    def _append(self, appends: Sequence[Append]) -> None:
        try:
            self._journal.append(appends)
        except VersionConflict:
            # An append whose answer was lost, or another writer: read on, and let the caller try again on what is true.
            for name in {AppName(append.stream.removeprefix(STREAM)) for append in appends}:
                self._catch_up(name)
            raise
        except JournalError as error:
            self.trouble, self._trouble_at = f"{error.message}. {error.hint}".strip(), self._clock.now()
            raise
        self.trouble = ""

    def _catch_up(self, name: AppName) -> None:
        app = self._apps.setdefault(name, _App(name, self.settings))
        found = self._read_on(app)
        if found.version != app.version:
            app.state, app.version, app.last = found.state, found.version, found.last
            self._follow(app, None)

    def _follow(self, app: _App, event: Event | None) -> None:
        """Everything that follows from a new state: commands, watches, timers, listeners."""
        if self._opened is None:
            return  # the runtime is still adopting what runs, or the controller is ending
        state = app.state
        self._executor.execute(state)
        found = watch(state)
        if found != app.watch:
            app.watch = found
            if found is not None:
                self._read_at(app, self._clock.now())
        self._set_timer(app)
        for listener in tuple(self._listeners):
            listener(state, event)

    # -- inside: time

    def _set_timer(self, app: _App) -> None:
        moment = deadline(app.state)
        if moment is not None and moment != app.timer:
            app.timer = moment
            heapq.heappush(self._timers, (moment, app.state.app))

    def _note_deadlines(self, now: float) -> None:
        if self._opened is None or now < self._opened + self.settings.grace:
            return
        reached: list[tuple[AppName, Event]] = []
        while self._timers and self._timers[0][0] <= now:
            _, name = heapq.heappop(self._timers)
            app = self._apps[name]
            app.timer = None
            moment = deadline(app.state)
            if moment is not None and moment <= now:
                reached.append((name, DeadlineReached(at=now)))
            else:
                self._set_timer(app)
        self._backlog.extend(reached)
        self._flush()

    def _pause(self) -> float:
        now = self._clock.now()
        moments = [heap[0][0] for heap in (self._timers, self._readings_due) if heap]
        earliest = min(moments, default=now + self.settings.interval)
        # Never zero: a deadline may be past and have to wait, for the grace or for the journal.
        return min(max(earliest - now, 0.01), self.settings.interval)

    # -- inside: readings

    def _read_at(self, app: _App, moment: float) -> None:
        app.due = moment
        heapq.heappush(self._readings_due, (moment, app.state.app))

    def _due(self, now: float) -> list[tuple[_App, Watch]]:
        found: list[tuple[_App, Watch]] = []
        while self._readings_due and self._readings_due[0][0] <= now and len(found) < self.settings.batch:
            moment, name = heapq.heappop(self._readings_due)
            app = self._apps[name]
            if app.due == moment and app.watch is not None:
                self._read_at(app, now + self._interval(app.state, app.watch, now))
                found.append((app, app.watch))
        return found

    def _interval(self, state: Delivery, found: Watch, now: float) -> float:
        if found.canary is None:
            return self.settings.history_interval
        waits = state.rollout and state.phase in _WAITING and now >= state.rollout.phase_at + self.settings.patience
        return self.settings.waiting_interval if waits else self.settings.interval

    async def _read(self, due: Sequence[tuple[_App, Watch]]) -> None:
        queries = [ArmQuery(found.app, arm) for _, found in due for arm in (found.baseline, found.canary) if arm]
        answers = dict(zip(queries, await self._answers(queries), strict=True))
        at = self._clock.now()
        events: list[tuple[AppName, Event]] = []
        for app, found in due:
            if app.watch != found:
                continue  # traffic was moved meanwhile: nobody compares these arms any more, and the next ones are due
            baseline = answers[ArmQuery(found.app, found.baseline)]
            if not isinstance(baseline, Absent):
                app.past.add(at, found.baseline, baseline)
                self._save(app)
            if found.canary:
                canary = answers[ArmQuery(found.app, found.canary)]
                events.append((found.app, _observation(found, baseline, canary, at)))
        self._readings(events)

    async def _answers(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        try:
            return await self._metrics.read(queries)
        except Exception as error:  # a source's bug makes a trial blind, which it says; it ends no controller
            log.error("metrics", exc_info=error)
            return [Absent(f"unexpected {type(error).__name__}: {error}")] * len(queries)

    def _readings(self, events: Sequence[tuple[AppName, Event]]) -> None:
        if not events or self._backlog:
            return
        try:
            self._record(events)
        except JournalError as error:
            log.error("journal", error=error.message)
        self._flush()


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
    return Observed(at=at, reading=reading, canary=found.canary)
