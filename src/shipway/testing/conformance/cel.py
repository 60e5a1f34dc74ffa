"""The cel-spec cases and those of the Kubernetes CEL libraries, as exported to JSON. See the package for who calls it."""

import base64
import json
import math
from pathlib import Path
from typing import Any

from shipway.policy.cel import ANY, CelError, CelSyntaxError, Environment, Overload, compile_, function
from shipway.policy.cel.operators import eq
from shipway.policy.cel.values import NANOS, CelType, Duration, Timestamp, UInt, make_map, type_name
from shipway.testing.conformance import Case

JsonCase = dict[str, Any]


def run(folder: Path) -> list[Case]:
    """All cases of ``cel-spec.json`` that need no protocol buffers, and all of ``kubernetes-cel-library.json``."""
    spec = json.loads((folder / "cel-spec.json").read_text())
    kubernetes = json.loads((folder / "kubernetes-cel-library.json").read_text())
    return [*(_spec_case(case) for case in spec if not case["proto"]), *(_kubernetes_case(case) for case in kubernetes)]


def decoded(typed: list[Any]) -> Any:  # noqa: PLR0911  # one type after the other
    """A value of the export: ``["int", 4]``, ``["map", [[key, value]]]``."""
    kind, value = typed
    match kind:
        case "list":
            return [decoded(item) for item in value]
        case "map":
            return make_map((decoded(key), decoded(item)) for key, item in value)
        case "double":
            return float(value)
        case "uint":
            return UInt(value)
        case "bytes":
            return base64.b64decode(value)
        case "type":
            return CelType(value)
        case "duration" | "timestamp":
            return (Duration if kind == "duration" else Timestamp)(value[0] * NANOS + value[1])
        case "string" | "int" | "bool" | "null":
            return value
    raise ValueError(f"a value of type {kind} is not supported")


def same(found: Any, expected: Any) -> bool:
    """Equal, of the same types all through, NaN like NaN."""
    if type_name(found) != type_name(expected):
        return False
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return len(found) == len(expected) and all(key in found and same(found[key], expected[key]) for key in expected)
    if isinstance(expected, float):
        return found == expected or (math.isnan(found) and math.isnan(expected))
    return eq(found, expected)


def _spec_case(case: JsonCase) -> Case:
    suite = "cel-spec/" + ("ext" if case["file"].endswith("_ext") else "core")
    name = f"{case['file']}/{case['section']}/{case['name']}"
    cause = _spec_failure(case)
    return Case(suite, name, not cause, f"{case['expr']}: {cause}" if cause else "")


def _declared(name: str, count: int) -> Overload:
    """A function that only has to be there for the case to compile."""
    return function(name, lambda *args: list(args), *[ANY] * count)


def _spec_failure(case: JsonCase) -> str:
    kind, expected = case["exp"]
    environment = Environment(
        variables=None if case["nocheck"] or case["checkonly"] else case["ids"],
        functions=[_declared(name, count) for name in case["fn"] for count in range(6)],
        container=case["container"],
        macros=not case["nomacro"],
        check=not case["nocheck"],
    )
    try:
        program = compile_(case["expr"], environment)
        if kind == "typeonly":
            return ""
        found = program.evaluate({name: decoded(value) for name, value in case["b"].items()})
        expected = expected if kind == "error" else decoded(expected)
    except (CelSyntaxError, CelError) as problem:
        return "" if kind == "error" else f"error instead of a value: {problem}"
    except ValueError as problem:
        return f"the case cannot be read: {problem}"
    if kind == "error":
        return f"expected an error ({expected[0] if expected else ''}), found {found!r}"
    return "" if same(found, expected) else f"expected {expected!r}, found {found!r}"


_KUBERNETES = Environment(variables=[], lenient_or_value=True)
_CONSTANTS = {"trueVal": True, "falseVal": False, "int4": 4, "int6": 6}


def _kubernetes_case(case: list[Any]) -> Case:
    library, name, expression, kind, expected = case
    cause = _kubernetes_failure(expression, kind, expected)
    return Case(f"kubernetes/{library}", name.strip('"'), not cause, f"{expression}: {cause}" if cause else "")


def _kubernetes_failure(expression: str, kind: str, expected: str) -> str:
    """The export names the constants of expected values; of composite ones it only says that there is a value."""
    try:
        found = compile_(expression, _KUBERNETES).evaluate({})
    except (CelSyntaxError, CelError) as problem:
        return "" if kind != "value" else f"error instead of a value: {problem}"
    if kind != "value":
        return f"expected an error, found {found!r}"
    if expected in _CONSTANTS and not same(found, _CONSTANTS[expected]):
        return f"expected {_CONSTANTS[expected]!r}, found {found!r}"
    return ""
