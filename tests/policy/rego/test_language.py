"""The language: what a small module gives, one behaviour at a time. Builtins have their own table."""

from typing import Any

import pytest

from shipway.policy.rego.faults import EvaluationError, RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED

INPUT: dict[str, Any] = {"n": 3, "xs": [1, 2, 3], "o": {"b": 2, "a": 1}, "s": "x", "no": False}

V1: dict[str, tuple[str, object]] = {
    "complete": ("p := 1 + 2 * 3", 7),
    "true without a value": ("p if input.n == 3", True),
    "undefined": ("p if input.missing", UNDEFINED),
    "false is not true": ("p if input.no", UNDEFINED),
    "default": ("default p := 5\np := 1 if input.missing", 5),
    "partial set": ("p contains x if some x in input.xs", [1, 2, 3]),
    "partial object": ("p[k] := v * 2 if some k, v in input.o", {"a": 2, "b": 4}),
    "nested object": ("p[k][j] := 1 if { some k in {1, 2}; some j in {3} }", {"1": {"3": 1}, "2": {"3": 1}}),
    "set in an object": ("p[k] contains v if some k, v in input.xs", {"0": [1], "1": [2], "2": [3]}),
    "reference in a head": ("p.a.b := 1\np.a.c := 2", {"a": {"b": 1, "c": 2}}),
    "else": ("p := 1 if input.missing\nelse := 2 if input.n == 4\nelse := 3", 3),
    "function": ("f(x) := x + 1\np := f(f(1))", 3),
    "clauses by pattern": ('f("a", _) := 1\nf("b", [x, _]) := x\np := f("b", [7, 8])', 7),
    "default function": ("default f(_) := 0\nf(x) := x if x > 5\np := [f(1), f(6)]", [0, 6]),
    "iteration binds": ("p := {i | input.xs[i] > 1}", [1, 2]),
    "join over two lists": ("p := [[a, b] | a := input.xs[_]; b := input.xs[_]; a + b == 6]", [[3, 3]]),
    "objects in order of keys": ("p := [k | input.o[k]]", ["a", "b"]),
    "object comprehension": ("p := {k: v | some k, v in input.o}", {"a": 1, "b": 2}),
    "unification": ('p := [x, y] if [x, {"k": y}] = [1, {"k": 2}]', [1, 2]),
    "unification out of order": ("p := x if { x = y; y = z; z = 4 }", 4),
    "lines out of order": ("p := x if { x = y + 1; y = 2 }", 3),
    "destructuring": ("p := b if { [_, [b, _]] := [1, [2, 3]] }", 2),
    "every": ("p if every x in input.xs { x < 4 }", True),
    "every with a key": ("p if every i, x in input.xs { x == i + 1 }", True),
    "every fails": ("p if every x in input.xs { x < 3 }", UNDEFINED),
    "in": ("p := [2 in input.xs, 9 in input.xs, (0, 1 in input.xs)]", [True, False, True]),
    "not of undefined": ("p if not input.missing", True),
    "not hoists operands": ('p if not startswith(input.missing, "x")', UNDEFINED),
    "not of the whole input": ("p := 1 if not input == 3", 1),
    "not of a document": ("p := 1 if not input", UNDEFINED),
    "not keeps equality": ('p if not input.missing == "x"', True),
    "locals hide rules": ("x := 1\nf(x) := x\np := [f(2), x]", [2, 1]),
    "comprehension before a local": ('xs := {"a"}\np := x if { y := {x | xs[x]}; x := count(y) }', 1),
    "some hides rules": ("x := 1\np := y if { some x; y := input.xs[x]; y == 3 }", 3),
    "with input": ("q := input.n\np := q + 1 if true with input.n as 9", 4),
    "with around a line": ("q := input.n\np := x if { x := q with input.n as 9 }", 9),
    "with data": ('p := x if { x := data.stock.a with data.stock as {"a": 5} }', 5),
    "with a rule": ("q := 1\np := x if { x := q with data.t.q as 2 }", 2),
    "with a builtin": ("mock(_) := 7\np := x if { x := count([]) with count as mock }", 7),
    "with a value for a function": ("f(_) := 1\np := x if { x := f(0) with f as 8 }", 8),
    "membership in a set": ('p := {"a", "b"}["b"]', "b"),
    "nested set": ("p := count({{1, 2}, {2, 1}})", 1),
    "set operators": ("p := [{1, 2} | {3}, {1, 2} & {2}, {1, 2} - {2}]", [[1, 2, 3], [2], [1]]),
    "package as a document": ("q := 1\nr := 2\np := count(data.u)", 1),
    "raw string": ("p := `a\\n`", "a\\n"),
    "template": ('p := $"n={input.n} {input.missing} \\{"', "n=3 <undefined> {"),
    "output operand": ('p := x if split("a b", " ", x)', ["a", "b"]),
    "walk": ("p := {v | walk(input.o, [_, v]); is_number(v)}", [1, 2]),
    "negative": ("p := -input.n - -1", -2),
    "print is nothing": ("p if { print(input.missing); true }", True),
    "bare keyword names": ('p := x.if if { x := {"if": 1} }', 1),
}


