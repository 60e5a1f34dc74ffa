"""Which value of the object a message of a Rego rule is about. Called by ``modules`` and Gatekeeper's ``engines`` for failures.

The derivation of the message (see ``tracing``) says what its last deciding line read. One value is the answer; of several
the one in the element that the rule was at, or that the message names; otherwise what they have in common: never a guess.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

from shipway.policy.rego.faults import RegoError
from shipway.policy.rego.index import Group
from shipway.policy.rego.module import Compiled
from shipway.policy.rego.runtime import dig
from shipway.policy.rego.tracing import OBJECT, Read, Reads, Traced, identifies
from shipway.policy.rego.values import UNDEFINED, Value, to_json
from shipway.policy.rules import Path

PARAMETERS: Final = "parameters"
ENTRY: Final = re.compile(r"(deny|violation|warn)(?:_(\w+))?")
"""Names of rules whose values are messages, in conftest's style and in Gatekeeper's; with a suffix."""
Blame = Callable[[Value, str], tuple[Path, str]]
"""Takes an element of a rule's value and its message; gives the path in the object and what is allowed there."""


class Blaming:
    """Blame for one set of modules; what it needs is compiled when something has failed."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    @cached_property
    def _traced(self) -> Traced | None:
        try:
            return Traced(self._compiled, _is_entry)
        except (RegoError, RecursionError):  # too deep with the record's own lines in it
            return None

    def blame(
        self, path: Sequence[str], input_: Value, data: Value, at: float, *, about: Value, parameters: Value = None
    ) -> Blame:
        """Evaluate the rule once more over the same; ``about`` is the object in ``input_``, ``parameters`` are too.

        Never raises: what cannot be told has no place.
        """
        if self._traced is None:
            return _unknown
        try:
            _, reads = self._traced.derived(path, input_, data, at, roots={PARAMETERS: parameters, OBJECT: about})
        except Exception:  # noqa: BLE001  # the verdict stands, whatever goes wrong with telling its place
            return _unknown
        return lambda element, message: (
            choose(reads(element), about, message),
            _allowed(reads(element), parameters),
        )


def _is_entry(group: Group) -> bool:
    return ENTRY.fullmatch(group.path[-1]) is not None


def _unknown(_element: Value, _message: str) -> tuple[Path, str]:
    return (), ""


def choose(reads: Reads, value: Value, message: str) -> Path:
    """The path to show for what was read; ``()`` when nothing can be told."""
    found = list(dict.fromkeys(one.path for one in reads if one.root == OBJECT and one.kind in ("read", "turn")))
    found = [path for path in found if not identifies(path)] or found
    found = [path for path in found if not any(_is_below(other, path) and other != path for other in found)]
    # That a loop was at an element says where to look, not what is wrong, when anything else was read.
    turns = {one.path for one in reads if one.kind == "turn" and isinstance(dig(value, one.path), dict | list)}
    found = [path for path in found if path not in turns] or found
    if len(found) > 1:
        found = _in_turn(found, reads)
    if len(found) > 1:
        found = [path for path in found if _is_named(path, dig(value, path), message)] or found
    return _meant(_reason(found[0], reads), reads, value, message) if len(found) == 1 else _common(found)


def _meant(path: Path, reads: Reads, value: Value, message: str) -> Path:
    """The path, unless the message names the field of another condition and not that of this one, which is met."""
    if not path or dig(value, path) is UNDEFINED or _is_named(path, None, message):
        return path
    beside = {one.path for one in reads if one.kind == "beside" and not _is_below(path, one.path)}
    named = {one for one in beside if dig(value, one) is not UNDEFINED and _is_named(one, None, message)}
    return named.pop() if len(named) == 1 else path


def _reason(path: Path, reads: Reads) -> Path:
    """What an element was picked for, when the rule says nothing more about it."""
    whys = {one.path for one in reads if one.kind == "why" and one.root == OBJECT and _is_below(one.path, path)}
    return whys.pop() if len(whys) == 1 else path


def _in_turn(found: list[Path], reads: Sequence[Read]) -> list[Path]:
    """Those in the element that the innermost loop was at, if any are."""
    turns = [one.path for one in reads if one.root == OBJECT and one.kind in ("turn", "around")]
    for turn in reversed(turns):
        within = [path for path in found if _is_below(path, turn)]
        if within:
            return within
    return found


def _is_below(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _is_named(path: Path, value: Value, message: str) -> bool:
    """Whether the message has the value, or the name of its field."""
    words = [str(path[-1])] if path and isinstance(path[-1], str) else []
    if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
        words.append(str(value))
    return any(re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", message, re.IGNORECASE) for word in words)


def _common(paths: Sequence[Path]) -> Path:
    shared: list[str | int] = []
    for parts in zip(*paths, strict=False):
        if any(part != parts[0] for part in parts):
            break
        shared.append(parts[0])
    return tuple(shared)


def _allowed(reads: Reads, parameters: Value) -> str:
    """The parameters of the constraint that the deciding line read."""
    names = dict.fromkeys(one.path[0] for one in reads if one.root == PARAMETERS and one.path)
    found: Mapping[object, Value] = {name: dig(parameters, (name,)) for name in names}
    shown = {name: to_json(value) for name, value in found.items() if value is not UNDEFINED}
    told = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in shown.items())
    return f"by the parameters {told}" if told else ""
