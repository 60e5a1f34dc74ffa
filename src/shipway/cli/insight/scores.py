"""The scorecard of delivery as people read it. Pure: answers in, renderables out."""

from collections.abc import Iterator, Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.delivering.tables import FAINT
from shipway.cli.insight.insights import delivery
from shipway.cli.output import plain
from shipway.cost.wording import money
from shipway.facts.comparing import Comparison
from shipway.facts.scorecard import Cost, Promises, Requests, Scorecard, Scores
from shipway.insight.delivery import Distribution, Group, Statistics, Week
from shipway.insight.series import Absent
from shipway.insight.wording import AGAINST, between, duration, together

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
        parts += [Text(f"  {line}", FAINT) for line in (*_measures(group), *_scores(scores))]
    if card.adoption is not None and card.groups:
        parts += [Text(), Text(_adoption(card), FAINT)]
    parts += [Text(_requests(card.requests), FAINT)] if card.requests else []
    parts += list(_comparison(card.comparison))
    parts += [Text(f"Left out: {plain(note)}", FAINT) for note in card.notes]
    return Lines(*parts)


def _requests(found: Requests) -> str:
    named = {"coding": found.coding, "pickup": found.pickup, "review": found.review, "deploy": found.deploy}
    said = [f"{name} {duration(one.median) if one else 'unknown'}" for name, one in named.items()]
    whole = duration(found.total.median) if found.total else "unknown"
    return f"{found.merged} merged requests: {whole} in all (median); {', '.join(said)}."


def _comparison(found: Comparison) -> Iterator[RenderableType]:
    """Every release that answered anything."""
    known = [one for one in found.releases if one.requests]
    if not known:
        return
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in ("release", "requests", "a request costs", "p95", "errors"):
        lines.add_column(name, justify="left" if name == "release" else "right", no_wrap=True)
    for one in known:
        costs = between(one.cost_per_request, lambda value: f"{value:.2g}")
        p95 = between(one.p95, lambda seconds: f"{1000 * seconds:.3g} ms")
        errors = between(one.error_rate, lambda share: f"{share:.2%}")
        lines.add_row(plain(f"{one.application} {one.release}"), f"{one.requests:,}", costs, p95, errors)
    currency = next((one.currency for one in known if one.currency), "")
    note = f"Intervals of 95 %; costs in {currency}." if currency else "Intervals of 95 %."
    yield from (Text(), lines, Text(note, FAINT))
    for name, words in AGAINST.items():
        said = together(found.correlations[name])
        yield Text(f"Cost of a request against {words}, rank correlation: {said}", FAINT)


def _measures(group: Group) -> Iterator[str]:
    """Spread, trend, or the reason why there is none."""
    now = group.now
    for name, words in _NAMES.items():
        if name in now.absent:
            yield f"{words} unknown: {plain(now.absent[name])}"
        elif isinstance(found := getattr(now, name), Distribution):
            spread = ", ".join(
                f"{duration(value)} {said}"
                for value, said in ((found.p25, "p25"), (found.p75, "p75"), (found.p90, "p90"))
            )
            yield f"{words} {duration(found.median)} median of {found.count} ({spread}){_trend_of(group.before, name)}"
    if group.before and now.change_failure and (failed := group.before.change_failure):
        yield f"{now.change_failure.rate:.0%} of changes failed, {failed.rate:.0%} the time before"


def _trend_of(before: Statistics | None, name: str) -> str:
    past = getattr(before, name) if before else None
    return f", {duration(past.median)} the time before" if isinstance(past, Distribution) else ""


def _scores(found: Scores) -> Iterator[str]:
    cost, promises = found.cost_per_deployment, found.promises
    if isinstance(cost, Cost):
        yield f"a deployment costs {money(cost.amount, cost.currency)} of processes, mean of {cost.deployments}"
    else:
        yield f"cost of a deployment unknown: {plain(cost.reason)}"
    if isinstance(promises, Promises):
        unknown = f"; {promises.unknown} unknown" if promises.unknown else ""
        yield f"{promises.kept} of {promises.known} promises kept{unknown}"
    else:
        yield f"promises unknown: {plain(promises.reason)}"
    if any(week.deployments for week in found.weeks):
        yield f"by week, oldest first: {_trend(found.weeks)}"


def _trend(weeks: Sequence[Week]) -> str:
    """``3 (1 failed), 5``."""
    return ", ".join(f"{one.deployments}" + f" ({one.failures} failed)" * (one.failures > 0) for one in weeks)


def _adoption(card: Scorecard) -> str:
    found = card.adoption
    if isinstance(found, Absent):
        return f"Adoption unknown: {found.reason}"
    return f"Adoption: {found.deployed} of {found.known} applications {plain(found.of)} were deployed in that time."
