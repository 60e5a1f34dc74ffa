"""VerticalPodAutoscaler: what an instance should ask for, recommended or set, by cost profile and ``resources: auto``.

What is set here cannot be bounded by a quota in advance (:mod:`.namespaces`).
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Context
from shipway.render.sizes import mebibytes, millicores
from shipway.render.tracing import Draft, Traced, derived, said
from shipway.spec.cron import EVERY_RELEASE

_KINDS = ("cpu", "memory")


def objects(context: Context) -> Iterator[Draft]:
    """One, unless the cost profile wants none or the workload is over before anything is learnt."""
    if context.cost.rightsizing == "off" or context.spec.schedule == EVERY_RELEASE:
        return
    controlled = controls(context)
    policies = [_policy(context, controlled or list(_KINDS))]
    if context.meshed:  # without a word it would size the side-car too, which the quota counts at its usual size
        policies.append({"containerName": "*", "mode": "Off"})
    spec = {
        "targetRef": context.workload_reference,
        "updatePolicy": {"updateMode": _mode(context, controlled)},
        "resourcePolicy": {"containerPolicies": policies},
    }
    yield Draft(
        {
            "apiVersion": "autoscaling.k8s.io/v1",
            "kind": "VerticalPodAutoscaler",
            "metadata": context.metadata(),
            "spec": spec,
        },
        "sizes follow from measured use; what the horizontal scaler looks at is left alone",
    )


def controls(context: Context) -> list[str]:
    """What is set from measured use: all that the profile or ``auto`` gives away, without the horizontal scaler's signal."""
    if context.cost.rightsizing == "off" or context.spec.schedule == EVERY_RELEASE:
        return []
    wanted = list(_KINDS) if context.cost.rightsizing == "auto" else _automatic(context)
    scale = context.spec.scale
    return [kind for kind in wanted if scale is None or scale.signal != kind]


def _mode(context: Context, controlled: list[str]) -> Traced:
    """A run of a job is sized when it starts, and not ended for another size."""
    field = f"platform.spec.profiles.cost.{context.spec.profiles.cost}.rightsizing"
    mode = "Initial" if context.is_job else "Recreate"
    if context.cost.rightsizing == "auto" and controlled:
        return derived(mode, "the cost profile has sizes set from measured use", field, "spec.archetype")
    if controlled:
        return derived(mode, "resources are automatic: sizes are set from measured use", "spec.resources")
    return derived("Off", "recommendations only: sizes are said by the application", "spec.resources", field)


def _policy(context: Context, controlled: list[str]) -> dict[str, Any]:
    minimums = context.place.settings.minimums
    fields = f"platform.spec.environments.{context.environment}.minimums"
    least = {
        "cpu": said(millicores(minimums.cpu), f"{fields}.cpu") if minimums.cpu else None,
        "memory": said(mebibytes(minimums.memory), f"{fields}.memory") if minimums.memory else None,
    }
    least = {kind: amount for kind, amount in least.items() if amount is not None and kind in controlled}
    return {
        "containerName": said(context.name, "metadata.name"),
        "controlledResources": derived(
            controlled, "two scalers must not pull at one quantity", "spec.scale.signal", "spec.resources"
        ),
        "controlledValues": "RequestsAndLimits",
        "minAllowed": least or None,
    }


def _automatic(context: Context) -> list[str]:
    return [kind for kind in _KINDS if getattr(context.spec.resources, kind) is None]
