"""Charges and budgets of what ran: from files, or as it was recorded here. Called by ``shipway cost``, ``dora`` and the report."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from shipway.cost import opencost
from shipway.cost.allocation import By, Charge, Owner, Row, Sharing, charges, reconciled_by_cluster, report
from shipway.cost.budget import Forecast, lasting
from shipway.cost.demand import requested_by
from shipway.cost.money import exact, one_currency
from shipway.cost.prices import PriceBook, PriceList
from shipway.cost.usage import Measured, Performance, Requested, UsageRow, is_usage, measured, performance, rows_of
from shipway.engine.records import Records
from shipway.facts import organisations, released
from shipway.facts.files import read
from shipway.facts.prices import read_book
from shipway.facts.served import Served, served
from shipway.facts.usages import UsageFiles
from shipway.insight.impact import Correlation, correlation
from shipway.insight.performance import Estimate
from shipway.insight.series import Absent
from shipway.model.errors import BadInput, NotFound
from shipway.model.quantities import Money
from shipway.model.suggestions import known
from shipway.render.truth import compiled
from shipway.spec.organisation import Organisation
from shipway.spec.reading import Source


class Sources(msgspec.Struct, frozen=True):
    """Where actual costs come from."""

    files: tuple[Path, ...]
    platform: Path | None
    environment: str
    prices: tuple[Path, ...]
    currency: str
    usage: tuple[UsageRow, ...] = ()
    """What was recorded here, beside the files."""
    requested: Mapping[tuple[str, str], Requested] = {}
    """What its (application, release) did request, where that is known better than from the organisation."""
    owners: Mapping[tuple[str, str], Owner] = {}
    """Whose its (application, release) is, as it said itself; the organisation goes before it."""
    budgets: Mapping[str, Money] = {}
    """Of applications on record here."""
    served: Mapping[tuple[str, str], Performance] = {}
    """How (application, release) answered, where that was counted here."""


def recorded(home: Path, journal: Records | None, sources: Sources) -> Sources:
    """With what the controller of ``home`` has recorded, and what its releases ask for (nobody knows without a journal).

    Raises:
        NotFound: nothing was recorded.
    """
    files = UsageFiles(home)
    rows = tuple(sample.row() for app in files.apps() for sample in files.read(app))
    if not rows:
        hint = "A running controller (`shipway up`) records every 10 s; or name a FILE."
        raise NotFound("no use was recorded here", hint=hint)
    if journal is None:
        return msgspec.structs.replace(sources, usage=rows)
    requested = released.requested(journal, files.apps())
    owners = released.owners(journal, files.apps())
    limits = {app: one.budget for app in files.apps() if (one := released.now(journal, app)).budget}
    counted = {
        (app, release): one
        for app in files.apps()
        if app in journal.apps
        for release, one in served(home, journal, app, math.inf).items()
    }
    answered = {key: Performance(_value(one.p95), _value(one.error_rate)) for key, one in counted.items()}
    return msgspec.structs.replace(
        sources,
        usage=completed(rows, counted),
        requested=requested,
        owners=owners,
        budgets=limits,
        served=answered,
    )


def completed(rows: Sequence[UsageRow], counted: Mapping[tuple[str, str], Served]) -> tuple[UsageRow, ...]:
    """With the requests that no sample saw: a release may come and go between two of them."""
    found, begins = list(rows), dict[str, float]()
    mine: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        mine.setdefault((row.app, row.release), []).append(index)
        begins[row.app] = min(begins.get(row.app, math.inf), row.at - row.seconds)
    for key, indices in mine.items():
        one, last = counted.get(key), found[indices[-1]]
        missed = one.requests - sum(found[index].requests for index in indices) if one else 0
        if one and missed > 0 and one.since >= begins[key[0]]:  # samples are kept for less long than counters
            found[indices[-1]] = msgspec.structs.replace(last, requests=last.requests + missed)
    return tuple(found)


def _value(one: Estimate | Absent) -> float | None:
    return one.value if isinstance(one, Estimate) else None


class Rules(msgspec.Struct, frozen=True):
    """The bill, and how it is shared out."""

    bill: Money | None = None
    """Everything that was paid; what is over is idle."""
    shared: Money | None = None
    """The part of it that all use together."""
    sharing: Sharing = Sharing()


class Actual(msgspec.Struct, frozen=True):
    """Charges that add up to the bill."""

    charges: tuple[Charge, ...]
    rows: tuple[Row, ...]
    by: By
    currency: str
    total: Decimal
    account: str
    problems: tuple[str, ...]
    """What was left out, and why."""
    prices: str = ""
    """Whose prices were put on usage; empty when somebody else had priced everything."""
    billed: bool = False
    """Whether ``total`` is a bill, and not the sum of what is known."""
    correlations: Mapping[str, Correlation | Absent] = {}
    """Of releases: how the cost of a request goes together with ``p95`` and ``errorRate``, where that was measured."""


def actual(sources: Sources, rules: Rules, by: By = "release") -> Actual:
    """The charges of the files, with their shares.

    Raises:
        BadInput: a file or a rule is wrong, or currencies are mixed.
    """
    organisation = organisations.load(sources.platform, compiling=False) if sources.platform else None
    files, usage = _read(sources)
    book = read_book(organisation, organisations.sources(sources.platform) if sources.platform else [], sources.prices)
    prices = _prices(book, organisation, sources.environment)
    found, idle, problems = _charges(sources, files, usage, organisation, prices)
    bill, shared = rules.bill, rules.shared
    currency = one_currency([*(money.currency for money in (bill, shared) if money), *(one.currency for one in found)])
    paid, together = exact(bill.amount) if bill else None, exact(shared.amount) if shared else Decimal(0)
    done = reconciled_by_cluster(found, idle, bill=paid, shared=together, sharing=rules.sharing, currency=currency)
    summed = sum((one.total for one in done), Decimal(0))
    account = organisation.platform.metadata.name if organisation else "shipway"
    known = {**performance(usage.rows), **sources.served} if by == "release" else {}
    rows = report(done, by, {" ".join(key): one for key, one in known.items()})
    correlations = _correlations(rows) if known else {}
    whose = ", ".join(filter(None, (prices.name, prices.source, prices.date))) if usage.rows else ""
    said = tuple(problems)
    return Actual(done, rows, by, currency, summed, account, said, whose, bill is not None, correlations)


def _correlations(rows: Sequence[Row]) -> dict[str, Correlation | Absent]:
    """Only where anything was measured."""
    costs = [math.nan if row.per_request is None else float(row.per_request) for row in rows]
    figures = {"p95": [row.p95 for row in rows], "errorRate": [row.error_rate for row in rows]}
    return {
        name: correlation(costs, [math.nan if value is None else value for value in values])
        for name, values in figures.items()
        if any(value is not None for value in values)
    }


def _charges(
    sources: Sources,
    files: Sequence[Source],
    usage: Measured,
    organisation: Organisation | None,
    prices: PriceList,
) -> tuple[list[Charge], dict[str, Decimal], list[str]]:
    """(own charges, idle cost by cluster, what was left out) of usage, and of OpenCost's answers among the files."""
    found: list[Charge] = []
    idle: dict[str, Decimal] = {}
    problems: list[str] = []
    for source in files:
        if is_usage(source):
            continue
        imported = opencost.read(source.file, source.text, sources.currency)
        found += [_owned(one, organisation) for one in imported.charges]
        problems += imported.problems
        for cluster, amount in imported.idle.items():
            idle[cluster] = idle.get(cluster, Decimal(0)) + amount
    if usage.rows or usage.problems:
        priced, said = _priced(usage, sources, organisation, prices)
        found, problems = [*found, *priced], [*problems, *said]
    one_currency(one.currency for one in found)
    return found, idle, problems


