"""What was unusual, for people."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT
from shipway.cli.output import plain
from shipway.cli.spending.bills import table
from shipway.insight.anomalies import Metric
from shipway.insight.wording import duration

SHOWN = 20
"""The last anomalies of a metric that are listed for people; programs get all."""


def shown(found: Sequence[Metric]) -> RenderableType:
    """Baselines, then anomalies, the newest first."""
    numbers = ("usual", "nine in ten within", "anomalies")
    lines = table("application", "metric", *numbers, "of", numbers=numbers)
    for one in found:
        if one.absent:
            lines.add_row(plain(one.application), plain(one.name), "unknown", "-", "-", one.absent)
            continue
        within = f"{one.low:.4g} to {one.high:.4g}"
        span = f"{one.samples:,} values, one every {duration(one.step)}"
        count = Text(f"{len(one.anomalies)}", BAD if one.anomalies else "")
        lines.add_row(plain(one.application), plain(one.name), f"{one.baseline:.4g}", within, count, span)
    odd = sorted(((each, one) for one in found for each in one.anomalies[-SHOWN:]), key=lambda pair: -pair[0].at)
    if not odd:
        return lines
    values = ("value", "usual then", "times the record")
    listed = table("when (UTC)", "application", "metric", *values, "unusual in its", numbers=values)
    for each, one in odd[:SHOWN]:
        when = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        figures = (f"{each.value:.4g}", f"{each.expected:.4g}", f"{each.score:.2f}")
        listed.add_row(when, plain(one.application), plain(one.name), *figures, each.way)
    rest = sum(len(one.anomalies) for one in found) - min(SHOWN, len(odd))
    more = [Text(f"{rest} more, older: --json has them all.", FAINT)] if rest else []
    return Group(lines, Text(), listed, *more)
