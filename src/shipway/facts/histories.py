"""Workloads over time, from what the controller recorded or from a table. Called by what advises, forecasts and simulates."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from shipway.facts.samples import Sample, spread
from shipway.facts.sheets import Row, read_sheet
from shipway.facts.usages import UsageFiles
from shipway.insight.workloads import History, Moment
from shipway.model.errors import BadInput, NotFound
from shipway.model.suggestions import did_you_mean

STEP = 60.0
"""Seconds of the grid that recorded samples are put on."""


def recorded(home: Path, app: str | None) -> list[History]:
    """What the controller of ``home`` has recorded of an application, or of all.

    Raises:
        NotFound: nothing.
    """
    files = UsageFiles(home)
    known = files.apps()
    if not known or (app and app not in known):
        hint = "A running controller (`shipway up`) records every 10 s; or name a table: --csv FILE."
        of = f" of {app}{did_you_mean(app, known)}" if app else ""
        raise NotFound(f"no use was recorded{of} in {home}", hint=hint)
    return [History(name, tuple(_moments(spread(files.read(name), STEP))), STEP) for name in ([app] if app else known)]


def _moments(samples: Iterable[Sample]) -> Iterable[Moment]:
    """All releases of an application together, at each moment."""
    inside: dict[float, list[Sample]] = {}
    for sample in samples:
        inside.setdefault(sample.at, []).append(sample)
    for at, found in sorted(inside.items()):
        rate = sum(one.requests / one.seconds for one in found if one.seconds > 0)
        yield Moment(at, tuple(pair for one in found for pair in one.each), rate)


def imported(file: Path, columns: Sequence[str]) -> History:
    """A table of one instance: ``at`` and the columns asked for, of ``cpu`` (cores), ``memory`` (bytes), ``requests``.

    Raises:
        BadInput: with every problem of every line.
    """
    sheet = read_sheet(file, ("at", *columns))
    moments = tuple(_imported(row, columns) for row in sheet.rows)
    sheet.check()
    return History(file.stem, tuple(sorted(moments)))


def _imported(row: Row, columns: Sequence[str]) -> Moment:
    # An empty cell is a gap, which every reader of series knows; a wrong one is an error.
    cells = {name: row.number(name) if row.text(name) else float("nan") for name in columns}
    each = ((cells["cpu"], cells["memory"]),) if "cpu" in cells else ()
    return Moment(row.moment("at"), each, cells.get("requests", float("nan")))


def histories(home: Path, app: str | None, csv: Path | None, columns: Sequence[str]) -> list[History]:
    """From the table, or else from the recorder.

    Raises:
        BadInput: the table is wrong, or an application is named beside it.
        NotFound: nothing was recorded.
    """
    if csv is None:
        return recorded(home, app)
    if app:
        raise BadInput(f"expected an application or --csv, got both: {app} and {csv}")
    return [imported(csv, columns)]
