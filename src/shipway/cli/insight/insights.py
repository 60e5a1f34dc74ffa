"""What is known, as people read it. Pure: answers in, renderables out."""

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT, GOOD, WAITING
from shipway.cli.output import plain
from shipway.facts.deliveries import Assessed
from shipway.facts.impacts import Impact
from shipway.insight.delivery import BENCHMARK, Distribution, Group, Share, Statistics
from shipway.insight.maturity import LEVELS, Assessment
from shipway.insight.outlooks import Outlook
from shipway.insight.risk import Change
from shipway.insight.series import DAY, Absent
from shipway.insight.sizing.advice import Advice, Sized
from shipway.insight.wording import duration

_STYLES = {"elite": GOOD, "high": GOOD, "medium": WAITING, "low": BAD}
WEEK = 7
"""Days, with less than which nothing is said about a week."""


def delivery(found: Sequence[Group], by: str, days: float) -> RenderableType:
    """One line for each group."""
    if not found:
        return Text("Nothing has been deployed yet: `shipway deploy FILE`, or import with --csv or --from.", FAINT)
    numbers = ("deployments", "a week", "before", "lead time", "failures", "restore", "detect")
    lines = _table(by, *numbers, "level", numbers=numbers)
    for one in found:
        now = one.now
        lines.add_row(
            plain(one.name) or "-",
            f"{now.deployments}",
            f"{7 * now.per_day:.3g}" if days >= WEEK else "-",
            f"{7 * one.before.per_day:.3g}" if one.before and days >= WEEK else "-",
            _median(now.lead_time),
            _share(now.change_failure),
            _median(now.restore),
            _median(now.detect),
            Text(now.level or "-", _STYLES.get(now.level, "")),
        )
    span = duration(DAY * days)
    note = (
        f"The last {span}; `a week` counts those that succeeded, `before` in the {span} before. Times are medians, "
        "levels those of"
    )
    parts: list[RenderableType] = [lines, Text(), Text(f"{note} DORA's report of {BENCHMARK}.", FAINT)]
    parts += [Text(f"{plain(one.name) or '-'}: {said}", FAINT) for one in found if (said := _certainty(one.now))]
    return Lines(*parts)


def _certainty(now: Statistics) -> str:
    share = now.change_failure
    if share is None:
        return ""
    return f"{share.part} of {share.whole} deployments failed: between {share.low:.0%} and {share.high:.0%} (95 %)"


def _share(share: Share | None) -> str:
    return f"{share.rate:.0%}" if share else "-"


def _median(times: Distribution | None) -> str:
    return duration(times.median) if times else "-"


def risk(found: Assessed) -> RenderableType:
    """The probability, and what moves it."""
    one = found.risk
    what = f"{found.application} {found.release}".strip()
    head = f"{what}: {one.probability:.1%} likely to be rolled back (90 %: {one.low:.1%} to {one.high:.1%})"
    parts: list[RenderableType] = [Text(head)]
    if one.reasons:
        lines = _table("reason", "moves the odds by", numbers=("moves the odds by",))
        for reason in one.reasons:
            times = 2.718281828459045**reason.log_odds
            lines.add_row(reason.text, Text(f"x {times:.2f}", BAD if times > 1 else GOOD))
        parts += [Text(), lines]
    told = [Text(f"Told from: {_told_from(found.change)}.", FAINT)] if found.change else []
    return Lines(*parts, Text(), *told, Text(f"{one.note[:1].upper()}{one.note[1:]}.", FAINT))


def _told_from(change: Change) -> str:
    """What is known of it, and what is not and counts as usual."""
    size = None if change.lines is None else f"{change.lines:,} lines in {change.files or 0:,} files"
    kind = "configuration only" if change.config_only else "dependencies change" if change.dependencies else ""
    budget = None if change.budget_left is None else f"{change.budget_left:.0%} of the error budget left"
    author = f"by {plain(change.author)}" if change.author else None
    known = [part for part in (size, kind, budget, author) if part]
    unknown = [name for name, value in (("size", size), ("error budget", budget), ("author", author)) if value is None]
    return ", ".join(known) + f"{'; ' * bool(known)}unknown: {', '.join(unknown)}" * bool(unknown)


