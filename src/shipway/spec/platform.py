"""``kind: Platform``: what the platform team says once for everybody.

Read by :mod:`shipway.spec.documents`; its defaults reach applications through :mod:`shipway.spec.resolving`. What is
installed in the clusters is in :mod:`shipway.spec.components`.
"""

from typing import Annotated, Literal

from pydantic import Field

from shipway.spec.application import API_VERSION, SERVING, Application, Archetype, Changeable
from shipway.spec.checks import Unit
from shipway.spec.components import Components
from shipway.spec.fields import (
    Closed,
    Cpu,
    Duration,
    Identifier,
    Line,
    Memory,
    Name,
    Port,
    PositiveDuration,
    Price,
    Ratio,
)


class PlatformMetadata(Closed):
    """Which platform it is."""

    name: Name = Field(description="Name of the platform.", examples=["acme"])


class Minimums(Closed):
    """What an application must have at least; less is refused, whoever says so."""

    replicas: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Instances of a service or worker.", examples=[2]
    )
    cpu: Cpu | None = Field(default=None, description="CPU of an instance, where it is given.", examples=["100m"])
    memory: Memory | None = Field(
        default=None, description="Memory of an instance, where it is given.", examples=["128Mi"]
    )


class Environment(Closed):
    """One place where applications run."""

    description: Line | None = Field(
        default=None, description="What it is for, in one line.", examples=["What customers use."]
    )
    clusters: dict[Name, Line] = Field(
        default_factory=dict,
        description="Clusters by name, each with its region; when left out, one that is called like the environment.",
        examples=[{"prod-eu": "eu-west-1"}],
    )
    production: bool | None = Field(
        default=None, description="Whether customers depend on it; when left out, the last one is.", examples=[True]
    )
    minimums: Minimums = Field(
        default_factory=Minimums, description="What every application must have at least.", examples=[{"replicas": 2}]
    )
    overrides: Annotated[tuple[Identifier, ...], Field(strict=False)] | None = Field(
        default=None,
        description="Fields that an application may change here; all that may differ at all when left out.",
        examples=[["replicas", "scale", "env"]],
    )
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for every application in this environment.",
        examples=[{"delivery": {"onInconclusive": "hold"}}],
    )


class CostProfile(Closed):
    """How careful an application is with money."""

    description: Line | None = Field(default=None, description="Whom it is for, in one line.", examples=["Most."])
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for the applications that choose it.",
        examples=[{"resources": {"cpu": "250m"}}],
    )
    rightsizing: Literal["off", "recommend", "auto"] = Field(
        default="recommend",
        description="Vertical autoscaling: none, recommendations only, or requests set from measured use.",
        examples=["auto"],
    )
    spot: bool = Field(
        default=False, description="Whether instances may run on machines that can be taken away.", examples=[True]
    )


class MonitoringProfile(Closed):
    """How closely an application is watched."""

    description: Line | None = Field(default=None, description="Whom it is for, in one line.", examples=["Most."])
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for the applications that choose it.",
        examples=[{"slo": {"availability": "99.9%"}}],
    )
    interval: PositiveDuration = Field(default=30.0, description="Time between two scrapes.", examples=["15s"])
    sampling: Ratio = Field(default=0.05, description="Share of the requests that are traced.", examples=["10%"])
    alerts: bool = Field(default=True, description="Whether SLOs get burn-rate alerts.", examples=[True])
    dashboard: bool = Field(default=True, description="Whether it gets a dashboard.", examples=[True])


class SecurityProfile(Closed):
    """How much an application is locked down. Pods are hardened in all of them; this is what differs."""

    description: Line | None = Field(default=None, description="Whom it is for, in one line.", examples=["Most."])
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for the applications that choose it.",
        examples=[{"env": {"TLS_MIN_VERSION": "1.3"}}],
    )
    pod_security: Literal["baseline", "restricted"] = Field(
        default="restricted", description="Pod Security Standard that its namespace enforces.", examples=["restricted"]
    )
    network: Literal["standard", "strict"] = Field(
        default="standard",
        description="standard: any host outside, when one is declared. strict: only the Platform's egress networks.",
        examples=["strict"],
    )
    scan_images: bool = Field(
        default=False, description="Whether only scanned and signed images may run.", examples=[True]
    )


class PlatformProfiles(Closed):
    """Named sets of defaults that applications choose by name."""

    cost: dict[Name, CostProfile] = Field(
        default_factory=dict, description="Cost profiles.", examples=[{"standard": {"rightsizing": "recommend"}}]
    )
    monitoring: dict[Name, MonitoringProfile] = Field(
        default_factory=dict, description="Monitoring profiles.", examples=[{"detailed": {"interval": "15s"}}]
    )
    security: dict[Name, SecurityProfile] = Field(
        default_factory=dict, description="Security levels.", examples=[{"restricted": {"network": "strict"}}]
    )


class Local(Closed):
    """How releases run as processes on one machine."""

    first_port: Port = Field(
        default=20000, description="First loopback port for instances; the next free one is taken.", examples=[20000]
    )
    drain: Duration = Field(
        default=5.0, description="Time for requests in flight before an instance is ended.", examples=["5s"]
    )
    crash_limit: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Exits within `crashWindow` that make a crash loop.", examples=[3]
    )
    crash_window: PositiveDuration = Field(
        default=60.0, description="Time in which exits are counted.", examples=["60s"]
    )
    log_size: Memory = Field(default=10 * 2**20, description="Size at which a log file is rotated.", examples=["10Mi"])
    log_files: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Rotated log files kept per instance.", examples=[3]
    )


