"""What a model says is wrong, in words for the person who wrote the file. Used by :mod:`shipway.spec.documents`.

Pydantic finds every error of a document at once; here each becomes a :class:`Problem` with its place in the file, what
was expected, what was found, and the name that was probably meant.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shipway.model.problems import Problem
from shipway.model.quantities import format_number
from shipway.model.suggestions import closest, did_you_mean
from shipway.spec.application import Application, Override, Spec
from shipway.spec.fields import Closed, Misspelt, describe, fields_of, is_platforms
from shipway.spec.reading import Node, Path

MAX_EXPLAINED = 500
"""Errors of one document that are put into words; guessing what was meant takes time for each."""

_TYPES: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "model_type": "a map",
    "dict_type": "a map",
    "tuple_type": "a list",
}
_BOUNDS: Mapping[str, str] = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
}


def problems_of(error: ValidationError, root: type[BaseModel], file: str, node: Node) -> list[Problem]:
    """Every error of ``root`` against the document ``node``, in the order of the file."""
    errors = [details for details in error.errors(include_url=False)[:MAX_EXPLAINED] if not _is_echo(details)]
    meant = {_meant(path_of(details), root) for details in errors if details["type"] == "extra_forbidden"}
    kept = [details for details in errors if details["type"] != "missing" or path_of(details) not in meant]
    return sorted(_problem(details, root, file, node) for details in kept)


def path_of(details: ErrorDetails) -> Path:
    """Path of the value (or of the entry whose name is wrong) that an error of pydantic's is about."""
    return tuple(part for part in details["loc"] if part != "[key]")


def for_the_platform(data: Mapping[str, Any], model: type[BaseModel], path: Path = ()) -> Iterator[Path]:
    """What a document of an application says although it is the Platform's to say."""
    leading = _leading(model)
    for name in [name for name in data if name in leading]:
        value, here, (inner, many) = data[name], (*path, name), leading[name]
        if inner is not None:
            for key, one in _maps(value, many=many):
                yield from for_the_platform(one, inner, (*here, *key))
        elif value is not None:
            yield here


@cache
def _leading(model: type[BaseModel]) -> Mapping[str, tuple[type[BaseModel] | None, bool]]:
    """Fields of the Platform's, with None, and those with a model that may have some; whether that is a map of them."""
    found: dict[str, tuple[type[BaseModel] | None, bool]] = {}
    for name, field in fields_of(model).items():
        inner = None if is_platforms(field) else _model_in(field.annotation)
        if is_platforms(field) or (inner and _leading(inner)):
            found[name] = inner, getattr(field.annotation, "__origin__", None) is dict
    return found


def _maps(value: object, *, many: bool) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Where in a field maps of its model are: itself, or the entries of a list or of a map of them."""
    if isinstance(value, dict) and not many:
        yield (), value
    elif isinstance(value, dict | list):
        entries: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        yield from (((key,), one) for key, one in entries if isinstance(one, dict))


def problem_at(
    file: str, node: Node, path: Path, code: str, message: str, *, offset: int | None = None, key: bool = False
) -> Problem:
    """A problem at ``path``, or at the deepest part of it that was written. ``key`` points at the name, not the value.

    ``offset`` points into the text of the value.
    """
    key_node, value, depth = node.at(path)
    missing = depth < len(path) and value.text is None
    place = key_node if key_node is not None and (key or missing) else value
    column = place.column
    if offset is not None and value.exact is not None:
        column = value.exact + offset
    # A shorthand (`delivery: canary`) is one value for what the model sees as a field of a map.
    shown = path if missing or depth == len(path) else path[:depth]
    return Problem(place.file or file, place.line, column, dotted(shown), code, message)


def dotted(path: Path) -> str:
    """``("spec", "steps", 0, "weight")`` is ``spec.steps[0].weight``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in path).lstrip(".")


def parted(field: str) -> tuple[str, ...]:
    """``spec.storage./srv/app.d`` is ``("spec", "storage", "/srv/app.d")``: the path of a disk may have dots of its own."""
    above, slash, path = field.partition("./")
    return (*above.split("."), f"/{path}") if slash else tuple(above.split("."))


def _short(part: str) -> str:
    return part if len(part) <= 64 else f"{part[:61]}..."


def _problem(details: ErrorDetails, root: type[BaseModel], file: str, node: Node) -> Problem:
    path, is_key = path_of(details), details["loc"][-1:] == ("[key]",)
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        code, message = _unknown(path, root)
        return problem_at(file, node, path, code, message, key=True)
    if kind == "missing":
        return problem_at(file, node, path, "missing-field", _missing(path, root))
    code, message, offset = _wrong(kind, context, details["input"])
    return problem_at(file, node, path, code, message, offset=offset, key=is_key)


