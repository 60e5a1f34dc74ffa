"""``spec.components`` of a Platform: what is installed in the clusters, so that ``render`` can speak to it.

Choices between equals (a mesh, an autoscaler) and names that only the platform team knows (a store, a bucket, a domain).
Every field has a default that fits a common installation.
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from shipway.spec.fields import (
    Cidr,
    Closed,
    Duration,
    Host,
    LabelKey,
    Line,
    Memory,
    Name,
    PositiveDuration,
    RelativePath,
    Repository,
    UrlPath,
)

_INSIDE = re.compile(r"[a-z]+://[a-z0-9-]+\.([a-z]([-a-z0-9]*[a-z0-9])?)(\.svc(\.[a-z0-9.-]+)?)?(:[0-9]+)?(/.*)?$")
"""Address of a Service in a cluster, with its namespace."""


class Ingress(Closed):
    """How requests from outside come in."""

    domain: Host | None = Field(
        default=None,
        description="A public application without `host` gets `<application>.<domain>`; below it per environment.",
        examples=["apps.example.com"],
    )
    gateway: Name = Field(
        default="public", description="Name of the Gateway that routes attach to.", examples=["public"]
    )
    internal: Name | None = Field(
        default=None,
        description="Name of the Gateway for hosts of internal applications, which the internet does not reach; that of all others when left out.",
        examples=["internal"],
    )
    namespace: Name = Field(
        default="ingress", description="Namespace of the Gateway and of its proxies.", examples=["ingress"]
    )
    issuer: Name | None = Field(
        default=None,
        description="cert-manager ClusterIssuer of certificates; none when left out.",
        examples=["letsencrypt"],
    )


class Secrets(Closed):
    """Where secrets come from, by External Secrets."""

    store: Name = Field(default="platform", description="Name of the ClusterSecretStore.", examples=["vault"])
    refresh: PositiveDuration = Field(default=3600.0, description="Time between two look-ups.", examples=["1h"])


class Monitoring(Closed):
    """The Prometheus Operator's stack."""

    namespace: Name = Field(
        default="monitoring", description="Namespace of Prometheus, which may scrape.", examples=["monitoring"]
    )
    labels: dict[LabelKey, Line] = Field(
        default_factory=dict,
        description="Labels by which Prometheus selects monitors and rules.",
        examples=[{"release": "prometheus"}],
    )
    path: UrlPath = Field(
        default="/metrics", description="Where applications serve their metrics.", examples=["/metrics"]
    )
    server: Line | None = Field(
        default=None,
        description="Address of Prometheus, for autoscaling and analysis in the cluster; what the operator calls it in that namespace when left out.",
        examples=["http://prometheus-operated.monitoring.svc:9090"],
    )
    runbooks: Line | None = Field(
        default=None,
        description="Address below which runbooks stand, one per application.",
        examples=["https://runbooks.example.com"],
    )
    dashboards: Literal["sidecar", "operator"] = Field(
        default="sidecar",
        description="How Grafana finds dashboards: labelled ConfigMaps, or its operator.",
        examples=["sidecar"],
    )

    @property
    def address(self) -> str:
        """Of Prometheus."""
        return self.server or f"http://prometheus-operated.{self.namespace}.svc:9090"


class Tracing(Closed):
    """OpenTelemetry in the clusters."""

    endpoint: Line | None = Field(
        default=None,
        description="OTLP endpoint of the collector; nothing is traced when left out.",
        examples=["http://collector.observability.svc:4318"],
    )
    namespace: Name | None = Field(
        default=None,
        description="Namespace of the collector; that in its address when left out.",
        examples=["observability"],
    )

    @property
    def where(self) -> str:
        """Namespace of the collector: as it is said, as a Service's address has it, or the usual one."""
        if self.namespace is not None:
            return str(self.namespace)
        found = _INSIDE.match(self.endpoint or "")
        return str(found[1]) if found else "observability"


