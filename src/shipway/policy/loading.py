"""Policy documents of every kind to rules: the one way in. Called by ``facts`` and ``testing``.

What a document is shows in its apiVersion and kind alone. Whatever cannot be used is a problem that names the feature and
the line; a set with problems must not be enforced as if it were whole, so callers refuse it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipway.model.problems import Problem
from shipway.policy import modules as rego
from shipway.policy import native
from shipway.policy.evaluating import Evaluator
from shipway.policy.gatekeeper import loading as gatekeeper
from shipway.policy.kyverno import checking as kyverno_checking
from shipway.policy.kyverno import loading as kyverno
from shipway.policy.resources import group_version
from shipway.policy.rules import CompiledRule, Document, Object, Place
from shipway.policy.rules import Path as ValuePath
from shipway.spec import Source
from shipway.spec.manifests import Manifest, Positions
from shipway.spec.policies import DeclaredPolicySet, Merged

PACK = Path(__file__).parent / "pack"
"""The built-in rules, in the wheel."""


class Loaded(msgspec.Struct, frozen=True):
    """What a set of policy files holds."""

    rules: tuple[CompiledRule, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """Of what is left out although the rest of its policy holds."""
    others: tuple[Object, ...] = ()
    """Objects that are no policies: parameters, or what was put beside them by mistake."""


_JUDGES = "changes objects, and policies here only judge them"
UNSUPPORTED: Mapping[str, str] = dict.fromkeys(
    (
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "Assign",
        "AssignMetadata",
        "AssignImage",
        "ModifySet",
    ),
    _JUDGES,
)
"""Kinds of policy that are refused, and why."""


def load(documents: Sequence[Document], modules: Mapping[str, str] | None = None) -> Loaded:
    """The rules of these documents. ``modules`` are Rego files, text by file name. Never raises for what they hold."""
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(family(document.data), []).append(document)
    problems = [_refused(one) for one in groups.pop("unsupported", ())]
    others = tuple(one.data for one in groups.pop("", ()))
    rules: list[CompiledRule] = []
    found, wrong = native.load(groups.get(native.POLICY, ()), groups.get(native.BINDING, ()), others)
    rules += found
    problems += wrong
    found, wrong = kyverno.load(groups.get("kyverno", ()))
    rules += found
    problems += wrong
    found, wrong = gatekeeper.load(groups.get("template", ()), groups.get("constraint", ()))
    rules += found
    problems += wrong
    if modules:
        found, wrong = rego.load(modules)
        rules += found
        problems += wrong
    problems += _repeated(rules)
    errors = tuple(one for one in problems if one.severity == "error")
    return Loaded(tuple(rules), errors, tuple(one for one in problems if one.severity != "error"), others)


def family(data: Object) -> str:
    """Which loader a document is for; ``unsupported`` for policies that are refused, empty for what is no policy."""
    group, _ = group_version(data)
    kind = str(data.get("kind", ""))
    if kyverno_checking.is_policy(data) or kyverno_checking.is_exception(data):
        return "kyverno"
    if gatekeeper.is_template(data) or gatekeeper.is_constraint(data):
        return "template" if gatekeeper.is_template(data) else "constraint"
    if group == native.GROUP and kind in (native.POLICY, native.BINDING):
        return kind
    if kind in UNSUPPORTED and group.endswith(("k8s.io", "kyverno.io", "gatekeeper.sh")):
        return "unsupported"
    return ""


def _refused(document: Document) -> Problem:
    kind = str(document.data.get("kind"))
    place = document.locate(("kind",))
    message = f"{kind} is not supported: it {UNSUPPORTED[kind]}"
    return Problem(place.file or document.file, place.line, place.column, "kind", "unsupported", message)


def _repeated(rules: Sequence[CompiledRule]) -> list[Problem]:
    """Two rules of one id: findings, exceptions and enforcement could not tell them apart."""
    first: dict[tuple[str, str], CompiledRule] = {}
    found: list[Problem] = []
    for rule in rules:
        earlier = first.setdefault((rule.id, rule.engine), rule)
        if earlier is not rule:
            where: Any = earlier.place
            message = f"`{rule.id}` is already defined in {where.file}:{where.line}; rename or remove one of the two"
            found.append(Problem(rule.place.file, rule.place.line, rule.place.column, "", "duplicate", message))
    return found


class Policies(msgspec.Struct, frozen=True):
    """Rules, and what a platform makes of them."""

    rules: tuple[CompiledRule, ...]
    sets: Merged = Merged()
    declared: tuple[DeclaredPolicySet, ...] = ()
    others: tuple[Object, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """Of what is left out although the rest of its policy holds."""
    documents: tuple[Document, ...] = ()
    """Everything that was read, as it is written."""

    def evaluator(self, environment: str = "") -> Evaluator:
        """The rules as they are enforced in an environment."""
        return Evaluator(self.rules, self.sets, environment)


def locating(source: Source, manifest: Manifest, positions: Positions | None = None) -> "Locating":
    """Where the values of one object of a file stand."""
    return Locating(source.file, manifest, positions or Positions(source))


class Locating:
    """Path to place, for one object of one file."""

    def __init__(self, file: str, manifest: Manifest, positions: Positions) -> None:
        self._file, self._manifest, self._positions = file, manifest, positions

    def __call__(self, path: ValuePath) -> Place:
        line, column = self._positions.place(self._manifest, path)
        return Place(self._file, line, column)
