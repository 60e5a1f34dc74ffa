"""A namespace and its bounds: pod security, a quota, and defaults for what says nothing of its needs.

Every application has a namespace of its own, so the quota is what the application itself may come to, with room for the
instances of two releases at once.
"""

from collections.abc import Iterator
from typing import Any

from shipway.model.quantities import format_cpu, format_memory
from shipway.render.context import Context
from shipway.render.databases import clusters
from shipway.render.tracing import Draft, Traced, derived

POD_SECURITY = "pod-security.kubernetes.io"
_MODES = ("enforce", "audit", "warn")
_RELEASES = 2
"""Releases side by side during a rollout."""
_SPARE = 2
"""Pods beyond those, for a job by hand or a surge."""


def objects(context: Context) -> Iterator[Draft]:
    """Namespace, ResourceQuota and LimitRange."""
    metadata = context.metadata()
    named = {key: value for key, value in metadata.items() if key != "namespace"}
    labels = {**context.labels(), **_labels(context)}
    yield Draft(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {**named, "labels": labels}},
        "rights, quotas and policies end at the border of a namespace, so every application has one",
    )
    yield _draft(context, "ResourceQuota", {"hard": _hard(context)}, "nothing can be opened to the outside but a route")
    yield _draft(context, "LimitRange", {"limits": [_container()]}, "a container that says nothing gets little")


def most_pods(context: Context) -> int:
    """Pods that the application may come to: two releases, its databases, and two to spare."""
    instances = (
        context.spec.scale.max if context.spec.scale and context.spec.scale.max else context.application.replicas
    )
    databases = sum(1 for _ in clusters(context)) * (
        context.components.databases.instances if context.production else 1
    )
    return _RELEASES * max(1, instances) + databases + _SPARE


def _labels(context: Context) -> dict[str, object]:
    level = derived(context.security.pod_security, "what the security level says", "spec.profiles.security")
    found: dict[str, object] = {f"{POD_SECURITY}/{mode}": level for mode in _MODES}
    found |= {f"{POD_SECURITY}/{mode}-version": "latest" for mode in _MODES}
    if context.meshed:
        rule = "the mesh puts a side-car into every pod"
        found["istio-injection"] = derived("enabled", rule, "platform.spec.components.mesh")
    return found


def _hard(context: Context) -> dict[str, object]:
    pods = most_pods(context)
    counted = derived(
        str(pods), "two releases side by side, the databases and two to spare", "spec.scale", "spec.replicas"
    )
    return {
        "pods": counted,
        **_needs(context),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def _needs(context: Context) -> dict[str, Traced]:
    """Of what is measured and set by itself there is nothing to say in advance."""
    resources, pods = context.spec.resources, most_pods(context)
    found = {}
    rule = "what an instance needs, times the pods that there may be"
    if resources.cpu is not None:
        total = round(max(resources.cpu * resources.factor, 0.25) * pods, 3)
        found["requests.cpu"] = derived(format_cpu(total), rule, "spec.resources.cpu", "spec.resources.factor")
    if resources.memory is not None:
        total_memory = max(round(resources.memory * resources.factor), 512 * 2**20) * pods
        found["requests.memory"] = derived(
            format_memory(total_memory), rule, "spec.resources.memory", "spec.resources.factor"
        )
    return found


def _container() -> dict[str, Any]:
    return {
        "type": "Container",
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "default": {"cpu": "500m", "memory": "256Mi"},
    }


def _draft(context: Context, kind: str, spec: dict[str, Any], rule: str) -> Draft:
    return Draft({"apiVersion": "v1", "kind": kind, "metadata": context.metadata(), "spec": spec}, rule)
