"""Kyverno's documents to compiled rules: the way into this room. Called by :mod:`shipway.policy.loading` and by ``suites``.

Never raises for what the documents hold: all that cannot be used is a problem that names the feature and its place.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from shipway.model.problems import Problem
from shipway.policy.kyverno import (
    autogen,
    checking,
    exceptions,
    matching,
    patterns,
    validating,
    validation,
    variables,
    wildcards,
)
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.metadata import described
from shipway.policy.resources import group_version, name, names_ours, namespace, subject_of
from shipway.policy.rules import Action, CompiledRule, Document, Object, Outcome, Path, Request

_ACTIONS: Mapping[str, Action] = {"enforce": "deny", "audit": "audit", "deny": "deny", "warn": "warn"}
Judge = Callable[[Request], Sequence[Outcome]]
T = TypeVar("T")


def load(documents: Sequence[Document], *, overrides: bool = True) -> tuple[list[CompiledRule], list[Problem]]:
    """The rules of the policies among the documents, generated ones included, and what is wrong with them.

    PolicyExceptions among the documents take effect; everything else is left alone. Rules of a ClusterPolicy that do not
    validate are left out when others do, with a warning; a policy that does only what is not supported is a problem. ``overrides``:
    whether ``failureActionOverrides`` turn failures in some namespaces into warnings.
    """
    rules: list[CompiledRule] = []
    problems: list[Problem] = []
    exempt, wrong = _exceptions([one for one in documents if checking.is_exception(one.data)])
    problems += wrong
    for document in documents:
        if checking.is_policy(document.data):
            loader = _Loader(document, exempt, overrides=overrides)
            made = loader.rules()
            rules += made if all(one.severity == "warning" for one in loader.problems) else []
            problems += loader.problems
    return rules, problems


def _exceptions(documents: Sequence[Document]) -> tuple[list[Object], list[Problem]]:
    found: list[Object] = []
    problems: list[Problem] = []
    for document in documents:
        try:
            checking.exception(document.data)
        except Unsupported as fault:
            problems.append(problem(document, fault))
        else:
            found.append(document.data)
    return found, problems


class _Loader:
    """Collects the rules and the problems of one document."""

    def __init__(self, document: Document, exempt: Sequence[Object], *, overrides: bool) -> None:
        self.document = document.data
        self.problems: list[Problem] = []
        self._source = document
        self._exempt = exempt
        self._overrides = overrides

    def rules(self) -> list[CompiledRule]:
        """Every rule; problems are collected beside."""
        if self._tried(partial(checking.shape, self.document), None) is None:
            return []
        if self.document.get("kind") in checking.VALIDATING:
            return self._tried(self._validating, [])
        return self._classic()

    def _tried(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except Unsupported as fault:
            self.problems.append(problem(self._source, fault))
        return otherwise

    def _validating(self) -> list[CompiledRule]:
        spec = self.document["spec"]
        policy = name(self.document)
        found = exceptions.for_policy(
            _of_group(self._exempt, "policies.kyverno.io"), str(self.document["kind"]), policy
        )
        listed = spec.get("validationActions") or spec.get("validationAction") or ["deny"]
        wanted = {str(each).lower() for each in (listed if isinstance(listed, list) else [listed])}
        action: Action = next((_ACTIONS[each] for each in ("deny", "warn", "audit") if each in wanted), "deny")
        return [
            self._compiled(
                policy,
                rule.name,
                partial(validating.judge, rule),
                action=action,
                path=("spec",),
                match=spec.get("matchConstraints"),
            )
            for rule in validating.rules(self.document, found)
        ]

    def _classic(self) -> list[CompiledRule]:
        made: list[CompiledRule] = []
        refused: list[Unsupported] = []
        broken: set[int] = set()
        for index, body in autogen.rules(self.document):
            path: Path = ("spec", "rules", index)
            if index in broken:  # what is wrong with a rule is wrong with those generated from it, too
                continue
            if "validate" in body:
                found: list[CompiledRule] = self._tried(partial(self._rule_of, body, path), [])
                made += found
                broken |= set() if found else {index}
            else:
                refused.append(_refusal(body, path))
        if made:
            left_out = [msgspec.structs.replace(problem(self._source, fault), severity="warning") for fault in refused]
            self.problems += left_out
        elif not self.problems:
            faults = refused or [Unsupported("the policy has no rules", ("spec",))]
            self.problems += [problem(self._source, fault) for fault in faults]
        return _first_only(made) if self.document["spec"].get("applyRules") == "One" else made

    def _rule_of(self, body: Mapping[str, Any], path: Path) -> list[CompiledRule]:
        spec = self.document["spec"]
        body = {**body, "validate": _given(body["validate"] or {})}
        cel = checking.rule(body, path, spec.get("failurePolicy"))
        namespaced = self.document.get("kind") == "Policy"
        policy = exceptions.title(self.document) if namespaced else name(self.document)
        called = str(body.get("name") or f"rule-{path[-1]}")
        exempt = exceptions.for_rule(_of_group(self._exempt, "kyverno.io"), policy, called)
        body = {**body, "validate": _prepared(body["validate"], (*path, "validate"))}
        rule = validation.Rule(
            called,
            body,
            exempt,
            cel,
            conditions=checking.webhook_conditions(spec),
            namespace=namespace(self.document) if namespaced else "",
        )
        action, weaker = _actions(spec, body["validate"], overrides=self._overrides)
        judge = _scored(self.document, _weakened(partial(validation.judge, rule), weaker))
        return [
            self._compiled(policy, called, judge, action=action, path=path, kinds=_kinds(body), match=body.get("match"))
        ]

    def _compiled(
        self,
        policy: str,
        rule: str,
        judge: Judge,
        *,
        action: Action,
        path: Path,
        kinds: frozenset[str] | None = None,
        match: object = None,
    ) -> CompiledRule:
        about = described(self._source)
        return CompiledRule(
            policy=policy,
            name=rule,
            engine="kyverno",
            evaluate=_total(judge),
            kinds=kinds,
            subresources=frozenset(matching.subresources_of(match)),
            action=about.action or action,
            sees_facts=names_ours(match),
            ignores_errors=self.document["spec"].get("failurePolicy") == "Ignore",
            place=self._source.locate(path),
            **about.fields(),
        )


def problem(document: Document, fault: Unsupported) -> Problem:
    """What is wrong, with its place in the file."""
    place = document.locate(fault.path)
    path = ".".join(str(part) for part in fault.path)
    return Problem(place.file or document.file, place.line, place.column, path, "unsupported", fault.message)


def _refusal(body: Mapping[str, Any], path: Path) -> Unsupported:
    feature = next((key for key in checking.TYPES if key in body), "")
    if not feature:
        return Unsupported("expected a rule with `validate`", path)
    return Unsupported(f"{checking.TYPES[feature]} is not supported, only validation is", (*path, feature))


def _of_group(documents: Sequence[Object], group: str) -> list[Object]:
    return [one for one in documents if group_version(one)[0] == group]


def _total(judge: Judge) -> Judge:
    """Whatever happens, an outcome: what no check has foreseen is an error, never a pass."""

    def total(request: Request) -> Sequence[Outcome]:
        try:
            return judge(request)
        except (TypeError, AttributeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            return [Outcome("error", f"the rule cannot be judged for this object: {type(error).__name__}: {error}")]

    return total


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a rule or loop without the fields that are null, which say as little as absent ones."""
    made = {key: value for key, value in body.items() if value is not None}
    return {**made, "foreach": [_given(one) for one in made["foreach"]]} if "foreach" in made else made