class Databases(Closed):
    """PostgreSQL by CloudNativePG."""

    storage_class: Line | None = Field(
        default=None, description="Storage class; the cluster's own when left out.", examples=["fast"]
    )
    storage: Memory = Field(default=10 * 2**30, description="Disk of a database that says none.", examples=["10Gi"])
    instances: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Instances of a database in production; one elsewhere.", examples=[3]
    )
    backups: Line | None = Field(
        default=None, description="Bucket for backups; none are made when left out.", examples=["s3://acme-backups"]
    )
    retention: PositiveDuration = Field(
        default=30 * 86400.0, description="How long backups are kept.", examples=["30d"]
    )
    namespace: Name = Field(default="cnpg-system", description="Namespace of the operator.", examples=["cnpg-system"])


class Network(Closed):
    """What network policies must know of the clusters."""

    dns: Name = Field(default="kube-system", description="Namespace of the cluster's DNS.", examples=["kube-system"])
    data: Name = Field(
        default="data", description="Namespace of shared caches and queues, labelled by engine.", examples=["data"]
    )
    nodes: Annotated[tuple[Cidr, ...], Field(strict=False)] = Field(
        default=(),
        description="Networks of the machines, which ask probes, and of the cluster's API, which databases ask; any when left out.",
        examples=[["10.0.0.0/16"]],
    )
    egress: Annotated[tuple[Cidr, ...], Field(strict=False)] = Field(
        default=(),
        description="Networks outside that the strict security level may reach.",
        examples=[["203.0.113.0/24"]],
    )


class Chaos(Closed):
    """Chaos Mesh in the clusters."""

    schedule: Line = Field(
        default="0 10 * * 1-5",
        description="When the faults that applications ask for are made, cron in UTC.",
        examples=["0 10 * * 1-5"],
    )
    lasting: Duration = Field(default=300.0, description="How long a fault lasts.", examples=["5m"])


class GitOps(Closed):
    """The repository from which Argo CD or Flux applies what `shipway render` wrote into it."""

    repository: Repository | None = Field(
        default=None,
        description="Address of the repository; needed for the formats `argocd` and `flux`.",
        examples=["https://github.com/acme/deployments.git"],
    )
    branch: Line = Field(default="main", description="Branch that is applied.", examples=["main"])
    path: RelativePath = Field(
        default=".", description="Directory in the repository that is given as `--out`.", examples=["rendered"]
    )


class Components(Closed):
    """What is installed in the clusters."""

    mesh: Literal["gateway-api", "istio"] = Field(
        default="gateway-api", description="What routes requests.", examples=["istio"]
    )
    autoscaler: Literal["hpa", "keda"] = Field(
        default="hpa", description="What changes the number of instances.", examples=["keda"]
    )
    admission: Literal["native", "kyverno"] = Field(
        default="native",
        description="What enforces the organisation's policies: Kubernetes itself, or Kyverno.",
        examples=["kyverno"],
    )
    ingress: Ingress = Field(
        default_factory=Ingress, description="How requests come in.", examples=[{"domain": "apps.example.com"}]
    )
    secrets: Secrets = Field(
        default_factory=Secrets, description="Where secrets come from.", examples=[{"store": "vault"}]
    )
    registries: Annotated[tuple[Line, ...], Field(strict=False)] = Field(
        default=(),
        description="Registries that images may come from; any when left out.",
        examples=[["registry.example.com/"]],
    )
    pull_secret: Name | None = Field(
        default=None, description="Secret with the registry's credentials, in every namespace.", examples=["registry"]
    )
    monitoring: Monitoring = Field(
        default_factory=Monitoring, description="How applications are measured.", examples=[{"namespace": "monitoring"}]
    )
    tracing: Tracing = Field(
        default_factory=Tracing, description="Where traces go.", examples=[{"namespace": "observability"}]
    )
    databases: Databases = Field(
        default_factory=Databases, description="How databases run.", examples=[{"backups": "s3://acme-backups"}]
    )
    network: Network = Field(
        default_factory=Network, description="The clusters' networks.", examples=[{"dns": "kube-system"}]
    )
    chaos: Chaos = Field(default_factory=Chaos, description="When faults are made.", examples=[{"lasting": "5m"}])
    gitops: GitOps = Field(
        default_factory=GitOps,
        description="Where Argo CD or Flux finds what it applies.",
        examples=[{"repository": "https://github.com/acme/deployments.git"}],
    )
