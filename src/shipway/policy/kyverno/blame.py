"""Which value of the object made conditions hold, and what it may be. Called by ``validation``, only for rules that failed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shipway.policy.kyverno import conditions, origins, variables
from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.kyverno.origins import Origin, common, placed
from shipway.policy.rules import Path

_ALLOWED: Mapping[str, str] = {
    "equal": "not {}",
    "notequal": "{}",
    "in": "none of {}",
    "anyin": "none of {}",
    "allin": "not only {}",
    "notin": "only {}",
    "anynotin": "only {}",
    "allnotin": "one of {}",
    "greaterthan": "at most {}",
    "greaterthanorequal": "less than {}",
    "lessthan": "at least {}",
    "lessthanorequal": "more than {}",
}
"""What is left when a condition must not hold."""


def blame(wanted: object, data: Context, level: int) -> tuple[Path, str]:
    """Path of the value that made conditions hold, and what is allowed there; ``()`` and empty when it cannot be told.

    Within a loop (of ``level``, from 0) the path may begin with ``origins.element``. Never raises.
    """
    try:
        return _blamed(wanted, data, level)
    except Exception:  # noqa: BLE001  # the verdict stands, whatever goes wrong with telling its place
        return (), ""


def _blamed(wanted: object, data: Context, level: int) -> tuple[Path, str]:
    for condition in _deciding(wanted, data.lenient):
        path, is_compared = _of_condition(condition, data, level)
        if path:
            return path, _allowed(condition, data) if is_compared else ""
    return (), ""


def _deciding(wanted: object, resolve: conditions.Resolve) -> Iterator[Mapping[str, Any]]:
    """Conditions that hold, most telling first: of those that all hold the last, the others mostly ask whether it matters."""
    if isinstance(wanted, Mapping) and "operator" in wanted:
        yield wanted
    elif isinstance(wanted, Mapping):
        for one in reversed(wanted.get("all") or ()):
            yield from _deciding(one, resolve)
        for one in wanted.get("any") or ():
            if conditions.holds(one, resolve):
                yield from _deciding(one, resolve)
    elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
        for one in reversed(wanted):
            yield from _deciding(one, resolve)


def _of_condition(condition: Mapping[str, Any], data: Context, level: int) -> tuple[Path, bool]:
    """Path, and whether the value there is itself what the operator compares, not what a function made of it."""
    for side in ("key", "value"):
        found = _read(condition.get(side), data, level)
        if len(found) == 1 and variables.whole(condition[side]):
            path = _of_whole(found[0], side, condition, data)
            is_compared = side == "key" and (found[0].exact or isinstance(found[0].value, list))
        else:
            path = common([each for one in found if (each := placed(one.path, data))])
            is_compared = False
        if path:
            return path, is_compared
    return (), False


def _of_whole(origin: Origin, side: str, condition: Mapping[str, Any], data: Context) -> Path:
    """The element of a list that makes the condition hold, if one alone does."""
    operator = str(condition.get("operator", "")).lower()
    if origin.items is None:
        return placed(origin.path, data) or ()
    is_absence = side == "value" and "not" in operator  # what is missing from a list is missing from all of it
    if isinstance(origin.value, list) and "in" in operator and not is_absence:
        paths = [placed(one.path, data) or () for one in origin.items if _holds_alone(one, side, condition, data)]
    elif not is_absence and (
        "greater" in operator or "not" in operator
    ):  # the length of a list with a condition of its own
        paths = [placed(one.why or one.path, data) or () for one in origin.items]
    else:
        paths = []
    known = [path for path in paths if path]
    if known and (operator in {"anyin", "anynotin", "notin"} or len(known) == 1):
        return known[0]
    return common(known) or placed(origin.path, data) or ()


def _holds_alone(one: Origin, side: str, condition: Mapping[str, Any], data: Context) -> bool:
    sides = {name: data.lenient(condition.get(name)) for name in ("key", "value")} | {side: [one.value]}
    return conditions.OPERATORS[str(condition["operator"]).lower()](sides["key"], sides["value"])


def _read(side: object, data: Context, level: int) -> list[Origin]:
    """Origins of the expressions in one side of a condition, outermost last."""
    read: list[str] = []

    def query(text: str) -> Any:
        read.append(text)
        return data.query(text)

    try:
        variables.substitute(side, query, lenient=True)
    except RuleFault:
        return []
    return [found for text in read if (found := origins.trace(text, data, level)).path is not None]


def _allowed(condition: Mapping[str, Any], data: Context) -> str:
    operator = str(condition.get("operator", "")).lower().removeprefix("duration").removesuffix("s")
    sentence = _ALLOWED.get(operator if operator in _ALLOWED else operator.removesuffix("s"), "")
    try:
        value = data.lenient(condition.get("value"))
    except RuleFault:
        return ""
    return sentence.format(origins.written(value)) if value is not None else ""


def element_path(expression: str, index: int, data: Context, level: int) -> tuple[Path | None, bool]:
    """Path of an element of the list that a loop of ``level`` goes through, and whether it is an entry of a map."""
    found = origins.trace(expression, data, level - 1)
    path = placed(found.path, data)
    if isinstance(found.value, dict):
        return (None if path is None or not found.exact else (*path, sorted(found.value)[index])), True
    if isinstance(found.value, list) and found.items is not None and index < len(found.items):
        return placed(found.items[index].path, data), False
    is_list = isinstance(found.value, list) and found.exact and path is not None
    return (*path, index) if is_list and path is not None else path, False


def within(path: Path, level: int, root: Callable[[], tuple[Path | None, bool]]) -> Path:
    """A path with the element of a loop replaced by its place; ``()`` when that is not known."""
    if path[:1] != (origins.element(level),):
        return path
    found, of_map = root()
    # An entry of a map has a `key` and a `value`; in the object there is only the value, at its key.
    return () if found is None else (*found, *path[2 if of_map else 1 :])
