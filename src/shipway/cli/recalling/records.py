"""Opens the journal for the verbs about the past: read-only, with or without a controller beside it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shipway.engine.decisions import Decision, Decisions
from shipway.engine.records import Records
from shipway.engine.views import PromisesView
from shipway.facts.home import JOURNAL
from shipway.model.errors import ShipwayError


@contextmanager
def records(home: Path) -> Iterator[Records]:
    """The journal of ``home``, open for reading.

    Raises:
        JournalError: there is none, or it is damaged.
    """
    from shipway.cli import wiring  # with everything that a controller needs, which takes a while to import

    with closing(wiring.open_journal(home)) as journal:
        yield Records(journal)


@contextmanager
def records_if_any(home: Path) -> Iterator[Records | None]:
    """The same; None when nothing was ever recorded there.

    Raises:
        JournalError: it is damaged.
    """
    if not (home / JOURNAL).exists():
        yield None
        return
    with records(home) as journal:
        yield journal


def promises(home: Path) -> PromisesView | None:
    """What the controller of ``home`` says about promises; None when none answers."""
    from shipway.web.api.client import Client

    try:
        with Client(home) as client:
            return client.slo(None)
    except ShipwayError:
        return None


def decisions(home: Path) -> list[Decision]:
    """What policy has decided about releases, oldest first.

    Raises:
        JournalError: there is no journal, or it is damaged.
    """
    from shipway.cli import wiring

    with closing(wiring.open_journal(home)) as journal:
        return Decisions(journal).read()
