"""Everything that a home knows about what ran in it: promises, money, sizes, forecasts, delivery, risk. For the report and the demo.

Works without a controller too: the promises are then those that the journal's readings support, up to the last of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli import advising, charging, deliveries, released
from shipway.cli.client import Client
from shipway.cli.counters import CounterFiles
from shipway.cli.records import Records
from shipway.cli.scorecard import Scorecard, scorecard
from shipway.cli.usages import UsageFiles
from shipway.engine.promises import Ledger, courses, statuses
from shipway.engine.timeline import Timeline
from shipway.engine.views import PromisesView, PromiseView
from shipway.insight.delivery import Deployment
from shipway.insight.series import Absent, Series, regular
from shipway.model.errors import NotFound, ShipwayError
from shipway.spec import Application

POINTS = 120
"""Of a course: more than a picture shows, at most."""
JUDGED = 12
"""Releases whose risk is told, the last ones: each is judged by what came before it, which takes a fit of its own."""


class Judged(msgspec.Struct, frozen=True):
    """The risk of a release before it went, and what became of it."""

    rollout: str
    verdict: str
    assessed: deliveries.Assessed


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at one moment."""

    at: float
    promises: PromisesView
    courses: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
    """By application and promise: the share of the budget that was left at each time; NaN where nobody can tell."""
    begun: Mapping[str, Sequence[tuple[float, str]]]
    """By application: when its releases began, and their names."""
    deployments: tuple[Deployment, ...]
    delivery: tuple[deliveries.Group, ...]
    scorecard: Scorecard
    days: float
    """That ``delivery`` looks back."""
    cost: charging.Actual
    budgets: charging.Forecast | Absent
    sizes: tuple[advising.Sized, ...]
    rates: Mapping[str, Series | Absent]
    """Requests a second, by application."""
    outlooks: tuple[advising.Outlook, ...]
    risks: tuple[Judged, ...]


def learn(home: Path, journal: Records, timelines: Sequence[Timeline], at: float, days: float = 28.0) -> Learned:
    """What there is; ``timelines`` are of all rollouts, oldest first."""
    usage = UsageFiles(home).apps()
    histories = advising.recorded(home, None) if usage else []
    past = deliveries.recorded(journal)
    card = scorecard(past, journal, home, ("application", days, at))
    series: dict[str, Any] = {app: _ledger(home, journal, app).series({}, at) for app in journal.apps}
    live: dict[str, Application] = {app: one for app in journal.apps if (one := _live(journal, app)) is not None}
    return Learned(
        at=at,
        promises=_promises(home, journal, series, live, at),
        courses={app: courses(live[app], series[app], _times(series[app])) for app in live},
        begun={app: [(one.started_at, one.name) for one in timelines if one.app == app] for app in journal.apps},
        deployments=past.deployments,
        delivery=card.groups,
        scorecard=card,
        days=days,
        cost=_cost(home, usage),
        budgets=_budgets(home, usage),
        sizes=tuple(advising.sized(one, released.now(journal, one.name)) for one in histories),
        rates={one.name: _rate(one) for one in histories},
        outlooks=tuple(outlook for one in histories for outlook in advising.outlooks(one)),
        risks=tuple(_risks(journal, timelines, at)),
    )


def _ledger(home: Path, journal: Records, app: str) -> Ledger:
    ledger = Ledger(CounterFiles(home).read(app))
    ledger.read_on(journal.recorded(app), released.state(journal, app))
    return ledger


def _live(journal: Records, app: str) -> Application | None:
    found = released.state(journal, app)
    if found.live is None:
        return None
    kept: dict[str, Any] = msgspec.json.decode(found.releases[found.live].document)
    return Application.model_validate(kept["application"]) if "application" in kept else None


def _promises(
    home: Path, journal: Records, series: Mapping[str, Any], live: Mapping[str, Application], at: float
) -> PromisesView:
    """The controller's answer, which has the latest readings; without one, what the journal's come to."""
    try:
        with Client(home) as client:
            return client.slo(None)
    except ShipwayError:
        views = (
            PromiseView(
                app=app,
                release=released.state(journal, app).live,
                statuses=statuses(live[app], series[app], at) if app in live else (),
            )
            for app in journal.apps
        )
        return PromisesView(applications=tuple(views))


def _times(series: Iterable[Sequence[tuple[float, Any]]]) -> list[float]:
    """Of the readings, thinned evenly; always with the last."""
    times = sorted({at for readings in series for at, _ in readings})
    every = max(1, len(times) // POINTS)
    return sorted({*times[::every], *times[-1:]})


def _cost(home: Path, usage: Sequence[str]) -> charging.Actual:
    empty = charging.Sources((), None, "", (), "USD")
    return charging.actual(
        charging.recorded(home, empty) if usage else empty, charging.Rules(None, None, "proportional", ())
    )


def _budgets(home: Path, usage: Sequence[str]) -> charging.Forecast | Absent:
    if not usage:
        return Absent("no use was recorded")
    try:
        return charging.forecast(charging.recorded(home, charging.Sources((), None, "", (), "USD")), None)
    except NotFound:
        return Absent("no application here has a budget: write `budget: $300/month` into one")


def _rate(history: advising.History) -> Series | Absent:
    return regular([one.at for one in history.moments], [one.requests for one in history.moments], history.step)


def _risks(journal: Records, timelines: Sequence[Timeline], at: float) -> Iterable[Judged]:
    for one in [one for one in timelines if one.kind != "undo"][-JUDGED:]:
        yield Judged(one.rollout, one.verdict, deliveries.assessed(journal, one.rollout, at, one.by))
