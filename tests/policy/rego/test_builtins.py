"""Builtin functions: expressions and what they give, from the policy reference of Open Policy Agent."""

import pytest

from shipway.policy.rego.library import BUILTINS, REFUSED
from shipway.policy.rego.module import load
from shipway.policy.rego.values import UNDEFINED

AT = 1_700_000_000.25
GIVEN: dict[str, object] = {
    # strings
    'concat("-", {"b", "a"})': "a-b",
    'indexof("abc", "z")': -1,
    'indexof_n("abab", "b")': [1, 3],
    'substring("hello", 1, 3)': "ell",
    'substring("hello", -1, 3)': UNDEFINED,
    'trim_left("xxa", "x")': "a",
    'strings.replace_n({"a": "b", "b": "c"}, "ab")': "bc",
    'strings.any_prefix_match(["a", "b"], {"x", "b"})': True,
    "format_int(255, 16)": "ff",
    'upper("a") < lower("A")': True,
    'split("a,b", ",")': ["a", "b"],
    # sprintf
    'sprintf("%s %v %d %5.2f|%-4s|%04d", ["a", {"k": {1}}, 7, 3.14159, "x", 42])': 'a {"k": {1}} 7  3.14|x   |0042',
    'sprintf("%x %q %t %%", [255, "a", true])': 'ff "a" %!t(string=true) %',
    'sprintf("%d %s", ["x"])': "%!d(string=x) %!s(MISSING)",
    'sprintf("a", [1])': "a%!(EXTRA int=1)",
    'sprintf("%v %v %v", [1e21, 0.00001, 1.5])': "1e+21 1e-05 1.5",
    # numbers
    "[7 % 3, -7 % 3, 7 / 2, 4 / 2, 1 % 0]": UNDEFINED,
    "[7 % 3, -7 % 3, 7 / 2, 4 / 2]": [1, -1, 3.5, 2],
    "0.1 + 0.2": 0.3,
    "[round(2.5), round(-2.5), ceil(1.2), floor(-1.2), abs(-3)]": [3, -3, 2, -2, 3],
    "numbers.range(3, 1)": [3, 2, 1],
    "numbers.range_step(0, 10, 5)": [0, 5, 10],
    'to_number("1e3")': 1000,
    'to_number("0x10")': UNDEFINED,
    '[sum([1, 2]), product({2, 3}), max([1, "a"]), min({3, 2}), count({1, 1})]': [3, 6, "a", 2, 1],
    "max([])": UNDEFINED,
    "bits.and(6, 3) + bits.lsh(1, 4)": 18,
    'units.parse("1.5Gi") + units.parse("500m")': 1610612736.5,
    'units.parse_bytes("10MB")': 10_000_000,
    # types
    "[type_name(null), type_name({1}), is_number(1), is_string(1)]": ["null", "set", True, False],
    # collections
    "array.slice([1, 2, 3], 1, 9)": [2, 3],
    'sort({3, null, "a"})': [None, 3, "a"],
    "intersection({{1, 2}, {2, 3}}) | union({{4}, {5}})": [2, 4, 5],
    'object.get({"a": {"b": 1}}, ["a", "b"], 0)': 1,
    'object.get({"a": 1}, "z", "none")': "none",
    'object.union({"a": {"b": 1}}, {"a": {"c": 2}})': {"a": {"b": 1, "c": 2}},
    'object.remove({"a": 1, "b": 2}, {"a"})': {"b": 2},
    'object.subset({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}})': True,
    'json.filter({"a": {"b": 1, "c": 2}, "d": 3}, ["a/b"])': {"a": {"b": 1}},
    'json.remove({"a": [1, 2], "d": 3}, ["a/0", "d"])': {"a": [2]},
    'json.patch({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "remove", "path": "a/0"}])': {"a": [2]},
    'json.patch({}, [{"op": "replace", "path": "/a", "value": 2}])': UNDEFINED,
    'graph.reachable({"a": ["b"], "b": [], "c": ["a"]}, {"a"})': ["a", "b"],
    # encodings
    'json.marshal({"b": {1}, "a": "<"})': '{"a":"\\u003c","b":[1]}',
    'json.unmarshal("[1, {}]")': [1, {}],
    'yaml.unmarshal("a: [1, x]")': {"a": [1, "x"]},
    'yaml.unmarshal("a: &a [1]\\nb: *a")': {"a": [1], "b": [1]},
    'yaml.unmarshal("a: &a [*a]")': UNDEFINED,
    'base64.decode(base64.encode("ü"))': "ü",
    'base64url.encode_no_pad("a?")': "YT8",
    'hex.decode("6869")': "hi",
    'urlquery.encode("a b&")': "a+b%26",
    'urlquery.decode_object("a=1&a=2")': {"a": ["1", "2"]},
    'crypto.sha256("")': "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    # regex and glob
    'regex.replace("ab12", "([a-z]+)(\\\\d+)", "$2-${1}")': "12-ab",
    'regex.find_n("a.", "ab ac", 1)': ["ab"],
    'regex.match("(", "x")': UNDEFINED,
    'regex.template_match("urn:{.*}", "urn:x", "{", "}")': True,
    'glob.match("*.github.com", [], "api.github.com")': True,
    'glob.match("*.github.com", [], "a.b.github.com")': False,
    'glob.match("{cat,b[ae]t}", null, "bet")': True,
    # time
    "time.now_ns()": 1_700_000_000_250_000_000,
    'time.date([time.now_ns(), "Asia/Tokyo"])': [2023, 11, 15],
    "time.weekday(0)": "Thursday",
    "time.format(time.add_date(1706659200000000000, 0, 1, 0))": "2024-03-02T00:00:00Z",
    'time.parse_rfc3339_ns("2024-01-31T00:00:00+01:00")': 1706655600000000000,
    'time.parse_ns("2006-01-02", "2024-01-31")': 1706659200000000000,
    'time.parse_duration_ns("1h0.5s")': 3600500000000,
    'time.diff(0, time.parse_ns("2006-01-02", "1971-03-04"))': [1, 2, 3, 0, 0, 0],
    # versions, addresses
    'semver.compare("1.0.0-rc.1", "1.0.0")': -1,
    'net.cidr_contains("10.0.0.0/8", "10.1.0.0/16")': True,
    'net.cidr_merge(["10.0.0.0/25", "10.0.0.128/25"])': ["10.0.0.0/24"],
    'count(net.cidr_expand("10.0.0.0/30"))': 4,
    'json.match_schema({"a": 1}, {"type": "object"})[0]': True,
}  # fmt: skip


