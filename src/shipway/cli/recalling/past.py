"""Verbs about what has happened. They read the journal, so they work without a controller."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import App, Home, Json, RolloutName


def history(app: App, home: Home = None, json: Json = False) -> None:
    """List every rollout of an application, and how it ended.

    Example: shipway history shop
    """
    from shipway.cli.delivering import tables
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records
    from shipway.engine.timeline import timelines
    from shipway.facts.home import home_directory

    with records(home_directory(home)) as journal:
        found = [tables.summary(one) for one in timelines(journal.events(app), journal.owner(app))]
    show({"rollouts": found}, tables.history(found), json=json)


def replay(
    rollout: RolloutName,
    alpha: Annotated[
        float | None,
        typer.Option("--alpha", metavar="ALPHA", help="Chance of rolling back a good release, e.g. 0.001."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", metavar="FACTOR", help="How many times the baseline's rate is fine, e.g. 1.5."),
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Judge a past rollout again, from its raw readings.

    Without options the verdict is the one that was given; with them it is the
    one that would have been.

    Example: shipway replay shop-3 --alpha 0.001
    """
    from shipway.cli.delivering import tables
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records
    from shipway.engine.replay import rejudge
    from shipway.facts.home import home_directory

    with records(home_directory(home)) as journal:
        (timeline,) = journal.timelines([rollout])
        found = rejudge(journal.events(timeline.app), timeline.rollout, alpha=alpha, tolerance=tolerance)
    show(found, tables.replay(found), json=json)


def report(
    rollouts: Annotated[
        list[str] | None, typer.Argument(metavar="ROLLOUT", help="Rollouts or applications [default: all].")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = Path(
        "shipway-report.html"
    ),
    home: Home = None,
    json: Json = False,
) -> None:
    """Write an HTML report of rollouts and all that is known.

    One file with plots: error budgets, cost, right-sizing, forecasts, delivery
    and risk; then weights, error rates, evidence and events of every rollout.

    Example: shipway report shop-2 shop-3 -o report.html
    """
    import time

    from shipway.cli.output import show
    from shipway.cli.recalling.records import promises, records
    from shipway.cli.recalling.reporting import write_report
    from shipway.facts import learning
    from shipway.facts.home import home_directory
    from shipway.web.report import cards

    place = home_directory(home)
    with records(place) as journal:
        found = journal.timelines(rollouts or [])
        known = learning.learn(place, journal, found, time.time(), promises=promises(place))
    write_report(output, found, cards.sections(known))
    names = [one.rollout for one in found]
    show({"file": str(output), "rollouts": names}, f"Wrote {output}: {', '.join(names) or 'no rollouts'}.", json=json)
