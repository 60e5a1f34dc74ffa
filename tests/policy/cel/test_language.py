"""The language itself: what the specification says beyond the public cases, and what happens to plain data."""

import datetime as dt
import math
from types import MappingProxyType
from typing import Any

import pytest

from shipway.policy.cel import CelError, CelSyntaxError, compile_
from shipway.policy.cel.values import CelType, Duration, Optional, Timestamp, UInt

POD: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web"}, "created": dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)},
    "spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2", "limits": None}]},
}


def value(source: str, **bindings: Any) -> Any:
    """The value of an expression about POD."""
    return compile_(source).evaluate({"object": POD, **bindings})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # bool is no number and 1 is no true, wherever they meet
        ("true == 1", False),
        ("[true, 1.0] == [1, 1]", False),
        ("1 in [true]", False),
        ("true in {1: 'a'}", False),
        ("{true: 'a', 1: 'b'}[1]", "b"),
        ("{true: 'a', 1: 'b'}.map(k, k)", [True, 1]),
        ("{true: 1} == {true: 1.0}", True),
        ("y[1] == 'x' || true", True),
        # numbers of different types are one line
        ("1 == 1.0 && 1u == 1 && 2 > 1.5 && 1u < 2", True),
        ("{1: 'a'}[1.0] + {1u: 'b'}[1]", "ab"),
        ("1.0 in [1u]", True),
        ("0.0/0.0 == 0.0/0.0 || [0.0/0.0] == [0.0/0.0]", False),
        # integers are 64 bits wide and divide towards zero
        ("[-7 / 2, -7 % 2, 7 % -2]", [-3, -1, 1]),
        ("18446744073709551615u - 1u", UInt(2**64 - 2)),
        # errors are absorbed from both sides
        ("object.nope || true", True),
        ("true || object.nope", True),
        ("object.nope && false", False),
        ("object.spec.containers.exists(c, c.limits.cpu == '1' || c.name == 'a')", True),
        ("!object.spec.containers.all(c, c.nope == 1 && c.name == 'z')", True),
        # names
        ("[1].map(object, object)[0]", 1),
        ("[[1, 2], [3]].map(x, x.map(x, x + 1))", [[2, 3], [4]]),
        ("cel.bind(a, [1, 2], a.map(b, a[0] + b))", [2, 3]),
        ("[1].all(x, .x == 9)", True),
        ("a.b.c", 7),
        # null and missing
        ("has(object.spec.containers[1].limits)", True),
        ("object.spec.containers[1].limits == null", True),
        ("object.?spec.?nope.?deeper.orValue('d')", "d"),
        ("object.spec.containers[?5].?name.hasValue()", False),
        ("{'k': 1}[?'k'].optMap(v, v + 1).orValue(0)", 2),
        ("[?object.?nope, 1]", [1]),
        ("optional.of(1).orValue(1 / 0)", 1),
        ("cel.bind(x, 1 / 0, true)", True),
        # plain data of other shapes
        ("object.metadata.created < timestamp('2026-03-02T00:00:00Z')", True),
        ("object.metadata.created.getFullYear()", 2026),
        ("frozen.a + size(frozen.t) + frozen.t[1]", 5),
        ("'z' in frozen || 2 in frozen.t", True),
        # comments, escapes, quoting
        ("1 + // one\n 1", 2),
        (r"'\u00e9\x41\101\n' + r'\n' + '''a'b'''", "éAA\n\\na'b"),
        ("{'a-b': 1}.`a-b`", 1),
    ],
)
def test_value(source: str, expected: Any) -> None:
    bindings = {"x": 9, "y": {True: "x"}, "a.b": {"c": 7}, "frozen": MappingProxyType({"a": 1, "t": (1, 2)})}
    assert value(source, **bindings) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("9223372036854775807 + 1", "overflow"),
        ("-(-9223372036854775808)", "overflow"),
        ("0u - 1u", "overflow"),
        ("1 / 0", "division by zero"),
        ("1 + 1u", "no such overload"),
        ("true < false || 1 < true", "no such overload"),
        ("[1][1]", "out of bounds"),
        ("[1][-1]", "out of bounds"),
        ("'abc'[0]", "no such overload"),
        ("object.nope", "no such key: nope"),
        ("object.metadata.name.x", "type string has no fields"),
        ("{1: 'a'}[true]", "no such key"),
        ("true && object.nope", "no such key"),
        ("nobody", "undeclared reference to 'nobody'"),
        ("[1, 0].map(x, 1 / x)", "division by zero"),
        ("{'a': 1, 'a': 2}", "repeated key"),
        ("'a' ? 1 : 2", "expected bool"),
        ("optional.none().value()", "no value"),
        ("'a'.orValue('b')", "no such overload"),
        ("'a'.startsWith(1)", "no such overload"),
        ("size(1)", "no such overload"),
        ("timestamp('2026-02-30T00:00:00Z')", "out of range"),
        ("timestamp('2026-01-01T00:00:00Z').getHours('Mars/Olympus')", "unknown time zone"),
        ("has(object.metadata.name.x)", "no fields"),
    ],
)
def test_error(source: str, words: str) -> None:
    with pytest.raises(CelError, match=words):
        value(source)


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("1 +", 1, 4, "expected a value, found the end"),
        ("(1", 1, 3, r"expected '\)'"),
        ("a\n  b", 2, 3, "expected an operator or the end of the expression, found b"),
        ("[1, 2", 1, 6, "expected ',' or ']'"),
        ("{'a' 1}", 1, 6, "expected ':'"),
        ("'abc", 1, 1, "not closed; expected '"),
        ("a.1", 1, 2, "expected an operator"),
        ("a.?1", 1, 4, "expected a field name"),
        ("for", 1, 1, "reserved word"),
        ("a @ b", 1, 3, "unexpected character '@'"),
        ("'\\q'", 1, 1, "unknown escape"),
        ("has(a)", 1, 1, "expects a field selection"),
        ("a.all(x.y, true)", 1, 9, "expected a simple name"),
        ("a.all(i, i, true)", 1, 3, "two different"),
        ("99999999999999999999", 1, 1, "does not fit 64 bits"),
        ("size()", 1, 1, r"size\(\) expects 1 argument, found 0"),
        ("'a'.charAt()", 1, 5, r"charAt\(\) expects 1 argument, found 0"),
        ("siz(a)", 1, 1, "undeclared function 'siz'; did you mean 'size'"),
        ("image.Get(a)", 1, 7, "undeclared function 'image.Get'"),
        ("a.sise()", 1, 3, "undeclared function 'a.sise'; did you mean 'size'"),
        ("Pod{name: 'x'}", 1, 4, "message types are not supported; use a map"),
        ("a ? b", 1, 6, "expected ':'"),
    ],
)
def test_syntax_errors_say_where_and_what_was_expected(source: str, line: int, column: int, words: str) -> None:
    with pytest.raises(CelSyntaxError, match=words) as caught:
        compile_(source)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_results_are_plain_python_where_there_is_such_a_value() -> None:
    assert type(value("1 + 1")) is int
    assert type(value("1u")) is UInt
    assert math.isnan(value("0.0 / 0.0"))
    assert value("b'a' + b'\\xff'") == b"a\xff"
    assert value("[object.metadata.name, null, {'a': 1.5}]") == ["web", None, {"a": 1.5}]
    assert value("duration('1h') + duration('1ns')") == Duration(3_600_000_000_001)
    assert str(value("timestamp('2026-01-01T00:00:00.5+01:00')")) == "2025-12-31T23:00:00.5Z"
    assert value("timestamp(0)") == Timestamp(0)
    assert value("type(1)") == CelType("int")
    assert isinstance(value("object.?x"), Optional)


def test_bindings_are_not_changed() -> None:
    before = repr(POD)
    assert value("object.spec.containers + [1]")[-1] == 1
    assert repr(POD) == before


def test_a_lazy_mapping_is_asked_for_what_the_expression_needs_only() -> None:
    class Variables(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            asked.append(name)
            return len(name)

    asked: list[str] = []
    assert compile_("true || variables.abcd > 1").evaluate({"variables": Variables()}) is True
    assert compile_("variables.abc + 1").evaluate({"variables": Variables()}) == 4
    assert asked == ["abc"]
