"""The two small grammars inside values: ``check`` lines and latency objectives. Parsed by hand, never evaluated.

    check      = indicator [ "increase" ] op quantity        errorRate < 0.1%     costPerRequest increase < 10%
    objective  = share "<" duration                          95% < 200ms
    op         = "<" | "<=" | ">" | ">="

A check says what must hold. An error carries the offset of the first character that is wrong.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shipway.model import quantities
from shipway.model.quantities import QuantityError
from shipway.model.suggestions import did_you_mean
from shipway.spec.fields import Misspelt, Written, describe, text_schema

Unit = Literal["ratio", "duration", "rate", "money", "number"]
Operator = Literal["<", "<=", ">", ">="]

INDICATORS: Mapping[str, Unit] = MappingProxyType(
    {
        "errorRate": "ratio",
        "availability": "ratio",
        "latencyP50": "duration",
        "latencyP90": "duration",
        "latencyP95": "duration",
        "latencyP99": "duration",
        "requestRate": "rate",
        "costPerRequest": "money",
    }
)
"""What every service is measured by; a Platform may name more."""

_WANTS: Mapping[Unit, str] = MappingProxyType(
    {
        "ratio": "a percentage such as 0.1%",
        "duration": "a duration such as 200ms",
        "rate": "requests per second such as 10/s",
        "money": "an amount such as $0.002",
        "number": "a number such as 10",
    }
)
_LOWER_IS_BETTER = frozenset({"errorRate", "latencyP50", "latencyP90", "latencyP95", "latencyP99", "costPerRequest"})
_HIGHER_IS_BETTER = frozenset({"availability"})
_FORM = "<indicator> [increase] <op> <quantity>"
_TOKEN = re.compile(r"\s*(<=|>=|<|>|[^\s<>]+)")
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?")

CHECK_PATTERN = r"^\s*[A-Za-z][A-Za-z0-9]*(\s+increase)?\s*(<|<=|>|>=)\s*[$€£]?\d[^\s<>]*\s*$"
OBJECTIVE_PATTERN = r"^\s*\d{1,18}(\.\d{1,18})?%\s*<\s*(\d{1,18}(\.\d{1,18})?(ms|us|d|h|m|s))+\s*$"


class Check(msgspec.Struct, frozen=True):
    """What must hold for the canary: ``indicator [increase] op limit``."""

    indicator: str
    """One of :data:`INDICATORS` or a metric that the Platform names."""
    op: Operator
    limit: float
    """In the base unit: 0..1 for a ratio or an increase, seconds, requests per second, or an amount of money."""
    unit: Unit
    """Unit of ``limit``; ``ratio`` for every increase."""
    increase: bool = False
    """The limit is on the growth over the baseline: 0.1 is "at most 10 % more"."""
    text: str = ""
    """As people write it, in canonical spacing."""


class LatencyObjective(msgspec.Struct, frozen=True):
    """At least ``share`` of the requests answered in less than ``threshold`` seconds."""

    share: float
    """0..1."""
    threshold: float
    """Seconds."""


def parse_check(text: str, metrics: Mapping[str, Unit] | None = None) -> Check:
    """A check line. ``metrics`` are the Platform's; None accepts any name and takes the unit from the quantity.

    Raises:
        Misspelt: with the offset of the first wrong character.
    """
    tokens = _tokens(text)
    name, at = tokens.pop(0) if tokens else ("", len(text))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
        raise Misspelt("bad-check", f'expected "{_FORM}" such as "errorRate < 0.1%", got {describe(text)}', at)
    unit = _unit(name, metrics, at)
    increase = bool(tokens) and tokens[0][0] == "increase"
    if increase:
        tokens.pop(0)
    op, quantity = _comparison(tokens, text, name)
    _direction(name, op, increase, text)
    if unit is None:
        unit = _guessed(quantity[0])
    unit = "ratio" if increase else unit
    limit = _limit(name, unit, quantity, increase=increase)
    words = [name, "increase"] if increase else [name]
    return Check(name, op, limit, unit, increase, " ".join([*words, op, quantity[0]]))


def parse_objective(text: str) -> LatencyObjective:
    """``95% < 200ms``.

    Raises:
        Misspelt: the text is not of that form.
    """
    share, _, threshold = (part.strip() for part in text.partition("<"))
    try:
        objective = LatencyObjective(quantities.parse_ratio(share), quantities.parse_duration(threshold))
    except QuantityError:
        raise Misspelt(
            "bad-objective", f'expected "<share> < <duration>" such as "95% < 200ms", got {describe(text)}'
        ) from None
    if not 0 < objective.share < 1 or not objective.threshold:
        raise Misspelt(
            "out-of-range", f"expected a share between 0% and 100% and a duration above 0, got {describe(text)}"
        )
    return objective


def format_objective(objective: LatencyObjective) -> str:
    """``LatencyObjective(0.95, 0.2)`` is ``95% < 200ms``."""
    return f"{quantities.format_ratio(objective.share)} < {quantities.format_duration(objective.threshold)}"


def _tokens(text: str) -> list[tuple[str, int]]:
    return [(match[1], match.start(1)) for match in _TOKEN.finditer(text)]


def _unit(name: str, metrics: Mapping[str, Unit] | None, at: int) -> Unit | None:
    known = {**INDICATORS, **(metrics or {})}
    if name in known or metrics is None:
        return known.get(name)
    hint = did_you_mean(name, known) or "; name a metric of your own in the Platform's spec.metrics"
    raise Misspelt("unknown-indicator", f"expected one of {', '.join(known)}, got {describe(name)}{hint}", at)


def _comparison(tokens: list[tuple[str, int]], text: str, name: str) -> tuple[Operator, tuple[str, int]]:
    operators: tuple[Operator, ...] = get_args(Operator)
    op, at = tokens[0] if tokens else ("", len(text))
    if op not in operators:
        hint = did_you_mean(op, ["increase"])
        message = f"expected {', '.join(operators)} or `increase` after {name}, got {describe(op or None)}{hint}"
        raise Misspelt("bad-check", message, at)
    quantity, at = tokens[1] if len(tokens) > 1 else ("", len(text))
    if not quantity or quantity in operators:
        raise Misspelt("bad-check", f'expected a quantity after "{op}", got {describe(quantity or None)}', at)
    if len(tokens) > 2:
        rest, after = tokens[2]
        raise Misspelt("bad-check", f"expected the end of the check after {quantity}, got {describe(rest)}", after)
    return operators[operators.index(op)], (quantity, at)


def _direction(name: str, op: Operator, increase: bool, text: str) -> None:
    """``errorRate > 1%`` would demand errors; the author meant the opposite."""
    at = text.index(op)
    if op[0] == ">" and (name in _LOWER_IS_BETTER or increase):
        raise Misspelt(
            "wrong-direction",
            f'a check says what must hold and {name} is better when lower: expected "<", got "{op}"',
            at,
        )
    if op[0] == "<" and name in _HIGHER_IS_BETTER and not increase:
        raise Misspelt(
            "wrong-direction",
            f'a check says what must hold and {name} is better when higher: expected ">", got "{op}"',
            at,
        )
    if increase and name in _HIGHER_IS_BETTER:
        raise Misspelt(
            "wrong-direction", f"an increase of {name} is no harm: check errorRate increase instead", text.index(name)
        )


def _guessed(quantity: str) -> Unit:
    """The unit of a metric we have no declaration of, from how its limit is written."""
    for unit in ("ratio", "duration", "money"):
        try:
            _PARSERS[unit](quantity)
        except QuantityError:
            continue
        return unit
    return "number"


def _limit(name: str, unit: Unit, quantity: tuple[str, int], *, increase: bool) -> float:
    text, at = quantity
    try:
        return quantities.parse_percent(text) / 100 if increase else _PARSERS[unit](text)
    except QuantityError:
        subject = f"the increase of {name}" if increase else name
        wants = "a percentage such as 10%" if increase else _WANTS[unit]
        raise Misspelt("wrong-unit", f"{subject} wants {wants}, got {text}", at) from None


def _rate(text: str) -> float:
    return _number(text.removesuffix("/s"))


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise QuantityError(f'expected a number, got "{text}"')
    return float(text)


_PARSERS: Mapping[str, Callable[[str], float]] = MappingProxyType(
    {
        "ratio": quantities.parse_ratio,
        "duration": quantities.parse_duration,
        "rate": _rate,
        "money": lambda text: quantities.parse_money(text).amount,
        "number": _number,
    }
)


class _CheckText:
    """Annotation: a :class:`Check` written as text; the Platform's metrics arrive in the validation context."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda check: check.text, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return text_schema(CHECK_PATTERN, "errorRate < 0.1%", "latencyP95 < 200ms", "costPerRequest increase < 10%")

    def _read(self, value: object, info: ValidationInfo) -> Check:
        if not isinstance(value, str):
            raise Misspelt("wrong-type", f'expected "{_FORM}" such as "errorRate < 0.1%", got {describe(value)}')
        return parse_check(value, (info.context or {}).get("metrics"))


CheckLine = Annotated[Check, _CheckText()]
Objective = Annotated[
    LatencyObjective,
    Written(
        parse_objective,
        format_objective,
        '"<share> < <duration>" such as "95% < 200ms"',
        text_schema(OBJECTIVE_PATTERN, "95% < 200ms", "99% < 1s"),
    ),
]
