"""Traces: the OpenTelemetry operator's Instrumentation, and what the pods say to take part.

The SDK's settings are injected, not the SDK: which language a service is written in is its own affair.
"""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said

_TRACING = "platform.spec.components.tracing"


def objects(context: Context) -> Iterator[Draft]:
    """Where traces go and how many; nothing where the Platform names no collector."""
    endpoint = context.components.tracing.endpoint
    if endpoint is None:
        return
    share = derived(f"{context.monitoring.sampling:g}", "what the monitoring profile says", "spec.profiles.monitoring")
    spec = {
        "exporter": {"endpoint": said(endpoint, f"{_TRACING}.endpoint")},
        "propagators": ["tracecontext", "baggage"],
        "sampler": {"type": "parentbased_traceidratio", "argument": share},
        "resource": {"addK8sUIDAttributes": True},
        "defaults": {"useLabelsForResourceAttributes": True},
    }
    yield Draft(
        {
            "apiVersion": "opentelemetry.io/v1alpha1",
            "kind": "Instrumentation",
            "metadata": context.metadata(annotations=early(context)),
            "spec": spec,
        },
        "a caller's decision to trace is followed, and of the other requests a share is traced",
    )


def early(context: Context) -> dict[str, object] | None:
    """Annotation that makes Argo CD apply something before the workload, and that the namespace needs then as well.

    The operator settles a pod's traces when the pod is made, and Argo CD applies custom resources last.
    """
    if context.components.tracing.endpoint is None:
        return None
    rule = "pods take the settings of their traces when they are made"
    return {"argocd.argoproj.io/sync-wave": derived("-1", rule, f"{_TRACING}.endpoint")}


def pod_annotations(context: Context) -> dict[str, object]:
    """Of the pods: take the settings of the Instrumentation, and write logs that a collector can take apart."""
    if context.components.tracing.endpoint is None:
        return {}
    return {"instrumentation.opentelemetry.io/inject-sdk": said(context.name, "metadata.name")}
