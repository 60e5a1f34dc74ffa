"""Every kind of object that is ever written, for the allow-lists of Argo CD's projects. Used by :mod:`.argocd`.

Not only the kinds that are there now: Argo CD leaves alone what a project does not allow, so that the last autoscaler of a
team, or its last Deployment when that becomes a StatefulSet, would stay behind when its file loses it.
"""

from collections.abc import Iterator, Mapping

_NAMESPACE = {"": ("Namespace",)}
_APPLICATIONS = {
    "": ("ConfigMap", "LimitRange", "ResourceQuota", "Service", "ServiceAccount"),
    "apps": ("Deployment", "StatefulSet"),
    "autoscaling": ("HorizontalPodAutoscaler",),
    "autoscaling.k8s.io": ("VerticalPodAutoscaler",),
    "barmancloud.cnpg.io": ("ObjectStore",),
    "batch": ("CronJob", "Job"),
    "cert-manager.io": ("Certificate",),
    "chaos-mesh.org": ("Schedule",),
    "external-secrets.io": ("ExternalSecret",),
    "gateway.networking.k8s.io": ("GRPCRoute", "HTTPRoute", "ListenerSet"),
    "grafana.integreatly.org": ("GrafanaDashboard",),
    "keda.sh": ("ScaledObject",),
    "monitoring.coreos.com": ("PodMonitor", "PrometheusRule", "ServiceMonitor"),
    "networking.istio.io": ("DestinationRule", "VirtualService"),
    "networking.k8s.io": ("NetworkPolicy",),
    "opentelemetry.io": ("Instrumentation",),
    "policy": ("PodDisruptionBudget",),
    "postgresql.cnpg.io": ("Cluster", "ScheduledBackup"),
    "security.istio.io": ("AuthorizationPolicy", "PeerAuthentication"),
}
_POLICIES = {
    "admissionregistration.k8s.io": (
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ),
    "policies.kyverno.io": ("GeneratingPolicy", "ImageValidatingPolicy", "MutatingPolicy", "ValidatingPolicy"),
}
_PARAMETERS = {"": ("ConfigMap",), "policies.kyverno.io": ("PolicyException",)}


def allowed(*, shared: bool) -> dict[str, list[dict[str, str]]]:
    """The lists of a project: of a team, or of what a cluster has ``shared``."""
    cluster = {**_NAMESPACE, **_POLICIES} if shared else _NAMESPACE
    inside = _PARAMETERS if shared else _APPLICATIONS
    return {
        "clusterResourceWhitelist": list(_listed(cluster)),
        "namespaceResourceWhitelist": list(_listed(inside)),
    }


def _listed(groups: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, str]]:
    yield from ({"group": group, "kind": kind} for group, kinds in groups.items() for kind in kinds)
