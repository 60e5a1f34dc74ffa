"""What ``impact`` does: a series around a release in, what the release did to it out, or why nobody can say."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from shipway.engine.records import Records
from shipway.facts.deliveries import Background
from shipway.facts.samples import Sample
from shipway.facts.sheets import moment, read_sheet
from shipway.facts.usages import UsageFiles
from shipway.insight.impact import Effect, against_arm, against_weeks
from shipway.insight.series import Absent, Series, regular
from shipway.model.errors import BadInput

METRICS: Mapping[str, Callable[[Sample], float]] = {
    "requests": lambda one: one.requests / one.seconds,
    "errorRate": lambda one: one.failed / one.requests if one.requests else np.nan,
    "cpu": lambda one: one.cpu,
    "memory": lambda one: one.memory,
}
"""Of what the controller records: requests a second, share of them that failed, cores, bytes."""
STEP = 60.0
"""Seconds of the grid that recorded samples are put on."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    release: str
    """A release on record, or a time."""
    csv: Path | None = None
    metric: str = "requests"
    weeks: int = 3
    alpha: float = 0.05


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``impact``."""

    release: str
    released_at: float
    metric: str
    against: str
    effect: Effect | Absent
    confidence: float
    """0..1."""


def impact(question: Question, home: Path, journal: Records | None) -> Impact:
    """Of a table's series, or of one that was recorded here.

    Raises:
        NotFound: there is no such release.
        BadInput: a file or an option is wrong.
    """
    if not 0 < question.alpha < 1:
        raise BadInput(f"expected a number between 0 and 1 for --alpha, got {question.alpha:g}")
    if not 1 <= question.weeks <= 52:
        raise BadInput(f"expected 1 to 52 for --weeks, got {question.weeks}")
    app, name, at = _released(question.release, journal)
    if question.csv is None:
        metric, control = _recorded(home, app, question.metric), None
    else:
        metric, control = _table(question.csv)
    against = "the other arm" if control is not None else f"the {question.weeks} weeks before"
    return Impact(
        release=name,
        released_at=at,
        metric=question.metric if question.csv is None else "value",
        against=against,
        effect=_effect(metric, control, at, question),
        confidence=1 - question.alpha,
    )


def _effect(metric: Series | Absent, control: Series | Absent | None, at: float, question: Question) -> Effect | Absent:
    if isinstance(metric, Absent):
        return metric
    if isinstance(control, Absent):
        return Absent(f"control: {control.reason}")
    if control is None:
        return against_weeks(metric, at, question.weeks, question.alpha)
    return against_arm(metric, control, at, question.alpha)


def _released(name: str, journal: Records | None) -> tuple[str, str, float]:
    """(application, release, when it began to have traffic); a time stands for itself."""
    try:
        return "", name, moment(name)
    except (ValueError, OverflowError):
        pass
    if journal is None:
        raise BadInput(
            f"`{name}` is no time, and there is no journal to look for a release in",
            hint="Give the time of the release: 2026-11-02T09:30:00Z.",
        )
    line, _ = Background(journal).called(name)
    return line.app, line.release, line.started_at


def _recorded(home: Path, app: str, name: str) -> Series | Absent:
    """All releases of an application together."""
    if name not in METRICS:
        raise BadInput(f"expected one of {', '.join(METRICS)} for --metric, got `{name}`")
    if not app:
        raise BadInput("a time alone does not say of which application", hint="Name a release, or give --csv FILE.")
    moments: dict[float, list[Sample]] = {}
    for one in UsageFiles(home).read(app):
        if one.seconds > 0:
            moments.setdefault(one.at, []).append(one)
    if not moments:
        return Absent(f"no use of {app} was recorded; a running controller samples every 10 s")
    together = [_together(at, moments[at]) for at in sorted(moments)]
    return regular([one.at for one in together], [METRICS[name](one) for one in together], STEP)


def _together(at: float, samples: list[Sample]) -> Sample:
    return msgspec.structs.replace(
        samples[0],
        at=at,
        cpu=sum(one.cpu for one in samples),
        memory=sum(one.memory for one in samples),
        requests=sum(one.requests for one in samples),
        failed=sum(one.failed for one in samples),
    )


def _table(file: Path) -> tuple[Series | Absent, Series | Absent | None]:
    """(metric, control or None); an empty cell is a gap."""
    sheet = read_sheet(file, ("at", "value"))
    times = [row.moment("at") for row in sheet.rows]
    values = [row.value("value") if row.text("value") else np.nan for row in sheet.rows]
    controls = [row.value("control") if row.text("control") else np.nan for row in sheet.rows]
    sheet.check()
    if "control" not in sheet.columns:
        return regular(times, values), None
    # On one grid: a line is a moment of both, so that a gap of one is a gap of the comparison.
    both = [(at, a, b) for at, a, b in zip(times, values, controls, strict=True) if np.isfinite(a) and np.isfinite(b)]
    return regular([at for at, _, _ in both], [a for _, a, _ in both]), regular(
        [at for at, _, _ in both], [b for _, _, b in both]
    )
