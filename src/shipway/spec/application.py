"""``kind: Application``: what one service needs, said once, for every environment and every runtime.

Read by :mod:`shipway.spec.documents`, resolved by :mod:`shipway.spec.resolving`, used by the engine (the part that a
local rollout needs) and by ``render`` (all of it). Says what, never how: no Kubernetes kinds, no clusters, no templates.
Fields marked ``PLATFORMS`` are there for what a Platform says about the application; no file of an application sets them.
Rules between fields are in :mod:`shipway.spec.rules`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shipway.spec.checks import Objective
from shipway.spec.delivery import Delivery, from_word, or_words
from shipway.spec.fields import (
    MEMORY_SCHEMA,
    PLATFORMS,
    PORT_NAME_PATTERN,
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
from shipway.spec.texts import (
    CALLED,
    PLACE_PATTERN,
    Callee,
    Resource,
    ScalingSignal,
    Signal,
    SignalKind,
    StoragePlace,
    Timetable,
    engine,
)

API_VERSION = "shipway.dev/v1alpha1"
Protocol = Literal["http", "grpc", "tcp"]
Archetype = Literal["web-app", "api-service", "background-worker", "scheduled-job", "ml-model"]
SERVING: frozenset[str] = frozenset({"web-app", "api-service", "ml-model"})
"""Archetypes that answer requests, and so have traffic to be judged by."""

MAX_ENVIRONMENTS = 50
"""Each is resolved and checked on its own when the file is read."""
DEFAULT_PORT = 8080
DATA_PATH = "/data"
"""Where an instance finds its disk when nobody says."""
WORD_FIELDS: Mapping[str, str] = MappingProxyType(
    {"delivery": "strategy", "health": "path", "storage": DATA_PATH, "port": "http"}
)
"""Maps of the spec that may be abbreviated to one word, and the field that the word is for."""
SPOKEN: tuple[Protocol, ...] = ("http", "grpc", "tcp")
"""Names that make a port the main one; the first of them that is given holds."""
RESOURCE_KINDS = ("database", "cache", "queue", "bucket")
HEALTH_PORT = "health"
"""Name of the port on which what serves nobody is asked for its health."""


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
        description="HTTP path that answers 2xx or 3xx when all is well; without it a TCP connect is enough. What speaks gRPC is asked by gRPC's own health protocol.",
        examples=["/healthz"],
    )
    startup: Annotated[PositiveDuration, PLATFORMS] = Field(
        default=60.0, description="How long an instance may take to become ready.", examples=["60s"]
    )
    interval: Annotated[PositiveDuration, PLATFORMS] = Field(
        default=1.0, description="Time between two questions.", examples=["1s"]
    )
    timeout: Annotated[PositiveDuration, PLATFORMS] = Field(
        default=1.0, description="How long an answer may take.", examples=["1s"]
    )
    failures: Annotated[int, Field(ge=1), PLATFORMS] = Field(
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
    factor: Annotated[float, Field(gt=0, le=10), PLATFORMS] = Field(
        default=1.0,
        description="Share of the resources that instances get, usually set as a default of an environment.",
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

    instead = MappingProxyType({"target": "say it with the signal: `signal: cpu 70%`"})

    min: Annotated[int, Field(ge=0)] = Field(default=1, description="Fewest instances.", examples=[2])
    max: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Most instances.", examples=[10])
    follows: Signal = Field(
        default=ScalingSignal("cpu"),
        alias="signal",
        description="What the number of instances follows, and what one of them should carry: `cpu 70%`, `memory 75%`, `requests 50/s`, `queue 200`; a default holds when only the signal is named.",
        examples=["requests 50/s"],
    )

    @property
    def signal(self) -> SignalKind:
        """What is followed."""
        return self.follows.kind

    @property
    def target(self) -> float | None:
        """What one instance should carry: percent of its CPU or memory, requests per second, or queued messages."""
        return self.follows.target


def _over_http(value: object) -> object:
    """A number alone is the main port, over HTTP."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"http": value}
    if not isinstance(value, dict):
        message = f"expected a port such as 8080, or ports by name such as {{grpc: 9000}}, got {describe(value)}"
        message += "; remove the quotes" if isinstance(value, str) and value.isdecimal() else ""
        raise Misspelt("wrong-type", message)
    return value


