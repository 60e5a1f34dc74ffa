"""``kind: Application``: what one service needs, said once, for every environment and every runtime.

Read by :mod:`shipway.spec.documents`, resolved by :mod:`shipway.spec.resolving`, used by the engine (the part that a
local rollout needs) and by ``render`` (all of it). Says what, never how: no Kubernetes kinds, no clusters, no templates.
Rules between fields are in :mod:`shipway.spec.rules`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shipway.spec.checks import Objective
from shipway.spec.delivery import Delivery, from_word, or_words
from shipway.spec.fields import (
    Closed,
    Command,
    Cpu,
    EnvName,
    EnvValue,
    Host,
    Identifier,
    Image,
    Line,
    Memory,
    Misspelt,
    Name,
    Port,
    PortName,
    PositiveDuration,
    Price,
    Ratio,
    SecretName,
    UrlPath,
    describe,
)

API_VERSION = "shipway.dev/v1alpha1"
Archetype = Literal["web-app", "api-service", "background-worker", "scheduled-job", "ml-model"]
SERVING: frozenset[str] = frozenset({"web-app", "api-service", "ml-model"})
"""Archetypes that answer requests, and so have traffic to be judged by."""

MAX_ENVIRONMENTS = 50
"""Each is resolved and checked on its own when the file is read."""
WORD_FIELDS: Mapping[str, str] = MappingProxyType({"delivery": "strategy", "health": "path", "storage": "size"})
"""Maps of the spec that may be abbreviated to one word, and the field that the word is for."""


class Metadata(Closed):
    """Who the application is and who answers for it."""

    name: Name = Field(description="Name of the application, unique in the organisation.", examples=["checkout"])
    team: Name | None = Field(default=None, description="Team that owns it.", examples=["payments"])
    system: Name | None = Field(default=None, description="Larger system that it is part of.", examples=["shop"])
    description: Line | None = Field(
        default=None, description="What it does, in one line.", examples=["Takes orders and payments."]
    )


class Health(Closed):
    """How to ask an instance whether it is well; a path alone is enough."""

    path: UrlPath | None = Field(
        default=None,
        description="HTTP path that answers 2xx or 3xx when all is well; without it a TCP connect is enough.",
        examples=["/healthz"],
    )
    startup: PositiveDuration = Field(
        default=60.0, description="How long an instance may take to become ready.", examples=["60s"]
    )
    interval: PositiveDuration = Field(default=1.0, description="Time between two questions.", examples=["1s"])
    timeout: PositiveDuration = Field(default=1.0, description="How long an answer may take.", examples=["1s"])
    failures: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Failures in a row until the instance counts as ill.", examples=[3]
    )

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = or_words(handler.resolve_ref_schema(handler(core)))
        schema["anyOf"][0] = {"type": "string", "pattern": r"^/[^\s?#]*$"}
        return schema


class Resources(Closed):
    """What one instance needs. ``auto`` (or leaving both out) lets the platform measure and decide."""

    cpu: Cpu | None = Field(
        default=None, description="CPU cores of one instance; automatic when left out.", examples=["500m"]
    )
    memory: Memory | None = Field(
        default=None, description="Memory of one instance; automatic when left out.", examples=["512Mi"]
    )
    factor: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.0,
        description="Share of the resources that an environment gets, usually set under `environments`.",
        examples=[0.5],
    )

    @model_validator(mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return from_word(value, {"auto": {}})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return or_words(handler.resolve_ref_schema(handler(core)), "auto")


class Scale(Closed):
    """How many instances run, between two bounds, following a signal."""

    min: Annotated[int, Field(ge=0)] = Field(default=1, description="Fewest instances.", examples=[2])
    max: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Most instances.", examples=[10])
    signal: Literal["cpu", "memory", "requests", "queue"] = Field(
        default="cpu", description="What the number of instances follows.", examples=["requests"]
    )
    target: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="What one instance should carry: percent of its CPU or memory, requests per second, or queued messages.",
        examples=[70],
    )


class Storage(Closed):
    """A disk of its own for every instance, kept when the instance is replaced; a size alone is enough."""

    size: Memory = Field(description="Disk space of one instance.", examples=["10Gi"])
    path: UrlPath = Field(default="/data", description="Where the instance finds it.", examples=["/data"])

    @model_validator(mode="before")
    @classmethod
    def _size(cls, value: Any) -> Any:
        return {"size": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = or_words(handler.resolve_ref_schema(handler(core)))
        schema["anyOf"][0] = dict(schema["anyOf"][1]["properties"]["size"])
        return schema


Fault = Literal["instance-loss", "network-delay", "network-loss", "cpu-stress"]


class MetricObjective(Closed):
    """A promise about events of the organisation's own: the Platform's metric says which are good."""

    metric: Identifier = Field(
        description="Metric of the Platform, one with `good` and `total` queries.", examples=["paymentsSettled"]
    )
    target: Ratio = Field(description="Share of the events that must be good.", examples=["99%"])


class Slo(Closed):
    """What the users of the service are promised."""

    availability: Ratio | None = Field(
        default=None, description="Share of requests answered without an error.", examples=["99.9%"]
    )
    error_rate: Ratio | None = Field(
        default=None, description="The same, said the other way: share of requests that may fail.", examples=["0.1%"]
    )
    latency: Annotated[tuple[Objective, ...], Field(strict=False)] = Field(
        default=(),
        description='"<share> < <duration>": so many requests are answered faster than that. One, or a list.',
        examples=["95% < 200ms"],
    )
    window: PositiveDuration = Field(
        default=30 * 86400.0, description="Time over which the promise is measured.", examples=["30d"]
    )
    calendar: Literal["week", "month"] | None = Field(
        default=None,
        description="Measure from the start of the calendar's week or month (UTC) instead of over `window`.",
        examples=["month"],
    )
    objectives: Annotated[tuple[MetricObjective, ...], Field(strict=False)] = Field(
        default=(),
        description="Promises about the organisation's own metrics.",
        examples=[[{"metric": "paymentsSettled", "target": "99%"}]],
    )

    @property
    def good_share(self) -> float | None:
        """Share of requests to be answered without an error, 0..1, whichever way it was said; None: nothing was."""
        return 1 - self.error_rate if self.availability is None and self.error_rate is not None else self.availability

    @model_validator(mode="before")
    @classmethod
    def _one_latency(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("latency"), str | int | float):
            return {**value, "latency": [value["latency"]]}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        latency = schema["properties"]["latency"]
        latency["anyOf"] = [dict(latency["items"]), {"type": latency.pop("type"), "items": latency.pop("items")}]
        return schema


class Dependency(Closed):
    """Something the application calls: another application by its name, a resource by its kind, or a host outside."""

    application: Name | None = Field(default=None, description="Another application.", examples=["inventory"])
    port: PortName | None = Field(
        default=None,
        description="Which named port of that application; its main port when left out.",
        examples=["grpc"],
    )
    database: Literal["postgres", "mysql"] | None = Field(
        default=None, description="A database of this engine.", examples=["postgres"]
    )
    cache: Literal["redis", "memcached"] | None = Field(
        default=None, description="A cache of this engine.", examples=["redis"]
    )
    queue: Literal["kafka", "rabbitmq", "nats"] | None = Field(
        default=None, description="A message queue.", examples=["kafka"]
    )
    bucket: Literal["s3"] | None = Field(default=None, description="A bucket for files.", examples=["s3"])
    host: Host | None = Field(default=None, description="A host outside of the platform.", examples=["api.stripe.com"])
    name: Name | None = Field(
        default=None, description="Logical name of the resource, when there are several of a kind.", examples=["orders"]
    )
    storage: Memory | None = Field(default=None, description="Disk space of a PostgreSQL database.", examples=["20Gi"])

    @model_validator(mode="before")
    @classmethod
    def _application(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | dict):
            return {"application": value} if isinstance(value, str) else value
        raise Misspelt(
            "wrong-type",
            f"expected the name of an application or a map such as {{database: postgres}}, got {describe(value)}",
        )

    @model_serializer(mode="wrap")
    def _shortest(self, handler: Any) -> Any:
        written = {key: value for key, value in handler(self).items() if value is not None}
        return written["application"] if list(written) == ["application"] else written

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = or_words(handler.resolve_ref_schema(handler(core)))
        schema["anyOf"][0] = {
            "$comment": "the name of an application",
            **schema["anyOf"][1]["properties"]["application"],
        }
        return schema


class Profiles(Closed):
    """Named sets of platform defaults."""

    cost: Name | None = Field(default=None, description="Cost profile.", examples=["standard"])
    monitoring: Name | None = Field(default=None, description="Monitoring profile.", examples=["detailed"])
    security: Name | None = Field(default=None, description="Security level.", examples=["restricted"])


EnvMap = dict[EnvName, EnvValue]
SecretMap = dict[EnvName, SecretName]


class Changeable(Closed):
    """What may differ between environments: the allow-list of overrides, and what a Platform may set defaults for."""

    image: Image | None = Field(
        default=None, description="Container image.", examples=["registry.example.com/checkout:1.4.2"]
    )
    host: Host | None = Field(
        default=None, description="Host name under which the application is reached.", examples=["shop.example.com"]
    )
    health: Health = Field(
        default_factory=Health, description="How to tell whether an instance is well.", examples=["/healthz"]
    )
    env: EnvMap = Field(default_factory=dict, description="Environment variables.", examples=[{"LOG_LEVEL": "info"}])
    secrets: SecretMap = Field(
        default_factory=dict,
        description="Environment variable to logical name of the secret it holds; never a value.",
        examples=[{"STRIPE_KEY": "payments/stripe-key"}],
    )
    resources: Resources = Field(default_factory=Resources, description="What one instance needs.", examples=["auto"])
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Fixed number of instances, instead of `scale`; 1 when neither is given.",
        examples=[2],
    )
    scale: Scale | None = Field(
        default=None, description="Bounds and signal for the number of instances.", examples=[{"min": 2, "max": 10}]
    )
    storage: Storage | None = Field(default=None, description="A lasting disk for every instance.", examples=["10Gi"])
    schedule: Line | None = Field(
        default=None,
        description="When a scheduled job runs, in cron's five fields, UTC; or `release`: once with every release.",
        examples=["0 3 * * *"],
    )
    expected_duration: PositiveDuration | None = Field(
        default=None,
        description="How long a run of a scheduled job usually takes; estimates of its cost need it.",
        examples=["20m"],
    )
    chaos: Annotated[tuple[Fault, ...], Field(strict=False)] = Field(
        default=(),
        description="Faults that it is regularly tried with, when the Platform says so.",
        examples=[["instance-loss"]],
    )
    slo: Slo = Field(default_factory=Slo, description="What users are promised.", examples=[{"availability": "99.9%"}])
    delivery: Delivery = Field(
        default_factory=Delivery,
        description="How a new release becomes live; `canary` for a service, `direct` for a worker or a job.",
        examples=["canary"],
    )
    budget: Price | None = Field(default=None, description="What it may cost.", examples=["$300/month"])
    profiles: Profiles = Field(
        default_factory=Profiles, description="Named sets of platform defaults.", examples=[{"cost": "standard"}]
    )


class Override(Changeable):
    """What differs in one environment."""


class Spec(Changeable):
    """What the application is and needs."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["image"]}, {"required": ["command"]}]})

    archetype: Archetype = Field(
        description="What sort of application it is; decides the defaults.", examples=["api-service"]
    )
    command: Command | None = Field(
        default=None,
        description="What to run: argv, or one line split like a shell would. `{port}` and `{instance}` are replaced.",
        examples=[["python", "-m", "shop"]],
    )
    directory: Line | None = Field(
        default=None, description="Working directory of the command, relative to this file.", examples=["."]
    )
    port: Port = Field(default=8080, description="Port on which the application is reached.", examples=[8080])
    ports: dict[PortName, Port] = Field(
        default_factory=dict, description="Further ports by name.", examples=[{"metrics": 9090}]
    )
    protocol: Literal["http", "grpc", "tcp"] = Field(
        default="http", description="What is spoken on the main port.", examples=["http"]
    )
    visibility: Literal["private", "internal", "public"] = Field(
        default="internal",
        description="private: declared callers only. internal: the organisation. public: the internet.",
        examples=["internal"],
    )
    depends_on: Annotated[tuple[Dependency, ...], Field(strict=False)] = Field(
        default=(),
        description="What it calls: applications by name, resources by kind, hosts outside.",
        examples=[["inventory", {"database": "postgres"}]],
    )
    data_class: Literal["public", "internal", "confidential", "restricted"] = Field(
        default="internal", description="The most sensitive data it handles.", examples=["confidential"]
    )
    runs_in: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="Environments that it runs in; all of them when left out.", examples=[["dev", "prod"]]
    )
    environments: Annotated[dict[Name, Override], Field(max_length=MAX_ENVIRONMENTS)] = Field(
        default_factory=dict,
        description="What differs in an environment.",
        examples=[{"prod": {"scale": {"min": 3, "max": 12}}}],
    )