def _read(sources: Sources) -> tuple[list[Source], Measured]:
    """(files, what was measured in them and beside them)."""
    files = read(list(sources.files))
    return files, measured([*sources.usage, *(row for source in files if is_usage(source) for row in rows_of(source))])


def _prices(book: PriceBook, organisation: Organisation | None, environment: str) -> PriceList:
    """Of the first cluster of the environment in which usage was measured."""
    clusters = organisation.clusters(environment) if organisation and environment else {"": ""}
    cluster, region = next(iter(clusters.items()))
    return book.at(cluster, region)


def _priced(
    found: Measured, sources: Sources, organisation: Organisation | None, prices: PriceList
) -> tuple[tuple[Charge, ...], list[str]]:
    unsaid = [row for row in found.rows if (row.app, row.release) not in sources.requested]
    requested = {**_requested(organisation, sources.environment, unsaid), **sources.requested}
    gaps = [
        f"{app} {release}: {gap:.0f} s were not measured, and cost nothing here"
        for (app, release), gap in found.gaps.items()
    ]
    owner = _owner_of(organisation, sources)
    blind = (
        ["What a release answered after its last sample is not counted here."]
        if sources.usage and not sources.served
        else []
    )
    return charges(found, prices, requested, owner), [*found.problems, *gaps, *blind]