def _wrong(kind: str, context: Mapping[str, Any], got: object) -> tuple[str, str, int | None]:
    """(code, message, offset into the text) of a value that was found wanting."""
    error = context.get("error")
    if isinstance(error, Misspelt):
        return error.code, str(error), error.offset
    if isinstance(error, ValueError):
        return "bad-quantity", str(error), None
    if kind == "literal_error":
        options = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        hint = did_you_mean(got, options) if isinstance(got, str) else ""
        choices = f"one of {', '.join(options)}" if len(options) > 1 else options[0]
        return "not-one-of", f"expected {choices}, got {describe(got)}{hint}", None
    if kind in _BOUNDS:
        bounds = {key: format_number(bound) for key, bound in context.items() if isinstance(bound, int | float)}
        return "out-of-range", f"expected {_BOUNDS[kind].format(**bounds)}, got {_amount(got)}", None
    if kind in _TYPES:
        return "wrong-type", f"expected {_TYPES[kind]}, got {describe(got)}{_remedy(kind, got)}", None
    return "bad-value", f"expected another value, got {describe(got)}", None


def _amount(got: object) -> str:
    return f"{len(got)}" if isinstance(got, list | tuple | dict) else describe(got)


def _remedy(kind: str, got: object) -> str:
    """What to do about the common mistakes: quotes too many or too few, nothing for "", one value for a list of one."""
    if kind == "string_type" and got is None:
        return '; write "" for an empty text'
    if kind == "tuple_type" and isinstance(got, str) and len(got) < 60:
        return f"; write `[{got}]`"
    if kind in {"int_type", "float_type"} and isinstance(got, str) and len(got) < 20 and got.lstrip("-").isdecimal():
        return "; remove the quotes"
    return ""


def _missing(path: Path, root: type[BaseModel]) -> str:
    name, model = str(path[-1]), _model_at(path[:-1], root)
    field = fields_of(model).get(name) if model else None
    example = field.examples[0] if field is not None and field.examples else None
    return f"`{name}` is required" + (f"; for example `{name}: {example}`" if isinstance(example, str) else "")


def _unknown(path: Path, root: type[BaseModel]) -> tuple[str, str]:
    name, model = str(path[-1]), _model_at(path[:-1], root)
    fields = fields_of(model) if model else {}
    if root is Application:
        fields = {name: field for name, field in fields.items() if not is_platforms(field)}
    instead = model.instead.get(name) if model and issubclass(model, Closed) else None
    if model is Override and name in fields_of(Spec):
        return "not-overridable", f"`{name}` cannot differ between environments; what can: {', '.join(fields)}"
    elsewhere = _elsewhere(name, root)
    hint = f"; it belongs to `{elsewhere}`" if elsewhere else did_you_mean(name, fields)
    hint = f"; {instead}" if instead else hint
    return "unknown-field", f"there is no field `{_short(name)}` here" + (
        hint or f"; expected {'one of ' if len(fields) > 1 else ''}{', '.join(fields)}"
    )


def _is_echo(details: ErrorDetails) -> bool:
    """A list with a bad entry is also "too short" to pydantic, which counts the good ones only."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _meant(path: Path, root: type[BaseModel]) -> Path:
    """The field that an unknown one was probably meant to be: reporting that it is missing as well would help nobody."""
    model = _model_at(path[:-1], root)
    return (*path[:-1], closest(str(path[-1]), fields_of(model) if model else ()))


def _elsewhere(name: str, root: type[BaseModel]) -> str:
    """Where a field of this name would be right: people indent one level too few or too many."""
    for top in ("metadata", "spec"):
        model = _model_at((top,), root)
        if model and name in fields_of(model):
            return top
        for field in fields_of(model) if model else {}:
            inner = _model_at((top, field), root)
            if inner and field not in {"environments", "defaults"} and name in fields_of(inner):
                return f"{top}.{field}"
    return ""


def _model_at(path: Path, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model that describes the map at ``path``."""
    model: type[BaseModel] | None = root
    inside = False
    for part in path:
        if inside or isinstance(part, int):  # the name of an entry, or its place in a list: still the same model
            inside = False
            continue
        field = fields_of(model).get(part) if model else None
        if field is None:
            return None
        model = _model_in(field.annotation)
        inside = getattr(field.annotation, "__origin__", None) is dict
    return None if inside else model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``tuple[Model, ...]``, ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
