"""Whether policy lets a release in. Called by ``service`` before a release is asked for; wired in ``cli``.

What is judged is the Application as it would be, what it is compiled to, and what is known about it. Findings that deny
refuse the deployment as a whole, before anything happens; those that warn are shown beside the answer. Either way the
decision is recorded, with its facts.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from shipway.cost.prices import PriceBook
from shipway.engine.decisions import Decision, Decisions
from shipway.model.errors import Denied
from shipway.model.problems import Problem
from shipway.plan.releasing import NO_IMAGE, Asking, Images, Knows, released_alone
from shipway.policy.evaluating import Evaluator
from shipway.policy.findings import Finding, Subject, summary
from shipway.policy.loading import PACK
from shipway.policy.releases import Release, Scan, delivery, judge, once
from shipway.policy.rules import CompiledRule, Place
from shipway.spec import DeclaredApplication, DeclaredPlatform
from shipway.spec.application import API_VERSION
from shipway.spec.diagnosis import dotted
from shipway.spec.policies import Merged

NOT_COMPILED = "not-compiled"
"""Stands for the rules that could not be asked, where others have their id."""


class Deploying(msgspec.Struct, frozen=True, kw_only=True):
    """Releases that somebody asks for together."""

    new: Sequence[DeclaredApplication]
    """Those that would begin."""
    around: Mapping[str, DeclaredApplication]
    """Every application by name, those that are live and those asked for."""
    platform: DeclaredPlatform | None
    environment: str
    by: str
    at: float
    book: PriceBook
    knows: Knows
    images: Images


class Gate(Protocol):
    """What releases must get past."""

    def admit(self, asked: Deploying) -> tuple[Problem, ...]:
        """Warnings about releases that may go.

        Raises:
            Denied: with every finding that denies.
            BadInput: the policies themselves cannot be used; then nothing gets past.
            JournalError: the decision could not be recorded.
        """
        ...


class Enforced(msgspec.Struct, frozen=True):
    """Rules, and what a platform makes of them."""

    rules: tuple[CompiledRule, ...] = ()
    sets: Merged = Merged()


class PolicyGate:
    """A gate of rules. ``read`` is asked for them anew each time, so that a changed policy needs no restart."""

    def __init__(
        self, read: Callable[[], Enforced], scan: Scan | None = None, decisions: Decisions | None = None
    ) -> None:
        self._read, self._scan, self._decisions = read, scan, decisions

    def admit(self, asked: Deploying) -> tuple[Problem, ...]:
        """Judge, record, and refuse what denies."""
        found = self._read()
        evaluator = Evaluator(found.rules, found.sets, asked.environment)
        judged = [self._judged(one, asked, evaluator, found.sets) for one in asked.new]
        findings = once(finding for _, each in judged for finding in each)
        allowed = not any(one.refuses for one in findings)
        if self._decisions is not None and judged:
            self._decisions.record([_decision(*one, found.sets, allowed=allowed) for one in judged])
        return let_in(findings)

    def _judged(
        self, one: DeclaredApplication, asked: Deploying, evaluator: Evaluator, sets: Merged
    ) -> tuple[Release, list[Finding]]:
        """One of its releases, and every finding about all of them, cluster by cluster."""
        asking = Asking(at=asked.at, book=asked.book, by=asked.by, knows=asked.knows, images=asked.images)
        made, why = released_alone(one, asked.around, asked.platform, asked.environment, asking)
        findings = once(finding for each in made for finding in judge(each, evaluator, sets, self._scan))
        # Without an image there is no pod that a rule could be about; everything else leaves rules unasked.
        return made[0], findings + ([] if why in ("", NO_IMAGE) else [_unasked(one, asked, why)])


def _unasked(one: DeclaredApplication, asked: Deploying, why: str) -> Finding:
    """What cannot be compiled cannot be judged, and that is no pass where the Platform has said what it is compiled for.

    Without a Platform it is for this machine alone, which may run what no cluster takes; then it is told.
    """
    return Finding(
        rule=NOT_COMPILED,
        status="error",
        action="deny" if asked.platform is not None and asked.environment else "warn",
        severity="high",
        subject=Subject(API_VERSION, "Application", "", one.application.metadata.name),
        message=f"rules about Kubernetes objects could not be asked: {why}",
        place=Place(one.file, one.node.line, one.node.column),
    )


def _decision(release: Release, findings: Sequence[Finding], sets: Merged, *, allowed: bool) -> Decision:
    kept = [one for one in findings if one.status in ("fail", "warn", "error") or one.exception]
    return Decision(
        app=str(release.document["metadata"]["name"]),
        at=release.at,
        by=release.by,
        environment=release.environment,
        allowed=allowed,
        findings=tuple(kept),
        summary=summary(findings),
        facts=delivery(release, sets),
    )


def let_in(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    """What is worth showing of those that do not deny.

    Raises:
        Denied: with every finding that does.
    """
    refusing = [one for one in findings if one.refuses]
    if refusing:
        denied = [_problem(one, "error") for one in refusing]
        rules = ", ".join(dict.fromkeys(problem.code for problem in denied))
        raise Denied(
            f"policy denies this release: {rules}",
            problems=denied,
            hint=_hint(refusing[0]),
        )
    return tuple(_problem(one, "warning") for one in findings if _is_told(one))


def _is_told(one: Finding) -> bool:
    return one.status == "warn" or bool(one.exception) or (one.status == "error" and one.action != "audit")


def _hint(finding: Finding) -> str:
    if finding.rule == NOT_COMPILED:
        return "shipway plan and shipway validate say everything that is wrong with it."
    where = finding.rule_place
    option = f" --policies {where.file}" if where.file and Path(where.file).parent != PACK else ""
    return f"shipway policy explain {finding.rule}{option} says how to keep the rule."


def _problem(finding: Finding, severity: str) -> Problem:
    place = finding.place
    fix = f" {finding.fix}" if finding.fix else ""
    message = f"{finding.rule}: {finding.message}.{fix}"
    return Problem(place.file, place.line, place.column, dotted(finding.path), finding.rule, message, severity)
