"""The scorecard of delivery as people read it. Pure: answers in, renderables out."""

from collections.abc import Iterator, Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from shipway.cli.insights import delivery, duration
from shipway.cli.live import plain
from shipway.cli.scorecard import Cost, Promises, Scorecard, Scores
from shipway.cli.tables import FAINT
from shipway.insight.delivery import Distribution, Statistics, Week
from shipway.insight.series import Absent

_NAMES = {
    "lead_time": "lead time",
    "restore": "time to restore",
    "detect": "time to detect",
    "level": "level",
}


def told(card: Scorecard) -> RenderableType:
    """The four measures of every group, and below what else is known of it, or why it is not."""
    parts: list[RenderableType] = [delivery(card.groups, card.by, card.days)]
    for group, scores in zip(card.groups, card.scores, strict=True):
        parts += [Text(), Text(plain(group.name) or "-")]
        parts += [Text(f"  {line}", FAINT) for line in (*_measures(group.now), *_scores(scores))]
    if card.adoption is not None and card.groups:
        parts += [Text(), Text(_adoption(card), FAINT)]
    parts += [Text(f"Left out: {plain(note)}", FAINT) for note in card.notes]
    return Lines(*parts)


def _measures(now: Statistics) -> Iterator[str]:
    for name, words in _NAMES.items():
        if name in now.absent:
            yield f"{words} unknown: {plain(now.absent[name])}"
        elif isinstance(found := getattr(now, name), Distribution):
            spread = ", ".join(
                f"{duration(value)} {said}"
                for value, said in ((found.p25, "p25"), (found.p75, "p75"), (found.p90, "p90"))
            )
            yield f"{words} {duration(found.median)} median of {found.count} ({spread})"


def _scores(found: Scores) -> Iterator[str]:
    cost, promises = found.cost_per_deployment, found.promises
    if isinstance(cost, Cost):
        yield f"a deployment costs {_small(cost.amount)} {cost.currency} of processes, mean of {cost.deployments}"
    else:
        yield f"cost of a deployment unknown: {plain(cost.reason)}"
    if isinstance(promises, Promises):
        unknown = f"; {promises.unknown} unknown" if promises.unknown else ""
        yield f"{promises.kept} of {promises.known} promises kept{unknown}"
    else:
        yield f"promises unknown: {plain(promises.reason)}"
    if any(week.deployments for week in found.weeks):
        yield f"by week, oldest first: {_trend(found.weeks)}"


def _small(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 1 else f"{amount:.2g}"


def _trend(weeks: Sequence[Week]) -> str:
    """``3 (1 failed), 5``."""
    return ", ".join(f"{one.deployments}" + f" ({one.failures} failed)" * (one.failures > 0) for one in weeks)


def _adoption(card: Scorecard) -> str:
    found = card.adoption
    if isinstance(found, Absent):
        return f"Adoption unknown: {found.reason}"
    return f"Adoption: {found.deployed} of {found.known} applications {plain(found.of)} were deployed in that time."
