"""Everything that a home knows about what ran in it: promises, money, sizes, forecasts, delivery, risk. For the report and the demo.

Works without a controller too: the promises are then those that the readings on record support, up to the last of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipway.cost.budget import Forecast
from shipway.engine.promises import Series as Read
from shipway.engine.promises import courses, statuses
from shipway.engine.records import Records
from shipway.engine.timeline import Timeline
from shipway.engine.views import PromisesView, PromiseView
from shipway.facts import charging, deliveries, histories, released
from shipway.facts.deliveries import Assessed
from shipway.facts.scorecard import Scorecard, readings, scorecard
from shipway.facts.scorecard import live as current
from shipway.facts.usages import UsageFiles
from shipway.insight.delivery import Deployment
from shipway.insight.outlooks import Outlook, outlooks
from shipway.insight.series import Absent, Series, regular
from shipway.insight.sizing.advice import Sized, sized
from shipway.insight.workloads import History
from shipway.model.errors import NotFound
from shipway.rollout.states import Delivery
from shipway.spec import Application

POINTS = 120
"""Of a course: more than a picture shows, at most."""
JUDGED = 12
"""Releases whose risk is told, the last ones: each is judged by what came before it, which takes a fit of its own."""


class Judged(msgspec.Struct, frozen=True):
    """The risk of a release before it went, and what became of it."""

    rollout: str
    verdict: str
    assessed: Assessed


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What is known at one moment."""

    at: float
    promises: PromisesView
    courses: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
    """By application and promise: the share of the budget that was left at each time; NaN where nobody can tell."""
    begun: Mapping[str, Sequence[tuple[float, str]]]
    """By application: when its releases began, and their names."""
    deployments: tuple[Deployment, ...]
    scorecard: Scorecard
    cost: charging.Actual
    budgets: Forecast | Absent
    sizes: tuple[Sized, ...]
    rates: Mapping[str, Series | Absent]
    """Requests a second, by application."""
    outlooks: tuple[Outlook, ...]
    risks: tuple[Judged, ...]


def learn(
    home: Path,
    journal: Records,
    timelines: Sequence[Timeline],
    at: float,
    *,
    days: float = 28.0,
    promises: PromisesView | None = None,
) -> Learned:
    """What there is; ``timelines`` are of all rollouts, oldest first.

    ``promises``: the controller's answer, which has the latest readings; without one, what the journal's come to.
    """
    usage = UsageFiles(home).apps()
    workloads = histories.recorded(home, None) if usage else []
    sources = _sources(home, journal, usage)
    past = deliveries.recorded(journal)
    card = scorecard(past, journal, home, ("application", days, at))
    states: dict[str, Delivery] = {app: released.state(journal, app) for app in journal.apps}
    series: dict[str, Read] = {app: readings(home, journal, app, one, at) for app, one in states.items()}
    live = {app: application for app, one in states.items() if (application := current(one))}
    return Learned(
        at=at,
        promises=promises or _promises(states, series, live, at),
        courses={app: courses(live[app], series[app], _times(series[app])) for app in live},
        begun={app: [(one.started_at, one.name) for one in timelines if one.app == app] for app in journal.apps},
        deployments=past.deployments,
        scorecard=card,
        cost=charging.actual(sources, charging.Rules()),
        budgets=_budgets(sources),
        sizes=tuple(sized(one, released.now(journal, one.name)) for one in workloads),
        rates={one.name: _rate(one) for one in workloads},
        outlooks=tuple(outlook for one in workloads for outlook in outlooks(one)),
        risks=tuple(_risks(deliveries.Background(journal, home), journal, timelines, at)),
    )


def _promises(
    states: Mapping[str, Delivery], series: Mapping[str, Read], live: Mapping[str, Application], at: float
) -> PromisesView:
    views = (
        PromiseView(
            app=app,
            release=one.live,
            statuses=statuses(live[app], series[app], at) if app in live else (),
        )
        for app, one in states.items()
    )
    return PromisesView(applications=tuple(views))


def _times(series: Iterable[Sequence[tuple[float, Any]]]) -> list[float]:
    """Of the readings, thinned evenly; always with the last."""
    times = sorted({at for readings in series for at, _ in readings})
    every = max(1, len(times) // POINTS)
    return sorted({*times[::every], *times[-1:]})


def _sources(home: Path, journal: Records, usage: Sequence[str]) -> charging.Sources:
    empty = charging.Sources((), None, "", (), "USD")
    return charging.recorded(home, journal, empty) if usage else empty


def _budgets(sources: charging.Sources) -> Forecast | Absent:
    if not sources.usage:
        return Absent("no use was recorded")
    try:
        return charging.forecast(sources, None)
    except NotFound:
        return Absent("no application here has a budget: write `budget: $300/month` into one")


def _rate(history: History) -> Series | Absent:
    return regular([one.at for one in history.moments], [one.requests for one in history.moments], history.step)


def _risks(
    background: deliveries.Background, journal: Records, timelines: Sequence[Timeline], at: float
) -> Iterable[Judged]:
    for one in [one for one in timelines if one.kind != "undo"][-JUDGED:]:
        yield Judged(
            one.rollout, one.verdict, deliveries.assessed(journal, one.rollout, at, one.by, background=background)
        )