@pytest.mark.parametrize("name", V1)
def test_version_1(name: str) -> None:
    source, expected = V1[name]
    rules = load({"t.rego": f"package t\n{source}", "u.rego": "package u\na := 1"}, version=1)
    assert rules.evaluate("data.t.p", INPUT, {"stock": {"a": 1}}) == expected


V0: dict[str, tuple[str, object]] = {
    "set": ("p[x] { x := input.xs[_] }", [1, 2, 3]),
    "object": ("p[k] = v { v := input.o[k] }", {"a": 1, "b": 2}),
    "value": ("p = x { x := input.n }", 3),
    "two bodies": ("p[1] { true } { false }", [1]),
    "else": ("p = 1 { input.missing } else = 2 { true }", 2),
    "future keywords": ("import future.keywords\np contains x if some x in input.xs", [1, 2, 3]),
    "function without operands": ("f() = 4 { true }\np = f", 4),
    "keywords are names": ("in = 5 { true }\np = in", 5),
}


@pytest.mark.parametrize("name", V0)
def test_version_0(name: str) -> None:
    source, expected = V0[name]
    assert load({"t.rego": f"package t\n{source}"}, version=0).evaluate("data.t.p", INPUT) == expected


def test_the_version_is_found_for_each_file() -> None:
    rules = load({"a.rego": "package a\np { data.b.p }", "b.rego": "package b\np if true"})
    assert rules.evaluate("data.a.p") is True


def test_modules_import_each_other() -> None:
    library = "package lib.math\ntwice(x) := 2 * x"
    main = "package main\nimport data.lib.math as m\nimport input.n as n\np := m.twice(n)"
    assert load({"l.rego": library, "m.rego": main}).evaluate("data.main.p", INPUT) == 6


@pytest.mark.parametrize(
    ("source", "place", "message"),
    [
        ("p := }", "3:6", "expected a term"),
        ("p if x > 1", "3:6", "x is unsafe"),
        ("p if not input.xs[_] == 1", "3:6", "_ is unsafe"),
        ("p := x if { x := y; y := 1 }", "3:13", "y is unsafe"),
        ("p if q\nq if p", "3:1", "recursive"),
        ("p := http.send({})", "3:6", "http.send is not supported: a policy reads its input"),
        ('p := rand.intn("a", 5)', "3:6", "rand.intn is not supported: the same request"),
        ("p := nothing(1)", "3:6", "undefined function nothing"),
        ("p := count(1, 2, 3)", "3:6", "count takes 1 operands, not 3"),
        ("p { true }", "3:3", "`if` is needed"),
        ("p[1]", "3:5", "`contains` is needed"),
        ("f(x) := 1\nf(x, y) := 2", "4:1", "has 1 operands elsewhere"),
        ("default p := 1\ndefault p := 2", "4:9", "more than one default"),
        ("p contains 1\np := 2", "4:1", "is a set here"),
        ('p := "abc', "3:6", "not closed"),
        ("import foo.bar", "3:1", "an import begins with"),
        ("p if true with q as 1", "3:16", "cannot replace q"),
    ],
)
def test_faults_have_a_place(source: str, place: str, message: str) -> None:
    with pytest.raises(RegoError) as caught:
        load({"t.rego": f"package t\n\n{source}"}, version=1)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"t.rego:{place}: ")


