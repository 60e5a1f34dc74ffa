"""How every promise stands at this moment, of applications and of journeys through several. Called by ``service``.

Reads on in the journal since the last question, so that a question costs what has happened since.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec

from shipway.engine.loop import Engine
from shipway.engine.ports import Clock
from shipway.engine.promises import Count, Ledger, Series, availability, statuses
from shipway.engine.views import JourneyView, PromisesView, PromiseView
from shipway.model.ids import AppName
from shipway.rollout.states import Delivery
from shipway.slo.budget import Status, Unknown
from shipway.slo.journeys import Composite, composite
from shipway.spec import Application, DeclaredPlatform
from shipway.spec.platform import Journey

_PAGE = 2000
"""Events of the journal that are read in one go, in about 25 ms."""

Counts = Callable[[AppName], Iterable[Count]]
"""Counters of an application from before this controller, by time."""


class Promises:
    """The ledgers of all applications."""

    def __init__(self, engine: Engine, clock: Clock, counts: Counts, platform: DeclaredPlatform | None) -> None:
        self._engine, self._clock, self._counts, self._platform = engine, clock, counts, platform
        self._ledgers: dict[AppName, Ledger] = {}

    async def of(self, states: Sequence[Delivery]) -> tuple[PromiseView, ...]:
        """Every promise of these applications."""
        return tuple([await self._of(state) for state in states])

    async def all(self, states: Sequence[Delivery]) -> PromisesView:
        """Every promise of all applications, and of the platform's journeys through them."""
        journeys = self._platform.platform.spec.journeys if self._platform else {}
        return PromisesView(
            applications=await self.of(states),
            journeys=tuple([await self._journey(name, one, states) for name, one in journeys.items()]),
        )

    async def _of(self, state: Delivery) -> PromiseView:
        application = _application(state)
        if application is None:
            return PromiseView(app=state.app, release=None, statuses=())
        series, at = await self._series(state)
        return PromiseView(app=state.app, release=state.live, statuses=statuses(application, series, at))

    async def _series(self, state: Delivery) -> tuple[Series, float]:
        ledger = self._ledgers.get(state.app) or self._ledgers.setdefault(
            state.app, Ledger(await self._kept(state.app))
        )
        while events := list(islice(self._engine.recorded(state.app, ledger.version), _PAGE)):
            ledger.read_on(events, state)
            await self._clock.sleep(0)  # readings are due meanwhile
        ledger.recall(*self._engine.past(state.app))
        now, at = await self._engine.readings(state.app), self._clock.now()
        return ledger.series(now, at), at

    async def _kept(self, app: AppName) -> list[Count]:
        found: list[Count] = []
        for one in self._counts(app):
            found.append(one)
            if len(found) % _PAGE == 0:
                await self._clock.sleep(0)
        return found

    async def _journey(self, name: str, journey: Journey, states: Sequence[Delivery]) -> JourneyView:
        """Judged over the journey's own window."""
        by_name = {str(state.app): state for state in states}
        found: list[Status] = []
        missing = ""
        for app in journey.applications:
            state = by_name.get(app)
            application = _application(state) if state else None
            status = None
            if state is not None and application is not None:
                status = availability(application, *await self._series(state), window=journey.window)
            missing = missing or ("" if status else f"{app} is not live here, or promises no availability")
            found += [status] if status else []
        result: Composite | Unknown = Unknown(missing) if missing else composite(found, journey.objective)
        return JourneyView(
            name=name,
            applications=journey.applications,
            objective=journey.objective,
            window=journey.window,
            spending=result,
        )


def _application(state: Delivery) -> Application | None:
    """As it is live; None when nothing is."""
    if state.live is None:
        return None
    return written(state.releases[state.live].document)


def written(document: str) -> Application | None:
    """The application that a release remembers; None of one that remembers nothing of ours."""
    try:
        return Application.model_validate(msgspec.json.decode(document, type=_Document).application)
    except (msgspec.MsgspecError, ValueError):
        return None


class _Document(msgspec.Struct, frozen=True):
    application: dict[str, object]
