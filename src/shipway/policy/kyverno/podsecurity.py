"""Kyverno's ``validate.podSecurity``: a level of the Pod Security Standards with exemptions. Called by ``validation``."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from shipway.policy.kyverno import pods, wildcards
from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import Unsupported
from shipway.policy.podsecurity import standards
from shipway.policy.podsecurity.pod import Violation
from shipway.policy.rules import Outcome, Path, Request

CONTROLS = frozenset(
    {
        "HostProcess",
        "Host Namespaces",
        "Privileged Containers",
        "Capabilities",
        "HostPath Volumes",
        "Host Ports",
        "Host Probes / Lifecycle Hooks",
        "AppArmor",
        "SELinux",
        "/proc Mount Type",
        "Seccomp",
        "Sysctls",
        "Volume Types",
        "Privilege Escalation",
        "Running as Non-root",
        "Running as Non-root user",
    }
)
_ALIASES = {
    "hostprobesandhostlifecycle": "Host Probes / Lifecycle Hooks",
    "host probes": "Host Probes / Lifecycle Hooks",
}


def check(block: Mapping[str, Any], path: Path) -> None:
    """Refuse levels, versions and controls that do not exist."""
    if block.get("level") not in standards.LEVELS:
        raise Unsupported(
            f"expected privileged, baseline or restricted, found `{block.get('level')}`", (*path, "level")
        )
    if standards.minor_of(str(block.get("version") or "")) is None:
        raise Unsupported(
            f"expected latest or a version such as v1.37, found `{block.get('version')}`", (*path, "version")
        )
    check_exclusions(block.get("exclude"), (*path, "exclude"))


def check_exclusions(listed: object, path: Path) -> None:
    """Refuse exemptions of controls that do not exist."""
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(one, Mapping) or _control(one) not in CONTROLS:
            raise Unsupported(
                "expected the name of a control of the Pod Security Standards", (*path, index, "controlName")
            )


def _control(one: Mapping[str, Any]) -> str:
    name = str(one.get("controlName", ""))
    return _ALIASES.get(name.lower(), name)


def judge(
    validate: Mapping[str, Any], request: Request, data: Context, exempt: Sequence[Mapping[str, Any]]
) -> Sequence[Outcome]:
    """A failure for every violation that nothing exempts."""
    block = validate["podSecurity"]
    found = pods.template_of(request.object or {})
    if found is None:
        return [Outcome("skip", "the object makes no pods")]
    path, pod = found
    level = cast(standards.Level, block["level"])
    minor = standards.minor_of(str(block.get("version") or ""))
    exclusions = [*(block.get("exclude") or ()), *exempt]
    broken = standards.violations(pod, level, minor=standards.LATEST if minor is None else minor)
    left = [one for one in broken if not any(_exempts(exclusion, one) for exclusion in exclusions)]
    if not left:
        excepted = any(_exempts(exclusion, one) for exclusion in exempt for one in broken)
        return [Outcome("skip", "excepted") if excepted else Outcome("pass")]
    text = str(data.lenient(str(validate.get("message") or ""))) or f"it violates the Pod Security Standard {level}"
    said = text.rstrip(".")
    return [
        Outcome("fail", f"{said}: {one.control}: {one.field} {one.message}", (*path, *one.path), allowed=one.message)
        for one in left
    ]


def _exempts(exclusion: Mapping[str, Any], violation: Violation) -> bool:
    """Without images an exemption is for the pod's own fields, with images for those of such containers."""
    if _control(exclusion) != violation.control:
        return False
    images = exclusion.get("images")
    if images:
        if not violation.image or not any(wildcards.matches(str(pattern), violation.image) for pattern in images):
            return False
    elif violation.image:
        return False
    return _exempts_value(exclusion, violation)


def _exempts_value(exclusion: Mapping[str, Any], violation: Violation) -> bool:
    field = exclusion.get("restrictedField")
    if not field:
        return True
    same = violation.field.removesuffix("[*]") == str(field).removesuffix("[*]")
    values = exclusion.get("values") or ()
    return same and any(wildcards.matches(str(pattern), _shown(violation.value)) for pattern in values)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("path", ""))
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
