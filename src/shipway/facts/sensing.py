"""Metrics of an application, as recorded, or of any table; and what was unusual in them. Called by ``shipway forecast --anomalies``.

A metric is any column of numbers, technical or of the business. Its baseline is what the detector expects next.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from shipway.facts.histories import STEP
from shipway.facts.samples import Sample, spread
from shipway.facts.sheets import read_sheet
from shipway.facts.usages import UsageFiles
from shipway.insight.anomalies import Metric, looked_at
from shipway.model.errors import BadInput, NotFound


def recorded(home: Path, app: str | None) -> list[Metric]:
    """Requests, errors, CPU and memory of what the controller has recorded.

    Raises:
        NotFound: nothing was.
    """
    files = UsageFiles(home)
    known = [name for name in files.apps() if app in {None, name}]
    if not known:
        hint = "A running controller (`shipway up`) records every 10 s; or name a table: --csv FILE."
        raise NotFound(f"no use{f' of {app}' if app else ''} was recorded in {home}", hint=hint)
    return [metric for name in known for metric in _of(name, list(spread(files.read(name), STEP)))]


def _of(app: str, samples: Sequence[Sample]) -> Iterable[Metric]:
    moments: dict[float, list[Sample]] = {}
    for one in samples:
        moments.setdefault(one.at, []).append(one)
    at = sorted(moments)
    for name, amount in (
        ("requests a second", _requests),
        ("share of errors", _errors),
        ("cores", lambda found: sum(one.cpu for one in found)),
        ("memory, bytes", lambda found: sum(one.memory for one in found)),
    ):
        yield looked_at(app, name, at, [amount(moments[when]) for when in at], STEP)


def _requests(found: Sequence[Sample]) -> float:
    return sum(one.requests / one.seconds for one in found if one.seconds > 0)


def _errors(found: Sequence[Sample]) -> float:
    requests = sum(one.requests for one in found)
    return sum(one.failed for one in found) / requests if requests else math.nan


def imported(file: Path) -> list[Metric]:
    """Every column of a table but ``at``.

    Raises:
        BadInput: with every problem of every line.
    """
    sheet = read_sheet(file, ("at",))
    names = [name for name in sheet.columns if name and name != "at"]
    if not names:
        raise BadInput(f"{file} has no column beside `at`", hint="Every other column is a metric: at,revenue,signups")
    at = [row.moment("at") for row in sheet.rows]
    values = {name: [row.value(name) if row.text(name) else math.nan for row in sheet.rows] for name in sorted(names)}
    sheet.check()
    return [looked_at(file.stem, name, at, found) for name, found in values.items()]