def _owner_of(organisation: Organisation | None, sources: Sources) -> Callable[[str, str], Owner]:
    def owner(app: str, release: str) -> Owner:
        said = sources.owners.get((app, release), Owner(app, release))
        team, environment = _team(organisation, app) or said.team, sources.environment or said.environment
        return Owner(app, release, team, environment)

    return owner


def _team(organisation: Organisation | None, app: str) -> str:
    declared = organisation.declared.get(app) if organisation else None
    return (declared.application.metadata.team or "") if declared else ""


def _owned(one: Charge, organisation: Organisation | None) -> Charge:
    """With the team that the organisation knows, where the cluster's labels say none."""
    team = one.owner.team or _team(organisation, one.owner.app)
    return msgspec.structs.replace(one, owner=msgspec.structs.replace(one.owner, team=team))


def _requested(
    organisation: Organisation | None, environment: str, usage: Sequence[UsageRow]
) -> dict[tuple[str, str], Requested]:
    """What the fewest instances of each application request; nothing without an organisation and its environment."""
    if organisation is None or not environment:
        return {}
    known(environment, organisation.environments, "environment")
    runs = {name for name in organisation.names(environment) if organisation.application(name, environment).spec.image}
    apps = sorted({row.app for row in usage if row.app in runs})
    cluster = next(iter(organisation.clusters(environment)))
    sizes = {
        one.application: requested_by([rendered.object for rendered in one.objects])
        for one in (compiled(organisation, apps, [environment]) if apps else ())
        if one.cluster == cluster
    }
    return {(row.app, row.release): sizes[row.app] for row in usage if row.app in sizes}


def forecast(sources: Sources, budget: Money | None) -> Forecast:
    """One for ``budget``, or for every application with a budget.

    Raises:
        BadInput: a file is wrong, or there is no budget.
    """
    organisation = organisations.load(sources.platform, compiling=False) if sources.platform else None
    files, usage = _read(sources)
    book = read_book(organisation, organisations.sources(sources.platform) if sources.platform else [], sources.prices)
    prices = _prices(book, organisation, sources.environment)
    found, idle, problems = _charges(sources, files, usage, organisation, prices)
    whole = reconciled_by_cluster(found, idle)
    if not whole:
        raise BadInput("there are no costs in the files", hint="Ask OpenCost for a longer window.")
    limits = _limits(organisation, sources, budget, [one.owner.app for one in whole])
    at = max(one.end for one in whole)
    return Forecast(
        tuple(
            lasting(name, money, [one for one in whole if name in {"", one.owner.app}], at) for name, money in limits
        ),
        tuple(problems),
    )


def _limits(
    organisation: Organisation | None, sources: Sources, budget: Money | None, apps: Sequence[str]
) -> list[tuple[str, Money]]:
    """(application or empty for all, budget)."""
    if budget is not None:
        return [("", budget)]
    found = [(name, sources.budgets[name]) for name in dict.fromkeys(apps) if name in sources.budgets]
    for name in dict.fromkeys(apps) if organisation else ():
        if organisation and name in organisation.declared and name not in sources.budgets:
            spec = organisation.application(name, sources.environment or organisation.environments[-1]).spec
            found += [(name, spec.budget)] if spec.budget else []
    if not found:
        hint = "Give --budget '$300/month', or --platform DIR with applications that have one."
        raise NotFound("there is no budget to compare with", hint=hint)
    return found