def test_all_faults_at_once() -> None:
    with pytest.raises(RegoError) as caught:
        load({"a.rego": "package a\np if x\nq if y", "b.rego": "package b\nr := opa.runtime()"})
    assert [fault.place.line for fault in caught.value.faults] == [2, 3, 2]


@pytest.mark.parametrize(
    "source",
    [
        "p := input.xs[_]",
        "p := 1\np := 2",
        "p[k] := v if { k := 1; some v in [1, 2] }",
        "p := {1: x | some x in [1, 2]}",
    ],
)
def test_two_values_are_a_conflict(source: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load({"t.rego": f"package t\n{source}"}, version=1).evaluate("data.t.p", INPUT)
    assert caught.value.code == "eval_conflict_error"


def test_a_builtin_that_fails_is_undefined_or_strictly_an_error() -> None:
    rules = load({"t.rego": "package t\np := 1 / 0"})
    assert rules.evaluate("data.t.p") is UNDEFINED
    with pytest.raises(EvaluationError, match="divide by zero"):
        rules.evaluate("data.t.p", strict=True)


def test_many_loops_go_into_functions_of_their_own() -> None:
    loops = "; ".join(f"some x{number} in [1, 2]" for number in range(17))
    source = f"package t\np contains x16 if {{ {loops}; x0 + x1 + x2 + x3 == 4; x15 == 2 }}"
    source = source.replace("in [1, 2]", "in [2]").replace("== 4", "== 8")
    assert load({"t.rego": source}).evaluate("data.t.p") == [2]
    complete = source.replace("contains x16", ":= x16")
    assert load({"t.rego": complete}).evaluate("data.t.p") == 2


ANNOTATED = """# METADATA
# title: the package
package t
# METADATA
# title: both
# scope: document
# METADATA
# title: first
# authors: [Ann <a@example.org>]
# custom: {severity: HIGH}
rule := rego.metadata.rule()
chain := rego.metadata.chain()
"""


def test_annotations_are_read_by_rules() -> None:
    rules = load({"t.rego": ANNOTATED}, version=1)
    first = {"title": "first", "authors": [{"name": "Ann", "email": "a@example.org"}], "custom": {"severity": "HIGH"}}
    assert rules.evaluate("data.t.rule") == {**first, "scope": "rule"}
    around = {"path": ["t"], "annotations": {"title": "the package", "scope": "package"}}
    assert rules.evaluate("data.t.chain") == [{"path": ["t", "chain"]}, around]


@pytest.mark.parametrize(
    ("text", "message"), [("title: [a", "not valid YAML"), ("scope: all", "the scope"), ("- a", "a map")]
)
def test_broken_annotations_are_faults_with_their_line(text: str, message: str) -> None:
    with pytest.raises(RegoError, match=f"t.rego:2:1: .*{message}"):
        load({"t.rego": f"package t\n# METADATA\n# {text}\np := rego.metadata.rule()"})
    assert load({"t.rego": f"package t\n# METADATA\n# {text}\np := 1"}).evaluate("data.t.p") == 1


def test_what_asks_the_world_may_stand_in_a_policy_whose_tests_replace_it() -> None:
    policy = """package t
answer := http.send({"method": "get", "url": "https://example.org"}).body
test_answer if answer == 7 with http.send as {"body": 7}
test_function if answer == "get" with http.send as mock
mock(request) := {"body": request.method}
"""
    rules = load({"t.rego": policy}, version=1)
    assert [rules.evaluate(f"data.t.{name}") for name in ("test_answer", "test_function")] == [True, True]
    with pytest.raises(EvaluationError, match=r"http\.send is not supported"):
        rules.evaluate("data.t.answer")
    with pytest.raises(RegoError, match=r"http\.send is not supported"):
        load({"t.rego": policy.split("test_", maxsplit=1)[0]}, version=1)
