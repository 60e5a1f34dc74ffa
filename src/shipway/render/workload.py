"""Deployment, StatefulSet, CronJob or Job: what runs, by archetype."""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, said


def objects(context: Context) -> Iterator[Draft]:
    """Exactly one workload."""
    yield Draft(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": context.metadata(),
            "spec": {
                "selector": {"matchLabels": context.selector()},
                "template": {
                    "metadata": {"labels": context.labels()},
                    "spec": {"containers": [{"name": "app", "image": said(context.spec.image, "spec.image")}]},
                },
            },
        },
        "pods are hardened",
    )
