"""The controls that the level ``restricted`` adds to ``baseline``. Called by ``standards``."""

from collections.abc import Iterator

from shipway.policy.podsecurity import baseline
from shipway.policy.podsecurity.pod import Pod, Violation, mapping, sequence

VOLUMES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
})  # fmt: skip
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})


def volume_types(pod: Pod) -> Iterator[Violation]:
    """Only volumes that come from the cluster, not from the host or a network share."""
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        for kind in sorted(str(key) for key in mapping(volume) if key != "name"):
            if kind not in VOLUMES:
                yield Violation("Volume Types", ("spec", "volumes", index, kind), f"must not be of type {kind}", kind)


def privilege_escalation(pod: Pod) -> Iterator[Violation]:
    """Containers must say that they gain no privileges (v1.8); Windows is exempt."""
    if pod.minor < 8 or pod.windows:
        return
    for container in pod.containers():
        if container.security.get("allowPrivilegeEscalation") is not False:
            path = (*container.path, "securityContext", "allowPrivilegeEscalation")
            found = container.security.get("allowPrivilegeEscalation")
            yield Violation("Privilege Escalation", path, "must be false", found, container.image)


def non_root(pod: Pod) -> Iterator[Violation]:
    """Each container says, or inherits from the pod, that it does not run as root."""
    inherited = pod.security.get("runAsNonRoot")
    containers = list(pod.containers())
    said = [container.security.get("runAsNonRoot") for container in containers]
    if (
        inherited is not True
        and (inherited is False or not containers)
        and not (containers and all(value is True for value in said))
    ):
        yield Violation("Running as Non-root", ("spec", "securityContext", "runAsNonRoot"), "must be true", inherited)
    for container, value in zip(containers, said, strict=True):
        if value is False or (value is None and inherited is None):
            path = (*container.path, "securityContext", "runAsNonRoot")
            yield Violation("Running as Non-root", path, "must be true", value, container.image)


def non_root_user(pod: Pod) -> Iterator[Violation]:
    """No container runs as user 0 (v1.23)."""
    if pod.minor < 23:
        return
    for path, context, image in pod.contexts():
        user = context.get("runAsUser")
        if user == 0 and user is not False:
            yield Violation("Running as Non-root user", (*path, "runAsUser"), "must not be 0", 0, image)


def seccomp(pod: Pod) -> Iterator[Violation]:
    """Each container has, or inherits, a seccomp profile (v1.19); Windows is exempt."""
    if pod.minor < 19 or pod.windows:
        return
    inherited = mapping(pod.security.get("seccompProfile")).get("type")
    if inherited is not None and inherited not in _PROFILES:
        path = ("spec", "securityContext", "seccompProfile", "type")
        yield Violation("Seccomp", path, "must be RuntimeDefault or Localhost", inherited)
    for container in pod.containers():
        kind = mapping(container.security.get("seccompProfile")).get("type")
        if kind not in _PROFILES and not (kind is None and inherited is not None):
            where = (*container.path, "securityContext", "seccompProfile", "type")
            yield Violation("Seccomp", where, "must be RuntimeDefault or Localhost", kind, container.image)


def capabilities(pod: Pod) -> Iterator[Violation]:
    """Every capability is dropped, at most NET_BIND_SERVICE added (v1.22); Windows is exempt."""
    if pod.minor < 22 or pod.windows:
        return
    for container in pod.containers():
        asked = mapping(container.security.get("capabilities"))
        path = (*container.path, "securityContext", "capabilities")
        if "ALL" not in sequence(asked.get("drop")):
            yield Violation("Capabilities", (*path, "drop"), "must drop ALL", asked.get("drop"), container.image)
        for index, name in enumerate(sequence(asked.get("add"))):
            if name != "NET_BIND_SERVICE":
                yield Violation("Capabilities", (*path, "add", index), f"must not add {name}", name, container.image)


def proc_mount(pod: Pod) -> Iterator[Violation]:
    """``/proc`` is masked, whatever users the pod has (v1.35; before, baseline said so)."""
    if pod.minor >= 35 and pod.own_users:
        yield from baseline.masked_proc(pod)


CHECKS = (volume_types, privilege_escalation, non_root, non_root_user, seccomp, capabilities, proc_mount)
