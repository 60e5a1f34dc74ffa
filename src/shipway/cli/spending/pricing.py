"""What `cost estimate` does: an organisation and prices in, estimates out. The arithmetic is in :mod:`shipway.cost`."""

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec

from shipway.cli.compiling.rendering import compiled
from shipway.cost.advice import Advice, advice
from shipway.cost.estimate import Change, Estimate, cost_facts, difference, estimate
from shipway.cost.money import Total, total
from shipway.cost.prices import PriceBook, price_book
from shipway.facts import organisations
from shipway.facts.files import read
from shipway.model.errors import BadInput
from shipway.model.quantities import Money
from shipway.spec.organisation import Organisation
from shipway.spec.prices import parse_prices
from shipway.spec.reading import Source


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
    book = read_book(organisation, organisations.sources(directory), prices)
    found = tuple(_estimates(organisation, apps, env, book))
    changes = None if against is None else difference(tuple(_before(directory, against, apps, env, prices)), found)
    advised = tuple(_advised(organisation, apps, env, book)) if advise else None
    return Estimated(found, total(one.monthly for one in found), tuple(_bounded(organisation, found)), changes, advised)


def read_book(organisation: Organisation | None, sources: Sequence[Source], prices: Sequence[Path]) -> PriceBook:
    """The organisation's prices, from its own files and others.

    Raises:
        BadInput: a catalogue is wrong; carries every problem of all.
    """
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
    with at_revision(directory, against) as old:
        return _of_directory(old, apps, env, prices)


def _of_directory(
    directory: Path, apps: list[str] | None, env: list[str] | None, prices: Sequence[Path]
) -> list[Estimate]:
    organisation = organisations.load(directory)
    known = [app for app in apps or organisation.declared if app in organisation.declared]
    places = [name for name in env or organisation.environments if name in organisation.environments]
    if not known or not places:
        return []
    book = read_book(organisation, organisations.sources(directory), prices)
    return list(_estimates(organisation, known, places, book))


@contextmanager
def at_revision(directory: Path, against: str) -> Iterator[Path]:
    """A directory with what to compare with: ``against`` itself, or the files of ``directory`` at that revision of git.

    It is empty when the directory was not there yet.

    Raises:
        BadInput: it is neither.
    """
    if Path(against).is_dir():
        yield Path(against)
        return
    with TemporaryDirectory(prefix="shipway-") as old:
        _check_out(directory, against, Path(old))
        yield Path(old)


def _check_out(directory: Path, revision: str, target: Path) -> None:
    """The files of ``directory`` at a revision of git.

    Raises:
        BadInput: there is none.
    """
    if revision.startswith("-"):
        raise BadInput(
            f"{revision} is neither a directory nor a revision", hint="A revision does not begin with a dash."
        )
    git = ["git", "-C", str(directory)]
    try:
        there = subprocess.run([*git, "ls-tree", revision, "."], capture_output=True, check=False)
        if not there.returncode and not there.stdout:
            return
        done = subprocess.run([*git, "archive", "--format=tar", revision, "."], capture_output=True, check=False)
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