class Metric(Closed):
    """A metric of the organisation's own that `check` lines may name."""

    unit: Unit = Field(description="What its limits are written in.", examples=["ratio"])
    description: Line | None = Field(
        default=None, description="What it measures, in one line.", examples=["Carts that never reach the till."]
    )
    good: Line | None = Field(
        default=None,
        description="PromQL of the number of good events in `{{.window}}`, for promises under `slo.objectives`; `{app}` is replaced.",
        examples=['sum(increase(payments_total{app="{app}", state="settled"}[{{.window}}]))'],
    )
    total: Line | None = Field(
        default=None,
        description="PromQL of the number of all events in `{{.window}}`.",
        examples=['sum(increase(payments_total{app="{app}"}[{{.window}}]))'],
    )


class Journey(Closed):
    """A way of a user through several applications: good when every one of them is."""

    applications: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = Field(
        description="Applications on the way; each needs an availability objective.", examples=[["shop", "payment"]]
    )
    objective: Ratio = Field(description="Share of the journeys that must succeed.", examples=["99.5%"])
    window: PositiveDuration = Field(
        default=30 * 86400.0, description="Time over which the promise is measured.", examples=["30d"]
    )


class Prices(Closed):
    """What resources cost."""

    cpu: Price | None = Field(default=None, description="One core.", examples=["$25/month"])
    memory: Price | None = Field(default=None, description="One GiB of memory.", examples=["$3/month"])
    storage: Price | None = Field(default=None, description="One GiB of disk.", examples=["$0.10/month"])


class PlatformSpec(Closed):
    """What holds for every application."""

    environments: dict[Name, Environment] = Field(
        default_factory=dict,
        description="Environments by name, in the order releases pass through them.",
        examples=[{"dev": {}, "prod": {}}],
    )
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for every application in every environment.",
        examples=[{"slo": {"availability": "99.5%"}}],
    )
    archetypes: dict[Archetype, Changeable] = Field(
        default_factory=dict,
        description="Defaults by archetype.",
        examples=[{"web-app": {"health": "/healthz"}}],
    )
    profiles: PlatformProfiles = Field(
        default_factory=PlatformProfiles,
        description="Named sets of defaults; a kind that lists none takes any name and gives nothing.",
        examples=[{"cost": {"standard": {}}}],
    )
    components: Components = Field(
        default_factory=Components, description="What is installed in the clusters.", examples=[{"mesh": "istio"}]
    )
    metrics: dict[Identifier, Metric] = Field(
        default_factory=dict,
        description="Metrics of your own that `check` lines may name.",
        examples=[{"cartAbandonment": {"unit": "ratio"}}],
    )
    journeys: dict[Name, Journey] = Field(
        default_factory=dict,
        description="Journeys of users, each with a promise of its own.",
        examples=[{"buy": {"applications": ["shop", "payment"], "objective": "99.5%"}}],
    )
    prices: Prices = Field(default_factory=Prices, description="What resources cost.", examples=[{"cpu": "$25/month"}])
    local: Local = Field(
        default_factory=Local, description="How releases run on one machine.", examples=[{"drain": "5s"}]
    )
    authors: Literal["names", "hashed"] = Field(
        default="names",
        description="How the journal keeps the authors of commits: by name, or by a digest of it.",
        examples=["hashed"],
    )


class Platform(Closed):
    """One organisation's platform."""

    api_version: Literal["shipway.dev/v1alpha1"] = Field(description="Version of this format.", examples=[API_VERSION])
    kind: Literal["Platform"] = Field(description="What the document is.", examples=["Platform"])
    metadata: PlatformMetadata = Field(description="Which platform it is.", examples=[{"name": "acme"}])
    spec: PlatformSpec = Field(
        default_factory=PlatformSpec,
        description="What holds for every application.",
        examples=[{"environments": {"prod": {}}}],
    )

    @property
    def metric_units(self) -> dict[str, Unit]:
        """The organisation's own metrics and what their limits are written in."""
        return {name: metric.unit for name, metric in self.spec.metrics.items()}

    def clusters(self, environment: str) -> dict[str, str]:
        """Clusters of an environment and their regions: those it names, or one that is called like it."""
        return self.spec.environments[environment].clusters or {environment: ""}

    def is_production(self, environment: str) -> bool:
        """Whether customers depend on the environment: as it says, or because it is the last one."""
        said = self.spec.environments[environment].production
        return said if said is not None else environment == list(self.spec.environments)[-1]

    def host_of(self, application: Application, environment: str) -> str | None:
        """Host name under which an application (resolved for the environment) is reached from outside, if it is.

        That which it says; else, of what is public, its name below the Platform's domain, with the environment between
        them outside production. Bare TCP carries no name.
        """
        spec, domain = application.spec, self.spec.components.ingress.domain
        said: str | None = spec.host
        if said is not None:
            return said
        if spec.visibility != "public" or domain is None or spec.archetype not in SERVING or spec.protocol == "tcp":
            return None
        inner = "" if self.is_production(environment) else f"{environment}."
        return f"{application.metadata.name}.{inner}{domain}"

    def bucket_of(self, application: str, environment: str, name: str | None) -> str:
        """Name of a bucket for files, of which there is one in all the world."""
        return "-".join((self.metadata.name, environment, application, name or "files"))
