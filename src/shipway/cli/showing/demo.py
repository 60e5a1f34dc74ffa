"""``shipway demo``: the product in about a minute. What it does is in ``demonstration``."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Json


def demo(
    report: Annotated[Path, typer.Option("--report", metavar="FILE", help="Where the HTML report goes.")] = Path(
        "shipway-report.html"
    ),
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="A live picture, on a terminal; otherwise a line per change.")
    ] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the state directory for a look around.")] = False,
    json: Json = False,
) -> None:
    """Watch four releases: a first, a good, a failing, a slow one.

    Starts a real proxy and two real services on free ports of this machine,
    with a bounded load on loopback, and ends everything again. About a minute.
    Exit code 0 only if the good release was promoted and both bad ones were
    rolled back.

    Example: shipway demo --report demo.html
    """
    from shipway.cli.showing.demonstration import demonstrate

    raise typer.Exit(demonstrate(report.absolute(), live=live, keep=keep, json=json))