@pytest.mark.parametrize("expression", GIVEN)
def test_builtin(expression: str) -> None:
    found = load({"t.rego": f"package t\np := {expression}"}, version=1).evaluate("data.t.p", at=AT)
    assert found == GIVEN[expression]
    assert type(found) is type(GIVEN[expression])


def test_refused_functions_are_not_there_and_have_a_reason() -> None:
    assert not set(BUILTINS) & set(REFUSED)
    assert all(REFUSED.values())


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_builtin_bears_every_kind_of_operand(name: str) -> None:
    kinds = ["null", "true", "-1", "2.5", '"a"', "[]", '["a", 1]', "{}", '{"a": {"b": 1}}', "set()", "{1, {2}}"]
    arity = len(BUILTINS[name].signature)
    calls = [", ".join([kind] * arity) for kind in kinds] + [
        ", ".join((kinds * 2)[at : at + arity]) for at in range(11)
    ]
    lines = "\n".join(
        f"p{number} := {name}({operands})" for number, operands in enumerate(calls) if "." in name or arity
    )
    shown = load({"t.rego": f"package t\n{_renamed(lines)}"}, version=1)
    for number in range(len(calls)):
        shown.evaluate(f"data.t.p{number}", at=AT)


def _renamed(lines: str) -> str:
    """``walk`` gives many values: they are collected."""
    return "\n".join(
        f"{head}:= [x | x := {call}]" for head, _, call in (line.partition(":= ") for line in lines.splitlines())
    )
