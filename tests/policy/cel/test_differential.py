"""Random typed expressions evaluated by Shipway and by cel-cpp (through cel-expr-python): the same value or both an error."""

import ast
import datetime as dt
import math
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from shipway.policy.cel import CelError, CelSyntaxError, Environment, compile_
from shipway.policy.cel.values import Duration, Timestamp, UInt, type_name
from tests.policy.cel.expressions import BINDINGS, anything

cel = pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")
ext = pytest.importorskip("cel_expr_python.ext", reason="cel-expr-python is not installed")

ERROR = "error"
_FRACTION = re.compile(r"(\.\d*?[1-9])0+(?=[sZ])")
_NUMBER = re.compile(r"cannot convert (['\"].*['\"]) to (?:int|uint|double)", re.DOTALL)
_COMPREHENSION = re.compile(r"\.(all|exists|exists_one|filter|map)\(")
NAMES = {"INT": "int", "UINT": "uint", "DOUBLE": "double", "STRING": "string", "BYTES": "bytes", "BOOL": "bool",
         "NULL": "null_type", "TIMESTAMP": "google.protobuf.Timestamp", "DURATION": "google.protobuf.Duration",
         "TYPE": "type"}  # fmt: skip


def _oracle() -> Any:
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    variables = dict.fromkeys(("i", "s", "l", "m", "v"), cel.Type.DYN)
    extensions = [ext_optional.ExtOptional(), ext_strings.ExtStrings(), ext_bindings.ExtBindings(), ext_math.ExtMath()]
    extensions.append(ext_encoders.ExtEncoders())
    return cel.NewEnv(variables=variables, extensions=extensions)


ORACLE = _oracle()
OURS = Environment(variables=["i", "s", "l", "m", "v"])


def theirs(source: str, bindings: dict[str, Any]) -> tuple[str, Any]:
    """Type and value by cel-cpp; (error, its words) when there is none."""
    try:
        value = ORACLE.compile(source, disable_check=True).eval(data=bindings)
    except RuntimeError as problem:
        return ERROR, str(problem)
    name = value.type().name()
    if name == "ERROR":
        return ERROR, value.plain_value()
    return NAMES.get(name, name.split("<")[0].lower()), normal(value.plain_value())


def ours(source: str, bindings: dict[str, Any]) -> tuple[str, Any]:
    """Type and value by Shipway; (error, its words) when there is none."""
    try:
        value = compile_(source, OURS).evaluate(bindings)
    except (CelError, CelSyntaxError) as problem:
        return ERROR, str(problem)
    return type_name(value), normal(value)


def normal(value: Any) -> Any:
    """A form that both can be brought to: what Python confuses is tagged."""
    match value:
        case Timestamp() | Duration():
            return value.nanos // 1000
        case dt.datetime():
            return (value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        case dt.timedelta():
            return value // dt.timedelta(microseconds=1)
        case bool() | None | str():
            return repr(value)
        case UInt() | int():
            return int(value)
        case float():
            return "NaN" if math.isnan(value) else repr(value)
        case bytes() | bytearray():
            return bytes(value)
        case dict():
            return {normal(key): normal(item) for key, item in value.items()}
        case list():
            return [normal(item) for item in value]
    return str(value)


def known(mine: tuple[str, Any], other: tuple[str, Any], source: str = "") -> str:
    """The name of a known difference, or nothing. Each is one of cel-cpp from the language definition or cel-go.

    Kept out of the generated expressions: doubles in ``format`` (cel-cpp rounds ``%s`` to 6 digits), the order of the keys of a
    map, an end of ``substring`` that is the size of the text (cel-cpp refuses it), spaces in Base64 (it skips them).
    """
    words = str(other[1])
    if "Unable to convert" in words:
        return "cel-expr-python cannot hand out the value"
    absorbed = (
        mine == ("bool", repr(False)) and other[0] == ERROR and " in " in source
    )  # it reports the first of two errors
    if words.endswith("No matching overloads found : @in") or absorbed:
        return "in: a value that cannot be a key is no key of the map (cel-go); cel-cpp makes it an error"
    if {mine[0], other[0]} == {"string"} and _FRACTION.sub(r"\1", mine[1]) == _FRACTION.sub(r"\1", other[1]):
        return "fractions of seconds as text: cel-cpp writes 3, 6 or 9 digits, cel-go as many as are needed"
    number = _NUMBER.search(str(mine[1])) if mine[0] == ERROR else None
    text = ast.literal_eval(number[1]) if number else ""
    if text != text.strip():
        return "spaces around a number in a text: cel-cpp skips them, cel-go (strconv.ParseInt) refuses them"
    if ".optMap(" in source and _COMPREHENSION.search(source):
        return "optMap beside all, exists, map or filter: cel-cpp reads its variable from the place of the other's"
    return ""


EASY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(EASY, max_examples=150)
@given(anything(2), BINDINGS)
def test_values_and_errors_are_those_of_the_reference_implementation(source: str, bindings: dict[str, Any]) -> None:
    agree(source, bindings)


@pytest.mark.slow
@settings(EASY, max_examples=1500)
@given(anything(3), BINDINGS)
def test_they_are_so_for_large_expressions(source: str, bindings: dict[str, Any]) -> None:
    agree(source, bindings)


def agree(source: str, bindings: dict[str, Any]) -> None:
    """The same type and value, or an error on both sides."""
    mine, other = ours(source, bindings), theirs(source, bindings)
    same = mine == other or mine[0] == other[0] == ERROR
    assert same or known(mine, other, source), f"{source} with {bindings}: {mine} beside {other}"
