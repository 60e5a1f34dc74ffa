"""ConstraintTemplates and Constraints to rules. Called by ``policy.loading`` and by ``suites``.

One rule for each constraint: policy is the constraint's kind, the rule its name. A template without constraints holds
nothing; a constraint without its template is a problem.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jsonschema_rs
import msgspec

from shipway.model.problems import Problem
from shipway.policy.gatekeeper.engines import Engine, Judge, defaulted, judges
from shipway.policy.gatekeeper.matching import matches
from shipway.policy.gatekeeper.matching import problems as match_problems
from shipway.policy.gatekeeper.reviews import Reviews, looks_around
from shipway.policy.metadata import described
from shipway.policy.rego.values import plain
from shipway.policy.resources import group_version, name, names_ours
from shipway.policy.rules import Action, CompiledRule, Document, Object, Outcome, Path, Place, Request

TEMPLATES: Final = "templates.gatekeeper.sh"
CONSTRAINTS: Final = "constraints.gatekeeper.sh"
ACTIONS: Final[Mapping[str, Action]] = {"deny": "deny", "warn": "warn", "dryrun": "audit"}
STRICTEST: Final[Sequence[Action]] = ("deny", "warn", "audit")


def is_template(data: Object) -> bool:
    """Whether it is a ConstraintTemplate."""
    return group_version(data)[0] == TEMPLATES and data.get("kind") == "ConstraintTemplate"


def is_constraint(data: Object) -> bool:
    """Whether it is a Constraint of some template."""
    return group_version(data)[0] == CONSTRAINTS


class Template(msgspec.Struct, frozen=True):
    """A template with its code compiled."""

    kind: str
    judges: Mapping[Engine, Judge]
    schema: Mapping[str, Any]
    """Of ``spec.parameters``, without what only Kubernetes understands."""
    document: Document


def load(
    templates: Sequence[Document], constraints: Sequence[Document], *, engine: Engine | None = None
) -> tuple[list[CompiledRule], list[Problem]]:
    """The rules of these documents, and what is wrong with them. ``engine`` wins where a template has it."""
    reviews = Reviews()
    problems: list[Problem] = []
    known: dict[str, Template] = {}
    broken: set[str] = set()
    for document in templates:
        before = len(problems)
        template = _template(document, reviews, problems)
        if len(problems) > before:
            broken.add(template.kind)
        else:
            known[template.kind] = template
    rules: list[CompiledRule] = []
    for document in constraints:
        kind = str(document.data.get("kind", ""))
        if kind in known:
            rules += _rule(known[kind], document, engine, problems)
        elif kind not in broken:
            problems.append(
                _problem(document, ("kind",), "unknown-template", f"there is no ConstraintTemplate for `{kind}`")
            )
    return rules, problems


def _problem(document: Document, path: Path, code: str, message: str, line: int = 0) -> Problem:
    place = document.locate(path)
    at = place.line + line if line and place.line else place.line  # the text of a block begins on the next line
    return Problem(place.file or document.file, at, place.column, ".".join(map(str, path)), code, message)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _template(document: Document, reviews: Reviews, problems: list[Problem]) -> Template:
    spec = _map(document.data.get("spec"))
    crd = _map(_map(spec.get("crd")).get("spec"))
    kind = str(_map(crd.get("names")).get("kind", ""))
    if not kind:
        problems.append(
            _problem(
                document, ("spec", "crd", "spec", "names", "kind"), "missing", "expected the kind of its constraints"
            )
        )
    elif name(document.data) != kind.lower():
        message = f"the name must be the kind in lower case: `{kind.lower()}`"
        problems.append(_problem(document, ("metadata", "name"), "bad-name", message))

    def report(path: Path, code: str, message: str, line: int) -> None:
        problems.append(_problem(document, path, code, message, line))

    found = judges(spec, reviews, report)
    schema = plain_schema(_map(_map(crd.get("validation")).get("openAPIV3Schema")))
    try:
        jsonschema_rs.validator_for(schema)
    except ValueError as error:
        path: Path = ("spec", "crd", "spec", "validation", "openAPIV3Schema")
        problems.append(_problem(document, path, "bad-schema", f"not a schema: {str(error).splitlines()[0]}"))
    return Template(kind, found, schema, document)


def plain_schema(schema: Any) -> Any:
    """OpenAPI's schema as JSON Schema: ``nullable`` as a type, without ``x-kubernetes-*`` and empty formats."""
    if isinstance(schema, list):
        return [plain_schema(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {
        key: {name: plain_schema(one) for name, one in value.items()} if key == "properties" and isinstance(value, Mapping) else plain_schema(value)
        for key, value in schema.items()
        if not str(key).startswith("x-kubernetes-") and key not in ("nullable", "example", "description")
    }  # fmt: skip
    if schema.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def _rule(template: Template, document: Document, engine: Engine | None, problems: list[Problem]) -> list[CompiledRule]:
    spec = _map(document.data.get("spec"))
    found: list[Problem] = []
    parameters = _parameters(template, document, spec, found)
    match = _map(spec.get("match"))
    found += [
        _problem(document, ("spec", "match", field), "bad-match", message) for field, message in match_problems(match)
    ]
    action = _action(document, spec, found)
    problems += found
    if found:
        return []
    used: Engine = "cel" if "cel" in template.judges else "rego"
    if engine is not None and engine in template.judges:
        used = engine
    about = described(template.document)
    title = name(document.data)
    return [
        CompiledRule(
            policy=template.kind, name=title, engine=used, action=action, place=_place(document),
            evaluate=_evaluating(template.judges[used], match, parameters), kinds=_kinds(match),
            severity=about.severity, title=about.title, rationale=about.rationale, fix=about.fix, controls=about.controls,
            sees_facts=names_ours(match), looks_around=used == "rego" and looks_around(str(template.document.data.get("spec"))),
        )
    ]  # fmt: skip


def _place(document: Document) -> Place:
    place = document.locate(())
    return place if place.file else Place(document.file, place.line, place.column)


def _parameters(
    template: Template, document: Document, spec: Mapping[str, Any], found: list[Problem]
) -> Mapping[str, Any]:
    """``spec.parameters``, checked against the template's schema, with its defaults."""
    parameters = plain(spec.get("parameters") or {})
    validator = jsonschema_rs.validator_for(dict(template.schema))
    for error in validator.iter_errors(parameters):
        path: Path = ("spec", "parameters", *error.instance_path)
        found.append(_problem(document, path, "bad-parameter", error.message))
    return parameters if found else defaulted(template.schema, parameters)  # type: ignore[no-any-return]  # a map gives a map


def _action(document: Document, spec: Mapping[str, Any], found: list[Problem]) -> Action:
    written = str(spec.get("enforcementAction", "deny"))
    if written != "scoped":
        if written not in ACTIONS:
            found.append(
                _problem(
                    document,
                    ("spec", "enforcementAction"),
                    "bad-action",
                    f"expected scoped or one of {', '.join(ACTIONS)}",
                )
            )
        return ACTIONS.get(written, "deny")
    actions: list[Action] = []
    for number, one in enumerate(spec.get("scopedEnforcementActions") or ()):
        action = ACTIONS.get(str(_map(one).get("action")))
        if action is None:
            path: Path = ("spec", "scopedEnforcementActions", number, "action")
            found.append(_problem(document, path, "bad-action", f"expected one of {', '.join(ACTIONS)}"))
        else:
            actions.append(action)
    return next((one for one in STRICTEST if one in actions), "audit")


def _kinds(match: Mapping[str, Any]) -> frozenset[str] | None:
    found = {str(kind) for one in match.get("kinds") or () for kind in one.get("kinds") or ("*",)}
    return frozenset(found) if found and "*" not in found else None


def _evaluating(
    judge: Judge, match: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Callable[[Request], Sequence[Outcome]]:
    def evaluate(request: Request) -> Sequence[Outcome]:
        if not matches(match, request):
            return ()
        try:
            return judge(request, parameters)
        except TypeError as error:  # an object that is not JSON data
            return (Outcome("error", str(error)),)

    return evaluate
