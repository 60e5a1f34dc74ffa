"""Values that say two things in one short text. Used by :mod:`shipway.spec.application`; parsed by hand, never evaluated.

    signal     = kind [ quantity ]                cpu 70%     requests 50/s     queue 200
    schedule   = cron [ "for" duration ]          30 2 * * * for 20m            release
    called     = application [ ":" port ] | host  inventory   ledger:admin      api.stripe.com
    resource   = engine [ "/" name ]              postgres    postgres/orders
    place      = path | name                      /var/lib/search               orders

Checks and objectives have grammars of their own in :mod:`shipway.spec.checks`.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import BeforeValidator, WithJsonSchema

from shipway.model import quantities
from shipway.model.quantities import QuantityError
from shipway.model.suggestions import did_you_mean
from shipway.spec.fields import HOST_PATTERN, NAME_PATTERN, PORT_NAME_PATTERN, Misspelt, Written, describe, text_schema

SignalKind = Literal["cpu", "memory", "requests", "queue"]
SIGNALS: tuple[SignalKind, ...] = get_args(SignalKind)


class ScalingSignal(msgspec.Struct, frozen=True):
    """What the number of instances follows."""

    kind: SignalKind
    target: float | None = None
    """What one instance should carry: percent of its CPU or memory, requests per second, or queued messages."""


class Schedule(msgspec.Struct, frozen=True):
    """When a job runs, and for how long."""

    when: str
    """cron's five fields in UTC, or ``release``."""
    usual: float | None = None
    """Seconds that a run usually takes; None: nobody said."""


class Called(msgspec.Struct, frozen=True):
    """Who is called: an application, or a host outside of the platform."""

    application: str | None = None
    port: str | None = None
    """Which named port of that application; None for its main port."""
    host: str | None = None


class Resource(msgspec.Struct, frozen=True):
    """A resource that an application calls."""

    engine: str
    name: str | None = None
    """To tell several of a kind apart."""

    @property
    def key(self) -> str:
        """What the application calls it: its name, or its engine when it has none."""
        return self.name or self.engine


def parse_signal(text: str) -> ScalingSignal:
    """``cpu 70%``.

    Raises:
        Misspelt: with the offset of the first wrong character.
    """
    word, _, rest = text.partition(" ")
    kind = next((kind for kind in SIGNALS if kind == word), None)
    if kind is None:
        hint = did_you_mean(word, SIGNALS)
        raise Misspelt("not-one-of", f"expected one of {', '.join(SIGNALS)}, got {describe(text)}{hint}")
    if not rest.strip():
        return ScalingSignal(kind)
    wanted, parse, _ = _CARRIED[kind]
    at = len(text) - len(rest.lstrip())
    try:
        target = parse(rest.strip())
    except QuantityError:
        raise Misspelt("wrong-unit", f"{kind} wants {wanted}, got {describe(rest.strip())}", at) from None
    if not target:
        raise Misspelt("out-of-range", f"expected more than zero, got {describe(rest.strip())}", at)
    return ScalingSignal(kind, target)


def format_signal(signal: ScalingSignal) -> str:
    """``ScalingSignal("cpu", 70)`` is ``cpu 70%``."""
    if signal.target is None:
        return signal.kind
    return f"{signal.kind} {quantities.format_number(signal.target)}{_CARRIED[signal.kind][2]}"


def parse_schedule(text: str) -> Schedule:
    """``30 2 * * * for 20m``; whether the five fields make sense is for the rules to say.

    Raises:
        Misspelt: what follows ``for`` is no duration.
    """
    when, separator, usual = text.partition(" for ")
    if not separator:
        return Schedule(text)
    at = len(when) + len(separator)
    try:
        duration = quantities.parse_duration(usual.strip())
    except QuantityError as error:
        raise Misspelt("bad-quantity", str(error), at) from None
    if not duration:
        raise Misspelt("out-of-range", f"expected more than zero, got {describe(usual.strip())}", at)
    return Schedule(when.strip(), duration)


def format_schedule(schedule: Schedule) -> str:
    """``Schedule("0 3 * * *", 60)`` is ``0 3 * * * for 1m``."""
    return f"{schedule.when} for {quantities.format_duration(schedule.usual)}" if schedule.usual else schedule.when


