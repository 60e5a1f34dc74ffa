"""The kinds of value a field can have, as annotations for the models of this room.

Each knows three things: how the text that people write becomes a plain value, how a value is written back, and what the
published JSON Schema says about it. Holds no field and no rule between fields.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shipway.model import quantities
from shipway.model.quantities import Money, QuantityError

T = TypeVar("T")


class Closed(BaseModel):
    """Base of every model: camelCase names, nothing unknown, nothing coerced, nothing changed afterwards."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, frozen=True, serialize_by_alias=True, allow_inf_nan=False
    )

    instead: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What to write in place of a name that people look for here and that is none of its fields."""


class _Platforms:
    """Marks a field as the Platform's alone; there is one of it, :data:`PLATFORMS`."""

    def __repr__(self) -> str:
        return "PLATFORMS"


PLATFORMS = _Platforms()
"""Annotation: only a Platform sets the field; a file of an application that does is refused.

How releases are judged, probed and kept is one team's to say for everybody. A field of an Application is a question that
every developer has to answer, so there are few.
"""


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the names that people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def is_platforms(field: FieldInfo) -> bool:
    """Whether only a Platform sets the field."""
    return PLATFORMS in field.metadata


class Misspelt(ValueError):
    """A value that is not as it must be: a stable code, the whole message, and where in the text it goes wrong."""

    def __init__(self, code: str, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset


class Written:
    """Annotation: the field is written as text that ``parse`` turns into its value and ``format`` turns back."""

    def __init__(
        self,
        parse: Callable[[str], T],
        write: Callable[[T], object],
        expected: str,
        schema: JsonSchemaValue,
        *,
        numbers: bool = False,
    ) -> None:
        self._parse, self._write, self._expected, self._schema, self._numbers = parse, write, expected, schema, numbers

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(self._write, when_used="json")
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return dict(self._schema)

    def _read(self, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not self._numbers:
                return self._parse(quantities.format_number(value))
            value = quantities.format_number(value)
        if not isinstance(value, str):
            raise Misspelt("wrong-type", f"expected {self._expected}, got {describe(value)}")
        return self._parse(value)


def describe(value: object) -> str:
    """``value`` as it may stand in a message: short, and in YAML's words rather than Python's."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
        case dict():
            return "a map"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)[:60]


def text_schema(pattern: str, *examples: str) -> JsonSchemaValue:
    """JSON Schema of a text with a pattern."""
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


def _matching(pattern: str, code: str, expected: str) -> BeforeValidator:
    """Check a text with a message of our own; pydantic's would show the pattern."""
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise Misspelt(code if isinstance(value, str) else "wrong-type", f"expected {expected}, got {describe(value)}")

    return BeforeValidator(check)


def _text(pattern: str, code: str, expected: str) -> Any:
    return Annotated[str, Field(pattern=pattern), _matching(pattern, code, expected)]


def _split(value: object) -> object:
    """A command in one line is split as a shell would, but never given to one."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise Misspelt("bad-command", f"expected a command, got {describe(value)}: {str(error).lower()}") from None


def _as_text(value: object) -> object:
    """``PORT: 8080`` and ``DEBUG: true`` are texts to the process that reads them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _probability(text: str) -> float:
    if re.fullmatch(r"0\.\d{1,18}", text) and float(text):
        return float(text)
    ratio = quantities.parse_ratio(text) if re.fullmatch(quantities.RATIO_PATTERN, text) else 0.0
    if not 0 < ratio < 1:
        raise QuantityError(f"expected a probability between 0 and 1 such as 0.01 or 1%, got {describe(text)}")
    return ratio


def _weight(text: str) -> float:
    percent = quantities.parse_percent(text)
    if not 0.01 <= percent < 100 or round(percent, 2) != percent:
        raise Misspelt("out-of-range", f'expected a weight from 0.01% to below 100% in steps of 0.01%, got "{text}"')
    return percent


def _positive(parse: Callable[[str], float]) -> Callable[[str], float]:
    def check(text: str) -> float:
        value = parse(text)
        if not value:
            raise Misspelt("out-of-range", f'expected more than zero, got "{text}"')
        return value

    return check


NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
PORT_NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$"
HOST_PATTERN = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]([-a-z0-9]*[a-z0-9])?$"
Name = _text(
    NAME_PATTERN,
    "bad-name",
    "a name of lower-case letters, digits and dashes that starts with a letter, at most 63 characters",
)
PortName = _text(
    PORT_NAME_PATTERN,
    "bad-name",
    "a name of lower-case letters, digits and dashes that starts with a letter, at most 15 characters",
)
EnvName = _text(
    r"^[A-Za-z_][A-Za-z0-9_]*$", "bad-name", "the name of an environment variable: letters, digits and underscores"
)
Identifier = _text(r"^[A-Za-z][A-Za-z0-9]*$", "bad-name", "a name of letters and digits that starts with a letter")
SecretName = _text(
    r"^[A-Za-z0-9]([-A-Za-z0-9._/]*[A-Za-z0-9])?$",
    "bad-name",
    "the logical name of a secret such as payments/stripe-key",
)
Host = _text(
    HOST_PATTERN,
    "bad-host",
    "a host name such as shop.example.com",
)
HeaderName = _text(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "bad-name", "a header or cookie name in lower case such as x-user-id"
)
UrlPath = _text(r"^/[^\s?#]*$", "bad-path", "an absolute path such as /healthz")
RelativePath = _text(
    r"^(\.|[-A-Za-z0-9_][-.A-Za-z0-9_]*(/[-A-Za-z0-9_][-.A-Za-z0-9_]*)*)$",
    "bad-path",
    "a relative path such as clusters/all",
)
Repository = _text(
    r"^(https|ssh)://[^\s/?#]+/[^\s?#]*[^\s?#/]$",
    "bad-repository",
    "the address of a repository such as https://github.com/acme/deployments.git",
)
Image = _text(
    r"^[a-z0-9]([-a-zA-Z0-9._/:]*[a-zA-Z0-9])?(@sha256:[a-f0-9]{64})?$",
    "bad-image",
    "an image such as registry.example.com/shop:1.4.2",
)
LabelKey = _text(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "bad-name",
    "the key of a label such as release or example.com/team",
)
Cidr = _text(
    r"^(\d{1,3}\.){3}\d{1,3}/([12]?\d|3[0-2])$|^[0-9a-f:]+/(12[0-8]|1[01]\d|\d{1,2})$",
    "bad-network",
    "a network such as 10.0.0.0/16",
)
Line = _text(r"^\S(.*\S)?$", "bad-text", "one line of text")
EnvValue = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(json_schema_extra={"type": ["string", "number", "boolean"]}),  # YAML's own types
]
Port = Annotated[int, Field(ge=1, le=65535)]
Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_split),
    Field(strict=False, min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"\S"},
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
            ]
        }
    ),
]

