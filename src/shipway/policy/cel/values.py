"""CEL values as Python values.

``int``, ``float``, ``bool``, ``str``, ``bytes``, ``None``, ``list`` and ``dict`` stand for themselves, so plain JSON data
is used as it is. What Python has no plain value for is here. Values are never changed after they are made.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from shipway.policy.cel.errors import CelError

Value: TypeAlias = Any
"""Any of the above; a name for readers, since plain data has no narrower type."""

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
NANOS = 1_000_000_000
DURATION_MAX = 2**63 - 1
"""Nanoseconds, about 292 years: what Go's time.Duration holds, as in cel-go."""
TIME_MIN, TIME_MAX = -62135596800 * NANOS, 253402300800 * NANOS - 1
"""0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, in nanoseconds since the epoch."""


class UInt(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


class Duration:
    """A length of time in nanoseconds."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        if not -DURATION_MAX - 1 <= nanos <= DURATION_MAX:
            raise CelError("duration out of range: more than about 292 years")
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(("duration", self.nanos))

    def __lt__(self, other: "Duration") -> bool:
        return self.nanos < other.nanos

    def __le__(self, other: "Duration") -> bool:
        return self.nanos <= other.nanos

    def __repr__(self) -> str:
        return f"Duration({self})"

    def __str__(self) -> str:
        """Seconds with the digits that are needed: ``3600s``, ``-1.5s``."""
        seconds, rest = divmod(abs(self.nanos), NANOS)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return f"{'-' if self.nanos < 0 else ''}{seconds}{fraction}s"


class Timestamp:
    """A moment, in nanoseconds since the epoch (UTC)."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        if not TIME_MIN <= nanos <= TIME_MAX:
            raise CelError("timestamp out of range: years 1 to 9999")
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.nanos == other.nanos

    def __hash__(self) -> int:
        return hash(("timestamp", self.nanos))

    def __lt__(self, other: "Timestamp") -> bool:
        return self.nanos < other.nanos

    def __le__(self, other: "Timestamp") -> bool:
        return self.nanos <= other.nanos

    def __repr__(self) -> str:
        return f"Timestamp({self})"

    def __str__(self) -> str:
        """RFC 3339 in UTC."""
        seconds, rest = divmod(self.nanos, NANOS)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        moment = EPOCH + dt.timedelta(seconds=seconds)
        return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"

    def datetime(self, zone: dt.tzinfo = dt.UTC) -> dt.datetime:
        """The same moment with microseconds, in the zone."""
        return (EPOCH + dt.timedelta(microseconds=self.nanos // 1000)).astimezone(zone)


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class CelType:
    """A type as a value: ``type(1)`` is ``int``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CelType) and self.name == other.name

    def __hash__(self) -> int:
        return hash(("type", self.name))

    def __repr__(self) -> str:
        return self.name


class Optional:
    """A value or nothing (``EMPTY``)."""

    __slots__ = ("filled", "value")

    def __init__(self, value: Value, *, filled: bool = True) -> None:
        self.value = value
        self.filled = filled

    def __repr__(self) -> str:
        return f"optional.of({self.value!r})" if self.filled else "optional.none()"


EMPTY = Optional(None, filled=False)


class Opaque:
    """Base of library values such as quantities: ``cel_type`` names the type, ``==`` and ``str`` are the CEL ones."""

    cel_type: str = "opaque"


class _BoolKey:
    """``true`` or ``false`` as a key beside 1 and 0, which Python takes for the same."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


_KEYS = (_BoolKey(False), _BoolKey(True))


def _store(key: Value) -> Value:
    return _KEYS[key] if key is True or key is False else key


def _show(key: Value) -> Value:
    return key.value if type(key) is _BoolKey else key


class BoolMap(dict[Any, Any]):
    """A map with boolean keys. Made only by expressions that write such keys."""

    def __init__(self, entries: Iterable[tuple[Value, Value]]) -> None:
        super().__init__((_store(key), value) for key, value in entries)

    def __getitem__(self, key: Value) -> Value:
        return super().__getitem__(_store(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(_store(key))

    def __iter__(self) -> Iterator[Value]:
        return (_show(key) for key in super().__iter__())

    def items(self) -> Any:
        """Pairs with the keys as written."""
        return [(_show(key), value) for key, value in super().items()]

    def keys(self) -> Any:
        """The keys as written."""
        return list(self)

    def get(self, key: Value, default: Value = None) -> Value:
        """The value of the key or the default."""
        return super().get(_store(key), default)


def make_map(entries: Iterable[tuple[Value, Value]]) -> dict[Any, Any]:
    """A map of the entries; equal keys (1, 1u) and keys of other types are errors."""
    pairs = list(entries)
    boolean = False
    for key, _ in pairs:
        if type(key) is bool:
            boolean = True
        elif not isinstance(key, (str, int)):
            raise CelError(f"unsupported key type: {type_name(key)}; expected bool, int, uint or string")
    made = BoolMap(pairs) if boolean else dict(pairs)
    if len(made) != len(pairs):
        raise CelError("repeated key in a map")
    return made


_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    tuple: "list",
    dict: "map",
    BoolMap: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    CelType: "type",
    Optional: "optional_type",
}


def type_name(value: Value) -> str:  # noqa: PLR0911  # one kind of value after the other
    """The CEL name of the value's type."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, Opaque):
        return value.cel_type
    if isinstance(value, dt.date):
        return "google.protobuf.Timestamp"
    if isinstance(value, dt.timedelta):
        return "google.protobuf.Duration"
    for base, name in ((bool, "bool"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes")):
        if isinstance(value, base):
            return name
    if isinstance(value, Mapping):
        return "map"
    return "list" if isinstance(value, Sequence) else type(value).__name__


def plain(value: Value) -> Value:  # noqa: PLR0911  # one kind of value after the other
    """Data that YAML readers and callers make, as CEL values: dates become timestamps, tuples lists."""
    if isinstance(value, (dict, list)):
        return value
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return Timestamp((aware - EPOCH) // dt.timedelta(microseconds=1) * 1000)
    if isinstance(value, dt.date):
        return plain(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC))
    if isinstance(value, dt.timedelta):
        return Duration(value // dt.timedelta(microseconds=1) * 1000)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return list(value)
    return value
