"""Plain Rego files in conftest's style to rules. Called by ``policy.loading``.

In a package the rules ``deny``, ``violation`` and ``warn``, and those with a suffix such as ``deny_root``, hold messages:
strings, or objects with ``msg``. The object under judgement is ``input``, the other objects are ``data.inventory``.
``exception`` holds lists of suffixes (the empty one for no suffix) that are not applied.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from shipway.model.problems import Problem
from shipway.policy.gatekeeper.reviews import Reviews, looks_around
from shipway.policy.rego.blame import ENTRY, Blame, Blaming
from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.index import Group
from shipway.policy.rego.module import Compiled
from shipway.policy.rego.module import load as load_rego
from shipway.policy.rego.values import UNDEFINED, Set, Value, ordered, plain, to_json
from shipway.policy.rules import Action, CompiledRule, Outcome, Request

ACTIONS: Final[Mapping[str, Action]] = {"deny": "deny", "violation": "deny", "warn": "warn"}


def load(
    modules: Mapping[str, str], *, packages: Collection[str] | None = None, version: int | None = None
) -> tuple[list[CompiledRule], list[Problem]]:
    """The rules of these files (name to text), and what is wrong with them.

    ``packages``: only those, written with dots; None: all. ``version``: of Rego; None: whichever fits each file.
    """
    try:
        compiled = load_rego(modules, version=version)
    except RegoError as error:
        return [], [
            Problem(fault.place.file, fault.place.line, fault.place.column, "", "bad-rego", fault.message)
            for fault in error.faults
        ]
    found: list[CompiledRule] = []
    for package in compiled.packages:
        if packages is None or ".".join(package) in packages:
            found += _rules(compiled, package, around=any(map(looks_around, modules.values())))
    return found, []


def _rules(compiled: Compiled, package: tuple[str, ...], *, around: bool) -> list[CompiledRule]:
    groups = compiled.rules(package)
    blaming = Blaming(compiled)
    return [
        CompiledRule(
            policy=".".join(package), name=name, engine="rego", action=ACTIONS[match.group(1)], place=group.place,
            evaluate=_evaluating(compiled, blaming, group, (*package, "exception") if "exception" in groups else None, match.group(2) or ""),
            looks_around=around, sees_facts=True,
        )
        for name, group in groups.items()
        if (match := ENTRY.fullmatch(name)) and group.kind != "function"
    ]  # fmt: skip


def _evaluating(
    compiled: Compiled, blaming: Blaming, group: Group, exception: tuple[str, ...] | None, suffix: str
) -> Callable[[Request], Sequence[Outcome]]:
    stock = Reviews()

    def evaluate(request: Request) -> Sequence[Outcome]:
        if request.object is None:
            return ()
        try:
            input_, data = plain(request.object), stock.data(request)
            value = compiled.value(group.path, input_, data, request.at)
            found = outcomes(value)
            if all(one.status == "pass" for one in found):
                return found
            if exception and _excepted(compiled.value(exception, input_, data, request.at), suffix):
                return (Outcome("skip", f"{'.'.join(exception)} names it"),)
            found = outcomes(value, blaming.blame(group.path, input_, data, request.at, about=input_))
        except (EvaluationError, TypeError) as error:
            return (Outcome("error", str(error)),)
        return found

    return evaluate


def _excepted(value: Value, suffix: str) -> bool:
    return isinstance(value, Set | list) and any(suffix in names for names in value if isinstance(names, Set | list))


def outcomes(value: Value, blame: Blame | None = None) -> Sequence[Outcome]:
    """What the value of such a rule means: a collection of messages, one message, or true without any."""
    if value is UNDEFINED or value is False:
        return (Outcome("pass"),)
    values = ordered(value) if isinstance(value, Set) else value if isinstance(value, list) else [value]
    return [_outcome(one, blame) for one in values] or (Outcome("pass"),)


def _outcome(value: Value, blame: Blame | None) -> Outcome:
    message = value.get("msg") if isinstance(value, dict) else value
    if message is True:
        message = "the rule says so, without a message"
    if not isinstance(message, str):
        return Outcome("error", f"expected a message or an object with `msg`, found {to_json(value)!r}")
    path, allowed = blame(value, message) if blame else ((), "")
    return Outcome("fail", message, path, allowed=allowed)
