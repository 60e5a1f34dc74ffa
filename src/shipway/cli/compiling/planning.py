"""``shipway plan``: what a change of files would change in clusters."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Environments, Home, Json, PlatformDirectory
from shipway.cli.policing.policy import NoPack, Policies


def plan(
    apps: Annotated[list[str] | None, typer.Argument(metavar="[APP]...", help="Only these applications.")] = None,
    *,
    env: Environments = None,
    against: Annotated[
        str, typer.Option("--against", metavar="DIR|REV", help="Another directory, or a revision of this one.")
    ] = "HEAD",
    platform: PlatformDirectory = Path(),
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, json or markdown.")] = "text",
    policies: Policies = None,
    no_pack: NoPack = False,
    traffic: Annotated[
        float | None, typer.Option("--traffic", metavar="RPS", help="Say what rollouts detect at this traffic.")
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show what changes in every cluster, and what is known about it.

    Compares with what is committed, or with --against. Exits with 0 when
    nothing changes, with 2 when something does, and with 1 on any error or when
    a policy denies the change.

    Example: shipway plan --env prod --against main --format markdown
    """
    from shipway.cli.compiling import foresight
    from shipway.facts.home import home_directory

    asked = foresight.Asked(
        directory=platform,
        apps=apps,
        environments=env,
        against=against,
        policies=tuple(policies or ()),
        pack=not no_pack,
        home=home_directory(home),
        traffic=traffic,
    )
    report, code = foresight.planned(asked, form, json=json)
    typer.echo(report)
    raise typer.Exit(code)
