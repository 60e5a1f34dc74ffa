"""What this machine has recorded about applications, for verbs that judge files: facts for policies, and a history for risk.

Used by ``plan`` and ``policy check``. What ran here says something about an environment only if it was released for that one.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from shipway.engine import knowing
from shipway.engine.promises import statuses
from shipway.engine.records import Records
from shipway.facts import released, scorecard
from shipway.facts.deliveries import pasts
from shipway.facts.usages import UsageFiles
from shipway.insight.risk import Change, Risk, fit, known_as
from shipway.plan.releasing import Known


class _Document(msgspec.Struct, frozen=True):
    environment: str = ""


def risks(journal: Records | None, home: Path, changes: Sequence[Change]) -> list[Risk]:
    """How likely each change is to be rolled back, by the releases on record; by a prior alone where there are none."""
    if not changes:
        return []
    history = pasts(journal, changes[0].at, home) if journal else []
    model, authors = fit(history), {one.change.author for one in history}
    return [model.risk(known_as(one, authors)) for one in changes]


def known_of(journal: Records | None, home: Path, name: str, environment: str, at: float) -> Known:
    """Traffic and error budget of what was released here for an environment; without a journal the reason for knowing neither."""
    if journal is None:
        return _unknown(f"nothing is recorded in {home}")
    state = released.state(journal, name) if name in journal.apps else None
    if state is None or state.live is None:
        return _unknown(f"{name} has never been live in {home}")
    document = msgspec.json.decode(state.releases[state.live].document, type=_Document)
    if document.environment != environment:
        said = f"for {document.environment}" if document.environment else "for no environment"
        return _unknown(f"what {home} has recorded of {name} was released {said}")
    samples = [one for one in UsageFiles(home).read(name) if one.release == state.live]
    spans = [(one.at, one.requests, one.seconds) for one in samples]
    application = scorecard.live(state)
    promised = statuses(application, scorecard.readings(home, journal, name, state, at), at) if application else ()
    return knowing.known(knowing.rate(spans, at), knowing.error_budget(promised))


def _unknown(why: str) -> Known:
    return Known(unknown={"traffic": why, "errorBudget": why})
