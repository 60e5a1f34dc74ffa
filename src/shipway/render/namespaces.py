"""A namespace and its bounds: pod security, a quota, and defaults for what says nothing of its needs.

Every application has a namespace of its own, so the quota is what the application itself may come to, with room for the
instances of two releases at once.
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.databases import clusters, instance
from shipway.render.rightsizing import controls
from shipway.render.sizes import Size, cpu, mebibytes, memory, millicores
from shipway.render.telemetry import early
from shipway.render.tracing import Draft, derived

POD_SECURITY = "pod-security.kubernetes.io"
_MODES = ("enforce", "audit", "warn")
_COUNTED = ("spec.scale", "spec.replicas", "spec.dependsOn")
_RELEASES = 2
"""Releases side by side during a rollout."""
_SPARE = 2
"""Pods beyond those, for a job by hand or a surge."""
_SIDE_CAR = Size(0.1, 128 * 2**20)
"""What Istio's proxy asks for unless it is told otherwise."""


def objects(context: Context) -> Iterator[Draft]:
    """Namespace, ResourceQuota and LimitRange."""
    named = {key: value for key, value in context.metadata(annotations=early(context)).items() if key != "namespace"}
    yield Draft(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {**named, "labels": {**context.labels(), **_labels(context)}},
        },
        "rights, quotas and policies end at the border of a namespace, so every application has one",
    )
    yield _draft(context, "ResourceQuota", {"hard": _hard(context)}, "nothing can be opened to the outside but a route")
    yield _draft(context, "LimitRange", {"limits": [_container()]}, "a container that says nothing gets little")


def _labels(context: Context) -> dict[str, object]:
    level = derived(context.security.pod_security, "what the security level says", "spec.profiles.security")
    found: dict[str, object] = {f"{POD_SECURITY}/{mode}": level for mode in _MODES}
    found |= {f"{POD_SECURITY}/{mode}-version": "latest" for mode in _MODES}
    if context.security.scan_images:
        rule = "only images that were scanned and signed may run at this security level"
        found["policy.sigstore.dev/include"] = derived("true", rule, "spec.profiles.security")
    if context.meshed:
        rule = "the mesh puts a side-car into every pod"
        found["istio-injection"] = derived("enabled", rule, "platform.spec.components.mesh")
    return found


def _hard(context: Context) -> dict[str, object]:
    own, databases = _pods(context)
    pods = derived(str(own + databases), "two releases side by side, the databases, and two to spare", *_COUNTED)
    closed = {"services.loadbalancers": "0", "services.nodeports": "0"}
    return {"pods": pods, **_needs(context, own, databases), **closed}


def _pods(context: Context) -> tuple[int, int]:
    """Pods that the application and its databases may come to."""
    scale = context.spec.scale
    instances = scale.max if scale and scale.max else context.application.replicas
    each = context.components.databases.instances if context.production else 1
    return _RELEASES * max(1, instances) + _SPARE, each * sum(1 for _ in clusters(context))


def _needs(context: Context, own: int, databases: int) -> dict[str, object]:
    beside = _SIDE_CAR if context.meshed else Size(0, 0)
    database = instance(context)
    cores = own * (cpu(context) + beside.cpu) + databases * database.cpu
    size = own * (memory(context) + beside.memory) + databases * database.memory
    rule = "what an instance asks for, times the instances that there may be"
    amounts = {"cpu": millicores(cores), "memory": mebibytes(size)}
    measured = controls(context)  # what is set from measured use cannot be bounded in advance
    return {
        f"requests.{kind}": derived(amount, rule, f"spec.resources.{kind}", "spec.resources.factor", *_COUNTED)
        for kind, amount in amounts.items()
        if kind not in measured
    }


def _container() -> dict[str, Any]:
    return {
        "type": "Container",
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "default": {"cpu": "500m", "memory": "256Mi"},
    }


def _draft(context: Context, kind: str, spec: dict[str, Any], rule: str) -> Draft:
    return Draft({"apiVersion": "v1", "kind": kind, "metadata": context.metadata(), "spec": spec}, rule)
