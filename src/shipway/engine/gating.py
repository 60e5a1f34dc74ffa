"""Whether policy lets a release in. Called by ``service`` before a release is asked for; wired in ``cli``.

Findings that deny refuse the deployment as a whole, before anything happens; those that warn are shown beside the answer.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from shipway.model.errors import Denied
from shipway.model.problems import Problem
from shipway.policy.evaluating import Evaluator
from shipway.policy.findings import Finding
from shipway.policy.releases import Release, Scan, judge
from shipway.policy.rules import CompiledRule
from shipway.spec.diagnosis import dotted
from shipway.spec.policies import Merged


class Gate(Protocol):
    """What a release must get past."""

    def judge(self, release: Release) -> Sequence[Finding]:
        """Every finding about a release.

        Raises:
            BadInput: the policies themselves cannot be used; then nothing gets past.
        """
        ...


class Enforced(msgspec.Struct, frozen=True):
    """Rules, and what a platform makes of them."""

    rules: tuple[CompiledRule, ...] = ()
    sets: Merged = Merged()


class PolicyGate:
    """A gate of rules. ``read`` is asked for them anew at each release, so that a changed policy needs no restart."""

    def __init__(self, read: Callable[[], Enforced], scan: Scan | None = None) -> None:
        self._read, self._scan = read, scan

    def judge(self, release: Release) -> Sequence[Finding]:
        """Every finding about a release."""
        found = self._read()
        evaluator = Evaluator(found.rules, found.sets, release.environment)
        return judge(release, evaluator, found.sets, self._scan)


def let_in(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    """What is worth showing of those that do not deny.

    Raises:
        Denied: with every finding that does.
    """
    denied = [_problem(one, "error") for one in findings if one.refuses]
    if denied:
        rules = ", ".join(dict.fromkeys(problem.code for problem in denied))
        raise Denied(
            f"policy denies this release: {rules}",
            problems=denied,
            hint=f"shipway policy explain {denied[0].code} says how to keep the rule.",
        )
    return tuple(_problem(one, "warning") for one in findings if one.status == "warn" or one.exception)


def _problem(finding: Finding, severity: str) -> Problem:
    place = finding.place
    fix = f" {finding.fix}" if finding.fix else ""
    message = f"{finding.rule}: {finding.message}.{fix}"
    return Problem(place.file, place.line, place.column, dotted(finding.path), finding.rule, message, severity)