def _prepared(body: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The body with its patterns ready to be matched."""
    made = dict(body)
    if "foreach" in made:
        made["foreach"] = [_prepared(one, (*path, "foreach", index)) for index, one in enumerate(made["foreach"])]
    elif "pattern" in made:
        made["pattern"] = _pattern(made["pattern"], (*path, "pattern"))
    elif "anyPattern" in made:
        made["anyPattern"] = [_pattern(one, (*path, "anyPattern", i)) for i, one in enumerate(made["anyPattern"])]
    return made


def _pattern(written: object, path: Path) -> patterns.Pattern:
    try:
        value = variables.refer(written)
    except RuleFault as fault:
        raise Unsupported(str(fault), path) from None
    return patterns.Pattern(value, variables.varies(value))


_Override = tuple[tuple[str, ...], bool]
"""Patterns of namespaces, and whether a failure there only warns. The first that matches counts."""


def _actions(
    spec: Mapping[str, Any], validate: Mapping[str, Any], *, overrides: bool
) -> tuple[Action, Sequence[_Override]]:
    """The strictest action of the rule, and the namespaces for which it asks less."""
    own = _ACTIONS.get(
        str(validate.get("failureAction") or spec.get("validationFailureAction") or "Audit").lower(), "audit"
    )
    listed = validate.get("failureActionOverrides") or spec.get("validationFailureActionOverrides") or ()
    asked = [
        (tuple(map(str, one.get("namespaces") or ())), _ACTIONS.get(str(one.get("action")).lower(), own))
        for one in listed
    ]
    actions = [own, *(action for _, action in asked)] if overrides else [own]
    action: Action = "deny" if "deny" in actions else "warn" if spec.get("emitWarning") else "audit"
    if not overrides or action != "deny":
        return action, ()
    return action, [*((names, each != "deny") for names, each in asked), (("*",), own != "deny")]


def _weakened(judge: Judge, overrides: Sequence[_Override]) -> Judge:
    """A failure where the policy asks for less than its strictest action is a warning."""
    if not any(weaker for _, weaker in overrides):
        return judge

    def weakened(request: Request) -> Sequence[Outcome]:
        within = namespace(subject_of(request))
        hit = next(weaker for names, weaker in overrides if any(wildcards.matches(each, within) for each in names))
        return _warning(judge(request)) if hit else judge(request)

    return weakened


def _first_only(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """``applyRules: One``: a rule counts when none before it has passed, failed or ended in an error."""

    def only(number: int) -> Judge:
        def judge(request: Request) -> Sequence[Outcome]:
            before = (outcome for one in rules[:number] for outcome in one.evaluate(request))
            return () if any(outcome.status != "skip" for outcome in before) else rules[number].evaluate(request)

        return judge

    return [msgspec.structs.replace(rule, evaluate=only(number)) for number, rule in enumerate(rules)]


def _scored(document: Mapping[str, Any], judge: Judge) -> Judge:
    """A policy that says it is not scored warns instead of failing."""
    notes = document["metadata"].get("annotations") or {}
    if str(notes.get("policies.kyverno.io/scored")) != "false":
        return judge
    return lambda request: _warning(judge(request))


def _warning(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return [msgspec.structs.replace(one, status="warn") if one.status == "fail" else one for one in outcomes]


def _kinds(body: Mapping[str, Any]) -> frozenset[str] | None:
    """Kinds in ``match`` when they are all spelled out."""
    found = [matching.parse_kind(kind) for kind in matching.kinds_of(body.get("match"))]
    complete = all((one.get("resources") or {}).get("kinds") for one in matching.filters(body.get("match")))
    if not found or not complete or any(one.subresource or wildcards.has_wildcard(one.kind) for one in found):
        return None
    return frozenset(one.kind for one in found)