_PORT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": 65535}
Ports = Annotated[
    dict[PortName, Port],
    BeforeValidator(_over_http),
    PlainSerializer(lambda ports: ports["http"] if list(ports) == ["http"] else ports, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                _PORT_SCHEMA,
                {
                    "type": "object",
                    "patternProperties": {PORT_NAME_PATTERN: _PORT_SCHEMA},
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]


class Disk(msgspec.Struct, frozen=True):
    """A disk of its own for every instance, kept when the instance is replaced."""

    path: str
    """Where the instance finds it."""
    size: int
    """Bytes."""


def _at_data(value: object) -> object:
    """A size alone is that of the disk at :data:`DATA_PATH`."""
    return {DATA_PATH: value} if isinstance(value, str) else value


Storage = Annotated[
    dict[StoragePlace, Memory],
    BeforeValidator(_at_data),
    WithJsonSchema(
        {
            "anyOf": [
                MEMORY_SCHEMA,
                {
                    "type": "object",
                    "patternProperties": {PLACE_PATTERN: MEMORY_SCHEMA},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Fault = Literal["instance-loss", "network-delay", "network-loss", "cpu-stress"]


class Slo(Closed):
    """What the users of the service are promised."""

    instead = MappingProxyType({"errorRate": "say it the other way: `availability: 99.9%`"})

    availability: Ratio | None = Field(
        default=None, description="Share of requests answered without an error.", examples=["99.9%"]
    )
    latency: Annotated[tuple[Objective, ...], Field(strict=False)] = Field(
        default=(),
        description='"<share> < <duration>": so many requests are answered faster than that. One, or a list.',
        examples=["95% < 200ms"],
    )
    window: Annotated[PositiveDuration, PLATFORMS] = Field(
        default=30 * 86400.0, description="Time over which the promise is measured.", examples=["30d"]
    )
    calendar: Annotated[Literal["week", "month"] | None, PLATFORMS] = Field(
        default=None,
        description="Measure from the start of the calendar's week or month (UTC) instead of over `window`.",
        examples=["month"],
    )
    objectives: dict[Identifier, Ratio] = Field(
        default_factory=dict,
        description="Share of good events by metric of the Platform's, one with `good` and `total` queries.",
        examples=[{"paymentsSettled": "99%"}],
    )

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

    instead = MappingProxyType(
        {
            "host": "write the host alone: `- api.stripe.com`",
            "port": "write it behind the name: `- ledger:admin`",
            "name": "write it behind the engine: `{database: postgres/orders}`",
            "storage": "the disk of a database is under `spec.storage`: `storage: {orders: 20Gi}`",
        }
    )

    called: Callee | None = Field(
        default=None,
        alias="application",
        description="Another application, or one of its further ports by name, or a host outside; written without the key.",
        examples=["inventory", "ledger:admin", "api.stripe.com"],
    )
    database: Annotated[Resource, engine("postgres", "mysql")] | None = Field(
        default=None,
        description="A database of this engine, with a name when there are several.",
        examples=["postgres", "postgres/orders"],
    )
    cache: Annotated[Resource, engine("redis", "memcached")] | None = Field(
        default=None, description="A cache of this engine.", examples=["redis"]
    )
    queue: Annotated[Resource, engine("kafka", "rabbitmq", "nats")] | None = Field(
        default=None, description="A message queue.", examples=["kafka", "rabbitmq/stock"]
    )
    bucket: Annotated[Resource, engine("s3")] | None = Field(
        default=None, description="A bucket for files.", examples=["s3/invoices"]
    )

    @property
    def application(self) -> str | None:
        """Name of the application that is called, if it is one."""
        return self.called.application if self.called else None

    @property
    def port(self) -> str | None:
        """Which named port of that application; None for its main one."""
        return self.called.port if self.called else None

    @property
    def host(self) -> str | None:
        """The host outside that is called, if it is one."""
        return self.called.host if self.called else None

    @property
    def kind(self) -> str:
        """Which kind of resource is called; empty for an application or a host."""
        return next((kind for kind in RESOURCE_KINDS if getattr(self, kind) is not None), "")

    @property
    def resource(self) -> Resource | None:
        """The resource that is called, of whichever kind."""
        return self.database or self.cache or self.queue or self.bucket

    @property
    def postgres(self) -> bool:
        """Whether it is a PostgreSQL database, of which every application has its own."""
        return self.database is not None and self.database.engine == "postgres"

    @property
    def name(self) -> str | None:
        """What tells the resource from others of its kind, if anything."""
        return self.resource.name if self.resource else None

    @model_validator(mode="before")
    @classmethod
    def _called(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | dict):
            return {"application": value} if isinstance(value, str) else value
        raise Misspelt("wrong-type", f"expected {CALLED}, got {describe(value)}")

    @model_serializer(mode="wrap")
    def _shortest(self, handler: Any) -> Any:
        written = {key: value for key, value in handler(self).items() if value is not None}
        return written["application"] if list(written) == ["application"] else written

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = or_words(handler.resolve_ref_schema(handler(core)))
        schema["anyOf"][0] = dict(schema["anyOf"][1]["properties"]["application"])
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
    storage: Storage = Field(
        default_factory=dict,
        description="What must last, and its size: a disk for every instance by its path (`/data` when only a size is given), and PostgreSQL databases by their names.",
        examples=["10Gi", {"/var/lib/search": "10Gi"}, {"postgres": "20Gi"}],
    )
    timetable: Timetable | None = Field(
        default=None,
        alias="schedule",
        description="When a scheduled job runs: cron's five fields in UTC, or `release` for once with every release; and how long a run usually takes, which estimates of its cost need.",
        examples=["0 3 * * *", "30 2 * * * for 20m"],
    )
    chaos: Annotated[tuple[Fault, ...], Field(strict=False), PLATFORMS] = Field(
        default=(), description="Faults that applications are regularly tried with.", examples=[["instance-loss"]]
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

    @property
    def schedule(self) -> str | None:
        """When a job runs: cron's five fields, or ``release``."""
        return self.timetable.when if self.timetable else None

    @property
    def expected_duration(self) -> float | None:
        """Seconds that a run of a job usually takes, if anybody said."""
        return self.timetable.usual if self.timetable else None

    @property
    def disk(self) -> Disk | None:
        """The lasting disk of every instance; there is one at most."""
        return next((Disk(path, size) for path, size in self.storage.items() if path.startswith("/")), None)


class Override(Changeable):
    """What differs in one environment."""


class Spec(Changeable):
    """What the application is and needs."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["image"]}, {"required": ["command"]}]})
    instead = MappingProxyType(
        {
            "ports": "name them under `port`: `port: {http: 8080, metrics: 9090}`",
            "protocol": "the name of the main port says it: `port: {grpc: 9000}`",
            "directory": "a command runs in the directory of this file",
            "expectedDuration": "say it with the schedule: `schedule: 30 2 * * * for 20m`",
        }
    )

    archetype: Archetype = Field(
        description="What sort of application it is; decides the defaults.", examples=["api-service"]
    )
    command: Command | None = Field(
        default=None,
        description="What to run, in the directory of this file: argv, or one line split like a shell would. `{port}` and `{instance}` are replaced.",
        examples=[["python", "-m", "shop"]],
    )
    listens: Ports = Field(
        default_factory=lambda: {"http": DEFAULT_PORT},
        alias="port",
        description="Port on which the application is reached over HTTP; or its ports by name, where the main one is called after what is spoken on it: the first of `http`, `grpc` and `tcp` that is there.",
        examples=[8080, {"grpc": 9000, "metrics": 9090}],
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

    @property
    def protocol(self) -> Protocol:
        """What is spoken on the main port."""
        return next((name for name in SPOKEN if name in self.listens), "http")

    @property
    def health_path(self) -> str | None:
        """HTTP path that is asked for health; None where HTTP is not spoken, whatever is said for every application."""
        return self.health.path if self.protocol == "http" or self.archetype not in SERVING else None

    @property
    def main(self) -> str:
        """Name under which the main port is given; of what serves nobody, that of the port for its health; empty for none."""
        names = SPOKEN if self.archetype in SERVING else (HEALTH_PORT, "http")
        return next((name for name in names if name in self.listens), "")

    @property
    def port(self) -> int:
        """Number of the main port."""
        return self.listens.get(self.main, DEFAULT_PORT)

    @property
    def ports(self) -> dict[str, int]:
        """Further ports by name."""
        return {name: port for name, port in self.listens.items() if name != self.main}


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
        main: dict[str, int] = {self.spec.protocol: self.spec.port} if self.spec.archetype in SERVING else {}
        return {**main, **self.spec.ports}

    def runs_in(self, environment: str) -> bool:
        """Whether the application runs in the environment at all."""
        return not self.spec.runs_in or environment in self.spec.runs_in

    def document(self) -> dict[str, Any]:
        """The whole application as it could have been written, with every default: reading it gives an equal one."""
        return self.model_dump(mode="json", exclude_none=True)
