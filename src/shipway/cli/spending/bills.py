"""Money as people read it. Pure: answers in, renderables and texts out."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.delivering.tables import BAD, FAINT, GOOD, WAITING
from shipway.cli.output import plain
from shipway.cost.allocation import Part, Row
from shipway.cost.applications import Estimated
from shipway.cost.budget import Forecast, Lasting
from shipway.cost.focus import focus_csv
from shipway.cost.money import Total, Unknown
from shipway.cost.wording import between, between_days, each, money, month
from shipway.engine.sentences import duration
from shipway.facts.charging import Actual
from shipway.insight.series import Absent
from shipway.model.quantities import format_money

_STYLES = {
    "within": GOOD,
    "advised": GOOD,
    "done": GOOD,
    "may exceed": WAITING,
    "at risk": WAITING,
    "will exceed": BAD,
    "exceeds": BAD,
    "exceeded": BAD,
}
_PARTS: tuple[Part, ...] = (
    "cpu",
    "memory",
    "gpu",
    "storage",
    "network",
    "load balancer",
    "external",
    "shared",
    "idle",
    "adjustment",
)


def estimates(found: Estimated) -> RenderableType:
    """One line for each application and cluster, then budgets, changes, advice, and what is unknown."""
    lines = table("application", "environment", "cluster", "an hour", "a month", numbers=("an hour", "a month"))
    for one in found.estimates:
        lines.add_row(one.application, one.environment, one.cluster, between(one.hourly), between(one.monthly))
    parts: list[RenderableType] = [lines, Text(f"Together {between(found.monthly)} a month.")]
    for extra in (_budgets(found), _changes(found), _advice(found)):
        parts += [Text(), extra] if extra is not None else []
    whose = dict.fromkeys(", ".join(filter(None, (one.prices, one.source, one.date))) for one in found.estimates)
    parts += [Text(), *(Text(f"Prices: {one}.", FAINT) for one in whose)]
    parts += [Text(f"Unknown: {reason}.", FAINT) for reason in found.monthly.unknown]
    return Group(*parts, Text("A month has 730 hours. Traffic to the internet is not in it.", FAINT))


def _budgets(found: Estimated) -> RenderableType | None:
    if not found.budgets:
        return None
    lines = table("application", "environment", "budget", "cap an hour", "plus 10 %", numbers=("budget", "cap an hour"))
    for one in found.budgets:
        cap = money(one.facts["budget"] / 730, one.budget.currency) if "budget" in one.facts else "-"
        lines.add_row(
            one.application, one.environment, format_money(one.budget), cap, Text(one.state, _style(one.state))
        )
    return lines


def _changes(found: Estimated) -> RenderableType | None:
    if found.changes is None:
        return None
    if not found.changes:
        return Text("Nothing costs another amount than before.", FAINT)
    names = ("before", "after", "difference")
    lines = table("application", "environment", "cluster", *names, numbers=names)
    for one in found.changes:
        before, after = (between(side) if side else "-" for side in (one.before, one.after))
        lines.add_row(one.application, one.environment, one.cluster, before, after, _difference(one.low, one.high, one))
    return lines


def _difference(low: Decimal | None, high: Decimal | None, change: object) -> str:
    currency = next(
        (side.currency for side in (getattr(change, "after", None), getattr(change, "before", None)) if side), ""
    )
    if low is None or high is None:
        return "unknown"
    signed = [f"{'+' if amount > 0 else ''}{money(amount, currency)}" for amount in (low, high)]
    return " to ".join(dict.fromkeys(signed))


def _advice(found: Estimated) -> RenderableType | None:
    if found.advice is None:
        return None
    lines = table("application", "workload", "buy", "advice", "saves a month", "because", numbers=("saves a month",))
    currency = found.monthly.currency
    for where, one in found.advice:
        saving = "unknown" if one.saving is None else f"{money(one.saving, currency)} ({one.ratio:.0%})"
        advised = Text(one.verdict, _style(one.verdict))
        lines.add_row(where, one.workload, one.purchase, advised, saving, "; ".join(one.reasons))
    return lines


def actual(found: Actual) -> RenderableType:
    """Every release, and what its cost is made of."""
    return _charged(found, "release")


def report(found: Actual) -> RenderableType:
    """The rows that were asked for."""
    return _charged(found, {"env": "environment", "app": "application"}.get(found.by, found.by))


def _charged(found: Actual, what: str) -> RenderableType:
    columns = dict(_columns(found))
    lines = table(what, *columns, numbers=tuple(columns))
    for row in found.rows:
        lines.add_row(plain(row.name), *(cell(row) for cell in columns.values()))
    unknown = dict.fromkeys(reason for row in found.rows for reason in row.unknown)
    least = "at least " if unknown and not found.billed else ""
    together = f"Together {least}{money(found.total, found.currency)}."
    whole = together if found.rows else "Unknown: nothing could be charged."
    whose = [f"Prices: {found.prices}. A release costs the more of what it requests (the estimate) and what it uses."]
    said = [
        *(whose if found.prices else ()),
        *_together(found),
        *(f"Unknown: {reason}." for reason in unknown),
        *map(plain, found.problems),
    ]
    return Group(*([lines] if found.rows else []), Text(whole), *(Text(one, FAINT) for one in said))


def _together(found: Actual) -> Iterable[str]:
    """How the cost of a request goes with how requests are served."""
    for name, one in found.correlations.items():
        what = f"Cost of a request against {'P95' if name == 'p95' else 'the error rate'}, over releases"
        if isinstance(one, Absent):
            yield f"{what}: unknown, {one.reason}."
            continue
        measured = f"correlation {one.value:+.2f}, 95 %: {one.low:+.2f} to {one.high:+.2f}"
        told = measured if one.low > 0 or one.high < 0 else f"too few releases to tell ({measured})"
        yield f"{what}: {told}."


def _columns(found: Actual) -> Iterable[tuple[str, Callable[[Row], str]]]:
    """Those in which any row has something."""
    for part in _PARTS:
        if any(part in row.parts for row in found.rows):
            yield part, partial(_part, part)
    yield "total", _total
    if any(row.estimate is not None for row in found.rows):
        yield "estimate", lambda row: "unknown" if row.estimate is None else money(row.estimate, row.currency)
    if any(row.seconds for row in found.rows):
        yield "measured for", lambda row: duration(row.seconds) if row.seconds else "-"
        yield "a month like that", month
    yield "requests", lambda row: "-" if row.requests is None else f"{row.requests:,}"
    yield "a request", lambda row: "-" if row.per_request is None else each(row.per_request, row.currency)
    if any(row.p95 is not None for row in found.rows):
        yield "p95", lambda row: "-" if row.p95 is None else f"{1000 * row.p95:.0f} ms"
    if any(row.error_rate is not None for row in found.rows):
        yield "errors", lambda row: "-" if row.error_rate is None else f"{100 * row.error_rate:.3g} %"


def _part(part: Part, row: Row) -> str:
    return money(row.parts[part], row.currency) if part in row.parts else "-"


def _total(row: Row) -> str:
    return ("at least " if row.unknown else "") + money(row.total, row.currency) if row.parts else "unknown"


def budgets(found: Forecast) -> RenderableType:
    """One line for each budget."""
    numbers = ("budget", "spent", "month will cost", "cap an hour")
    lines = table("application", *numbers, "state", "exceeded on", numbers=numbers)
    for one in found.budgets:
        lines.add_row(plain(one.name) or "(all)", *_budget(one))
    unknown = [(one.name or "all", one.budget.outlook) for one in found.budgets]
    reasons = [f"{name}: {one.reason}" for name, one in unknown if isinstance(one, Unknown)]
    return Group(lines, *(Text(plain(reason), FAINT) for reason in [*reasons, *found.problems]))


def _budget(lasting: Lasting) -> Iterable[RenderableType]:
    one, currency = lasting.budget, lasting.currency
    yield money(one.budget, currency)
    yield ("at least " if lasting.unknown else "") + money(one.spent, currency)
    if isinstance(one.outlook, Unknown):
        yield "unknown"
    else:
        low, mean, high = (money(value, currency) for value in (one.outlook.low, one.outlook.mean, one.outlook.high))
        yield f"{mean} ({low} to {high})"
    yield money(one.hourly_cap, currency)
    yield Text(one.state, _style(one.state))
    yield between_days(one) if one.earliest else "-"


def text(found: Actual, form: str) -> str:
    """``csv``: the rows, exact. ``focus``: the charges in the columns of FOCUS."""
    if form == "focus":
        return focus_csv(found.charges, found.account)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow((found.by, "currency", *_PARTS, "total", "requests", "per request", "unknown"))
    for row in found.rows:
        parts = [f"{row.parts[part]:f}" if part in row.parts else "" for part in _PARTS]
        each = "" if row.per_request is None else f"{row.per_request:f}"
        requests = "" if row.requests is None else row.requests
        whole = f"{row.total:f}" if row.parts else ""
        writer.writerow((row.name, row.currency, *parts, whole, requests, each, "; ".join(row.unknown)))
    return lines.getvalue()


def _style(state: str) -> str:
    return _STYLES.get(state, "")


def table(*columns: str, numbers: Sequence[str]) -> Table:
    """An empty one."""
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in columns:
        lines.add_column(name, justify="right" if name in numbers else "left", no_wrap=name != "because")
    return lines


def told(answer: object) -> Any:
    """``answer`` for programs: an amount that is not known is null and never 0, also the upper end of *at least*."""
    return _without_guesses(msgspec.to_builtins(answer))


def _without_guesses(data: Any) -> Any:
    if isinstance(data, list | tuple):
        return [_without_guesses(one) for one in data]
    if not isinstance(data, dict):
        return data
    found = {key: _without_guesses(value) for key, value in data.items()}
    if found.keys() >= set(Total.__struct_fields__) and found["unknown"]:
        found |= {"low": None if found["empty"] else found["low"], "high": None}
    return found
