"""Chaos Mesh: the faults that an application asks to be tried with, each as a Schedule.

Only where the Platform says when (``components.chaos``), and only in the environments where the application asks.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
        # Killed rather than made to fail: what a lost machine looks like, and what the budget for disruptions is for.
        "instance-loss": {"action": "pod-kill", "gracePeriod": 0},
        # A distant region, and the jitter of a busy link.
        "network-delay": {
            "action": "delay",
            "direction": "to",
            "delay": {"latency": "100ms", "jitter": "20ms", "correlation": "50"},
        },
        # Bad enough for every retry path to be taken, and TCP still gets through.
        "network-loss": {"action": "loss", "direction": "to", "loss": {"loss": "10", "correlation": "50"}},
        "cpu-stress": {"stressors": {"cpu": {"workers": 1, "load": 80}}},
    }
)


def schedule(
    fault: Fault, when: str, lasting: float, namespace: str, selector: Mapping[str, str], containers: list[str]
) -> dict[str, Any]:
    """``spec`` of the Schedule: one instance at a time, never two faults of a kind at once."""
    kind = TYPES[fault]
    body: dict[str, Any] = {
        "mode": "one",
        "selector": {"namespaces": [namespace], "labelSelectors": dict(selector)},
        **_FAULTS[fault],
    }
    if fault != "instance-loss":  # a kill is over at once
        body["duration"] = f"{round(lasting)}s"
    if fault == "cpu-stress":
        body["containerNames"] = containers
    field = kind[0].lower() + kind[1:]
    return {
        "type": kind,
        "schedule": when,
        "concurrencyPolicy": "Forbid",
        "historyLimit": 5,
        "startingDeadlineSeconds": 300,
        field: body,
    }