def impact(found: Impact) -> RenderableType:
    """What changed, and how sure that is."""
    head = f"{plain(found.metric)} since {plain(found.release)}, against {found.against}: "
    one = found.effect
    if isinstance(one, Absent):
        return Text(f"{head}unknown: {one.reason}")
    share = f" ({one.relative:+.1%} of {one.usual:.4g})" if one.relative is not None else ""
    sure = "a change" if one.is_certain else "no change can be told from chance"
    between = f"{one.low:+.4g} to {one.high:+.4g} with {found.confidence:.3g} confidence, however often one looks"
    return Lines(
        Text(f"{head}{one.estimate:+.4g}{share}"), Text(f"Between {between}: {sure}. {one.points} points since.", FAINT)
    )


def maturity(found: Assessment) -> RenderableType:
    """Every criterion, and what the next level needs."""
    head = f"Level {found.level} of {len(LEVELS)}: {found.name}"
    lines = _table("level", "area", "criterion", "", "evidence")
    for one in found.answers:
        sign = Text("yes", GOOD) if one.holds else Text("unknown", FAINT) if one.holds is None else Text("no", BAD)
        lines.add_row(f"{one.level} {LEVELS[one.level - 1]}", one.area, one.name, sign, plain(one.evidence))
    steps = [Text(f"For level {found.level + 1}: {step}") for step in found.next]
    return Lines(Text(head), Text(), lines, Text(), *steps)


def sizes(found: Sequence[Sized]) -> RenderableType:
    """What each application has and uses, then what it is advised to have, then why nothing is advised."""
    columns = ("CPU now", "CPU used", "at most", "memory now", "memory used", "at most ")
    present = _table("application", *columns, "history", numbers=columns)
    for one in found:
        present.add_row(plain(one.application), *_present(one), duration(DAY * one.days) if one.days else "-")
    parts: list[RenderableType] = [present]
    advised = [(one, advice) for one in found for advice in one.advice if advice.recommendation]
    if advised:
        lines = _table("advice for", "by", *_ADVICE, "note", numbers=_ADVICE)
        for one, advice in advised:
            lines.add_row(plain(one.application), advice.recommender, *_size(advice))
        parts += [Text(), lines]
    silent = [
        f"{plain(one.application)}: no advice of {advice.recommender}: {advice.absent}."
        for one in found
        for advice in one.advice
        if advice.absent
    ]
    note = "Of one instance; `used`: 95 % of the time at most. `throttled`: share of time in which it wants more CPU."
    return Lines(*parts, Text(), *(Text(line, FAINT) for line in (*silent, note)))


_ADVICE = ("CPU", "memory", "limit", "saves CPU", "saves memory", "throttled", "killed a week", "confidence")


def _present(one: Sized) -> list[str]:
    used = one.observed
    return [
        _cores(one.now.cpu),
        _cores(used.cpu_p95 if used else None),
        _cores(used.cpu_most if used else None),
        _bytes(one.now.memory),
        _bytes(used.memory_p95 if used else None),
        _bytes(used.memory_most if used else None),
    ]


def _size(advice: Advice) -> list[str]:
    one = advice.recommendation
    assert one is not None  # those without are told apart
    hours = f"{min(one.cpu_by_hour):.3g} to {max(one.cpu_by_hour):.3g} by the hour" if one.cpu_by_hour else ""
    return [
        _cores(one.cpu_request),
        _bytes(one.memory_request),
        _bytes(one.memory_limit),
        _cores(advice.cpu_saved),
        _bytes(advice.memory_saved),
        "-" if one.throttling is None else f"{one.throttling:.1%}",
        "-" if one.oom is None else f"{one.oom:.1%}",
        f"{one.confidence:.0%}",
        "; ".join(filter(None, (hours, one.note))),
    ]


def _cores(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _bytes(value: float | None) -> str:
    return "-" if value is None else f"{value / 2**20:,.0f} MiB"


def outlooks(found: Sequence[Outlook]) -> RenderableType:
    """One line for each application and horizon."""
    numbers = ("mean", "highest", "90 % within")
    lines = _table("application", "next", *numbers, "by", numbers=numbers)
    for one in found:
        ahead = duration(one.ahead)
        if one.absent:
            lines.add_row(plain(one.application), ahead, "-", "-", "-", one.absent)
            continue
        mean = sum(one.mean) / len(one.mean)
        band = f"{min(one.low):.3g} to {max(one.high):.3g}"
        said = "; ".join(filter(None, (one.model, one.note)))
        lines.add_row(plain(one.application), ahead, f"{mean:.3g}", f"{max(one.mean):.3g}", band, said)
    return Lines(lines, Text(), Text("Requests a second where recorded here, else in the table's unit.", FAINT))


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in columns:
        lines.add_column(name, justify="right" if name in numbers else "left", no_wrap=name != columns[-1])
    return lines
