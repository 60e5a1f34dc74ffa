"""Random modules of a subset of Rego, and the input that they are about."""

from typing import Any

from hypothesis import strategies as st

GIVEN: dict[str, Any] = {
    "xs": [3, 1, 2], "o": {"a": 1, "b": [2, {"c": "d"}]}, "s": "text", "n": 5, "t": True, "f": False, "z": None, "e": [], "deep": {"k": {"k": 7}},
}  # fmt: skip
NUMBERS = st.sampled_from(["0", "1", "2", "7", "input.n", "input.xs[1]", "input.deep.k.k", "count(input.xs)"])
STRINGS = st.sampled_from(
    ['"a"', '"text"', "input.s", 'lower("AB")', 'concat(",", ["a", "b"])', 'sprintf("%d-%v", [1, "x"])']
)
OPERATIONS = st.sampled_from(["+", "-", "*"])
COMPARISONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, inner, OPERATIONS, inner) | st.builds("abs({})".format, inner)


NUMBER = st.recursive(NUMBERS, _numbers, max_leaves=4)
SCALAR = NUMBER | STRINGS | st.sampled_from(["true", "false", "null", "input.missing", "input.t", "input.z"])


def _composites(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(inner, min_size=1, max_size=3).map(", ".join)
    return (
        listed.map("[{}]".format)
        | listed.map("{{{}}}".format)
        | inner.map('{{"k": {}}}'.format)
        | SCALAR.map("[x | some x in input.xs; x != {}]".format)  # rego-cpp mixes up equal names at two depths
        | SCALAR.map('{{v: k | some k, v in [{}, 1, "a"]}}'.format)
        | SCALAR.map("{{y | y := [{}, 2][_]}}".format)
    )


VALUE = st.recursive(SCALAR, _composites, max_leaves=5)
LINE = (
    st.builds("{} {} {}".format, VALUE, st.sampled_from(["==", "!="]), VALUE)
    | st.builds("{} {} {}".format, NUMBER, COMPARISONS, NUMBER)  # rego-cpp does not order values of different kinds
    | st.builds("{} {} {}".format, STRINGS, COMPARISONS, STRINGS)
    | st.builds("not {} == {}".format, SCALAR, SCALAR)  # what stands in composites OPA evaluates before `not`
    | st.builds("{} in [{}, {}]".format, SCALAR, SCALAR, SCALAR)
    | st.builds("every q in input.xs {{ q {} {} }}".format, COMPARISONS, NUMBER)
    | st.builds("some i; input.xs[i] {} {}".format, COMPARISONS, NUMBER)
    | st.sampled_from(["input.o[j]", "input.xs[_] == 2", "not input.f", "not input.missing", "is_string(input.s)"])
)
RULE = st.one_of(
    st.builds("p := {} if {{ {} }}".format, VALUE, LINE),
    st.builds("p contains {} if {{ {}; {} }}".format, VALUE, LINE, LINE),
    st.builds('p[k] := v if {{ some k, v in {{"a": {}, "b": 2}}; {} }}'.format, VALUE, LINE),
    st.builds("default p := {}\np := {} if {{ {} }}".format, st.sampled_from(["0", "[]"]), VALUE, LINE),
    st.builds("f(x) := x if x != {}\nelse := {}\np := [f({}), 1]".format, SCALAR, SCALAR, SCALAR),
)
