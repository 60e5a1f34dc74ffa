"""``shipway forecast``: what is to come, how to scale for it, and what was unusual."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.options import Home, Json

if TYPE_CHECKING:
    from shipway.cli.insight.scaling import Asked

Workload = Annotated[str | None, typer.Argument(metavar="APP", help="Only this application.")]
Table = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A table instead of what was recorded here.")]


def forecast(
    app: Workload = None,
    *,
    csv: Table = None,
    anomalies: Annotated[bool, typer.Option("--anomalies", help="Say what was unusual instead.")] = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Compare ways of scaling instead.")] = False,
    capacity: Annotated[
        float | None, typer.Option("--capacity", metavar="N", help="Requests a second that one instance carries.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="AMOUNT", help="Of one instance: $0.05/hour [default: its requests]."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="AMOUNT", help="Of all instances: $300/month.")
    ] = None,
    least: Annotated[int, typer.Option("--min", metavar="N", help="Fewest instances.")] = 1,
    most: Annotated[int, typer.Option("--max", metavar="N", help="Most instances.")] = 1000,
    startup: Annotated[
        str, typer.Option("--startup", metavar="TIME", help="Until a new instance carries load.")
    ] = "2m",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the simulation: .html or .svg.")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Say how many requests are to come.

    The next 15 minutes, and the next 7 days when there is history enough, with
    the range that should hold 90 % of the values. From what the controller has
    recorded (requests a second), or a table with the columns at, requests.

    --simulate scales for the second half of that trace in three ways, after
    the fact (reactive), by forecast (predictive), and by forecast within
    budget / 730 an hour (cost-aware), and says what each overloads and costs.

    --anomalies shows what is usual for every metric, and what was not; of a
    table, every column beside `at` is a metric.

    Example: shipway forecast shop --simulate --capacity 50 --plot scaling.html
    """
    from shipway.cli.insight.scaling import Asked
    from shipway.cli.output import show
    from shipway.facts.home import home_directory
    from shipway.model.errors import BadInput

    place = home_directory(home)
    asked = Asked(capacity=capacity, price=price, budget=budget, least=least, most=most, startup=startup)
    if anomalies and simulate:
        raise BadInput("expected --anomalies or --simulate, got both")
    if not simulate and (
        plot or asked != Asked(capacity=None, price=None, budget=None, least=1, most=1000, startup="2m")
    ):
        raise BadInput("--capacity, --price, --budget, --min, --max, --startup and --plot belong to --simulate")
    if simulate:
        _simulated(place, app, csv, asked, plot, json=json)
    elif anomalies:
        from shipway.cli.insight.sensing import shown
        from shipway.facts import sensing

        if app and csv:
            raise BadInput(f"expected an application or --csv, got both: {app} and {csv}")
        found = sensing.imported(csv) if csv else sensing.recorded(place, app)
        show({"metrics": found}, shown(found), json=json)
    else:
        from shipway.cli.insight import insights
        from shipway.facts.histories import histories
        from shipway.insight.outlooks import outlooks

        ahead = [one for history in histories(place, app, csv, ("requests",)) for one in outlooks(history)]
        show({"outlooks": ahead}, insights.outlooks(ahead), json=json)


def _simulated(
    place: Path, app: str | None, csv: Path | None, asked: "Asked", plot: Path | None, *, json: bool
) -> None:
    from shipway.cli.insight import scaling
    from shipway.cli.output import note, show
    from shipway.cli.recalling.records import records
    from shipway.facts import released
    from shipway.facts.histories import histories
    from shipway.facts.home import JOURNAL
    from shipway.insight.workloads import Now

    found = histories(place, app, csv, ("requests",))
    present = {}
    if csv is None and (place / JOURNAL).exists():
        with records(place) as journal:
            present = {one.name: released.now(journal, one.name) for one in found}
    outcomes = [scaling.simulated(one, present.get(one.name, Now()), asked) for one in found]
    if plot:
        scaling.plot(outcomes, plot)
        note(f"Wrote {plot}.", json=json)
    show({"simulations": outcomes}, scaling.shown(outcomes), json=json)
