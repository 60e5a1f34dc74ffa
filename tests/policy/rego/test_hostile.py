"""Hostile policies and inputs: every one ends with an answer or with one of our errors, none runs or grows without end."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.policy.rego.faults import Budget, EvaluationError, RegoError
from shipway.policy.rego.module import load
from shipway.policy.rego.parser import parse
from shipway.policy.rego.values import UNDEFINED

STEPS = 100_000


def steps(first: str, following: str, count: int = 40) -> str:
    """A body in which each line doubles the one before."""
    lines = [
        f"x0 := {first}",
        *(following.replace("NEXT", f"x{at + 1}").replace("LAST", f"x{at}") for at in range(count)),
    ]
    return "p := x{} if {{\n{}\n}}".format(count, "\n".join(lines))


STOPPED = {
    "loops": "p if { some a in numbers.range(1, 999); some b in numbers.range(1, 999); some c in [1, 2]; a + b + c < 0 }",
    "range": "p := numbers.range(1, 1000000000000)",
    "strings": steps('"aaaaaaaaaaaaaaaa"', 'NEXT := concat("", [LAST, LAST])'),
    "shifts": "p := bits.lsh(1, 100000000000)",
    "widths": 'p := sprintf("%1000000000d", [1])',
    "numbers": steps("12345678901234567890", "NEXT := LAST * LAST"),
    "counted widths": 'p := sprintf("%*d", [1000000000, 1])',
    "networks": 'p := net.cidr_expand("::/0")',
    "powers": 'p := to_number("1e999999999")',
    "products": "p := product(numbers.range(1, 20000))",
    "replace": steps('"aaaaaaaaaaaaaaaa"', 'NEXT := replace(LAST, "a", LAST)'),
    "arrays": steps("[1]", "NEXT := array.concat(LAST, LAST)"),
    "nested arrays": steps("[1]", "NEXT := [LAST, LAST]"),
    "nested objects": steps("{}", 'NEXT := {"a": LAST, "b": LAST}'),
    "nested sets": steps("{1}", "NEXT := {[LAST, LAST]}"),
    "nested unions": steps("{}", 'NEXT := object.union({"a": LAST}, {"b": LAST})'),
    "paths": 'g[i] := ns if { some i in ids; ns := ids }\nids := {sprintf("%d", [n]) | some n in numbers.range(1, 30)}\n'
    'p := graph.reachable_paths(g, ["1"])',
}


@pytest.mark.parametrize("name", STOPPED)
def test_the_budget_stops_it(name: str) -> None:
    rules = load({"t.rego": f"package t\n{STOPPED[name]}"}, version=1)
    with pytest.raises(Budget):
        rules.evaluate("data.t.p", {}, steps=STEPS)


@pytest.mark.parametrize(
    "expression",
    [
        'json.unmarshal(concat("", [x | some i in numbers.range(1, 20000); x := "["]))',
        "time.add_date(0, 100000000000, 0, 0)",
    ],
)
def test_what_is_too_large_is_undefined(expression: str) -> None:
    assert load({"t.rego": f"package t\np := {expression}"}, version=1).evaluate("data.t.p", {}) is UNDEFINED


@pytest.mark.parametrize(
    "source",
    [
        "p := " + "[" * 5000 + "]" * 5000, "p := " + "+".join(["1"] * 20_000), "p := 1e999999999",
        "p := " + "{x | x := " * 2000, "p := " + "-" * 5000 + "1", "p if {\n" + "\n".join(f"x{i} = x{i + 1}" for i in range(1500)) + "\nx1500 = 1\n}",
    ],
)  # fmt: skip
def test_what_is_too_intricate_is_refused(source: str) -> None:
    with pytest.raises(RegoError):
        load({"t.rego": f"package t\n{source}"}, version=1)


def test_deep_input_is_an_error() -> None:
    deep: object = 1
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    with pytest.raises((EvaluationError, RecursionError)):
        load({"t.rego": "package t\np := input"}).evaluate("data.t.p", deep)


@pytest.mark.parametrize(
    "source",
    ['p["\\"] + __import__(\\"os\\")"] := 1', '__import__ := 1\np["a"] := __import__', 'p contains "\'); exit(1)"'],
)
def test_names_and_strings_never_become_python(source: str) -> None:
    assert load({"t.rego": f"package t\n{source}"}, version=1).evaluate("data.t.p") is not UNDEFINED


WORDS = st.sampled_from(
    ["p", "q", "x", "_", "input", "data", "if", "contains", "in", "some", "every", "not", "with", "as", "else", "default",
     "import", "package", "true", "1", "2.5", '"s"', "`r`", '$"{x}"', ":=", "=", "==", "<", "+", "-", "|", "&", ".", ",", ";", ":",
     "[", "]", "{", "}", "(", ")", "\n", "count", "sprintf"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(WORDS, max_size=25).map(" ".join) | st.lists(WORDS, max_size=25).map("".join))
def test_any_text_is_a_policy_or_a_fault(text: str) -> None:
    for version in (0, 1, None):
        try:
            parse(f"package t\n{text}", "t.rego", version)
            load({"t.rego": f"package t\n{text}"}, version=version).evaluate("data.t.p", {"p": [1]}, steps=1000)
        except RegoError as error:
            assert error.faults  # noqa: PT017  # either outcome is fine
        except EvaluationError:
            pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p := 1e99999999999999999999", "too large"),
        ("p := x if { x := q with 7.o as 1 }\nq := 1", "fixed path"),
        ('p := $"\\: {1}"', "escape"),
    ],
)
def test_what_mutated_modules_have_shown(text: str, message: str) -> None:
    with pytest.raises(RegoError, match=message):
        load({"t.rego": f"package t\n{text}"}, version=1)
