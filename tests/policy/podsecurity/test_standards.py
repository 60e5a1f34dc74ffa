"""Single values against the standards: which control, which path, and from which version on."""

from typing import Any

import pytest

from shipway.policy.podsecurity import standards

CONTAINER = {
    "name": "c",
    "image": "i",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def pod(spec: dict[str, Any] | None = None, security: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    merged = {**CONTAINER, **container, "securityContext": {**CONTAINER["securityContext"], **(security or {})}}  # type: ignore[dict-item]  # a map
    return {"metadata": {"name": "p"}, "spec": {"containers": [merged], **(spec or {})}}


def controls(value: dict[str, Any], level: standards.Level = "restricted", minor: int = standards.LATEST) -> list[str]:
    return [f"{one.control}: {one.field}" for one in standards.violations(value, level, minor=minor)]


def test_a_hardened_pod_passes_and_privileged_allows_everything() -> None:
    assert controls(pod()) == []
    assert controls(pod({"hostPID": True}), "privileged") == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (pod({"hostNetwork": True}), "Host Namespaces: spec.hostNetwork"),
        (pod({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), "HostPath Volumes: spec.volumes[*].hostPath"),
        (
            pod({"securityContext": {"windowsOptions": {"hostProcess": True}}}),
            "HostProcess: spec.securityContext.windowsOptions.hostProcess",
        ),
        (
            pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}),
            "Sysctls: spec.securityContext.sysctls[*].name",
        ),
        (pod(security={"privileged": True}), "Privileged Containers: spec.containers[*].securityContext.privileged"),
        (
            pod(security={"capabilities": {"add": ["SYS_ADMIN"]}}),
            "Capabilities: spec.containers[*].securityContext.capabilities.add[*]",
        ),
        (pod(security={"procMount": "Unmasked"}), "/proc Mount Type: spec.containers[*].securityContext.procMount"),
        (
            pod(security={"seLinuxOptions": {"user": "root"}}),
            "SELinux: spec.containers[*].securityContext.seLinuxOptions.user",
        ),
        (
            pod(security={"seccompProfile": {"type": "Unconfined"}}),
            "Seccomp: spec.containers[*].securityContext.seccompProfile.type",
        ),
        (
            pod(security={"appArmorProfile": {"type": "Unconfined"}}),
            "AppArmor: spec.containers[*].securityContext.appArmorProfile.type",
        ),
        (pod(ports=[{"containerPort": 80}, {"hostPort": 80}]), "Host Ports: spec.containers[*].ports[*].hostPort"),
        (
            pod(livenessProbe={"httpGet": {"host": "x"}}),
            "Host Probes / Lifecycle Hooks: spec.containers[*].livenessProbe.httpGet.host",
        ),
    ],
)
def test_baseline_names_the_control_and_the_field(value: dict[str, Any], found: str) -> None:
    assert controls(value, "baseline") == [found]
    assert found in controls(value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (pod({"volumes": [{"name": "v", "nfs": {}}]}), "Volume Types: spec.volumes[*].nfs"),
        (
            pod(security={"allowPrivilegeEscalation": True}),
            "Privilege Escalation: spec.containers[*].securityContext.allowPrivilegeEscalation",
        ),
        (pod(security={"runAsNonRoot": None}), "Running as Non-root: spec.containers[*].securityContext.runAsNonRoot"),
        (pod(security={"runAsUser": 0}), "Running as Non-root user: spec.containers[*].securityContext.runAsUser"),
        (pod(security={"capabilities": {}}), "Capabilities: spec.containers[*].securityContext.capabilities.drop"),
        (pod(security={"seccompProfile": None}), "Seccomp: spec.containers[*].securityContext.seccompProfile.type"),
    ],
)
def test_restricted_asks_for_more(value: dict[str, Any], found: str) -> None:
    assert controls(value, "baseline") == []
    assert controls(value) == [found]


@pytest.mark.parametrize(
    ("value", "level", "allowed", "forbidden"),
    [
        (pod(livenessProbe={"tcpSocket": {"host": "x"}}), "baseline", 33, 34),
        (pod(security={"runAsUser": 0}), "restricted", 22, 23),
        (pod(security={"capabilities": {}}), "restricted", 21, 22),
        (pod({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}}), "baseline", 32, 31),
        (pod({"securityContext": {"seLinuxOptions": {"type": "container_engine_t"}}}), "baseline", 31, 30),
        (pod({"hostUsers": False}, security={"procMount": "Unmasked"}), "baseline", 35, 34),
    ],
)
def test_versions_differ(value: dict[str, Any], level: standards.Level, allowed: int, forbidden: int) -> None:
    assert controls(value, level, allowed) == []
    assert controls(value, level, forbidden) != []


def test_what_the_pod_says_holds_for_containers_that_say_nothing() -> None:
    bare = {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    inherited = {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}}
    assert controls({"spec": {"containers": [bare], "securityContext": inherited}}) == []
    assert len(controls({"spec": {"containers": [bare]}})) == 2


@pytest.mark.parametrize(
    ("text", "minor"),
    [("latest", standards.LATEST), ("", standards.LATEST), ("v1.25", 25), ("1.25", None), ("v2", None)],
)
def test_versions_are_read_as_kubernetes_writes_them(text: str, minor: int | None) -> None:
    assert standards.minor_of(text) == minor
