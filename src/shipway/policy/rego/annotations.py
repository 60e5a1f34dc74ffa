"""Comments that begin with ``METADATA``: YAML about the rule or the package that follows, for ``rego.metadata.rule()``.

Called by ``parser``, which keeps them by the line of what follows, and by ``scopes``, which puts them in the place of the
calls. As Open Policy Agent's documentation of annotations has it; schemas are kept and not used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shipway.policy.rego.calls_encoding import yaml_loaded
from shipway.policy.rego.faults import BuiltinError
from shipway.policy.rego.tree import Array, Module, Object, Scalar, Term
from shipway.policy.rego.values import Value
from shipway.policy.rules import Place

FUNCTIONS: Final = frozenset({"rego.metadata.rule", "rego.metadata.chain"})
Notes = Mapping[int, Sequence[Mapping[str, Any]]]
"""Line of a rule or of the package to the annotations before it."""
_SCOPES: Final = ("rule", "document", "package", "subpackages")
_MARK: Final = re.compile(r"#\s*METADATA\s*")
_AUTHOR: Final = re.compile(r"(.*?)\s*<([^>]*)>\s*")


class BadAnnotationError(ValueError):
    """An annotation that cannot be read, with the line that it begins in."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read(text: str) -> Notes:
    """The annotations of a module that asks for any. Raises BadAnnotationError."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    if "METADATA" not in text or "rego.metadata." not in text:
        return found
    waiting: list[Mapping[str, Any]] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if _MARK.fullmatch(line):
            start, at = at, _end(lines, at + 1)
            waiting.append(_annotation(lines[start + 1 : at], start + 1))
            continue
        if waiting and line and not line.startswith("#"):
            found[at + 1] = [_scoped(one, line) for one in waiting]
            waiting = []
        at += 1
    return found


def _end(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and lines[at].lstrip().startswith("#") and not _MARK.fullmatch(lines[at].strip()):
        at += 1
    return at


def _annotation(comments: Sequence[str], line: int) -> Mapping[str, Any]:
    try:
        found = yaml_loaded("\n".join(comment.lstrip().removeprefix("#") for comment in comments) + "\n")
    except BuiltinError as error:
        raise BadAnnotationError(line, "the annotation is not valid YAML") from error
    if not isinstance(found, dict):
        raise BadAnnotationError(line, "expected a map as the annotation")
    if found.get("scope", "rule") not in _SCOPES:
        raise BadAnnotationError(line, f"expected one of {', '.join(_SCOPES)} as the scope of the annotation")
    made = {key: value for key, value in found.items() if value not in (None, [], {}, "")}
    for name, known in (("authors", _author), ("related_resources", _resource)):
        if isinstance(made.get(name), list):
            made[name] = [known(one) if isinstance(one, str) else one for one in made[name]]
    return made


def _author(text: str) -> dict[str, str]:
    match = _AUTHOR.fullmatch(text)
    parts = {"name": match[1], "email": match[2]} if match else {"name": text.strip()}
    return {key: value for key, value in parts.items() if value}


def _resource(text: str) -> dict[str, str]:
    return {"ref": text}


def _scoped(annotation: Mapping[str, Any], line: str) -> Mapping[str, Any]:
    """With its scope: what follows decides, and whatever is an entry point is a document."""
    rule = "document" if annotation.get("entrypoint") else "rule"
    return {**annotation, "scope": annotation.get("scope", "package" if line.startswith("package") else rule)}


def of_rule(module: Module, line: int) -> Value:
    """What ``rego.metadata.rule()`` gives in a rule that begins in that line."""
    return next((one for one in module.notes.get(line, ()) if one["scope"] == "rule"), {})


def chain(module: Module, path: Sequence[str], line: int) -> Value:
    """What ``rego.metadata.chain()`` gives in a rule of that path: the rule, its document, its package."""
    rule = of_rule(module, line)
    entries: list[Value] = [{"path": list(path), "annotations": rule} if rule else {"path": list(path)}]
    for scope, where in (("document", path), ("package", path[: len(module.package)]), ("subpackages", module.package)):
        lines = _lines_of(module, path) if scope == "document" else [module.place.line]
        entries += [
            {"path": list(where), "annotations": one}
            for each in lines
            for one in module.notes.get(each, ())
            if one["scope"] == scope
        ]
    return entries


def _lines_of(module: Module, path: Sequence[str]) -> Iterator[int]:
    """Lines of the rules with that path."""
    below = path[len(module.package) :]
    for rule in module.rules:
        if names(rule.ref) == list(below):
            yield rule.place.line


def names(ref: Sequence[Term]) -> list[str]:
    """The fixed names that a head begins with."""
    found: list[str] = []
    for part in ref:
        if not isinstance(part, Scalar) or not isinstance(part.value, str):
            break
        found.append(part.value)
    return found


def term(value: Value, place: Place) -> Term:
    """A value as it would be written in a policy."""
    if isinstance(value, list):
        return Array(items=[term(item, place) for item in value], place=place)
    if isinstance(value, dict):
        return Object(pairs=[(term(key, place), term(item, place)) for key, item in value.items()], place=place)
    return Scalar(value=value, place=place)
