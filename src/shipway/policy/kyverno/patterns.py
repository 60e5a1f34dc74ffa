"""An object against an overlay pattern with anchors, as ``validate.pattern`` and ``anyPattern`` of Kyverno.

Called by ``validation``. The outcome is a ``Mismatch`` that knows the offending path, or None. An anchor that says "this
does not concern you" (``()`` and ``<()``) makes a mismatch with ``skip``. Variables are already substituted.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from shipway.policy.kyverno import scalars, wildcards
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.rules import Path

_ANCHOR = re.compile(r"([=^X<+]?)\((.*)\)", re.DOTALL)
_LONGEST_SHOWN = 200
MAX_DEPTH = 60
"""Of pattern and object; deeper is refused instead of exhausting the stack."""


class Mismatch(msgspec.Struct, frozen=True):
    """Where and why the object is not as the pattern says."""

    path: Path
    message: str
    skip: bool = False
    """The pattern does not apply to this object."""
    allowed: str = ""
    """What the pattern asks for there."""
    present: bool = True
    """Whether there is a value at the path."""


class Pattern(msgspec.Struct, frozen=True):
    """A pattern as it is kept: its references resolved."""

    value: Any
    varies: bool
    """Whether it has variables to substitute for each request."""


def match(value: object, pattern: object) -> Mismatch | None:
    """Compare from the root. Raises :class:`RuleFault` for a pattern too deep."""
    return _match(value, pattern, ())


@lru_cache(maxsize=8192)
def anchor(key: str) -> tuple[str, str]:
    """Kind and name of a key: ``=(image)`` is (``=``, ``image``), ``(image)`` is (``()``, ``image``), ``image`` (``""``, ``image``)."""
    found = _ANCHOR.fullmatch(key)
    return ("", key) if found is None else (found[1] or "()", found[2])


def check(pattern: object, path: Path) -> None:
    """Refuse at load what can never be evaluated: the anchor ``+()``, which only adds, and depth."""
    if len(path) > MAX_DEPTH:
        raise Unsupported(f"expected a pattern of at most {MAX_DEPTH} levels", path[:MAX_DEPTH])
    if isinstance(pattern, Mapping):
        for key, below in pattern.items():
            if anchor(str(key))[0] == "+":
                raise Unsupported("the anchor `+()` adds a value, which only mutate rules can; use `=()`", (*path, key))
            check(below, (*path, key))
    elif isinstance(pattern, list):
        for index, below in enumerate(pattern):
            check(below, (*path, index))


def _match(value: object, pattern: object, path: Path) -> Mismatch | None:
    if len(path) > MAX_DEPTH:
        raise RuleFault(f"the pattern is deeper than {MAX_DEPTH} levels")
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return Mismatch(path, f"expected a map, found {_shown(value)}", allowed="a map", present=value is not None)
        return _match_map(value, pattern, path)
    if isinstance(pattern, list):
        if not isinstance(value, list):
            return Mismatch(
                path, f"expected a list, found {_shown(value)}", allowed="a list", present=value is not None
            )
        return _match_list(value, pattern, path)
    return _match_scalar(value, pattern, path)


def _match_scalar(value: object, pattern: object, path: Path) -> Mismatch | None:
    if isinstance(value, list):
        return next(
            (
                Mismatch((*path, i), _expected(item, pattern), allowed=_shown(pattern))
                for i, item in enumerate(value)
                if not scalars.satisfies(item, pattern)
            ),
            None,
        )
    if pattern == "*" and value is not None:
        return None
    if scalars.satisfies(value, pattern):
        return None
    return Mismatch(path, _expected(value, pattern), allowed=_shown(pattern), present=value is not None)


def _match_list(values: Sequence[object], patterns: Sequence[object], path: Path) -> Mismatch | None:
    if not patterns:
        return Mismatch(path, "the pattern of the list is empty")
    first = patterns[0]
    if isinstance(first, dict):
        return _match_each(values, first, path)
    if not isinstance(first, list):
        return _match_scalar(values, first, path)
    if len(values) < len(patterns):
        wanted = f"at least {len(patterns)} items"
        return Mismatch(path, f"expected {wanted}, found {len(values)}", allowed=wanted)
    pairs = zip(values, patterns, strict=False)
    return next((found for i, (value, below) in enumerate(pairs) if (found := _match(value, below, (*path, i)))), None)


def _match_each(values: Sequence[object], pattern: dict[str, Any], path: Path) -> Mismatch | None:
    """Every item must match, except those that a condition leaves out; all left out leaves out the whole."""
    skipped: Mismatch | None = None
    applied = 0
    for index, value in enumerate(values):
        found = _match(value, pattern, (*path, index))
        if found is None:
            applied += 1
        elif found.skip:
            skipped = skipped or found
        else:
            return found
    return skipped if skipped is not None and not applied else None


_ORDER = {"<": 0, "()": 1, "X": 2, "=": 3, "^": 4}
_Entry = tuple[str, str, Any]
"""Kind of anchor, name of the field, what is below."""


def _match_map(value: dict[str, Any], pattern: dict[str, Any], path: Path) -> Mismatch | None:
    entries = list(_entries(pattern, value, path))
    if len(entries) > 1:
        entries.sort(key=_rank)
    found = (_match_key(kind, value, name, below, (*path, name)) for kind, name, below in entries)
    return next((mismatch for mismatch in found if mismatch), None)


def _rank(entry: _Entry) -> tuple[int, str]:
    """Conditions before what depends on them; among plain keys, those with conditions inside first."""
    kind, name, below = entry
    return _ORDER.get(kind, 5 if _has_condition(below) else 6), name


def _has_condition(pattern: object) -> bool:
    if isinstance(pattern, dict):
        return any(anchor(key)[0] in {"()", "<"} or _has_condition(below) for key, below in pattern.items())
    return isinstance(pattern, list) and any(_has_condition(below) for below in pattern)


def _entries(pattern: dict[str, Any], value: dict[str, Any], path: Path) -> Iterator[_Entry]:
    """What the pattern asks for; in labels and annotations a wildcard key stands for the keys that it matches."""
    wild = path[-1:] in {("labels",), ("annotations",), ("matchLabels",)}
    for key, below in pattern.items():
        kind, name = anchor(key)
        found = (
            [other for other in value if wildcards.matches(name, other)]
            if wild and wildcards.has_wildcard(name)
            else []
        )
        for one in found or [name]:
            yield kind, one, below


def _match_key(kind: str, value: dict[str, Any], name: str, pattern: object, here: Path) -> Mismatch | None:
    present = name in value
    match kind:
        case "()":
            found = _match(value[name], pattern, here) if present else Mismatch(here, "the key is absent")
            return None if found is None else Mismatch(found.path, f"condition not met: {found.message}", skip=True)
        case "<":
            found = _match(value[name], pattern, here) if present else None
            return None if found is None else Mismatch(found.path, f"condition not met: {found.message}", skip=True)
        case "=":
            return _match(value[name], pattern, here) if present else None
        case "X":
            return Mismatch(here, "the field must not be set", allowed="not set") if present else None
        case "^":
            return _exists(value.get(name), pattern, here)
        case _:
            return _match_plain(value.get(name), pattern, here)


def _match_plain(value: object, pattern: object, path: Path) -> Mismatch | None:
    if value is None and pattern not in (None, ""):
        return Mismatch(path, "the field is required", allowed=_wanted(pattern), present=False)
    return _match(value, pattern, path)


def _exists(value: object, pattern: object, path: Path) -> Mismatch | None:
    """Each map of the pattern must be met by at least one item of the list."""
    if not isinstance(value, list):
        return Mismatch(path, f"expected a list, found {_shown(value)}", allowed="a list", present=value is not None)
    wanted = pattern if isinstance(pattern, list) else [pattern]
    if all(any(_match(item, one, (*path, i)) is None for i, item in enumerate(value)) for one in wanted):
        return None
    return Mismatch(
        path, "no item of the list is as required", allowed=f"a list with an item such as {_wanted(wanted)}"
    )


def _wanted(pattern: object) -> str:
    """What a pattern asks for, in short."""
    if isinstance(pattern, dict | list):
        return json.dumps(pattern, ensure_ascii=False, default=str)[:_LONGEST_SHOWN]
    return _shown(pattern)


def _expected(value: object, pattern: object) -> str:
    return f"expected {_shown(pattern)}, found {_shown(value)}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = scalars.written(value)
    if text is None:
        return "a map" if isinstance(value, dict) else "a list"
    return f"`{text if len(text) <= 80 else text[:77] + '...'}`"
