"""What policy has decided about releases, in the journal: refused ones too, each with the facts that it was decided on.

Written by ``gating`` before anything happens; read by ``shipway policy decisions``, which can judge the facts again. Each
application has a stream of its own for them, beside that of its rollouts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shipway.engine.ports import Append, Journal
from shipway.model.errors import JournalError
from shipway.policy.findings import Finding, Summary
from shipway.policy.loading import Policies
from shipway.policy.rules import Request

STREAM = "policy:"
"""Prefix of an application's stream of decisions in the journal."""
KIND = "ReleaseJudged"


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer to whether a release may go."""

    app: str
    at: float
    """When it was asked for, in seconds since the epoch."""
    by: str
    environment: str = ""
    allowed: bool
    findings: tuple[Finding, ...] = ()
    """Those that fail, warn, could not be judged or are excepted."""
    summary: Summary
    facts: Mapping[str, Any]
    """The Delivery that was judged, whole."""


class Decisions:
    """Those of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._versions: dict[str, int] = {}

    def record(self, decisions: Sequence[Decision]) -> None:
        """Append them, all or none.

        Raises:
            JournalError: it could not be recorded.
        """
        versions = {one.app: self._versions.get(one.app) or self._version(one.app) for one in decisions}
        appends = []
        for one in decisions:
            data = msgspec.json.encode(one)
            appends.append(Append(f"{STREAM}{one.app}", versions[one.app], one.at, KIND, data))
            versions[one.app] += 1
        try:
            self._journal.append(appends)
        except JournalError:
            self._versions.clear()
            raise
        self._versions |= versions

    def read(self) -> list[Decision]:
        """All of them, oldest first."""
        streams = [one for one in self._journal.streams() if one.startswith(STREAM)]
        found = [decoded(recorded.data) for one in streams for recorded in self._journal.read(one)]
        return sorted(found, key=lambda one: one.at)

    def _version(self, app: str) -> int:
        return max((one.version for one in self._journal.read(f"{STREAM}{app}")), default=0)


def decoded(data: bytes) -> Decision:
    """A decision as the journal keeps it."""
    return msgspec.json.decode(data, type=Decision)


class Decided(msgspec.Struct, frozen=True):
    """A decision, and what the same facts lead to by the rules as they are now."""

    decision: Decision
    now: tuple[Finding, ...] | None = None
    """About the facts and the Application among them, those that fail, warn or could not be judged; None: not asked for."""


def judged_again(one: Decision, policies: Policies) -> tuple[Finding, ...]:
    """What rules say of the facts of a decision, and of the Application among them."""
    evaluator = policies.evaluator(one.environment)
    objects = [one.facts, one.facts.get("spec", {}).get("application", {})]
    judged = [each for about in objects for each in evaluator.evaluate(Request(object=about, at=one.at), passes=False)]
    return tuple(each for each in judged if each.status in ("fail", "warn", "error") or each.exception)
