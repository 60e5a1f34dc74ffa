"""The pod that every workload runs: hardened, probed, limited, spread out. Used by :mod:`.workload`; makes no object itself."""

from math import ceil
from typing import Any

from shipway.render import mesh, telemetry, versions
from shipway.render.context import Context
from shipway.render.environment import variables
from shipway.render.sizes import limits, requests
from shipway.render.tracing import Traced, derived, said
from shipway.spec.application import Health

USER = 65532
"""``nonroot`` of the distroless images; the number matters to nobody as long as it is not 0."""
DRAIN = 10
"""Seconds between leaving the load balancers and SIGTERM: every proxy has heard of it by then."""
GRACE = 30
"""Seconds after SIGTERM in which requests in flight may end."""
_PRIVILEGED = 1024
"""Ports below want rights, unless the pod says otherwise; some container runtimes say so by themselves, others do not."""

_SECURE_POD = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SECURE_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
}


def template(context: Context, restart: str = "Always") -> dict[str, Any]:
    """``template`` of a workload: labels and the pod."""
    labels = {**context.labels(), **versions.labels(context)}
    told = {**mesh.pod_annotations(context), **telemetry.pod_annotations(context)}
    return {"metadata": {"labels": labels, "annotations": told or None}, "spec": _pod(context, restart)}


def _pod(context: Context, restart: str) -> dict[str, Any]:
    pull = context.components.pull_secret
    return {
        "serviceAccountName": said(context.name, "metadata.name"),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": _grace(context),
        "imagePullSecrets": [{"name": said(pull, "platform.spec.components.pullSecret")}] if pull else None,
        "securityContext": _security(context),
        "topologySpreadConstraints": _spread(context) if context.production and not context.is_job else None,
        **_spot(context),
        "containers": [_container(context)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
    }


def _security(context: Context) -> dict[str, Any]:
    """Hardened; a disk is handed over once and not file by file at every start, and ports below 1024 need no rights."""
    disk = context.spec.disk
    rule = "files are handed over once, not at every start: of a large disk that takes minutes"
    once = derived("OnRootMismatch", rule, f"spec.storage.{disk.path}") if disk else None
    low = [name for name, number in context.ports.items() if number < _PRIVILEGED]
    rule = "whoever is not root may open a port below 1024 by this alone, since no capability is left"
    free = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": derived("0", rule, *map(context.port_field, low))}]
    return {**_SECURE_POD, "fsGroupChangePolicy": once, "sysctls": free if low else None}


def _container(context: Context) -> dict[str, Any]:
    return {
        "name": said(context.name, "metadata.name"),
        "image": said(context.spec.image, "spec.image"),
        "imagePullPolicy": "IfNotPresent",
        "command": _command(context),
        "ports": [_port(context, name, number) for name, number in context.ports.items()] or None,
        "env": variables(context) or None,
        "resources": {"requests": requests(context), "limits": limits(context)},
        **_probes(context),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN}}} if _called(context) else None,
        "securityContext": _SECURE_CONTAINER,
        "volumeMounts": _mounts(context),
    }


def _command(context: Context) -> Traced | None:
    """argv, with what a local process is told by the runtime coming from the pod instead."""
    command = context.spec.command
    if command is None:
        return None
    named = {"{port}": str(context.spec.port), "{instance}": "$(INSTANCE)"}
    words = list(command)
    for placeholder, value in named.items():
        words = [word.replace(placeholder, value) for word in words]
    return said(words, "spec.command")


def _port(context: Context, name: str, number: int) -> dict[str, Any]:
    field = context.port_field(name)
    return {"name": derived(name, "the port's name", field), "containerPort": said(number, field), "protocol": "TCP"}


def _mounts(context: Context) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  # a volume of the pod's own
    if disk := context.spec.disk:
        path = derived(disk.path, "the disk is found where it is declared", f"spec.storage.{disk.path}")
        mounts.append({"name": "data", "mountPath": path})
    return mounts


def _called(context: Context) -> bool:
    """Whether anybody may be calling it: whoever asks a service, or those who depend on a port of a worker."""
    return context.serving or any(True for _ in context.callers())


def _grace(context: Context) -> Traced:
    if not _called(context):
        return derived(GRACE, f"{GRACE} s after SIGTERM to finish what is under way", "spec.archetype")
    rule = f"{DRAIN} s until no proxy sends requests any more and {GRACE} s for those in flight"
    return derived(DRAIN + GRACE, rule, "spec.archetype")


def _probes(context: Context) -> dict[str, Any]:
    """Startup, readiness and liveness by the one question that the application answers; none if it answers none."""
    health = context.spec.health
    handler = _question(context, health)
    if handler is None:
        return {}
    period = derived(max(1, ceil(health.interval)), "the interval in whole seconds", "spec.health.interval")
    timeout = derived(max(1, ceil(health.timeout)), "the timeout in whole seconds", "spec.health.timeout")
    tries = ceil(health.startup / max(1, ceil(health.interval)))
    fields = ("spec.health.startup", "spec.health.interval")
    startup = derived(tries, "as many questions as fit into the time to start", *fields)
    rule = "ten times as long as until it gets no more requests: a restart is the last resort"
    patience = derived(10 * health.failures, rule, "spec.health.failures")
    failures = said(health.failures, "spec.health.failures")
    return {
        "startupProbe": {**handler, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": startup},
        "readinessProbe": {**handler, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures},
        "livenessProbe": {**handler, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": patience},
    }


def _question(context: Context, health: Health) -> dict[str, Any] | None:
    if context.is_job or context.health_port is None:
        return None
    port = derived(context.health_port, "health is asked on the main port", context.port_field(context.health_port))
    if context.spec.health_path is not None:
        return {"httpGet": {"path": said(health.path, "spec.health.path"), "port": port, "scheme": "HTTP"}}
    if context.serving and context.spec.protocol == "grpc":
        return {"grpc": {"port": said(context.spec.port, context.port_field(context.main_port))}}
    return {"tcpSocket": {"port": port}}


def _spread(context: Context) -> list[dict[str, Any]]:
    """Over zones and machines as evenly as there is room; a release is never stopped for it."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": context.selector()},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _spot(context: Context) -> dict[str, Any]:
    """Machines that can be taken away carry the label and the taint ``shipway.dev/spot``."""
    if not context.cost.spot:
        return {}
    field = f"platform.spec.profiles.cost.{context.spec.profiles.cost}.spot"
    key = derived("shipway.dev/spot", "the cost profile allows machines that can be taken away", field)
    wish = {"matchExpressions": [{"key": key, "operator": "Exists"}]}
    return {
        "tolerations": [{"key": key, "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": wish}]}
        },
    }
