"""Kyverno's documents to compiled rules: the way into this room. Called by the loaders of ``policy`` and by ``suites``.

    rules = load(document, locate, exceptions)

All that is wrong with a document comes at once as :class:`BadInput`; what is not supported names the feature and its place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, get_args

from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.policy.kyverno import (
    autogen,
    celrules,
    conditions,
    context,
    exceptions,
    expressions,
    matching,
    patterns,
    podsecurity,
    validating,
    validation,
    variables,
    wildcards,
)
from shipway.policy.kyverno.faults import RuleFault, Unsupported
from shipway.policy.rules import Action, CompiledRule, Outcome, Path, Place, Request, Severity

Locate = Callable[[Path], Place]
"""Where the value at a path of the document is written."""
CLASSIC = frozenset({"ClusterPolicy", "Policy"})
VALIDATING = frozenset({"ValidatingPolicy", "NamespacedValidatingPolicy"})
REFUSED: Mapping[str, str] = {
    "MutatingPolicy": "mutation",
    "NamespacedMutatingPolicy": "mutation",
    "GeneratingPolicy": "generation",
    "NamespacedGeneratingPolicy": "generation",
    "DeletingPolicy": "cleanup",
    "NamespacedDeletingPolicy": "cleanup",
    "ImageValidatingPolicy": "verification of signatures",
    "NamespacedImageValidatingPolicy": "verification of signatures",
    "CleanupPolicy": "cleanup",
    "ClusterCleanupPolicy": "cleanup",
}
_TYPES = {"mutate": "mutation", "generate": "generation", "verifyImages": "verification of signatures"}
_BODIES = ("pattern", "anyPattern", "deny", "foreach", "podSecurity", "cel")
_ACTIONS: Mapping[str, Action] = {"enforce": "deny", "audit": "audit", "deny": "deny", "warn": "warn"}
_DEEPEST = 100

T = TypeVar("T")


def nowhere(_: Path) -> Place:
    """When nobody knows where a document is written."""
    return Place()


def is_policy(document: Mapping[str, Any]) -> bool:
    """Whether the document is one that :func:`load` knows, or at least knows to refuse."""
    group = str(document.get("apiVersion", "")).partition("/")[0]
    kind = document.get("kind")
    return (group == "kyverno.io" and kind in CLASSIC | {"CleanupPolicy", "ClusterCleanupPolicy"}) or (
        group == "policies.kyverno.io" and (kind in VALIDATING or kind in REFUSED)
    )


def is_exception(document: Mapping[str, Any]) -> bool:
    """Whether the document is a PolicyException of either group."""
    return document.get("kind") == "PolicyException" and str(document.get("apiVersion", "")).partition("/")[0] in {
        "kyverno.io",
        "policies.kyverno.io",
    }


def load(
    document: Mapping[str, Any], locate: Locate = nowhere, exempt: Sequence[Mapping[str, Any]] = ()
) -> list[CompiledRule]:
    """The rules of a policy, generated ones included. ``exempt``: documents for which :func:`is_exception` holds.

    Raises :class:`BadInput` with every problem found. Rules of a ClusterPolicy that do not validate are left out when others
    do; a policy that only does what is not supported is refused.
    """
    loader = _Loader(document, locate, exempt)
    made = loader.rules()
    if loader.problems:
        name = (
            str((document.get("metadata") or {}).get("name", ""))
            if isinstance(document.get("metadata"), Mapping)
            else ""
        )
        raise BadInput(f"the policy `{name}` cannot be used", problems=loader.problems)
    return made


class _Loader:
    """Collects the rules and the problems of one document."""

    def __init__(self, document: Mapping[str, Any], locate: Locate, exempt: Sequence[Mapping[str, Any]]) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self._locate = locate
        self._exempt = exempt

    def rules(self) -> list[CompiledRule]:
        """Every rule; problems are collected beside."""
        if self._tried(partial(_check_shape, self.document), None) is None:
            return []
        if self.document.get("kind") in VALIDATING:
            return self._tried(self._validating, [])
        return self._classic()

    def _tried(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except Unsupported as fault:
            place = self._locate(fault.path)
            path = ".".join(str(part) for part in fault.path)
            self.problems.append(
                Problem(place.file, place.line, place.column, path, "unsupported-policy", fault.message)
            )
        return otherwise

    def _validating(self) -> list[CompiledRule]:
        spec = self.document["spec"]
        policy = str(self.document["metadata"].get("name", ""))
        found = exceptions.for_policy(
            _of_group(self._exempt, "policies.kyverno.io"), str(self.document["kind"]), policy
        )
        wanted = [
            str(each).lower() for each in spec.get("validationActions") or spec.get("validationAction") or ["deny"]
        ]
        action: Action = next((_ACTIONS[each] for each in ("deny", "warn", "audit") if each in wanted), "deny")
        made = list(validating.rules(self.document, found))
        return [self._compiled(policy, rule.name, partial(validating.judge, rule), action, ("spec",)) for rule in made]

    def _classic(self) -> list[CompiledRule]:
        made: list[CompiledRule] = []
        refused: list[Unsupported] = []
        for index, body in autogen.rules(self.document):
            path = ("spec", "rules", index)
            if "validate" not in body:
                feature = next((name for name in _TYPES if name in body), "")
                refused.append(
                    Unsupported(
                        f"{_TYPES.get(feature, 'a rule without `validate`')} is not supported",
                        (*path, feature) if feature else path,
                    )
                )
            else:
                made += self._tried(partial(self._rules_of, body, path), [])
        if not made and not self.problems:
            for fault in refused or [Unsupported("the policy has no rules", ("spec",))]:
                self._tried(partial(_raise, fault), None)
        return made

    def _rules_of(self, body: Mapping[str, Any], path: Path) -> list[CompiledRule]:
        cel = check_rule(body, path, self.document["spec"].get("failurePolicy"))
        policy = (
            exceptions.title(self.document)
            if self.document.get("kind") == "Policy"
            else str(self.document["metadata"].get("name", ""))
        )
        name = str(body.get("name") or f"rule-{path[-1]}")
        exempt = exceptions.for_rule(_of_group(self._exempt, "kyverno.io"), policy, name)
        judge = _scored(self.document, partial(validation.judge, validation.Rule(name, body, exempt, cel)))
        judge = _within(self.document, judge)
        return [
            self._compiled(policy, name, _only(judge, namespaces, outside=outside), action, path, _kinds(body))
            for action, namespaces, outside in _actions(self.document["spec"], body["validate"])
        ]

    def _compiled(
        self,
        policy: str,
        name: str,
        judge: validation.Judge,
        action: Action,
        path: Path,
        kinds: frozenset[str] | None = None,
    ) -> CompiledRule:
        notes = self.document["metadata"].get("annotations") or {}
        severity = str(notes.get("policies.kyverno.io/severity", "medium"))
        return CompiledRule(
            policy=policy,
            name=name,
            engine="kyverno",
            evaluate=judge,
            kinds=kinds,
            action=action,
            severity=severity if severity in get_args(Severity) else "medium",  # type: ignore[arg-type]  # just checked
            title=str(notes.get("policies.kyverno.io/title", "")),
            rationale=str(notes.get("policies.kyverno.io/description", "")).strip(),
            place=self._locate(path),
        )


def _raise(fault: Unsupported) -> None:
    raise fault


def _of_group(documents: Sequence[Mapping[str, Any]], group: str) -> list[Mapping[str, Any]]:
    return [one for one in documents if str(one.get("apiVersion", "")).partition("/")[0] == group]


def _check_shape(document: Mapping[str, Any]) -> bool:
    """A policy at all, not too deep, with a spec."""
    _check_depth(document, 0)
    if not is_policy(document):
        raise Unsupported(
            f"expected a policy of Kyverno, found {document.get('apiVersion')} {document.get('kind')}", ("kind",)
        )
    if feature := REFUSED.get(str(document["kind"])):
        raise Unsupported(f"{document['kind']}: {feature} is not supported, only validation is", ("kind",))
    for key in ("metadata", "spec"):
        if not isinstance(document.get(key), Mapping):
            raise Unsupported("expected a map", (key,))
    if not isinstance(document["metadata"].get("annotations"), Mapping | None):
        raise Unsupported("expected a map", ("metadata", "annotations"))
    listed = document["spec"].get("rules")
    if document["kind"] in CLASSIC and not (
        isinstance(listed, list) and all(isinstance(one, Mapping) for one in listed)
    ):
        raise Unsupported("expected a list of rules", ("spec", "rules"))
    return True


def _check_depth(value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unsupported(f"expected at most {_DEEPEST} levels")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Unsupported("expected names as keys")
        for below in value.values():
            _check_depth(below, depth + 1)
    elif isinstance(value, list):
        for below in value:
            _check_depth(below, depth + 1)


def check_rule(body: Mapping[str, Any], path: Path, failure_policy: object = None) -> celrules.Expressions | None:
    """Refuse what the engine does not evaluate; the compiled expressions of a CEL rule."""
    for block in ("match", "exclude"):
        matching.check(body.get(block), (*path, block))
    conditions.check(body.get("preconditions"), (*path, "preconditions"))
    _check_context(body.get("context"), (*path, "context"))
    validate = body["validate"]
    path = (*path, "validate")
    if not isinstance(validate, Mapping):
        raise Unsupported("expected a map", path)
    found = [name for name in _BODIES if name in validate]
    if len(found) != 1:
        other = next((name for name in ("manifests", "assert") if name in validate), "")
        raise Unsupported(
            f"`validate.{other}` is not supported" if other else f"expected one of {', '.join(_BODIES)}",
            (*path, other) if other else path,
        )
    if found[0] == "cel":
        return _cel(body, validate["cel"], (*path, "cel"), failure_policy)
    if found[0] == "podSecurity":
        podsecurity.check(validate["podSecurity"], (*path, "podSecurity"))
    else:
        _check_body(validate, path)
    _check_expressions(body, path)
    return None


def _check_body(body: Mapping[str, Any], path: Path) -> None:
    if "foreach" in body:
        listed = body["foreach"]
        if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
            raise Unsupported("expected a list of loops", (*path, "foreach"))
        for index, one in enumerate(listed):
            _check_loop(one, (*path, "foreach", index))
    elif "pattern" in body:
        patterns.check(body["pattern"], (*path, "pattern"))
    elif "anyPattern" in body:
        if not isinstance(body["anyPattern"], list) or not body["anyPattern"]:
            raise Unsupported("expected a list of patterns", (*path, "anyPattern"))
        for index, one in enumerate(body["anyPattern"]):
            patterns.check(one, (*path, "anyPattern", index))
    elif "deny" in body:
        if not isinstance(body["deny"], Mapping | None):
            raise Unsupported("expected a map with `conditions`", (*path, "deny"))
        conditions.check((body["deny"] or {}).get("conditions"), (*path, "deny", "conditions"))
    else:
        raise Unsupported("expected pattern, anyPattern, deny or foreach", path)


def _check_loop(loop: Mapping[str, Any], path: Path) -> None:
    if not isinstance(loop.get("list"), str):
        raise Unsupported("expected a JMESPath expression", (*path, "list"))
    conditions.check(loop.get("preconditions"), (*path, "preconditions"))
    _check_context(loop.get("context"), (*path, "context"))
    _check_body(
        {key: value for key, value in loop.items() if key in {"pattern", "anyPattern", "deny", "foreach"}}, path
    )


def _check_context(entries: object, path: Path) -> None:
    if entries is None:
        return
    if not isinstance(entries, list) or not all(isinstance(one, Mapping) for one in entries):
        raise Unsupported("expected a list of context entries", path)
    for index, one in enumerate(entries):
        kinds = [key for key in one if key != "name"]
        if not isinstance(one.get("name"), str) or len(kinds) != 1 or kinds[0] not in context.KINDS:
            raise Unsupported(f"expected a name and one of {', '.join(sorted(context.KINDS))}", (*path, index))
        if not isinstance(one[kinds[0]], Mapping):
            raise Unsupported("expected a map", (*path, index, kinds[0]))


def _check_expressions(body: Mapping[str, Any], path: Path) -> None:
    """Expressions that hold no others are parsed now, so that a typing error is found at load."""
    for text in variables.expressions(
        {key: body[key] for key in ("context", "preconditions", "validate") if key in body}
    ):
        if "{{" not in text and text not in {"", "@"}:
            try:
                expressions.parse(text)
            except RuleFault as fault:
                raise Unsupported(str(fault), path) from None


def _cel(body: Mapping[str, Any], cel: object, path: Path, failure_policy: object) -> celrules.Expressions:
    if not isinstance(cel, Mapping):
        raise Unsupported("expected a map with `expressions`", path)
    for index, one in enumerate(cel.get("auditAnnotations") or ()):
        celrules.program(one.get("valueExpression"), (*path, "auditAnnotations", index))
    return celrules.Expressions(
        validations=celrules.validations_of(cel.get("expressions"), (*path, "expressions")),
        variables=celrules.variables_of(cel.get("variables"), (*path, "variables")),
        conditions=celrules.conditions_of(body.get("celPreconditions"), (*path[:-2], "celPreconditions")),
        lenient=failure_policy == "Ignore",
        param_kind=cel.get("paramKind"),
        param_ref=cel.get("paramRef"),
    )


def _actions(spec: Mapping[str, Any], validate: Mapping[str, Any]) -> Iterator[tuple[Action, tuple[str, ...], bool]]:
    """Action, namespaces that it is for, and whether it is for all but these."""
    default = _ACTIONS.get(
        str(validate.get("failureAction") or spec.get("validationFailureAction") or "Audit").lower(), "audit"
    )
    overrides = validate.get("failureActionOverrides") or spec.get("validationFailureActionOverrides") or ()
    named: list[str] = []
    for one in overrides:
        namespaces = tuple(str(each) for each in one.get("namespaces") or ())
        named += namespaces
        yield _warned(_ACTIONS.get(str(one.get("action")).lower(), default), spec), namespaces, False
    yield _warned(default, spec), tuple(named), True


def _warned(action: Action, spec: Mapping[str, Any]) -> Action:
    return "warn" if action == "audit" and spec.get("emitWarning") else action


def _only(judge: validation.Judge, namespaces: tuple[str, ...], *, outside: bool) -> validation.Judge:
    if outside and not namespaces:
        return judge

    def restricted(request: Request) -> Sequence[Outcome]:
        inside = any(wildcards.matches(pattern, _namespace(request)) for pattern in namespaces)
        return judge(request) if inside != outside else ()

    return restricted


def _within(document: Mapping[str, Any], judge: validation.Judge) -> validation.Judge:
    """A ``Policy`` is about its own namespace only."""
    if document.get("kind") != "Policy":
        return judge
    return _only(judge, (str(document["metadata"].get("namespace") or "default"),), outside=False)


def _namespace(request: Request) -> str:
    shown = request.object if request.object is not None else request.old_object or {}
    metadata = shown.get("metadata")
    return str(metadata.get("namespace") or "") if isinstance(metadata, Mapping) else ""


def _scored(document: Mapping[str, Any], judge: validation.Judge) -> validation.Judge:
    """A policy that says it is not scored warns instead of failing."""
    if str((document["metadata"].get("annotations") or {}).get("policies.kyverno.io/scored")) != "false":
        return judge
    return lambda request: [
        Outcome("warn" if one.status == "fail" else one.status, one.message, one.path) for one in judge(request)
    ]


def _kinds(body: Mapping[str, Any]) -> frozenset[str] | None:
    """Kinds in ``match`` when they are all spelled out."""
    found = [matching.parse_kind(kind) for kind in matching.kinds_of(body.get("match"))]
    complete = all((one.get("resources") or {}).get("kinds") for one in matching.filters(body.get("match")))
    if not found or not complete or any(one.subresource or wildcards.has_wildcard(one.kind) for one in found):
        return None
    return frozenset(one.kind for one in found)
