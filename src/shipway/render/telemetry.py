"""Traces: the OpenTelemetry operator's Instrumentation, and what the pods say to take part.

The SDK's settings are injected, not the SDK: which language a service is written in is its own affair.
"""

from collections.abc import Iterator

from shipway.render.context import Context
from shipway.render.tracing import Draft, derived, said

OTLP_PORTS = (4317, 4318)
"""OTLP over gRPC and over HTTP."""
_TRACING = "platform.spec.components.tracing"


def objects(context: Context) -> Iterator[Draft]:
    """Where traces go and how many, and the way there; nothing where the Platform names no collector."""
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
            "metadata": context.metadata(),
            "spec": spec,
        },
        "a caller's decision to trace is followed, and of the other requests a share is traced",
    )
    yield _network_policy(context)


def pod_annotations(context: Context) -> dict[str, object]:
    """Of the pods: take the settings of the Instrumentation, and write logs that a collector can take apart."""
    if context.components.tracing.endpoint is None:
        return {}
    return {"instrumentation.opentelemetry.io/inject-sdk": said(context.name, "metadata.name")}


def _network_policy(context: Context) -> Draft:
    namespace = said(context.components.tracing.namespace, f"{_TRACING}.namespace")
    to = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    spec = {
        "podSelector": {"matchLabels": context.selector()},
        "policyTypes": ["Egress"],
        "egress": [{"to": [to], "ports": [{"protocol": "TCP", "port": port} for port in OTLP_PORTS]}],
    }
    return Draft(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": context.metadata(f"{context.name}-telemetry"),
            "spec": spec,
        },
        "the application sends its traces to the collector",
    )
