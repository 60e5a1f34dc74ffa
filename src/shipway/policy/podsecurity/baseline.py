"""The controls of the level ``baseline``. Each yields what it forbids; called by ``standards`` in the standard's order."""

from collections.abc import Iterator

from shipway.policy.podsecurity.pod import Pod, Violation, mapping, sequence

CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
_SYSCTLS = {
    0: (
        "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start "
        "net.ipv4.tcp_syncookies net.ipv4.ping_group_range"
    ),
    27: "net.ipv4.ip_local_reserved_ports",
    29: (
        "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes"
    ),
    32: "net.ipv4.tcp_rmem net.ipv4.tcp_wmem",
    37: "net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_notsent_lowat",
}
"""Safe sysctls by the minor version that first allows them."""
_SELINUX_TYPES = {0: ("", "container_t", "container_init_t", "container_kvm_t"), 31: ("container_engine_t",)}
_APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def host_process(pod: Pod) -> Iterator[Violation]:
    """Windows pods must not run as processes of the host."""
    for path, context, image in pod.contexts():
        if mapping(context.get("windowsOptions")).get("hostProcess"):
            yield Violation("HostProcess", (*path, "windowsOptions", "hostProcess"), "must not be true", True, image)


def host_namespaces(pod: Pod) -> Iterator[Violation]:
    """No network, processes or IPC shared with the host."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name):
            yield Violation("Host Namespaces", ("spec", name), "must not be true", True)


def privileged(pod: Pod) -> Iterator[Violation]:
    """No privileged containers."""
    for container in pod.containers():
        if container.security.get("privileged"):
            path = (*container.path, "securityContext", "privileged")
            yield Violation("Privileged Containers", path, "must not be true", True, container.image)


def capabilities(pod: Pod) -> Iterator[Violation]:
    """No capabilities beyond the default set of container runtimes."""
    for container in pod.containers():
        added = sequence(mapping(container.security.get("capabilities")).get("add"))
        for index, name in enumerate(added):
            if str(name) not in CAPABILITIES:
                path = (*container.path, "securityContext", "capabilities", "add", index)
                yield Violation("Capabilities", path, f"must not add {name}", name, container.image)


def host_path_volumes(pod: Pod) -> Iterator[Violation]:
    """No volumes from the host's file system."""
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        if mapping(volume).get("hostPath") is not None:
            yield Violation(
                "HostPath Volumes", ("spec", "volumes", index, "hostPath"), "must not be set", volume["hostPath"]
            )


def host_ports(pod: Pod) -> Iterator[Violation]:
    """No ports of the host."""
    for container in pod.containers():
        for index, port in enumerate(sequence(container.fields.get("ports"))):
            if number := mapping(port).get("hostPort"):
                path = (*container.path, "ports", index, "hostPort")
                yield Violation("Host Ports", path, "must not be set", number, container.image)


def host_probes(pod: Pod) -> Iterator[Violation]:
    """Probes and hooks reach only their own pod (v1.34)."""
    if pod.minor < 34:
        return
    places = [
        *((probe,) for probe in ("livenessProbe", "readinessProbe", "startupProbe")),
        *(("lifecycle", hook) for hook in ("postStart", "preStop")),
    ]
    for container in pod.containers():
        for place in places:
            handler = mapping(container.fields)
            for part in place:
                handler = mapping(handler.get(part))
            for action in ("httpGet", "tcpSocket"):
                if host := mapping(handler.get(action)).get("host"):
                    path = (*container.path, *place, action, "host")
                    yield Violation("Host Probes / Lifecycle Hooks", path, "must not be set", host, container.image)


def apparmor(pod: Pod) -> Iterator[Violation]:
    """AppArmor's default profile is not switched off."""
    for path, context, image in pod.contexts():
        kind = mapping(context.get("appArmorProfile")).get("type")
        if kind not in {None, "RuntimeDefault", "Localhost"}:
            yield Violation("AppArmor", (*path, "appArmorProfile", "type"), f"must not be {kind}", kind, image)
    for name, value in pod.annotations.items():
        if str(name).startswith(_APPARMOR_PREFIX) and not _allowed_profile(str(value), "runtime/default"):
            yield Violation("AppArmor", ("metadata", "annotations", name), f"must not be {value}", value)


def _allowed_profile(value: str, *defaults: str) -> bool:
    return value in {"", *defaults} or value.startswith("localhost/")


def selinux(pod: Pod) -> Iterator[Violation]:
    """SELinux: only types for containers, no own user or role."""
    types = {name for since, names in _SELINUX_TYPES.items() if pod.minor >= since for name in names}
    for path, context, image in pod.contexts():
        options = mapping(context.get("seLinuxOptions"))
        if options.get("type") is not None and options["type"] not in types:
            yield Violation(
                "SELinux", (*path, "seLinuxOptions", "type"), f"must not be {options['type']}", options["type"], image
            )
        for name in ("user", "role"):
            if options.get(name):
                yield Violation("SELinux", (*path, "seLinuxOptions", name), "must not be set", options[name], image)


def proc_mount(pod: Pod) -> Iterator[Violation]:
    """``/proc`` is masked; v1.35 lets pods with users of their own unmask it."""
    if pod.minor >= 35 and pod.own_users:
        return
    yield from masked_proc(pod)


def masked_proc(pod: Pod) -> Iterator[Violation]:
    """``/proc`` is masked."""
    for container in pod.containers():
        kind = container.security.get("procMount")
        if kind not in {None, "", "Default"}:
            path = (*container.path, "securityContext", "procMount")
            yield Violation("/proc Mount Type", path, f"must not be {kind}", kind, container.image)


def seccomp(pod: Pod) -> Iterator[Violation]:
    """Seccomp is not switched off; before v1.19 annotations say so."""
    if pod.minor < 19:
        yield from _seccomp_annotations(pod)
        return
    for path, context, image in pod.contexts():
        kind = mapping(context.get("seccompProfile")).get("type")
        if kind not in {None, "RuntimeDefault", "Localhost"}:
            yield Violation("Seccomp", (*path, "seccompProfile", "type"), f"must not be {kind}", kind, image)


def _seccomp_annotations(pod: Pod) -> Iterator[Violation]:
    for name, value in pod.annotations.items():
        relevant = name == _SECCOMP_POD or str(name).startswith(_SECCOMP_CONTAINER)
        if relevant and not _allowed_profile(str(value), "runtime/default", "docker/default"):
            yield Violation("Seccomp", ("metadata", "annotations", name), f"must not be {value}", value)


def sysctls(pod: Pod) -> Iterator[Violation]:
    """Only sysctls that are kept apart by namespaces."""
    safe = {name for since, names in _SYSCTLS.items() if pod.minor >= since for name in names.split()}
    for index, sysctl in enumerate(sequence(pod.security.get("sysctls"))):
        name = str(mapping(sysctl).get("name", ""))
        if name not in safe:
            path = ("spec", "securityContext", "sysctls", index, "name")
            yield Violation("Sysctls", path, f"must not set {name}", name)


CHECKS = (
    host_process,
    host_namespaces,
    privileged,
    capabilities,
    host_path_volumes,
    host_ports,
    host_probes,
    apparmor,
    selinux,
    proc_mount,
    seccomp,
    sysctls,
)
