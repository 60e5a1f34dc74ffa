"""``--facts FILE``: what a person says is known about releases. Read by ``policy check``; everything wrong with it at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipway.facts.files import read_source
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.model.suggestions import did_you_mean
from shipway.policy.evaluating import Locate
from shipway.policy.loading import locating
from shipway.policy.rules import Path as ValuePath
from shipway.spec.diagnosis import dotted
from shipway.spec.manifests import read_manifests

NUMBERS: Mapping[str, frozenset[str]] = {
    "cost": frozenset({"monthly", "highest", "budget"}),
    "traffic": frozenset({"requestsPerSecond"}),
    "errorBudget": frozenset({"left"}),
    "image": frozenset({"size"}),
}
"""Facts by name, and which of their values rules calculate with. They may hold more."""


def facts_of(file: Path) -> Mapping[str, Any]:
    """Facts by name, for all applications or below an application's name.

    Raises:
        BadInput: with everything that is wrong with the file.
    """
    source = read_source(file)
    manifests, problems = read_manifests(source)
    if problems or len(manifests) != 1:
        hint = "For example `cost: {monthly: 120}`, or the same below an application's name."
        raise BadInput(f"{file}: expected one map of facts", problems=problems, hint=hint)
    (found,) = manifests
    locate = locating(source, found)
    wrong = [problem for name, value in found.data.items() for problem in _problems((name,), value, locate)]
    if wrong:
        raise BadInput(f"{file} cannot be used", problems=wrong)
    return found.data


def _problems(path: ValuePath, value: Any, locate: Locate) -> Iterator[Problem]:
    """Of a fact; of what has another name, as of the facts of an application of that name."""
    name = str(path[-1])
    if not isinstance(value, Mapping):
        yield _problem(path, f"expected a map, got {value!r}", locate)
    elif name in NUMBERS:
        for key in sorted(NUMBERS[name] & set(value)):
            if isinstance(value[key], bool) or not isinstance(value[key], int | float):
                yield _problem((*path, key), f"expected a number, got {value[key]!r}", locate)
    elif len(path) > 1 or not any(key in NUMBERS for key in value):
        hint = did_you_mean(name, NUMBERS)
        expected = "one of these" if len(path) > 1 else "one of these, or an application's name with them below it"
        yield _problem(path, f"`{name}` is no fact{hint}; expected {expected}: {', '.join(NUMBERS)}", locate)
    else:
        for key, inner in value.items():
            yield from _problems((*path, key), inner, locate)


def _problem(path: ValuePath, message: str, locate: Locate) -> Problem:
    place = locate(path)
    return Problem(place.file, place.line, place.column, dotted(path), "bad-fact", message)
