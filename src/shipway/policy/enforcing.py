"""What a platform does about its rules: off, audit, warn or deny, per rule and environment; and who is excepted.

Called by :mod:`shipway.policy.evaluating`. A rule that no entry of a PolicySet names is audited (or what ``default``
says), so that a new rule first shows what it would have stopped.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from shipway.policy.findings import Subject
from shipway.policy.rules import Action, CompiledRule
from shipway.spec.policies import Enforced, Merged, PolicyException, SubjectPattern


def action_of(rule: CompiledRule, sets: Merged, environment: str) -> Action:
    """What holds for a rule in an environment. The last entry that names the rule and says something wins."""
    for entry in reversed(sets.enforce):
        if _names(entry.rules, rule) and (said := _said(entry, environment)):
            return said
    if rule.environments and environment not in rule.environments:
        return "off"
    return sets.default or rule.action


def exception_of(
    rule: CompiledRule, subject: Subject, sets: Merged, environment: str, at: float
) -> PolicyException | None:
    """The exception that covers the subject; one that has expired covers nothing."""
    for one in sets.exceptions:
        if (
            _names(one.rules, rule)
            and (not one.environments or environment in one.environments)
            and any(_fits(pattern, subject) for pattern in one.subjects)
            and not one.is_expired(at)
        ):
            return one
    return None


def unknown_rules(sets: Merged, rules: Iterable[CompiledRule]) -> list[str]:
    """Names in the sets that fit no rule: most likely misspelt, and then something is not enforced that should be."""
    known = list(rules)
    named = [name for entry in sets.enforce for name in entry.rules]
    named += [name for one in sets.exceptions for name in one.rules]
    return [name for name in dict.fromkeys(named) if not any(_names((name,), rule) for rule in known)]


def _said(entry: Enforced, environment: str) -> Action | None:
    return entry.environments.get(environment, entry.action)


def _names(patterns: Iterable[str], rule: CompiledRule) -> bool:
    return any(fnmatchcase(rule.id, pattern) or fnmatchcase(rule.policy, pattern) for pattern in patterns)


def _fits(pattern: SubjectPattern, subject: Subject) -> bool:
    wanted = ((pattern.kind, subject.kind), (pattern.namespace, subject.namespace), (pattern.name, subject.name))
    return all(want is None or fnmatchcase(is_, want) for want, is_ in wanted)
