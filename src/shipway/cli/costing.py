"""What the verbs of ``cost`` do: files and the organisation in, answers out. The arithmetic is in :mod:`shipway.cost`."""

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar, get_args

import msgspec

from shipway.cli import organisations
from shipway.cli.documents import read
from shipway.cli.rendering import compiled
from shipway.cost import opencost
from shipway.cost.advice import Advice, advice
from shipway.cost.allocation import By, Charge, Owner, Row, Sharing, charges, reconciled, report
from shipway.cost.budget import BudgetState, daily, run_rate, state
from shipway.cost.demand import demands
from shipway.cost.estimate import Change, Estimate, cost_facts, difference, estimate
from shipway.cost.money import Rule, Total, exact, one_currency, total
from shipway.cost.prices import PriceBook, monthly, price_book
from shipway.cost.usage import Requested, UsageRow, measured
from shipway.model.errors import BadInput, NotFound
from shipway.model.problems import Problem
from shipway.model.quantities import Money, QuantityError, parse_money
from shipway.spec.organisation import Organisation
from shipway.spec.prices import parse_prices
from shipway.spec.reading import Source

T = TypeVar("T")
Form = Literal["table", "csv", "focus"]


class Bounded(msgspec.Struct, frozen=True):
    """The budget of an application in an environment, and its estimate."""

    application: str
    environment: str
    budget: Money
    facts: Mapping[str, Any]
    """What policies are given."""
    state: Literal["within", "may exceed", "exceeds", "unknown"]
    """Of 1.1 times the budget: ``may exceed`` at the most instances, ``exceeds`` at the fewest already."""


class Estimated(msgspec.Struct, frozen=True):
    """The answer of ``cost estimate``."""

    estimates: tuple[Estimate, ...]
    monthly: Total
    budgets: tuple[Bounded, ...]
    changes: tuple[Change, ...] | None
    """Against what was asked for; None when nothing was."""
    advice: tuple[tuple[str, Advice], ...] | None
    """(``application environment/cluster``, advice)."""


class Sources(msgspec.Struct, frozen=True):
    """Where actual costs come from."""

    files: tuple[Path, ...]
    platform: Path | None
    environment: str
    prices: tuple[Path, ...]
    currency: str


class Rules(msgspec.Struct, frozen=True):
    """The bill, and how it is shared out, as written on the command line."""

    bill: str | None
    shared: str | None
    share: str
    weights: tuple[str, ...]


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


class Forecast(msgspec.Struct, frozen=True):
    """One budget, and how long it lasts."""

    name: str
    currency: str
    budget: BudgetState


def estimated(
    directory: Path,
    apps: list[str] | None,
    env: list[str] | None,
    prices: Sequence[Path],
    against: str | None,
    *,
    advise: bool,
) -> Estimated:
    """What is asked for.

    Raises:
        BadInput: anything is wrong with the files, or the sum is in several currencies.
        NotFound: there is no such application or environment.
    """
    organisation = organisations.load(directory)
    book = _book(organisation, organisations.sources(directory), prices)
    found = tuple(_estimates(organisation, apps, env, book))
    changes = None if against is None else difference(tuple(_before(directory, against, apps, env, prices)), found)
    advised = tuple(_advised(organisation, apps, env, book)) if advise else None
    return Estimated(found, total(one.monthly for one in found), tuple(_bounded(organisation, found)), changes, advised)


def _book(organisation: Organisation | None, sources: Sequence[Source], prices: Sequence[Path]) -> PriceBook:
    catalogues, problems = parse_prices([*sources, *read(list(prices))])
    if any(problem.severity == "error" for problem in problems):
        raise BadInput("the price catalogues cannot be used", problems=problems)
    return price_book(catalogues, organisation.platform.spec.prices if organisation else None)


def _estimates(
    organisation: Organisation, apps: list[str] | None, env: list[str] | None, book: PriceBook
) -> Iterator[Estimate]:
    for one in compiled(organisation, apps, env):
        if one.application:
            region = organisation.clusters(one.environment)[one.cluster]
            objects = [rendered.object for rendered in one.objects]
            yield estimate(one.application, one.environment, one.cluster, objects, book.at(one.cluster, region))


def _before(
    directory: Path, against: str, apps: list[str] | None, env: list[str] | None, prices: Sequence[Path]
) -> list[Estimate]:
    """The same of another directory or revision; an application or environment that it does not have is new."""
    if Path(against).is_dir():
        return _of_directory(Path(against), apps, env, prices)
    with TemporaryDirectory(prefix="shipway-") as old:
        _check_out(directory, against, Path(old))
        return _of_directory(Path(old), apps, env, prices)


def _of_directory(
    directory: Path, apps: list[str] | None, env: list[str] | None, prices: Sequence[Path]
) -> list[Estimate]:
    organisation = organisations.load(directory)
    known = [app for app in apps or organisation.declared if app in organisation.declared]
    places = [name for name in env or organisation.environments if name in organisation.environments]
    if not known or not places:
        return []
    book = _book(organisation, organisations.sources(directory), prices)
    return list(_estimates(organisation, known, places, book))


