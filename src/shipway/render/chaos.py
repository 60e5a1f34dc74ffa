"""Chaos Mesh: the faults that an application is tried with, each as a Schedule.

Which, where (``spec.chaos``, usually a default of an environment), when, and for how long is the Platform's to say.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said
from shipway.spec.application import Fault

TYPES: Mapping[Fault, str] = MappingProxyType(
    {
        "instance-loss": "PodChaos",
        "network-delay": "NetworkChaos",
        "network-loss": "NetworkChaos",
        "cpu-stress": "StressChaos",
    }
)
_FAULTS: Mapping[Fault, Mapping[str, Any]] = MappingProxyType(
    {
        # Killed rather than asked to end: what a lost machine looks like.
        "instance-loss": {"action": "pod-kill", "gracePeriod": 0},
        # A distant region, and the jitter of a busy link.
        "network-delay": {
            "action": "delay",
            "direction": "to",
            "delay": {"latency": "100ms", "jitter": "20ms", "correlation": "50"},
        },
        # Bad enough for every retry to be needed, and TCP still gets through.
        "network-loss": {"action": "loss", "direction": "to", "loss": {"loss": "10", "correlation": "50"}},
        "cpu-stress": {"stressors": {"cpu": {"workers": 1, "load": 80}}},
    }
)
_CHAOS = "platform.spec.components.chaos"


def objects(context: Context) -> Iterator[Draft]:
    """One Schedule for each fault; none for a job, of which nothing runs when the fault comes, or all that it did is lost."""
    for fault in () if context.is_job else dict.fromkeys(context.spec.chaos):
        yield Draft(
            {
                "apiVersion": "chaos-mesh.org/v1alpha1",
                "kind": "Schedule",
                "metadata": context.metadata(f"{context.name}-{fault}"),
                "spec": _spec(context, fault),
            },
            "one instance at a time, and never two faults of a kind at once",
        )


def _spec(context: Context, fault: Fault) -> dict[str, Any]:
    kind = TYPES[fault]
    selector = {"namespaces": [said(context.namespace, "metadata.name")], "labelSelectors": context.selector()}
    body = {"mode": "one", "selector": selector, **_FAULTS[fault]}
    if fault != "instance-loss":  # a kill is over at once
        lasting = f"{max(1, round(context.components.chaos.lasting))}s"
        body["duration"] = derived(lasting, "as long as the Platform says", f"{_CHAOS}.lasting")
    return {
        "type": derived(kind, "the experiment that makes the fault", "spec.chaos"),
        "schedule": said(context.components.chaos.schedule, f"{_CHAOS}.schedule"),
        "concurrencyPolicy": "Forbid",
        "historyLimit": 5,
        "startingDeadlineSeconds": 300,
        kind[0].lower() + kind[1:]: body,
    }
