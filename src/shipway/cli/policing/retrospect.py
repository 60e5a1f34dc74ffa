"""``policy report``: the releases in the journal and the rules of now in, what would have been stopped out, for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shipway.cli.recalling.records import decisions, records
from shipway.engine import retrospect
from shipway.engine.retrospect import Retrospect
from shipway.facts.policies import policies_beside, read_policies
from shipway.facts.prices import read_platform
from shipway.policy.guarding import parameters_of
from shipway.rollout.events import ReleaseRequested

if TYPE_CHECKING:
    from rich.table import Table


class LookingBack(msgspec.Struct, frozen=True, kw_only=True):
    """What to look back on, by which rules."""

    home: Path
    policies: Sequence[Path] = ()
    environment: str = ""
    """Whose enforcement holds; empty: that which each release was asked for."""
    platform: Path | None = None
    """That releases are compiled with; none: a cluster without anything special."""
    last: int
    pack: bool = True


def look_back(asked: LookingBack) -> Retrospect:
    """Judge the last releases of every application again, each at the time when it was asked for.

    Raises:
        BadInput, JournalError: policies, the Platform or the journal cannot be read.
    """
    beside = [path for path in (asked.home, asked.platform) if path is not None and path.is_dir()]
    own = [each for path in beside for each in policies_beside(path, ())]
    platform, book = read_platform(asked.platform)
    said = parameters_of(platform.platform) if platform else {}
    found = read_policies(list(asked.policies) or own, pack=asked.pack, parameters=said)
    decided = decisions(asked.home)
    with records(asked.home) as journal:
        events = {
            app: [one for one in journal.events(app) if isinstance(one, ReleaseRequested)] for app in journal.apps
        }
    past = retrospect.releases(events, decided, platform, book, last=asked.last, environment=asked.environment)
    return retrospect.look_back(past, found)


def table(found: Retrospect) -> "Table | str":
    """For people."""
    from rich.table import Table

    if not found.rules:
        return f"{found.judged} releases judged; no rule would have stopped any."
    shown = Table(box=None, pad_edge=False, caption=f"{found.judged} releases judged", caption_justify="left")
    for column in ("RULE", "NOW", "WOULD STOP", "RELEASES", "LAST BECAUSE"):
        shown.add_column(column)
    for one in found.rules:
        some = ", ".join(one.releases[-3:])
        shown.add_row(one.rule, one.enforced, str(len(one.releases)), some, one.message)
    return shown