_DURATION = "a duration such as 200ms, 30s, 5m or 30d"
_duration_schema = text_schema(quantities.DURATION_PATTERN, "200ms", "30s", "1h30m", "30d")
Duration = Annotated[float, Written(quantities.parse_duration, quantities.format_duration, _DURATION, _duration_schema)]
PositiveDuration = Annotated[
    float, Written(_positive(quantities.parse_duration), quantities.format_duration, _DURATION, _duration_schema)
]
Ratio = Annotated[
    float,
    Written(
        quantities.parse_ratio,
        quantities.format_ratio,
        "a percentage such as 99.9%",
        text_schema(quantities.RATIO_PATTERN, "99.9%", "0.05%"),
    ),
]
Weight = Annotated[
    float,
    Written(_weight, quantities.format_percent, "a weight such as 5%", text_schema(quantities.RATIO_PATTERN, "5%")),
]
Probability = Annotated[
    float,
    Written(
        _probability,
        lambda p: p,
        "a probability such as 0.01 or 1%",
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                text_schema(quantities.RATIO_PATTERN, "1%"),
            ]
        },
        numbers=True,
    ),
]
Cpu = Annotated[
    float,
    Written(
        _positive(quantities.parse_cpu),
        quantities.format_cpu,
        "CPU cores such as 500m or 2",
        {"anyOf": [text_schema(quantities.CPU_PATTERN, "500m"), {"type": "number", "exclusiveMinimum": 0}]},
        numbers=True,
    ),
]
MEMORY_SCHEMA = text_schema(quantities.MEMORY_PATTERN, "512Mi", "1Gi")
Memory = Annotated[
    int,
    Written(
        lambda text: int(_positive(quantities.parse_memory)(text)),
        quantities.format_memory,
        "memory such as 512Mi or 1Gi",
        MEMORY_SCHEMA,
    ),
]
Price = Annotated[
    Money,
    Written(
        quantities.parse_money,
        quantities.format_money,
        "an amount such as $300/month",
        text_schema(quantities.MONEY_PATTERN, "$300/month"),
    ),
]
