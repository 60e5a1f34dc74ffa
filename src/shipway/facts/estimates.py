"""What the applications of a directory will cost, beside what they would have cost before. Called by ``shipway cost estimate``."""

from collections.abc import Sequence
from pathlib import Path

from shipway.cost.applications import Estimated, advised, bounded, estimates
from shipway.cost.estimate import Estimate, difference
from shipway.cost.money import total
from shipway.facts import organisations
from shipway.facts.prices import read_book
from shipway.facts.revisions import at_revision


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
    found = tuple(estimates(organisation, apps, env, book))
    changes = None if against is None else difference(tuple(_before(directory, against, apps, env, prices)), found)
    advice = tuple(advised(organisation, apps, env, book)) if advise else None
    return Estimated(found, total(one.monthly for one in found), tuple(bounded(organisation, found)), changes, advice)


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
    return list(estimates(organisation, known, places, book))
