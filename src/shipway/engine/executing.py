"""Carries out the commands that a state calls for, each until it has worked or is no longer wanted. Used by ``loop``.

    wanted ──► under way ──► worked                 a change of routes is answered with ``RoutesApplied``
                  │  ▲
            failed│  │after a pause that doubles    ``CommandFailed`` when the reason is a new one
                  ▼  │
               waiting ──► no longer wanted         a newer command has taken its place; nothing is answered

A command under way is never broken off: half of it may be done. It may be executed twice or late; its generation makes
that harmless. What became of it is not kept here: after a restart everything that the state calls for is asked for again.
"""

import asyncio
from collections.abc import Callable

import structlog

from shipway.engine.ports import Clock, Router, Runtime
from shipway.model.errors import ShipwayError
from shipway.model.ids import AppName, CommandId
from shipway.rollout.commands import Command, SetRoutes, StartRelease, StopRelease
from shipway.rollout.decide import decide
from shipway.rollout.events import CommandFailed, Event, RoutesApplied
from shipway.rollout.states import Delivery

log = structlog.get_logger(__name__)


class _Commands:
    """Those of one application."""

    def __init__(self, state: Delivery) -> None:
        self.state = state
        """For which they were last worked out."""
        self.wanted: dict[CommandId, Command] = {}
        self.tasks: dict[CommandId, asyncio.Task[None]] = {}


class Executor:
    """Executes on a runtime and a router, and tells what came of it.

    Args:
        runtime: starts and stops releases.
        router: changes weights.
        clock: for pauses and for the time of what is told.
        tell: where ``CommandFailed`` and ``RoutesApplied`` go.
        retry: seconds before a failed command is tried again; doubled each time.
        retry_most: at most so many.
    """

    def __init__(
        self,
        runtime: Runtime,
        router: Router,
        clock: Clock,
        tell: Callable[[AppName, Event], None],
        *,
        retry: float,
        retry_most: float,
    ) -> None:
        self._runtime, self._router, self._clock, self._tell = runtime, router, clock, tell
        self._retry, self._retry_most = retry, retry_most
        self._apps: dict[AppName, _Commands] = {}

    def execute(self, state: Delivery) -> None:
        """Begin what ``state`` calls for and is not under way or done already."""
        app = self._apps.get(state.app)
        if app and app.state.generation == state.generation and app.state.releases is state.releases:
            return  # every command has the generation in its id, or ends with a release's `run`
        app = app or self._apps.setdefault(state.app, _Commands(state))
        app.state, app.wanted = state, {command.id: command for command in decide(state)}
        app.tasks = {name: task for name, task in app.tasks.items() if name in app.wanted or not task.done()}
        for name, command in app.wanted.items():
            if name not in app.tasks:
                app.tasks[name] = asyncio.get_running_loop().create_task(self._until_done(app, command))

    def under_way(self) -> int:
        """Commands that have not worked yet."""
        return sum(not task.done() for app in self._apps.values() for task in app.tasks.values())

    async def close(self) -> None:
        """Break everything off: the next controller asks for it again."""
        tasks = [task for app in self._apps.values() for task in app.tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_done(self, app: _Commands, command: Command) -> None:
        wait, told = self._retry, ""
        while command.id in app.wanted:
            failure = await self._failure(command)
            if not failure:
                self._answer(app.state.app, command)
                return
            if failure != told:  # said once, not every few seconds for as long as it lasts
                told = failure
                event = CommandFailed(at=self._clock.now(), command=str(command.id), reason=failure)
                self._tell(app.state.app, event)
            await self._clock.sleep(wait)
            wait = min(2 * wait, self._retry_most)

    async def _failure(self, command: Command) -> str:
        """Execute it; why it did not work, or an empty string."""
        try:
            await self._perform(command)
        except ShipwayError as error:
            return ". ".join(part.rstrip(". ") for part in (error.message, error.hint) if part) + "."
        except Exception as error:  # an adapter's bug must not leave a command undone without a word
            log.error("command", command=command.id, exc_info=error)
            return f"unexpected {type(error).__name__}: {error}. This is a bug; the controller's log has more."
        return ""

    async def _perform(self, command: Command) -> None:
        match command:
            case StartRelease():
                await self._runtime.start(command)
            case StopRelease():
                await self._runtime.stop(command)
            case SetRoutes():
                await self._router.set_routes(command)

    def _answer(self, app: AppName, command: Command) -> None:
        if isinstance(command, SetRoutes):
            self._tell(app, RoutesApplied(at=self._clock.now(), generation=command.generation))