class Application(Closed):
    """One service: what it is, what it needs and how its releases become live."""

    api_version: Literal["shipway.dev/v1alpha1"] = Field(description="Version of this format.", examples=[API_VERSION])
    kind: Literal["Application"] = Field(description="What the document is.", examples=["Application"])
    metadata: Metadata = Field(
        description="Who the application is and who answers for it.",
        examples=[{"name": "checkout", "team": "payments"}],
    )
    spec: Spec = Field(
        description="What the application is and needs.",
        examples=[{"archetype": "api-service", "image": "registry.example.com/checkout:1.4.2"}],
    )

    @property
    def replicas(self) -> int:
        """Instances to start with: the fixed number, or the lower bound of the scale."""
        spec = self.spec
        return spec.scale.min if spec.scale else 1 if spec.replicas is None else spec.replicas

    @property
    def open_ports(self) -> dict[str, int]:
        """Ports that others may call, by name: the main one of what serves is called after its protocol, and first."""
        main = {self.spec.protocol: self.spec.port} if self.spec.archetype in SERVING else {}
        return {**main, **self.spec.ports}

    def runs_in(self, environment: str) -> bool:
        """Whether the application runs in the environment at all."""
        return not self.spec.runs_in or environment in self.spec.runs_in

    def document(self) -> dict[str, Any]:
        """The whole application as it could have been written, with every default: reading it gives an equal one."""
        return self.model_dump(mode="json", exclude_none=True)
