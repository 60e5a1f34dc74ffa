"""Opens the journal for what this machine knows about applications, for verbs that judge files."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from shipway.cli.recalling.records import records_if_any
from shipway.facts import known
from shipway.insight.risk import Change, Risk
from shipway.plan.releasing import Known, Knows


def risks(home: Path, changes: Sequence[Change]) -> list[Risk]:
    """How likely each change is to be rolled back; see :func:`shipway.facts.known.risks`."""
    if not changes:
        return []
    with records_if_any(home) as journal:
        return known.risks(journal, home, changes)


def knowledge(home: Path, at: float) -> Knows:
    """Traffic and error budget of what was released here for the environment that is asked about."""

    @cache
    def knows(application: str, environment: str) -> Known:
        with records_if_any(home) as journal:
            return known.known_of(journal, home, application, environment, at)

    return knows