def parse_called(text: str) -> Called:
    """``ledger:admin`` or ``api.stripe.com``.

    Raises:
        Misspelt: it is neither.
    """
    name, colon, port = text.partition(":")
    if not colon and "." in text and re.fullmatch(HOST_PATTERN, text):
        return Called(host=text)
    if re.fullmatch(NAME_PATTERN, name) and (not colon or re.fullmatch(PORT_NAME_PATTERN, port)):
        return Called(application=name, port=port or None)
    raise Misspelt("bad-name", f"expected {CALLED}, got {describe(text)}")


def format_called(called: Called) -> str:
    """``Called("ledger", "admin")`` is ``ledger:admin``."""
    name = called.host or str(called.application)
    return f"{name}:{called.port}" if called.port else name


def format_resource(resource: Resource) -> str:
    """``Resource("postgres", "orders")`` is ``postgres/orders``."""
    return f"{resource.engine}/{resource.name}" if resource.name else resource.engine


def engine(*engines: str) -> Any:
    """Annotation: a resource of one of these engines, perhaps with a name."""

    def parse(text: str) -> Resource:
        found, slash, name = text.partition("/")
        if found not in engines:
            choices = f"one of {', '.join(engines)}" if len(engines) > 1 else engines[0]
            raise Misspelt("not-one-of", f"expected {choices}, got {describe(text)}{did_you_mean(found, engines)}")
        if slash and not re.fullmatch(NAME_PATTERN, name):
            raise Misspelt("bad-name", f"expected a name such as {found}/orders, got {describe(text)}", len(found) + 1)
        return Resource(found, name or None)

    schema = text_schema(f"^({'|'.join(engines)})(/{NAME_PATTERN[1:-1]})?$", engines[0], f"{engines[0]}/orders")
    expected = f"{engines[0]} or {engines[0]}/<name>"
    return Written(parse, format_resource, expected, schema)


def _requests(text: str) -> float:
    number = text.removesuffix("/s")
    return _positive(number if number != text else "")


def _positive(text: str) -> float:
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text):
        raise QuantityError(f"expected a number, got {describe(text)}")
    return float(text)


_CARRIED: Mapping[SignalKind, tuple[str, Callable[[str], float], str]] = MappingProxyType(
    {
        "cpu": ("a percentage such as 70%", quantities.parse_percent, "%"),
        "memory": ("a percentage such as 75%", quantities.parse_percent, "%"),
        "requests": ("requests per second such as 50/s", _requests, "/s"),
        "queue": ("a number of messages such as 200", _positive, ""),
    }
)
"""What one instance carries of each: in words, how it is read, and the unit behind the number."""

SIGNAL_PATTERN = r"^(cpu|memory)(\s+\d{1,18}(\.\d{1,18})?%)?$|^requests(\s+\d{1,12}(\.\d{1,6})?/s)?$|^queue(\s+\d{1,12}(\.\d{1,6})?)?$"
SCHEDULE_PATTERN = r"^\S(.*\S)?$"
CALLED = "the name of an application such as inventory, one of its ports such as ledger:admin, a host such as api.stripe.com, or a map such as {database: postgres}"
CALLED_PATTERN = f"{NAME_PATTERN[:-1]}(:{PORT_NAME_PATTERN[1:-1]})?$|{HOST_PATTERN}"
PLACE_PATTERN = rf"^/[^\s?#]*$|{NAME_PATTERN}"

Signal = Annotated[
    ScalingSignal,
    Written(
        parse_signal,
        format_signal,
        "what to follow, such as cpu or requests 50/s",
        text_schema(SIGNAL_PATTERN, "cpu 70%", "requests 50/s", "queue 200"),
    ),
]
Timetable = Annotated[
    Schedule,
    Written(
        parse_schedule,
        format_schedule,
        "cron's five fields such as 0 3 * * *",
        text_schema(SCHEDULE_PATTERN, "0 3 * * *", "30 2 * * * for 20m", "release"),
    ),
]
Callee = Annotated[
    Called, Written(parse_called, format_called, CALLED, text_schema(CALLED_PATTERN, "inventory", "ledger:admin"))
]


def _place(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(PLACE_PATTERN, value):
        return value
    message = f"expected the path of a disk such as /data or the name of a database, got {describe(value)}"
    raise Misspelt("bad-path", message)


StoragePlace = Annotated[str, BeforeValidator(_place), WithJsonSchema({"type": "string", "pattern": PLACE_PATTERN})]
