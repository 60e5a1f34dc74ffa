"""The journal as whoever asks about the past reads it, with or without a controller beside it. Called by ``facts`` and ``cli``."""

from collections.abc import Iterable, Sequence

from shipway.engine.loop import STREAM
from shipway.engine.ports import Journal, Recorded
from shipway.engine.timeline import Timeline, timelines
from shipway.model.errors import NotFound
from shipway.model.ids import AppName
from shipway.model.suggestions import did_you_mean
from shipway.rollout.codec import decode
from shipway.rollout.events import Event
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.states import Delivery


class Records:
    """Events by application."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._states: dict[str, tuple[int, Delivery]] = {}
        """By application: the state after so many events."""

    @property
    def apps(self) -> list[AppName]:
        """Every application of which something is recorded by now, in order of their first event."""
        return [AppName(name.removeprefix(STREAM)) for name in self._journal.streams() if name.startswith(STREAM)]

    def events(self, app: str, after: int = 0) -> list[Event]:
        """The events of an application but for the first ``after``, oldest first.

        Raises:
            NotFound: nothing was ever recorded of it.
        """
        if app not in self.apps:
            hint = "`shipway status` names those there are."
            raise NotFound(f"there is no application {app}{did_you_mean(app, self.apps)}", hint=hint)
        return [decode(one.data, where=f"event {one.sequence} of {one.stream}") for one in self.recorded(app, after)]

    def recorded(self, app: str, after: int = 0) -> Iterable[Recorded]:
        """The same as the journal keeps them."""
        return self._journal.read(f"{STREAM}{app}", after)

    def state(self, app: str) -> Delivery:
        """An application as it stands after everything on record; asked again, only what came since is read.

        Raises:
            NotFound: nothing was ever recorded of it.
        """
        count, found = self._states.get(app) or (0, initial(self.owner(app)))
        new = self.events(app, count)
        for event in new:
            found = evolve(found, event)
        self._states[app] = count + len(new), found
        return found

    def timelines(self, names: Sequence[str] = ()) -> list[Timeline]:
        """Of every rollout, or of those named (an id, or an application: its last), oldest first."""
        if not names:
            return sorted((one for app in self.apps for one in timelines(self.events(app), app)), key=_started)
        return [self._timeline(name) for name in names]

    def owner(self, name: str) -> AppName:
        """The application that a rollout's id, or an application's own name, belongs to.

        Raises:
            NotFound: there is no such application or rollout.
        """
        app = name if name in self.apps else name.rpartition("-")[0]
        if app in self.apps:
            return AppName(app)
        hint = "`shipway rollout list` names those there are."
        raise NotFound(f"there is no rollout and no application {name}{did_you_mean(name, self.apps)}", hint=hint)

    def _timeline(self, name: str) -> Timeline:
        app = self.owner(name)
        found = timelines(self.events(app), app)
        chosen = [one for one in found if name in (app, one.rollout)]
        if not chosen:
            raise NotFound(f"there is no rollout {name}", hint="`shipway rollout list` names those there are.")
        return chosen[-1]


def _started(one: Timeline) -> float:
    return one.started_at
