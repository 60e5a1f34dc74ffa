"""VerticalPodAutoscaler: what an instance should ask for, recommended or set, by cost profile and ``resources: auto``."""

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
    controlled = _controlled(context)
    spec = {
        "targetRef": context.workload_reference,
        "updatePolicy": {"updateMode": _mode(context, controlled)},
        "resourcePolicy": {"containerPolicies": [_policy(context, controlled or list(_KINDS))]},
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


def _mode(context: Context, controlled: list[str]) -> Traced:
    field = f"platform.spec.profiles.cost.{context.spec.profiles.cost}.rightsizing"
    if context.cost.rightsizing == "auto" and controlled:
        return derived("Recreate", "the cost profile has sizes set from measured use", field)
    if _automatic(context) and controlled and not context.is_job:
        return derived("Recreate", "resources are automatic: sizes are set from measured use", "spec.resources")
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


def _controlled(context: Context) -> list[str]:
    """What may be set: all that the profile or ``auto`` gives away, without the horizontal scaler's own signal."""
    wanted = list(_KINDS) if context.cost.rightsizing == "auto" else _automatic(context)
    scale = context.spec.scale
    return [kind for kind in wanted if scale is None or scale.signal != kind]
