"""``PolicyException``: what a policy must let pass. Both groups, ``kyverno.io`` and ``policies.kyverno.io``.

Compiled by ``loading``, asked by ``validation`` and ``celrules`` before a rule is evaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.kyverno import celrules, conditions, matching, wildcards
from shipway.policy.kyverno.context import Context
from shipway.policy.rules import Request

VALUES = ("allowedImages", "allowedValues")
"""What an exception may give to expressions instead of skipping the policy: ``exceptions.allowedImages``."""


class Exemption(msgspec.Struct, frozen=True):
    """An exception from one rule."""

    name: str
    """``namespace/name`` of the exception."""
    applies: Callable[[Request, Context], bool]
    controls: tuple[Mapping[str, Any], ...] = ()
    """Exemptions from Pod Security Standards only, instead of the whole rule."""
    values: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """``allowedImages`` and ``allowedValues``, for expressions to take into account instead of skipping the rule."""
    result: str = "skip"
    """How an excepted rule is reported: ``skip`` or ``pass``."""


def title(document: Mapping[str, Any]) -> str:
    """``namespace/name``."""
    metadata = document.get("metadata") or {}
    return (
        f"{metadata['namespace']}/{metadata.get('name', '')}"
        if metadata.get("namespace")
        else str(metadata.get("name", ""))
    )


def for_rule(documents: Sequence[Mapping[str, Any]], policy: str, rule: str) -> tuple[Exemption, ...]:
    """Exceptions of ``kyverno.io`` that name a rule."""
    return tuple(
        Exemption(title(one), _matcher(one["spec"]), tuple(one["spec"].get("podSecurity") or ()))
        for one in documents
        if isinstance(one.get("spec"), Mapping)
        and any(_names(each, policy, rule) for each in one["spec"].get("exceptions") or ())
    )


def _names(each: Mapping[str, Any], policy: str, rule: str) -> bool:
    return each.get("policyName") == policy and any(
        wildcards.matches(str(name), rule) for name in each.get("ruleNames") or ()
    )


def _matcher(spec: Mapping[str, Any]) -> Callable[[Request, Context], bool]:
    def applies(request: Request, data: Context) -> bool:
        return matching.matches(spec.get("match"), request) and conditions.hold(spec.get("conditions"), data.lenient)

    return applies


def for_policy(documents: Sequence[Mapping[str, Any]], kind: str, policy: str) -> tuple[Exemption, ...]:
    """Exceptions of ``policies.kyverno.io`` that name a policy."""
    return tuple(
        _by_expressions(one)
        for one in documents
        if isinstance(one.get("spec"), Mapping)
        and any(
            each.get("name") == policy and each.get("kind", kind) == kind
            for each in one["spec"].get("policyRefs") or ()
        )
    )


def _by_expressions(document: Mapping[str, Any]) -> Exemption:
    spec = document["spec"]
    wanted = celrules.conditions_of(spec.get("matchConditions"), ("spec", "matchConditions"), {})

    def applies(request: Request, data: Context) -> bool:
        del data
        return celrules.all_hold(wanted, request)

    values = {key: list(spec.get(key) or ()) for key in VALUES}
    return Exemption(
        title(document), applies, (), values if any(values.values()) else {}, str(spec.get("reportResult") or "skip")
    )
