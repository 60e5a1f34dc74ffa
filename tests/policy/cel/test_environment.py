"""What callers set: variables, functions of their own, places, switches; and what a program tells about itself."""

from typing import Any

import pytest

from shipway.policy.cel import CelError, CelSyntaxError, Environment, compile_, function, method
from shipway.policy.cel.values import Opaque
from shipway.policy.rules import Place


def test_only_declared_variables_may_be_used() -> None:
    environment = Environment(variables=["object", "params", "a.b"])
    assert compile_("object.x + a.b.c", environment).evaluate({"object": {"x": 1}, "a.b": {"c": 2}}) == 3
    with pytest.raises(CelSyntaxError, match="undeclared reference to 'objct'; did you mean 'object'"):
        compile_("objct.x", environment)
    with pytest.raises(CelSyntaxError, match=r"expected one of a\.b, object, params"):
        compile_("zzz", environment)


def test_without_checks_unknown_names_are_errors_of_the_evaluation() -> None:
    environment = Environment(variables=[], check=False)
    assert compile_("nope(1) || zzz || true", environment).evaluate({}) is True
    with pytest.raises(CelError, match="undeclared function"):
        compile_("nope(1)", environment).evaluate({})


def test_the_place_of_the_expression_in_its_file_is_added() -> None:
    with pytest.raises(CelSyntaxError) as first:
        compile_("1 +", place=Place("p.yaml", 10, 5))
    assert (first.value.line, first.value.column) == (10, 8)
    with pytest.raises(CelSyntaxError) as second:
        compile_("1 +\n +", place=Place("p.yaml", 10, 5))
    assert (second.value.line, second.value.column) == (11, 2)


class Image(Opaque):
    cel_type = "kyverno.Image"

    def __init__(self, text: str) -> None:
        self.text = text


def test_functions_of_the_caller() -> None:
    def broken(_: Any) -> Any:
        raise KeyError("inside")

    environment = Environment(
        functions=[
            function("image", Image, str),
            method("registry", lambda image: image.text.split("/")[0], Image, kind="string"),
            function("resource.Get", lambda kind, name: {"kind": kind, "name": name}, str, str),
            function("resource.Get", lambda kind: {"kind": kind}, str),
            function("time.now", lambda: 7),
            function("size", lambda text: -len(text), str),
            function("broken", broken, object),
        ],
        constants={"limits.max": 5},
    )

    def run(source: str) -> Any:
        return compile_(source, environment).evaluate({"object": {"image": "ghcr.io/a"}})

    assert run("image(object.image).registry()") == "ghcr.io"
    assert run("size('abc') + size([1])") == -2
    assert run("resource.Get('Pod', 'a').name + resource.Get('Pod').kind") == "aPod"
    assert run("time.now() + limits.max") == 12
    assert run("type(image('a')) == type(image('b'))") is True
    assert run("broken(1) || true") is True
    with pytest.raises(CelError, match="KeyError: 'inside'"):
        run("broken(1)")
    with pytest.raises(CelError, match=r"no such overload: registry for \(string\)"):
        run("'a'.registry()")
    with pytest.raises(CelSyntaxError, match=r"resource.Get\(\) expects 1 or 2 arguments, found 3"):
        run("resource.Get('a', 'b', 'c')")


def test_or_value_of_what_is_not_optional() -> None:
    lenient = Environment(lenient_or_value=True)
    assert compile_("object.a.orValue(1)", lenient).evaluate({"object": {"a": 5}}) == 5
    assert compile_("object.?b.orValue(1)", lenient).evaluate({"object": {}}) == 1
    assert compile_("object.a.orValue(1 / 0)", lenient).evaluate({"object": {"a": 5}}) == 5
    with pytest.raises(CelError, match="no such overload: orValue"):
        compile_("object.a.orValue(1)").evaluate({"object": {"a": 5}})


def test_names_in_a_container() -> None:
    environment = Environment(variables=["x", "a.x", "a.b.y"], container="a.b", functions=[function("a.f", lambda: 4)])
    bindings = {"x": 1, "a.x": 2, "a.b.y": 3}
    assert compile_("[x, .x, y, f()]", environment).evaluate(bindings) == [2, 1, 3, 4]


def test_the_limit_of_steps_is_the_environments() -> None:
    short = Environment(limit=10)
    assert compile_("[1, 2, 3].all(x, x > 0)", short).evaluate({}) is True
    with pytest.raises(CelError, match="too many steps"):
        compile_("[1, 2, 3].all(x, [1, 2, 3].all(y, y > 0))", short).evaluate({})


def test_macros_can_be_switched_off() -> None:
    with pytest.raises(CelSyntaxError, match="undeclared function 'has'"):
        compile_("has(a.b)", Environment(macros=False))


def test_references() -> None:
    source = (
        "object.spec.containers.all(c, c.image == params.x['y'] && has(object.metadata.labels)) || a && [b].map(d, d.e)"
    )
    assert compile_(source).references == {
        ("object", "spec", "containers"),
        ("params", "x", "y"),
        ("object", "metadata", "labels"),
        ("a",),
        ("b",),
    }
