"""``shipway cost …``: what releases will cost, what they did cost, and what their budgets allow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.options import Environments, Home, Json, PlatformDirectory

if TYPE_CHECKING:
    from shipway.facts.charging import Sources

PriceFiles = Annotated[
    list[Path] | None,
    typer.Option("--prices", metavar="FILE", help="PriceCatalogue beside those of the organisation; may be repeated."),
]
CostFiles = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="Answers of OpenCost's allocation API, or usage as JSON lines [default: what was recorded here].",
    ),
]
Organised = Annotated[
    Path | None,
    typer.Option("--platform", metavar="DIR", help="Directory with the Platform: teams, requests, prices, budgets."),
]
Environment = Annotated[str, typer.Option("--env", metavar="NAME", help="Environment that usage was measured in.")]
Bill = Annotated[
    str | None, typer.Option("--bill", metavar="AMOUNT", help="Everything that was paid: $120. What is over is idle.")
]
Shared = Annotated[
    str | None, typer.Option("--shared", metavar="AMOUNT", help="Part of the bill that all use together.")
]
Share = Annotated[
    str, typer.Option("--share", metavar="RULE", help="How shared and idle cost is shared: proportional, even, custom.")
]
Weights = Annotated[
    list[str] | None, typer.Option("--weight", metavar="APP=N", help="For --share custom; may be repeated.")
]
Currency = Annotated[
    str, typer.Option("--currency", metavar="CODE", help="Of OpenCost's amounts, which do not say it.")
]


def estimate(
    apps: Annotated[list[str] | None, typer.Argument(metavar="[APP]...", help="Only these applications.")] = None,
    *,
    env: Environments = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="DIR|REV", help="Compare with another directory, or a revision of this one."),
    ] = None,
    prices: PriceFiles = None,
    advise: Annotated[bool, typer.Option("--advise", help="Say where spot and reserved machines would save.")] = False,
    platform: PlatformDirectory = Path(),
    json: Json = False,
) -> None:
    """Say what applications will cost, by the hour and by the month.

    From what their Kubernetes objects request; a scaler makes a range. A part
    without a price is unknown, and the sum then says `at least`.

    Example: shipway cost estimate --env prod --against main
    """
    from shipway.cli.output import show
    from shipway.cli.spending import bills
    from shipway.facts.estimates import estimated

    found = estimated(platform, apps, env, prices or [], against, advise=advise)
    show(bills.told(found) if json else None, bills.estimates(found), json=json)


def actual(
    files: CostFiles = None,
    *,
    platform: Organised = None,
    env: Environment = "",
    prices: PriceFiles = None,
    bill: Bill = None,
    shared: Shared = None,
    share: Share = "proportional",
    weight: Weights = None,
    currency: Currency = "USD",
    home: Home = None,
    json: Json = False,
) -> None:
    """Say what every release did cost, and why.

    A release costs the more of what it requested and what it used. The totals
    add up to the bill, to the last digit.

    Example: shipway cost actual allocation.json --bill '$120'
    """
    from shipway.cli.output import show
    from shipway.cli.spending import bills, options
    from shipway.facts import charging

    sources = _sources(files, home, platform=platform, env=env, prices=prices, currency=currency)
    found = charging.actual(sources, options.rules(bill, shared, share, weight or ()))
    show(found, bills.actual(found), json=json)


def forecast(
    files: CostFiles = None,
    *,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="AMOUNT", help="Of all together: $300/month.")
    ] = None,
    platform: Organised = None,
    env: Environment = "",
    prices: PriceFiles = None,
    currency: Currency = "USD",
    home: Home = None,
    json: Json = False,
) -> None:
    """Say how long the budgets of the month will last.

    Without --budget, the budgets of the organisation's applications. The
    interval holds 90 % of the months that go on like the days measured.

    Example: shipway cost forecast month.json --budget '$300/month'
    """
    from shipway.cli.output import show
    from shipway.cli.spending import bills, options
    from shipway.facts import charging

    sources = _sources(files, home, platform=platform, env=env, prices=prices, currency=currency)
    found = charging.forecast(sources, options.amount(budget, "--budget"))
    show(found, bills.budgets(found), json=json)


def report(
    files: CostFiles = None,
    *,
    by: Annotated[str, typer.Option("--by", metavar="WHAT", help="team, app, env or release.")] = "app",
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table, csv or focus (FOCUS 1.2).")] = "table",
    platform: Organised = None,
    env: Environment = "",
    prices: PriceFiles = None,
    bill: Bill = None,
    shared: Shared = None,
    share: Share = "proportional",
    weight: Weights = None,
    currency: Currency = "USD",
    home: Home = None,
    json: Json = False,
) -> None:
    """Add the cost up by team, app, environment or release.

    `--format focus` writes every charge in the columns of FOCUS, for the tools
    of whoever pays the bill.

    Example: shipway cost report allocation.json --by team --format csv
    """
    from shipway.cli.output import note, show
    from shipway.cli.spending import bills, options
    from shipway.cost.allocation import By
    from shipway.cost.focus import missing
    from shipway.facts import charging

    sources = _sources(files, home, platform=platform, env=env, prices=prices, currency=currency)
    options.one_of(form, options.Form, "--format")
    grouped = options.one_of(by, By, "--by")
    found = charging.actual(sources, options.rules(bill, shared, share, weight or ()), grouped)
    if form == "table" or json:
        show(found, bills.report(found), json=json)
        return
    left_out = [f"unknown, and not in it: {one}" for one in missing(found.charges)] if form == "focus" else []
    if found.problems or left_out:
        note("\n".join([*found.problems, *left_out]))
    typer.echo(bills.text(found, form), nl=False)


def _sources(  # the options that all of these verbs have
    files: list[Path] | None,
    home: Home,
    *,
    platform: Path | None,
    env: str,
    prices: list[Path] | None,
    currency: str,
) -> "Sources":
    """The files, or what the controller has recorded when none is named.

    Raises:
        NotFound: there is neither.
    """
    from shipway.cli.recalling.records import records_if_any
    from shipway.facts.charging import Sources, recorded
    from shipway.facts.home import home_directory

    found, place = Sources(tuple(files or ()), platform, env, tuple(prices or ()), currency), home_directory(home)
    if files:
        return found
    with records_if_any(place) as journal:
        return recorded(place, journal, found)
