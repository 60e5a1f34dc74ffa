"""What the report's template shows. The words and numbers are chosen here, the looks are in ``report.html.j2`` and ``report.css``."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from shipway.engine.sentences import duration, share
from shipway.engine.timeline import ArmPoint, Timeline, Verdict
from shipway.web.report.charts import Picture
from shipway.web.report.plots import picture

WORDS: dict[Verdict, str] = {
    "promoted": "promoted",
    "rolled_back": "rolled back",
    "aborted": "aborted",
    "under_way": "under way",
}


class ArmRow(NamedTuple):
    """One indicator in the table of a rollout."""

    name: str
    canary: str
    canary_band: str
    baseline: str
    baseline_band: str
    evidence: str
    failed: bool


class Section(NamedTuple):
    """A card beside the rollouts: promises, costs and the like, in words and numbers chosen by whoever adds it."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""
    pictures: tuple[Picture, ...] = ()
    """From ``charts``; their numbers stand in the table too."""
    absent: tuple[str, ...] = ()
    """What cannot be said, and why."""
    numbers: frozenset[str] = frozenset()
    """Columns of numbers, which are set to the right."""


def render_report(
    timelines: Sequence[Timeline], title: str, generated_at: float, sections: Sequence[Section] = ()
) -> str:
    """One HTML file about ``timelines``, in their order.

    Args:
        timelines: from :func:`shipway.engine.timeline.timelines`; of one application or of several.
        title: the page's heading.
        generated_at: seconds since the epoch, shown in UTC.
        sections: tables that follow the summary.
    """
    environment = Environment(
        loader=PackageLoader("shipway.web", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "clock": _clock, "verdict": WORDS.__getitem__}
    return environment.get_template("report.html.j2").render(
        title=title,
        generated_at=generated_at,
        timelines=timelines,
        sections=sections,
        # Marked safe in the template: matplotlib escapes the text it draws, and the style sheet is ours.
        pictures={one.rollout: picture(one) for one in timelines},
        arms={one.rollout: tuple(_arms(one)) for one in timelines},
        css=_source(environment, "report.css"),
        zip=zip,
    )


def standalone(picture: Picture) -> str:
    """A picture as a file of its own, in light and dark."""
    rules = PackageLoader("shipway.web", "report").get_source(Environment(autoescape=True), "report.css")[0]
    colours = rules[: rules.index("* {")]
    return picture.svg.replace(">", f"><style>{colours} svg {{ background: var(--card) }}</style>", 1)


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _arms(timeline: Timeline) -> Iterator[ArmRow]:
    for series in timeline.indicators:
        if not series.points:
            continue
        last = series.points[-1]
        yield ArmRow(
            name=series.name,
            canary=_count(last.canary, series.kind),
            canary_band=_band(last.canary),
            baseline=_count(last.baseline, series.kind),
            baseline_band=_band(last.baseline),
            evidence="–" if last.evidence is None else f"{last.evidence:.1f} of {last.limit:.1f}".replace("-", "−"),
            failed=last.evidence is not None and last.evidence > last.limit,
        )


def _count(arm: ArmPoint, kind: str) -> str:
    if kind in {"errors", "latency"}:
        return f"{arm.bad:,.0f} of {arm.total:,}"
    return f"{arm.total:,} requests" if arm.rate is None else f"{arm.rate:.4g}"


def _band(arm: ArmPoint) -> str:
    if arm.rate is None or arm.low is None or arm.high is None:
        return ""
    return f"{share(arm.rate)}, between {share(arm.low)} and {share(arm.high)}"
