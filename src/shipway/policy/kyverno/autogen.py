"""Rules for pods rewritten for what makes pods: Deployments, Jobs, CronJobs ...

Called by ``loading``. A rule is rewritten, not the object, so that paths in outcomes are those of the controller's template.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shipway.policy.kyverno import matching, pods

ANNOTATION = "pod-policies.kyverno.io/autogen-controllers"
_TEXTS = ("context", "preconditions", "celPreconditions")
LONGEST_NAME = 63


def rules(policy: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rules of a policy with those generated from them, each with the index of its origin."""
    listed = [rule for rule in policy["spec"].get("rules") or () if isinstance(rule, Mapping)]
    controllers = _controllers(policy, listed)
    for index, rule in enumerate(listed):
        yield index, rule
        if "validate" in rule and any(
            matching.parse_kind(kind).kind == "Pod" for kind in matching.kinds_of(rule.get("match"))
        ):
            yield from ((index, made) for made in _generated(rule, controllers))


def _controllers(policy: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Kinds to generate for; none when any rule of the policy selects pods in a way that controllers lack."""
    annotations = (policy.get("metadata") or {}).get("annotations") or {}
    wanted = annotations.get(ANNOTATION)
    if wanted == "none" or not all(_applies(rule) for rule in listed):
        return []
    if wanted is None or wanted == "all":
        return [*pods.TEMPLATED, "CronJob"]
    return [kind.strip() for kind in str(wanted).split(",") if kind.strip() not in {"", "none"}]


def _applies(rule: Mapping[str, Any]) -> bool:
    mutate = rule.get("mutate") or {}
    if (
        rule.get("generate")
        or mutate.get("patchesJson6902")
        or any(each.get("patchesJson6902") for each in mutate.get("foreach") or ())
    ):
        return False
    return all(
        _generic(one.get("resources") or {})
        for block in ("match", "exclude")
        for one in matching.filters(rule.get(block))
    )


def _generic(resources: Mapping[str, Any]) -> bool:
    if any(resources.get(key) for key in ("name", "names", "selector", "annotations")):
        return False
    kinds = [matching.parse_kind(str(kind)).kind for kind in resources.get("kinds") or ()]
    return len(kinds) <= 1 or "Pod" not in kinds


def _generated(rule: Mapping[str, Any], controllers: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    templated = [kind for kind in controllers if kind != "CronJob"]
    if templated:
        yield _rewritten(rule, "autogen-", templated, "spec.template")
    if "CronJob" in controllers:
        yield _rewritten(rule, "autogen-cronjob-", ["CronJob"], "spec.jobTemplate.spec.template")


def _rewritten(rule: Mapping[str, Any], prefix: str, kinds: Sequence[str], template: str) -> Mapping[str, Any]:
    made = dict(rule)
    made["name"] = f"{prefix}{rule.get('name', '')}"[:LONGEST_NAME]
    for block in ("match", "exclude"):
        if rule.get(block):
            made[block] = _with_kinds(rule[block], kinds)
    cel = isinstance(rule["validate"], Mapping) and "cel" in rule["validate"]
    shift = cel_shift(template) if cel else _shift(template)
    made |= {key: rewrite(rule[key], shift) for key in _TEXTS if key in rule}
    made["validate"] = _validation(rule["validate"], shift, template)
    return made


def _with_kinds(block: Any, kinds: Sequence[str]) -> Any:
    if isinstance(block, list):
        return [_with_kinds(one, kinds) for one in block]
    if not isinstance(block, Mapping):
        return block
    made = {key: _with_kinds(value, kinds) for key, value in block.items()}
    listed = made.get("kinds")
    if isinstance(listed, list) and any(matching.parse_kind(str(kind)).kind == "Pod" for kind in listed):
        made["kinds"] = list(kinds)
    return made


def _validation(validate: Any, shift: Callable[[str], str], template: str) -> Any:
    if not isinstance(validate, Mapping):
        return validate
    made = {
        key: rewrite(value, shift)
        for key, value in validate.items()
        if key not in {"pattern", "anyPattern", "podSecurity"}
    }
    if "pattern" in validate:
        made["pattern"] = _wrapped(rewrite(validate["pattern"], shift), template)
    if isinstance(validate.get("anyPattern"), list):
        made["anyPattern"] = [_wrapped(rewrite(one, shift), template) for one in validate["anyPattern"]]
    if "podSecurity" in validate:
        made["podSecurity"] = validate["podSecurity"]
    return made


def _wrapped(pattern: object, template: str) -> object:
    for part in reversed(template.split(".")):
        pattern = {part: pattern}
    return pattern


def rewrite(value: Any, shift: Callable[[str], str]) -> Any:
    """Every text in ``value``, keys included."""
    if isinstance(value, str):
        return shift(value)
    if isinstance(value, Mapping):
        return {shift(str(key)): rewrite(below, shift) for key, below in value.items()}
    return [rewrite(item, shift) for item in value] if isinstance(value, list) else value


def _shift(template: str) -> Callable[[str], str]:
    return _replacing(
        {
            f"request.{of}.{part}": f"request.{of}.{template}.{part}"
            for of in ("object", "oldObject")
            for part in ("spec", "metadata")
        }
    )


def cel_shift(template: str) -> Callable[[str], str]:
    """For CEL: ``object.spec`` and ``object.metadata`` become those of the template."""
    return _replacing(
        {f"{of}.{part}": f"{of}.{template}.{part}" for of in ("object", "oldObject") for part in ("spec", "metadata")}
    )


def _replacing(words: Mapping[str, str]) -> Callable[[str], str]:
    def shift(text: str) -> str:
        for old, new in words.items():
            text = text.replace(old, new)
        return text

    return shift
