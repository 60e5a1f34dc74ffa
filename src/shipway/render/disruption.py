"""PodDisruptionBudget: how many instances may go at once when machines are emptied."""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived


def objects(context: Context) -> Iterator[Draft]:
    """One where at least two instances always run; with fewer, it would only keep machines from being emptied."""
    if context.is_job or context.application.replicas < 2:
        return
    field = "spec.scale.min" if context.spec.scale else "spec.replicas"
    rule = "one at a time: never all of at least two instances, and always compatible with the scaler"
    yield Draft(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": context.metadata(),
            "spec": {
                "maxUnavailable": derived(1, rule, field),
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": context.selector()},
            },
        },
        "machines can be emptied without an outage; an instance that is ill anyway holds up nobody",
    )
