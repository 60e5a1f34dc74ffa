"""Kyverno's JMESPath functions, with the examples of its documentation."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.policy.kyverno import amounts, expressions
from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.kyverno.functions import FUNCTIONS, REFUSED, TIMED

AT = 1_673_568_000.0  # 2023-01-13T00:00:00Z
DATA = {"name": "web", "labels": {"a": "1", "b": "2"}, "list": ["x", "y"], "nothing": None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("add(`1`, `2`)", 3),
        ("add('10Mi', '6Mi')", "16Mi"),
        ("add('1h', `5`)", "1h0m5s"),
        ("subtract('10Mi', '5Ki')", "10235Ki"),
        ("multiply('10Mi', `2`)", "20Mi"),
        ("divide('10Mi', '5Ki')", 2048),
        ("divide('12s', `3`)", "4s"),
        ("divide(`1`, `4`)", 0.25),
        ("modulo(`10`, `3`)", 1),
        ("modulo('10Mi', '3Mi')", "1Mi"),
        ("sum(['100m', '1', '400m'])", "1500m"),
        ("sum([`1`, `2`])", 3),
        ("round(`10.125`, `2`)", 10.13),
        ("base64_encode('hello')", "aGVsbG8="),
        ("base64_decode('aGVsbG8=')", "hello"),
        ("compare('a', 'b')", -1),
        ("equal_fold('pizza', 'PiZZa')", True),
        ("image_normalize('nginx')", "docker.io/nginx:latest"),
        ("is_external_url('http://10.0.0.1/x')", False),
        ("is_external_url('https://8.8.8.8')", True),
        ("items(labels, 'key', 'value')", [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]),
        ("items(list, 'i', 'v')[1]", {"i": 1, "v": "y"}),
        ('label_match(`{"a": "1"}`, labels)', True),
        ('label_match(`{"a": "2"}`, labels)', False),
        ("lookup(labels, 'b')", "2"),
        ("lookup(list, `1`)", "y"),
        ("lookup(list, `7`)", None),
        ("md5('Alice & Bob')", "def42e1abd2462df1f9f0a4b3d488221"),
        ("sha1('Alice & Bob')", "e3ec484930685a61b0f824cd684a68699d2b98c1"),
        ("sha256('alertmanager-kube-prometheus-stack-alertmanager')", "75c07bb807f2d80a85d34880b8af0c5f29f7c27577076ed5d0e4b427dee7dbcc"),
        ("object_from_lists(list, ['1', '2'])", {"x": "1", "y": "2"}),
        ("parse_json('{\"a\": [1]}').a[0]", 1),
        ("parse_yaml('a: [1, {b: c}]').a[1].b", "c"),
        ("path_canonicalize('/var//lib///kubelet')", "/var/lib/kubelet"),
        ("pattern_match('we?', name)", True),
        ("pattern_match('1*', `12`)", True),
        ("regex_match('^[1-7]$', `1`)", True),
        ("regex_replace_all('([0-9])([0-9])', 'hello im 42 months old', '${1}1')", "hello im 41 months old"),
        ("regex_replace_all_literal('^[0-9]+$', '123', '$1')", "$1"),
        ("replace('a b a b', 'a', 'x', `1`)", "x b a b"),
        ("replace_all('a b a', 'a', 'x')", "x b x"),
        ("semver_compare('4.1.3', '>=4.1.x')", True),
        ("semver_compare('4.1.3', '!4.x.x || >=5.0.0')", False),
        ("semver_compare('1.2.3', '>=1.0.0 <2.0.0 !1.5.0')", True),
        ("split('cat,dog,horse', ',')", ["cat", "dog", "horse"]),
        ("name.split(@, 'e')", ["w", "b"]),
        ("nowhere.split(@, 'e')", None),
        ("time_add('2023-01-12T12:37:56-05:00', '6h')", "2023-01-12T18:37:56-05:00"),
        ("time_after('2023-01-12T14:07:55-05:00', '2023-01-12T19:05:59Z')", True),
        ("time_before('2023-01-12T19:05:59Z', '2023-01-11T19:05:59Z')", False),
        ("time_between('2023-01-12T19:05:59Z', '2023-01-01T19:05:59Z', '2023-01-15T19:05:59Z')", True),
        ("time_diff('2023-01-12T00:00:00Z', '2023-01-11T00:00:00Z')", "-24h0m0s"),
        ("time_now()", "2023-01-13T00:00:00Z"),
        ("time_now_utc()", "2023-01-13T00:00:00Z"),
        ("time_parse('Mon Jan 02 2006 15:04:05 -0700', 'Fri Jun 22 2022 17:45:00 +0100')", "2022-06-22T17:45:00+01:00"),
        ("time_parse('2006-01-02T15:04:05Z07:00', '2021-01-02T15:04:05-07:00')", "2021-01-02T15:04:05-07:00"),
        ("time_parse('1702691171', '1702691171')", "2023-12-16T01:46:11Z"),
        ("time_since('', '2023-01-10T00:00:00Z', '')", "72h0m0s"),
        ("time_since('2006-01-02', '2023-01-10', '2023-01-11')", "24h0m0s"),
        ("time_to_cron('2022-04-11T03:14:05-07:00')", "14 3 11 4 1"),
        ("time_truncate('2023-01-12T17:37:00Z', '1h')", "2023-01-12T17:00:00Z"),
        ("time_utc('2021-01-02T18:04:05-05:00')", "2021-01-02T23:04:05Z"),
        ("to_boolean('True')", True),
        ("to_lower('AbC')", "abc"),
        ("to_upper('AbC')", "ABC"),
        ("trim('¡¡¡Hello!!!', '!¡')", "Hello"),
        ("trim_prefix('web-1', 'web-')", "1"),
        ("truncate('Lorem ipsum', `5`)", "Lorem"),
    ],
)  # fmt: skip
def test_examples(expression: str, expected: Any) -> None:
    assert expressions.evaluate(expression, DATA, AT) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "divide(`1`, `0`)", "modulo('1Mi', '0')", "sum([])", "add('x', 'y')", "add('1Mi', '1h')", "multiply('1Mi', '2Mi')",
        "base64_decode('%')", "parse_json('{')", "parse_yaml('[')", "regex_match('(', 'x')", "regex_match('(?=x)', 'x')",
        "time_parse('2006', 'x')", "time_add('x', '1h')", "to_boolean('perhaps')", "truncate('a', `1.5`)", "random('[a-z]{3}')",
        "x509_decode('x')", "is_external_url('https://example.com')", "semver_compare('x', '>1.0.0')", "to_upper(nothing)",
        "nonsense(name)", "to_upper(name, name)", "replace_all('" + "a" * 2000 + "', 'a', '" + "b" * 2000 + "')",
    ],
)  # fmt: skip
def test_what_has_no_value_is_a_fault(expression: str) -> None:
    with pytest.raises(RuleFault):
        expressions.evaluate(expression, DATA, AT)


def test_every_documented_function_is_there() -> None:
    documented = (
        "add base64_decode base64_encode compare divide equal_fold image_normalize is_external_url items label_match lookup md5 "
        "modulo multiply object_from_lists parse_json parse_yaml path_canonicalize pattern_match random regex_match "
        "regex_replace_all regex_replace_all_literal replace replace_all round semver_compare sha1 sha256 split subtract sum "
        "time_add time_after time_before time_between time_diff time_now time_now_utc time_parse time_since time_to_cron "
        "time_truncate time_utc to_boolean to_lower to_upper trim trim_prefix truncate x509_decode"
    )
    assert set(documented.split()) <= {*FUNCTIONS, *TIMED, *REFUSED}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(JSON, max_size=4))
def test_functions_give_values_or_faults_for_anything(name: str, arguments: list[Any]) -> None:
    text = ", ".join(f"`{json.dumps(one).replace('`', '')}`" for one in arguments)
    with contextlib.suppress(RuleFault):
        json.dumps(expressions.evaluate(f"{name}({text})", {}, AT))


@given(st.integers(-(10**18), 10**18))
def test_durations_read_back_as_they_are_written(nanoseconds: int) -> None:
    assert amounts.parse_duration(amounts.format_duration(nanoseconds)) == nanoseconds


@given(st.decimals(-(10**12), 10**12, places=3), st.booleans())
def test_quantities_read_back_as_they_are_written(value: Any, binary: bool) -> None:
    found = amounts.parse_quantity(amounts.format_quantity(value, binary=binary))
    assert found is not None
    assert found.value == value
