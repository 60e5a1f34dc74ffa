"""Verbs that tell what is known: how delivery goes, how risky a release is, and how far an organisation has come."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Home, Json

Days = Annotated[float, typer.Option("--days", metavar="N", help="Length of the period.")]


def dora(
    apps: Annotated[list[str] | None, typer.Argument(metavar="[APP]...", help="Only these applications.")] = None,
    *,
    by: Annotated[str, typer.Option("--by", metavar="WHAT", help="application, team or environment.")] = "application",
    days: Days = 28,
    env: Annotated[str, typer.Option("--env", metavar="NAME", help="Only deployments to this environment.")] = "",
    csv: Annotated[
        list[Path] | None,
        typer.Option("--csv", metavar="FILE", help="Deployments of another tool; may be repeated."),
    ] = None,
    exports: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="FORGE:FILE", help="Answers of github or gitlab; may be repeated."),
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--incident-label", metavar="NAME", help="Of issues. [default: incident]")
    ] = None,
    platform: Annotated[
        Path | None, typer.Option("--platform", metavar="DIR", help="Whose applications adoption is told of.")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show the four measures of delivery, and how they changed.

    From the journal; from tables with the columns id, application, started_at,
    finished_at, result (success, failed, rolled back), and perhaps team,
    environment, committed_at; and from what `gh api --paginate` and `glab api
    --paginate` answered. What is unknown is so with a reason.

    Example: shipway dora --by team --days 90
    """
    import time

    from shipway.cli.insight import scores
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records, records_if_any
    from shipway.facts import deliveries, scorecard
    from shipway.facts.exports import exported
    from shipway.facts.home import home_directory
    from shipway.insight.delivery import Recorded

    place, at = home_directory(home), time.time()
    past, wanted = Recorded(), apps or []
    for file in csv or ():
        past += deliveries.imported(file).of(wanted)
    every = by == "environment" or bool(env)
    if exports:
        past += exported(exports, labels or ["incident"], every_environment=every).of(wanted)
    with (records_if_any if csv or exports else records)(place) as journal:
        past += deliveries.own(journal, wanted, optional=bool(csv or exports))
        past = past.to(env) if env else past
        found = scorecard.scorecard(past, journal, place, (by, days, at), platform)
    show(found, scores.told(found), json=json)


def risk(
    release: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A file, a release (v4, shop@v4), a rollout (shop-3), an application."),
    ],
    home: Home = None,
    json: Json = False,
) -> None:
    """Say how likely a release is to be rolled back, and why.

    A file is judged as if it went now; a rollout on record by what was known
    before it began. Without history the answer is a prior, and says so.

    Example: shipway risk shop.yaml
    """
    import time

    from shipway.cli.insight import insights
    from shipway.cli.output import show
    from shipway.cli.person import person
    from shipway.cli.recalling.records import records_if_any
    from shipway.facts import deliveries
    from shipway.facts.home import home_directory

    place = home_directory(home)
    with records_if_any(place) as journal:
        found = deliveries.assessed(journal, release, time.time(), person(), place if journal else None)
    show(found, insights.risk(found), json=json)


def impact(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="A release (v4, shop@v4), a rollout, or a time of ISO 8601.")
    ],
    *,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A series of your own: at, value, perhaps control.")
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="requests, errorRate, cpu or memory, as recorded here.")
    ] = "requests",
    weeks: Annotated[int, typer.Option("--weeks", metavar="N", help="Weeks before to compare with.")] = 3,
    alpha: Annotated[float, typer.Option("--alpha", metavar="ALPHA", help="Chance of a false alarm.")] = 0.05,
    home: Home = None,
    json: Json = False,
) -> None:
    """Say what a release did to any metric, business ones too.

    A difference in differences: against the column `control` (the other arm:
    users, regions or a release without the change), else against the same
    hours of the weeks before. The interval holds however often one looks.

    Example: shipway impact shop@v4 --csv orders.csv
    """
    from shipway.cli.insight import insights
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records_if_any
    from shipway.facts import impacts
    from shipway.facts.home import home_directory

    place = home_directory(home)
    question = impacts.Question(release=release, csv=csv, metric=metric, weeks=weeks, alpha=alpha)
    with records_if_any(place) as journal:
        found = impacts.impact(question, place, journal)
    show(found, insights.impact(found), json=json)


def maturity(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Root of the repository.")] = Path(),
    home: Home = None,
    json: Json = False,
) -> None:
    """Say how far delivery has come, and what the next level needs.

    Five levels; every criterion is answered from the repository's files and
    the journal. What cannot be seen counts as missing.

    Example: shipway maturity .
    """
    import time

    from shipway.cli.insight import insights
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records_if_any
    from shipway.facts import deliveries, surveying
    from shipway.facts.home import home_directory
    from shipway.insight.maturity import assess

    place = home_directory(home)
    with records_if_any(place) as journal:
        past = deliveries.own(journal, []) if journal else None
    found = assess(surveying.facts(directory, past, time.time()))
    show(found, insights.maturity(found), json=json)


Workload = Annotated[str | None, typer.Argument(metavar="APP", help="Only this application.")]
Tables = Annotated[
    list[Path] | None,
    typer.Option("--csv", metavar="FILE", help="A table instead of what was recorded here; may be repeated."),
]


def rightsize(
    app: Workload = None,
    *,
    csv: Tables = None,
    pool: Annotated[bool, typer.Option("--pool", help="Say what applications save by sharing machines.")] = False,
    node: Annotated[
        str | None, typer.Option("--node", metavar="CPU/MEMORY", help="With --pool: fill machines of 4/16Gi.")
    ] = None,
    throttled: Annotated[
        str, typer.Option("--throttled", metavar="SHARE", help="Of time: may want more CPU than requested (ours).")
    ] = "5%",
    killed: Annotated[
        str, typer.Option("--killed", metavar="SHARE", help="Of weeks: may reach the memory limit (ours).")
    ] = "1%",
    home: Home = None,
    json: Json = False,
) -> None:
    """Say what CPU and memory an instance should request.

    Three recommenders side by side: vpa (Kubernetes), krr (Robusta) and ours,
    with what each saves and risks. From what the controller has recorded, or
    from tables with the columns at, cpu (cores), memory (bytes).

    Example: shipway rightsize shop
    """
    from contextlib import nullcontext

    from shipway.cli.insight import insights, options, pooling
    from shipway.cli.output import show
    from shipway.cli.recalling.records import records_if_any
    from shipway.facts import released
    from shipway.facts.histories import histories
    from shipway.facts.home import home_directory
    from shipway.insight.sizing.advice import sized
    from shipway.insight.sizing.pooling import pooled
    from shipway.insight.workloads import Now
    from shipway.model.errors import BadInput

    place, aim = home_directory(home), options.aim(throttled, killed)
    found = [one for file in csv or (None,) for one in histories(place, app, file, ("cpu", "memory"))]
    if node and not pool:
        raise BadInput("--node belongs to --pool")
    if pool:
        shared = pooled(found, options.machine(node))
        show(shared, pooling.shown(shared), json=json)
        return
    with nullcontext() if csv else records_if_any(place) as journal:
        advice = [sized(one, released.now(journal, one.name) if journal else Now(), aim) for one in found]
    show({"applications": advice}, insights.sizes(advice), json=json)
