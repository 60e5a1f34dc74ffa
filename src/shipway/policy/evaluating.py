"""Rules against requests: the one evaluator behind ``policy check``, ``deploy`` and the admission webhook.

Rules are indexed by kind once; an evaluator is made for one environment and one policy set and then only read, so it may
be shared. Made of :class:`~shipway.policy.loading.Policies`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.enforcing import action_of, exception_of
from shipway.policy.facts import is_fact, scanned_at
from shipway.policy.findings import Finding, path_shown, subject
from shipway.policy.resources import plural, subject_of
from shipway.policy.rules import NOTHING, Action, CompiledRule, Object, Outcome, Path, Place, Request, Status
from shipway.spec.policies import Merged

_QUIET = ("pass", "skip")
FACTS = frozenset({"Delivery", "Workload", "SecretScan"})
"""Kinds of facts that no kind of Kubernetes' is called like."""
OURS = "shipway.dev/"
ALONE = "it looks at other objects, and nobody has said here what else there is"
Locate = Callable[[Path], Place]
"""Where the value at a path of the subject is written by a person; what is not written is where its parent is."""
MAX_KINDS = 1000
"""Kinds whose rules are remembered. Kinds come from outside, so there must be an end."""
_SECRET = (("data",), ("stringData",), ("metadata", "annotations"))
"""Where a Secret's data is: `kubectl apply` keeps a copy among the annotations."""
HIDDEN = "(hidden)"
"""Shown instead of what a Secret holds."""
MAX_SHOWN = 120
"""Characters of an offending value that a finding shows."""


class Evaluator:
    """Rules as they are enforced in one environment."""

    def __init__(self, rules: Sequence[CompiledRule], sets: Merged | None = None, environment: str = "") -> None:
        self._sets, self.environment = sets or Merged(), environment
        acting = [(rule, action_of(rule, self._sets, environment)) for rule in rules]
        self.rules: tuple[tuple[CompiledRule, Action], ...] = tuple(one for one in acting if one[1] != "off")
        self._index: dict[tuple[str, str, bool], tuple[tuple[CompiledRule, Action], ...]] = {}

    def rules_for(
        self, kind: str, resource: str = "", *, ours: bool = False
    ) -> tuple[tuple[CompiledRule, Action], ...]:
        """Rules that can apply to a kind, with what is done about each, in the order given.

        ``ours``: it is no object of a cluster, but an Application or a fact about one; facts need not be told.
        """
        ours = ours or kind in FACTS
        found = self._index.get((kind, resource, ours))
        if found is None:
            name = resource.partition("/")[0] or plural(kind)
            found = tuple(one for one in self.rules if _can_apply(one[0], kind, name, ours=ours))
            if len(self._index) < MAX_KINDS:
                self._index[kind, resource, ours] = found
        return found

    def evaluate(
        self,
        request: Request,
        locate: Locate | None = None,
        *,
        passes: bool = True,
        counts: Counter[Status] | None = None,
    ) -> list[Finding]:
        """Every rule's findings about one request, in the order of the rules.

        ``passes``: also those that pass or skip. ``counts`` is raised by those that are left out.
        """
        about = subject_of(request)
        found: list[Finding] = []
        ours = str(about.get("apiVersion", "")).startswith(OURS) or is_fact(about)
        for rule, action in self.rules_for(str(about.get("kind", "")), request.resource, ours=ours):
            for outcome in rule.evaluate(request) if not (request.alone and rule.looks_around) else _skipped(ALONE):
                if passes or outcome.status not in _QUIET or outcome.annotations:
                    found.append(self._finding(rule, action, outcome, request, locate))
                elif counts is not None:
                    counts[outcome.status] += 1
        return found

    def skipped(self, kind: str, about: Object, reason: str) -> list[Finding]:
        """What the rules for a fact of this kind say where it cannot be known: that they were not asked, and why."""
        request = Request(object=about)
        return [
            self._finding(rule, action, outcome, request, None)
            for rule, action in self.rules_for(kind)
            for outcome in _skipped(reason)
        ]

    def _finding(
        self, rule: CompiledRule, action: Action, outcome: Outcome, request: Request, locate: Locate | None
    ) -> Finding:
        about = subject_of(request)
        one = subject(about)
        status, message, exception = outcome.status, outcome.message, ""
        if status in ("fail", "warn"):
            excepted = exception_of(rule, one, self._sets, self.environment, request.at)
            if excepted is not None:
                status, exception = "skip", excepted.name
                message = f"{message} (excepted until {excepted.expires}: {excepted.reason} [{excepted.ticket}])"
        bad = status in ("fail", "warn", "error") or bool(exception)
        path, found, allowed = _read(about, outcome)
        return Finding(
            rule=rule.id,
            status=_enforced(status, action),
            action=action,
            severity=rule.severity,
            subject=one,
            message=message,
            path=path,
            found=found if bad else "",
            allowed=allowed if bad else "",
            place=locate(outcome.path) if locate and bad else Place(),
            title=rule.title,
            fix=(rule.fix or _fix(rule, outcome)) if bad else "",
            controls=rule.controls,
            rule_place=rule.place,
            reason=outcome.reason,
            exception=exception,
            ignores_errors=rule.ignores_errors,
            annotations=dict(outcome.annotations),
            facts=dict(about) if bad and is_fact(about) else None,
        )


