"""Two versions of an object to the fields that differ. Called by :mod:`.changes`; knows no file and prints nothing.

Maps are compared by key and lists of named things by name. Quantities are compared as quantities, but only where Kubernetes
has some: a label ``1`` is another one than ``1.0``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Literal

import msgspec

Verb = Literal["added", "changed", "removed"]
Secretive = Callable[[str, str], bool]
"""Whether a value (second) looks like a secret, given what it is called (first)."""
MASK = "***"

_QUANTITIES = frozenset({"requests", "limits", "hard", "capacity", "minAllowed", "maxAllowed"})
"""Maps whose every value is one."""
_QUANTITY = frozenset({"storage", "sizeLimit", "averageValue", "divisor", "size"})
_FREE = frozenset({"labels", "annotations", "matchLabels", "data", "stringData", "env"})
"""Below these people write what they like."""
_NUMBER = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)")
_UNITS: Mapping[str, Decimal] = {
    **{
        unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
_NAMES = ("name", "mountPath", "alert", "record", "key", "topologyKey", "containerPort", "port", "type")
"""What things in lists are known by; the first that all of them have, each another."""


class Field(msgspec.Struct, frozen=True):
    """One value that differs. The value of a secret is ``***``."""

    path: str
    """``spec.template.spec.containers[cart].image``: in brackets a name, or a position."""
    verb: Verb
    before: Any = None
    after: Any = None
    because: str = ""
    """``file:line`` of what somebody wrote that it follows from; empty when that is not known."""


class Hidden(msgspec.Struct, frozen=True):
    """A secret value: compared, and never shown."""

    value: Any


Found = tuple[tuple[str | int, ...], str, Verb, Any, Any]
"""(path after the change, or before it when removed; path in words; verb; before; after)."""


def differences(before: Any, after: Any, secretive: Secretive | None = None) -> Iterator[Found]:
    """Every leaf that is added, removed, or another; secrets are :data:`MASK`."""
    for path, words, verb, old, new in _any(masked(before, secretive), masked(after, secretive), (), ""):
        yield path, words, verb, _shown(old), _shown(new)


def without_secrets(value: Any, secretive: Secretive) -> Any:
    """A copy to be shown: every secret is :data:`MASK`."""
    return _shown(masked(value, secretive))


def masked(value: Any, secretive: Secretive | None = None) -> Any:
    """A copy with every secret in :class:`Hidden`: the data of Secrets, and what looks like one."""
    if isinstance(value, Mapping) and value.get("kind") == "Secret":
        fields = {key: {name: Hidden(one) for name, one in (value.get(key) or {}).items()} for key in _SECRET}
        return {**value, **{key: found for key, found in fields.items() if found}}
    return _masked(value, "", secretive) if secretive else value


_SECRET = ("data", "stringData")
_REFERENCES = frozenset({"secretName", "secretKey"})
"""Names of fields that sound secret and hold the name of one; their values may still look like one."""


def _masked(value: Any, name: str, secretive: Secretive) -> Any:
    if isinstance(value, Mapping):
        called = value.get("name")
        pair = called if isinstance(called, str) and "value" in value else ""
        return {
            key: _masked(one, pair if pair and key == "value" else str(key), secretive) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(one, name, secretive) for one in value]
    known = "" if name in _REFERENCES else name
    return Hidden(value) if isinstance(value, str) and secretive(known, value) else value


def _shown(value: Any) -> Any:
    if isinstance(value, Hidden):
        return MASK
    if isinstance(value, Mapping):
        return {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value


def _any(before: Any, after: Any, path: tuple[str | int, ...], words: str) -> Iterator[Found]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _maps(before, after, path, words)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield from _lists(before, after, path, words)
    elif not _equal(before, after, path):
        yield path, words, "changed", before, after


def _maps(
    before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str | int, ...], words: str
) -> Iterator[Found]:
    for key in dict.fromkeys([*before, *after]):
        inner, called = (*path, key), _below(words, key)
        if key not in after:
            yield inner, called, "removed", before[key], None
        elif key not in before:
            yield inner, called, "added", None, after[key]
        else:
            yield from _any(before[key], after[key], inner, called)


def _lists(before: Sequence[Any], after: Sequence[Any], path: tuple[str | int, ...], words: str) -> Iterator[Found]:
    key = next((one for one in _NAMES if _tells_apart(one, before) and _tells_apart(one, after)), None)
    if key is None or not (before and after):
        yield from _positions(before, after, path, words)
        return
    old, new = ({one[key]: (index, one) for index, one in enumerate(side)} for side in (before, after))
    for name in dict.fromkeys([*old, *new]):
        called = f"{words}[{name}]"
        if name not in new:
            yield (*path, old[name][0]), called, "removed", old[name][1], None
        elif name not in old:
            yield (*path, new[name][0]), called, "added", None, new[name][1]
        else:
            yield from _any(old[name][1], new[name][1], (*path, new[name][0]), called)
    orders = [one for one in old if one in new], [one for one in new if one in old]
    if orders[0] != orders[1]:
        yield path, f"{words} (order)", "changed", *orders


def _tells_apart(key: str, items: Sequence[Any]) -> bool:
    names = [one.get(key) for one in items if isinstance(one, Mapping)]
    known = all(isinstance(one, str | int) and not isinstance(one, bool) for one in names)
    return known and len(names) == len(items) == len(set(names))


def _positions(before: Sequence[Any], after: Sequence[Any], path: tuple[str | int, ...], words: str) -> Iterator[Found]:
    old, new = ([msgspec.json.encode(one) for one in side] for side in (before, after))
    for verb, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if verb == "equal":
            continue
        both = min(b - a, d - c)
        for index in range(both):
            yield from _any(before[a + index], after[c + index], (*path, c + index), f"{words}[{c + index}]")
        for index in range(a + both, b):
            yield (*path, index), f"{words}[{index}]", "removed", before[index], None
        for index in range(c + both, d):
            yield (*path, index), f"{words}[{index}]", "added", None, after[index]


def _below(words: str, key: str) -> str:
    return f'{words}["{key}"]' if "." in key or "/" in key else f"{words}.{key}".removeprefix(".")


def _equal(before: Any, after: Any, path: tuple[str | int, ...]) -> bool:
    if _is_quantity(path) and (old := quantity(before)) is not None and (new := quantity(after)) is not None:
        return old == new
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


def _is_quantity(path: tuple[str | int, ...]) -> bool:
    keys = [one for one in path if isinstance(one, str)]
    if not keys or not _FREE.isdisjoint(keys):
        return False
    return keys[-1] in _QUANTITY or (len(keys) > 1 and keys[-2] in _QUANTITIES)


def quantity(value: Any) -> Decimal | None:
    """The number that a Kubernetes quantity stands for: 0.5 of ``500m``; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _NUMBER.fullmatch(str(value))
    if found is None:
        return None
    number, exponent, unit = found.groups()
    return Decimal(number + exponent) if exponent else Decimal(number) * _UNITS[unit or ""]
