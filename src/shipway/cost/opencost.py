"""What OpenCost answers on ``/allocation/compute`` (or Kubecost on ``/model/allocation``), as charges.

Every allocation becomes a charge of its application, release, team, environment and cluster, as the labels say that
``render`` gives to every object. Idle cost is kept apart, by cluster, so that it can be shared out by our rules. Adjustments
that OpenCost has reconciled with the cloud's bill are part of the cost that they adjust.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from shipway.cost.allocation import Charge, Owner, Part
from shipway.cost.money import is_amount, quantised
from shipway.model.errors import BadInput
from shipway.model.problems import Problem

IDLE = "__idle__"
_COSTS: tuple[tuple[Part, str, str], ...] = (
    ("cpu", "cpuCost", "cpuCostAdjustment"),
    ("memory", "ramCost", "ramCostAdjustment"),
    ("gpu", "gpuCost", "gpuCostAdjustment"),
    ("storage", "pvCost", "pvCostAdjustment"),
    ("network", "networkCost", "networkCostAdjustment"),
    ("load balancer", "loadBalancerCost", "loadBalancerCostAdjustment"),
    ("external", "externalCost", ""),
    ("shared", "sharedCost", ""),
)
_QUANTITIES: tuple[tuple[Part, str, int], ...] = (
    ("cpu", "cpuCoreHours", 1),
    ("memory", "ramByteHours", 2**30),
    ("gpu", "gpuHours", 1),
    ("storage", "pvByteHours", 2**30),
)
_ALWAYS: frozenset[Part] = frozenset({"cpu", "memory"})
"""Shown even where OpenCost says that they cost nothing."""
_ROUNDING = Decimal("0.0001")
"""Parts are rounded to five or six digits, up to fifteen of them; a total further off is a mistake."""


class Imported(msgspec.Struct, frozen=True):
    """What a file holds."""

    charges: tuple[Charge, ...]
    idle: Mapping[str, Decimal]
    """By cluster: paid for, and given to nobody."""
    problems: tuple[str, ...]
    """What was left out, and why."""


def read(file: str, text: str | bytes, currency: str = "USD") -> Imported:
    """The allocations of a response. OpenCost does not say the currency: it is that of its price configuration.

    Raises:
        BadInput: not such a response.
    """
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read", problems=[_no_json(file, text, str(error))]) from error
    sets = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(sets, list):
        hint = "Save the answer of `GET /allocation/compute?window=7d&aggregate=...` of OpenCost."
        raise BadInput(f"{file}: expected an answer of OpenCost with a list `data`", hint=hint)
    return _imported(file, sets, currency)


def _no_json(file: str, text: str | bytes, error: str) -> Problem:
    """The decoder tells the place as ``(byte N)``."""
    expected = "expected an answer of OpenCost, or usage as JSON lines"
    if not text.strip():
        return Problem(file, 1, 1, "", "empty-file", f"{expected}, got an empty file")
    whole = text.encode() if isinstance(text, str) else text
    place = re.search(r"\(byte (\d+)\)", error)
    before = whole[: int(place[1])] if place else b""
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return Problem(file, line, column, "", "no-json", f"{expected}: {error}")


def _imported(file: str, sets: list[Any], currency: str) -> Imported:
    charges: list[Charge] = []
    idle: dict[str, Decimal] = {}
    problems: list[str] = []
    for where, one in _allocations(sets):
        try:
            found = _charge(one, currency)
        except ValueError as error:
            problems.append(f"{file}: {where}: {error}; it is left out")
            continue
        if str(one.get("name", "")).endswith(IDLE):
            idle[found.owner.cluster] = idle.get(found.owner.cluster, Decimal(0)) + found.total
        else:
            charges.append(found)
    return Imported(tuple(charges), idle, tuple(problems))


def _allocations(sets: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, allocation); a window in which nothing ran is null."""
    for index, one in enumerate(sets):
        for name, found in (one or {}).items() if isinstance(one, dict | None) else [("", None)]:
            yield f"data[{index}].{name}", {"name": name, **found} if isinstance(found, dict) else {}


def _charge(one: Mapping[str, Any], currency: str) -> Charge:
    parts = {part: quantised(_number(one, cost) + _number(one, change)) for part, cost, change in _COSTS}
    parts = {part: cost for part, cost in parts.items() if cost or part in _ALWAYS}
    said, summed = _number(one, "totalCost"), sum(parts.values(), Decimal(0))
    if "totalCost" in one and abs(said - summed) > max(_ROUNDING, abs(said) * _ROUNDING):
        raise ValueError(f"its parts come to {summed.normalize():f}, its totalCost is {said.normalize():f}")
    hours = {part: quantised(_number(one, name) / unit) for part, name, unit in _QUANTITIES}
    start, end = _moment(one, "start"), _moment(one, "end")
    if end < start:
        raise ValueError("it ends before it starts")
    return Charge(_owner(one), start, end, currency, parts, {part: held for part, held in hours.items() if held})


def _number(one: Mapping[str, Any], name: str) -> Decimal:
    value = one.get(name, 0) if name else 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number in {name}, got {value!r}"[:120])  # noqa: TRY004  # the answer is wrong
    if not is_amount(abs(value)) or (value < 0 and not name.endswith("Adjustment")):
        raise ValueError(f"{name} is {value}")
    return Decimal(repr(value))


def _moment(one: Mapping[str, Any], name: str) -> float:
    window = one.get("window")
    text = one.get(name) or (window.get(name) if isinstance(window, dict) else None)
    if not isinstance(text, str):
        raise ValueError(f"expected a time in {name}, got {text!r}")  # noqa: TRY004  # the answer is wrong
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _owner(one: Mapping[str, Any]) -> Owner:
    properties = one.get("properties")
    known: Mapping[str, Any] = properties if isinstance(properties, dict) else {}
    labels = known.get("labels")
    label = labels.get if isinstance(labels, dict) else {}.get
    fallback = known.get("namespace") or known.get("controller") or str(one.get("name", ""))
    return Owner(
        app=str(label("app_kubernetes_io_name") or fallback),
        release=str(label("shipway_dev_release") or label("app_kubernetes_io_version") or ""),
        team=str(label("shipway_dev_team") or label("team") or ""),
        environment=str(label("shipway_dev_environment") or ""),
        cluster=str(known.get("cluster") or ""),
    )