def _skipped(reason: str) -> tuple[Outcome, ...]:
    # Annotations are shown whatever else is left out: a rule that was not asked must not look like one that passed.
    return (Outcome("skip", reason, annotations={"skipped": reason}),)


def _can_apply(rule: CompiledRule, kind: str, resource: str, *, ours: bool) -> bool:
    if rule.kinds is not None and kind not in rule.kinds:
        return False
    if ours and not rule.sees_facts:  # `*` means every object of a cluster, and these are in none
        return rule.kinds is not None or (rule.resources is not None and resource in rule.resources)
    return rule.resources is None or "*" in rule.resources or resource in rule.resources


def _enforced(status: Status, action: Action) -> Status:
    return "warn" if status == "fail" and action == "warn" else status


def _read(about: Object, outcome: Outcome) -> tuple[Path, str, str]:
    """Where the offending value is in what the user wrote, the value, and what is allowed."""
    if about.get("kind") == "SecretScan" and is_fact(about) and len(outcome.path) > len(("spec", "secrets")):
        found = _shown(about, (*outcome.path[:3], "value"))  # which the scanner has masked
        return scanned_at(about, outcome.path), found, ""
    return outcome.path, _shown(about, outcome.path), _short(outcome.allowed)


def _shown(value: Any, path: Path) -> str:
    """The value at ``path`` as JSON, cut short; empty when there is none, or when it is the whole object.

    What a Secret holds is not shown: findings end up in logs.
    """
    hidden = isinstance(value, Mapping) and value.get("kind") == "Secret" and _holds_secrets(path)
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ""
    if not path:
        return ""
    if hidden:
        return HIDDEN
    try:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    except (RecursionError, ValueError):  # too deep, or a number with more digits than anybody reads
        return "..."
    return _short(text)


def _holds_secrets(path: Path) -> bool:
    return any(path[: len(one)] == one[: len(path)] for one in _SECRET)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _fix(rule: CompiledRule, outcome: Outcome) -> str:
    """What to do where the policy does not say it."""
    more = f"`shipway policy explain {rule.id}` says more"
    if outcome.status == "error":
        return f"Give the rule what it needs to be judged, or repair it; {more}."
    what = f"`{path_shown(outcome.path)}`" if outcome.path else "the object"
    return f"Change {what} {'to what is allowed' if outcome.allowed else 'as the message says'}; {more}."


def refusals(findings: Iterable[Finding]) -> list[Finding]:
    """Those that forbid the change."""
    return [finding for finding in findings if finding.refuses]


def replayed(finding: Finding, evaluator: Evaluator, at: float) -> list[Finding]:
    """The finding's rule judged again over its snapshot of facts; empty for real objects, of which there is none.

    ``at`` is the time of the decision, in seconds since the epoch.
    """
    if finding.facts is None:
        return []
    facts: Mapping[str, Any] = finding.facts or NOTHING
    return [one for one in evaluator.evaluate(Request(object=facts, at=at)) if one.rule == finding.rule]
