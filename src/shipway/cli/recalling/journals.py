"""``shipway journal …``: what to do when the disk did not keep its word."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Home, Json

JournalPath = Annotated[
    Path | None, typer.Argument(metavar="PATH", help="Journal file [default: the one in the home].")
]


def check(path: JournalPath = None, home: Home = None, json: Json = False) -> None:
    """Check every event of the journal against its digest. Changes nothing.

    Example: shipway journal check ~/.local/state/shipway/journal.db
    """
    from shipway.cli import wiring
    from shipway.cli.output import show

    file = _path(path, home)
    events = wiring.check_journal(file)
    show({"journal": str(file), "events": events}, f"{file}: all {events:,} events are intact.", json=json)


def repair(path: JournalPath = None, home: Home = None, json: Json = False) -> None:
    """Copy every intact event into a new journal.

    The damaged file is kept. The controller must not run. An intact journal is left
    alone.

    Example: shipway journal repair ~/.local/state/shipway/journal.db
    """
    from shipway.cli import wiring
    from shipway.cli.output import show

    found = wiring.repair_journal(_path(path, home))
    if found.damaged is None:
        words = [f"{found.journal}: all {found.events:,} events are intact; nothing was changed."]
    else:
        upto = (
            f"everything up to event {found.last_sequence}"
            if found.last_sequence
            else "as the damage begins with the first"
        )
        words = [
            f"{found.journal}: {found.events:,} events were kept, {upto}.",
            f"The damaged file is {found.damaged}.",
            *(f"  {stream} is cut after its event {version}." for stream, version in found.cut),
        ]
    show(found, "\n".join(words), json=json)


def _path(path: Path | None, home: Path | None) -> Path:
    from shipway.facts.home import JOURNAL, home_directory

    return path.absolute() if path else home_directory(home) / JOURNAL
