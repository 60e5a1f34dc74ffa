"""``kind: Platform``: what the platform team says once for everybody. Small now; it grows with what compiles from it.

Read by :mod:`shipway.spec.documents`; its defaults reach applications through :mod:`shipway.spec.resolving`.
"""

from typing import Annotated, Literal

from pydantic import Field

from shipway.spec.application import API_VERSION, Changeable
from shipway.spec.checks import Unit
from shipway.spec.fields import Closed, Duration, Identifier, Line, Memory, Name, Port, PositiveDuration, Price, Ratio


class PlatformMetadata(Closed):
    """Which platform it is."""

    name: Name = Field(description="Name of the platform.", examples=["acme"])


class Environment(Closed):
    """One place where applications run."""

    description: Line | None = Field(
        default=None, description="What it is for, in one line.", examples=["What customers use."]
    )
    clusters: dict[Name, Line] = Field(
        default_factory=dict, description="Clusters by name, each with its region.", examples=[{"prod-eu": "eu-west-1"}]
    )
    defaults: Changeable = Field(
        default_factory=Changeable,
        description="Defaults for every application in this environment.",
        examples=[{"delivery": {"onInconclusive": "hold"}}],
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