def _check_out(directory: Path, revision: str, target: Path) -> None:
    """The files of ``directory`` at a revision of git.

    Raises:
        BadInput: there is none.
    """
    command = ["git", "-C", str(directory), "archive", "--format=tar", revision, "."]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise BadInput(f"{revision} is no directory, and git cannot be asked: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f": {said[-1]}" if said else ""
        hint = "Name a directory, or a branch, tag or commit of the repository that the organisation is in."
        raise BadInput(f"{revision} is neither a directory nor a revision{reason}", hint=hint)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")


def _bounded(organisation: Organisation, found: Sequence[Estimate]) -> Iterator[Bounded]:
    """Of all clusters of an environment together."""
    for app, environment in dict.fromkeys((one.application, one.environment) for one in found):
        budget = organisation.application(app, environment).spec.budget
        if budget is not None:
            facts = cost_facts(
                [one for one in found if (one.application, one.environment) == (app, environment)], budget
            )
            yield Bounded(app, environment, budget, facts, _state(facts))


def _state(facts: Mapping[str, Any]) -> Literal["within", "may exceed", "exceeds", "unknown"]:
    if "budget" not in facts or "monthly" not in facts:
        return "unknown"
    most = 1.1 * facts["budget"]
    if facts["monthly"] > most:
        return "exceeds"
    return "unknown" if "highest" not in facts else "may exceed" if facts["highest"] > most else "within"


def _advised(
    organisation: Organisation, apps: list[str] | None, env: list[str] | None, book: PriceBook
) -> Iterator[tuple[str, Advice]]:
    for one in compiled(organisation, apps, env):
        prices = book.at(one.cluster, organisation.clusters(one.environment)[one.cluster])
        for found in advice([rendered.object for rendered in one.objects], prices):
            yield f"{one.application} {one.environment}/{one.cluster}", found


def actual(sources: Sources, rules: Rules, by: By = "release") -> Actual:
    """The charges of the files, with their shares.

    Raises:
        BadInput: a file or a rule is wrong, or currencies are mixed.
    """
    organisation = organisations.load(sources.platform) if sources.platform else None
    found, idle, problems = _charges(sources, organisation)
    sharing = Sharing(_one_of(rules.share, Rule, "--share"), _weights(rules.weights))
    bill, shared = _amount(rules.bill, "--bill"), _amount(rules.shared, "--shared")
    currency = one_currency([*(money.currency for money in (bill, shared) if money), *(one.currency for one in found)])
    paid, together = exact(bill.amount) if bill else None, exact(shared.amount) if shared else Decimal(0)
    done = _reconciled(found, idle, bill=paid, shared=together, sharing=sharing, currency=currency)
    summed = sum((one.total for one in done), Decimal(0))
    account = organisation.platform.metadata.name if organisation else "shipway"
    return Actual(done, report(done, by), by, currency, summed, account, tuple(problems))


def _reconciled(
    found: Sequence[Charge],
    idle: Mapping[str, Decimal],
    *,
    bill: Decimal | None = None,
    shared: Decimal = Decimal(0),
    sharing: Sharing = Sharing(),  # noqa: B008  # frozen
    currency: str = "",
) -> tuple[Charge, ...]:
    """First every cluster's idle cost to who runs in it, then the bill to all."""
    done: list[Charge] = []
    for cluster in dict.fromkeys([*(one.owner.cluster for one in found), *idle]):
        inside = [one for one in found if one.owner.cluster == cluster]
        paid = sum((one.total for one in inside), idle.get(cluster, Decimal(0)))
        done += reconciled(inside, paid, sharing=sharing, currency=currency)
    return reconciled(done, bill, shared, sharing, currency)


def _charges(sources: Sources, organisation: Organisation | None) -> tuple[list[Charge], dict[str, Decimal], list[str]]:
    """(own charges, idle cost by cluster, what was left out) of all files."""
    found: list[Charge] = []
    idle: dict[str, Decimal] = {}
    problems: list[str] = []
    usage: list[UsageRow] = []
    for source in read(list(sources.files)):
        if _is_usage(source):
            usage += _rows(source)
            continue
        imported = opencost.read(source.file, source.text, sources.currency)
        found += [_owned(one, organisation) for one in imported.charges]
        problems += imported.problems
        for cluster, amount in imported.idle.items():
            idle[cluster] = idle.get(cluster, Decimal(0)) + amount
    if usage:
        priced, said = _priced(usage, sources, organisation)
        found, problems = [*found, *priced], [*problems, *said]
    one_currency(one.currency for one in found)
    return found, idle, problems


def _is_usage(source: Source) -> bool:
    """JSON lines of rows; OpenCost's answer is one object with ``data``."""
    text = source.text if isinstance(source.text, bytes) else source.text.encode()
    first = text.lstrip().split(b"\n", 1)[0]
    return b'"app"' in first and b'"seconds"' in first


def _rows(source: Source) -> list[UsageRow]:
    text = source.text if isinstance(source.text, bytes) else source.text.encode()
    rows: list[UsageRow] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            rows += [msgspec.json.decode(line, type=UsageRow)] if line.strip() else []
        except msgspec.DecodeError as error:
            problems.append(Problem(source.file, number, 1, "", "bad-row", str(error)))
    if problems:
        raise BadInput("a row of usage cannot be read", problems=problems)
    return rows


def _priced(
    usage: Sequence[UsageRow], sources: Sources, organisation: Organisation | None
) -> tuple[tuple[Charge, ...], list[str]]:
    found = measured(usage)
    book = _book(organisation, organisations.sources(sources.platform) if sources.platform else [], sources.prices)
    requested = _requested(organisation, sources.environment, usage)
    gaps = [
        f"{app} {release}: {gap:.0f} s were not measured, and cost nothing here"
        for (app, release), gap in found.gaps.items()
    ]
    clusters = organisation.clusters(sources.environment) if organisation and sources.environment else {"": ""}
    cluster, region = next(iter(clusters.items()))
    owner = _owner_of(organisation, sources.environment)
    return charges(found, book.at(cluster, region), requested, owner), [*found.problems, *gaps]


def _owner_of(organisation: Organisation | None, environment: str) -> Callable[[str, str], Owner]:
    def owner(app: str, release: str) -> Owner:
        return Owner(app, release, _team(organisation, app), environment)

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
    organisations.known(environment, organisation.environments, "environment")
    runs = organisation.names(environment)
    apps = sorted({row.app for row in usage if row.app in runs})
    cluster = next(iter(organisation.clusters(environment)))
    sizes = {
        one.application: _size([rendered.object for rendered in one.objects])
        for one in (compiled(organisation, apps, [environment]) if apps else ())
        if one.cluster == cluster
    }
    return {(row.app, row.release): sizes[row.app] for row in usage if row.app in sizes}


def _size(objects: Sequence[Mapping[str, Any]]) -> Requested:
    """Of the application's own instances, without its databases: those are no processes of the release."""
    size = {"cpu": 0.0, "memory": 0.0}
    for one in demands(objects):
        if one.resource in size and isinstance(one.each, Decimal) and not one.workload.startswith("Cluster/"):
            size[one.resource] += float(one.each) * one.instances.low
    return Requested(size["cpu"], size["memory"] * 2**30)


def forecast(sources: Sources, budget: str | None) -> tuple[Forecast, ...]:
    """One for ``budget``, or for every application with a budget.

    Raises:
        BadInput: a file is wrong, or there is no budget.
    """
    organisation = organisations.load(sources.platform) if sources.platform else None
    found, idle, _ = _charges(sources, organisation)
    whole = _reconciled(found, idle)
    if not whole:
        raise BadInput("there are no costs in the files", hint="Ask OpenCost for a longer window.")
    limits = _limits(organisation, sources.environment, budget, [one.owner.app for one in whole])
    at = max(one.end for one in whole)
    return tuple(
        _forecast(name, money, [one for one in whole if name in {"", one.owner.app}], at) for name, money in limits
    )


def _limits(
    organisation: Organisation | None, environment: str, budget: str | None, apps: Sequence[str]
) -> list[tuple[str, Money]]:
    """(application or empty for all, budget)."""
    money = _amount(budget, "--budget")
    if money is not None:
        return [("", money)]
    found: list[tuple[str, Money]] = []
    for name in dict.fromkeys(apps) if organisation else ():
        if organisation and name in organisation.declared:
            spec = organisation.application(name, environment or organisation.environments[-1]).spec
            found += [(name, spec.budget)] if spec.budget else []
    if not found:
        hint = "Give --budget $300/month, or --platform DIR with applications that have one."
        raise NotFound("there is no budget to compare with", hint=hint)
    return found


def _forecast(name: str, money: Money, inside: Sequence[Charge], at: float) -> Forecast:
    currency = one_currency([money.currency, *(one.currency for one in inside)])
    days, limit = daily(inside), float(monthly(money))
    end = state(limit, days, at, ()).end
    return Forecast(name, currency, state(limit, days, at, run_rate(days, at, end)))


def reported(sources: Sources, rules: Rules, by: str, form: str) -> Actual:
    """``actual``, put together by what is asked for.

    Raises:
        BadInput: a file, a rule, ``by`` or ``form`` is wrong.
    """
    _one_of(form, Form, "--format")
    return actual(sources, rules, _one_of(by, By, "--by"))


def _one_of(word: str, words: Any, option: str) -> Any:
    choices: tuple[str, ...] = get_args(words)
    if word not in choices:
        raise BadInput(f"expected one of {', '.join(choices)} for {option}, got `{word}`")
    return word


def _amount(text: str | None, option: str) -> Money | None:
    try:
        return parse_money(text) if text else None
    except QuantityError as error:
        raise BadInput(f"{option}: {error}", hint="In a shell, put amounts in quotes: '$300'.") from error


def _weights(pairs: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair in pairs:
        app, _, number = pair.partition("=")
        try:
            found[app] = float(number)
            exact(found[app])
        except ValueError:
            found[app] = -1.0
        if found[app] < 0:
            raise BadInput(f"expected --weight APP=N with a number from 0 on, got `{pair}`")
    return found
