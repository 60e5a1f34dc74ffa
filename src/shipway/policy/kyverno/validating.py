"""``ValidatingPolicy`` of ``policies.kyverno.io``: compiled here, with what it generates for pod controllers.

Called by ``loading``. Expressions are judged in ``celrules``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.kyverno import autogen, celrules, exceptions
from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.matching import Constraints
from shipway.policy.resources import namespace, subject_of
from shipway.policy.rules import Outcome, Request

_CONTROLLERS: Mapping[str, tuple[str, str, str]] = {
    "cronjobs": ("batch", "spec.jobTemplate.spec.template", "autogen-cronjobs"),
    "daemonsets": ("apps", "spec.template", "autogen-defaults"),
    "deployments": ("apps", "spec.template", "autogen-defaults"),
    "jobs": ("batch", "spec.template", "autogen-defaults"),
    "replicasets": ("apps", "spec.template", "autogen-defaults"),
    "statefulsets": ("apps", "spec.template", "autogen-defaults"),
}
"""Resource to API group, place of the pod template, and name of the generated rule."""
_KNOWN = frozenset({
    "evaluation", "matchConstraints", "matchConditions", "variables", "validations", "validationActions", "validationAction",
    "auditAnnotations", "failurePolicy", "autogen", "webhookConfiguration",
})  # fmt: skip


class Rule(msgspec.Struct, frozen=True):
    """A policy, or what was generated from it for controllers."""

    name: str
    constraints: Constraints | None
    expressions: celrules.Expressions
    namespace: str = ""
    """Of a NamespacedValidatingPolicy: only objects in it are concerned."""
    exempt: tuple[exceptions.Exemption, ...] = ()


def rules(document: Mapping[str, Any], exempt: Sequence[exceptions.Exemption]) -> Iterator[Rule]:
    """The compiled policy and its generated variants. Raises :class:`Unsupported`."""
    spec = document["spec"]
    for key in spec:
        if key not in _KNOWN:
            raise Unsupported(f"`{key}` of a ValidatingPolicy is not supported", ("spec", key))
    mode = (spec.get("evaluation") or {}).get("mode") or "Kubernetes"
    if mode not in {"Kubernetes", "JSON"}:
        raise Unsupported(f"payloads of the mode `{mode}` are not supported", ("spec", "evaluation", "mode"))
    metadata = document.get("metadata") or {}
    within = str(metadata.get("namespace") or "") if document.get("kind") == "NamespacedValidatingPolicy" else ""
    name = str(metadata.get("name", ""))
    written = spec.get("matchConstraints")
    yield Rule(name, Constraints(written) if written else None, _expressions(spec), within, tuple(exempt))
    for made, constraints, below in _generated(spec):
        yield Rule(made, Constraints(constraints), _expressions(below), within, tuple(exempt))


def _expressions(spec: Mapping[str, Any]) -> celrules.Expressions:
    variables = celrules.variables_of(spec.get("variables"), ("spec", "variables"))
    celrules.check_annotations(spec.get("auditAnnotations"), ("spec", "auditAnnotations"), variables)
    return celrules.Expressions(
        validations=celrules.validations_of(spec.get("validations"), ("spec", "validations"), variables),
        variables=variables,
        conditions=celrules.conditions_of(spec.get("matchConditions"), ("spec", "matchConditions"), variables),
        lenient=spec.get("failurePolicy") == "Ignore",
        whole=(spec.get("evaluation") or {}).get("mode") == "JSON",
    )


def _generated(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Name, constraints and rewritten spec of each group of controllers with the template in the same place."""
    if not _for_pods(spec.get("matchConstraints")):
        return
    wanted = ((spec.get("autogen") or {}).get("podControllers") or {}).get("controllers")
    names = [name for name in _CONTROLLERS if wanted is None or name in wanted]
    operations = spec["matchConstraints"]["resourceRules"][0].get("operations") or ["*"]
    for rule in dict.fromkeys(_CONTROLLERS[name][2] for name in names):
        members = [name for name in names if _CONTROLLERS[name][2] == rule]
        shift = autogen.cel_shift(_CONTROLLERS[members[0]][1])
        constraints = {
            "resourceRules": [
                {
                    "apiGroups": [_CONTROLLERS[name][0]],
                    "apiVersions": ["v1"],
                    "operations": operations,
                    "resources": [name],
                }
                for name in members
            ]
        }
        texts = {
            key: autogen.rewrite(spec[key], shift)
            for key in ("variables", "validations", "matchConditions")
            if key in spec
        }
        yield rule, constraints, {**spec, **texts}


def _for_pods(constraints: object) -> bool:
    """Only pods, by nothing that their controllers lack."""
    if not isinstance(constraints, Mapping) or any(
        constraints.get(key) for key in ("namespaceSelector", "objectSelector")
    ):
        return False
    listed: list[Any] = constraints.get("resourceRules") or []
    return (
        len(listed) == 1 and list(listed[0].get("resources") or ()) == ["pods"] and not listed[0].get("resourceNames")
    )


def judge(rule: Rule, request: Request) -> Sequence[Outcome]:
    """The outcome of the policy; empty when it is not about this request."""
    try:
        if not rule.expressions.whole and not _concerned(rule, request):
            return ()
        return [_excepted(rule, request) if rule.exempt else celrules.judge(rule.expressions, request)]
    except RuleFault as fault:
        return [Outcome("error", str(fault))]


def _excepted(rule: Rule, request: Request) -> Outcome:
    """An exception skips the policy, unless it only gives values for expressions to allow."""
    data = Context(request)
    applying = [one for one in rule.exempt if one.applies(request, data)]
    if full := next((one for one in applying if not one.values), None):
        return Outcome("pass" if full.result == "pass" else "skip", f"excepted by {full.name}")
    merged = {key: [value for one in applying for value in one.values[key]] for key in exceptions.VALUES}
    return celrules.judge(msgspec.structs.replace(rule.expressions, exceptions=merged), request)


def _concerned(rule: Rule, request: Request) -> bool:
    if rule.namespace and namespace(subject_of(request)) != rule.namespace:
        return False
    return rule.constraints is None or rule.constraints.meet(request)
