"""Overlay patterns: scalars with operators, lists, every anchor, references, and the path of what is wrong."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.policy.kyverno import patterns, scalars, wildcards
from tests.policy.kyverno.policies import POD, cluster_policy, judged, problems_of, rules_of, verdict


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    [
        ("abc", "a*", True),
        ("abc", "?bc", True),
        ("", "?*", False),
        ("", "*", True),
        (5, ">=5", True),
        (5, "<5", False),
        ("5", 5, True),
        (5, "5", True),
        (5.0, 5, True),
        (True, "true", True),
        (True, True, True),
        ("true", True, False),
        (0, False, False),
        ("1Gi", ">=1024Mi", True),
        ("100m", "0.1", True),
        ("90m", ">1h", True),
        ("500Mi", "256Mi | 500Mi", True),
        ("abc", "!a*", False),
        ("abc", "!a* | abc", True),
        (7, ">5 & <10", True),
        (7, "5-10", True),
        (11, "5-10", False),
        (11, "5!-10", True),
        ("2Gi", "1Gi-3Gi", True),
        ("10-alpine", "10-alpine", True),
        ("1.4.2", ">1.4.1", True),
        (None, None, True),
        (None, "", True),
        ("", None, True),
        ("x", None, False),
        (None, "!x", False),
        ({}, "?*", False),
    ],
)
def test_scalars(value: Any, pattern: Any, expected: bool) -> None:
    assert scalars.satisfies(value, pattern) is expected


def outcome(value: Any, pattern: Any) -> tuple[str, Any]:
    found = patterns.match(value, pattern)
    return ("pass", ()) if found is None else ("skip" if found.skip else "fail", found.path)


CONTAINERS = {"c": [{"image": "a:latest", "pull": "Always"}, {"image": "b:1", "pull": "Never"}]}


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}}, ("pass", ())),
        ({"a": {"b": 2}}, {"a": {"b": 1}}, ("fail", ("a", "b"))),
        ({}, {"a": "?*"}, ("fail", ("a",))),
        ({"a": None}, {"a": "*"}, ("fail", ("a",))),
        ({"a": 1}, {"a": {"b": 1}}, ("fail", ("a",))),
        ({"a": [1, 2]}, {"a": [">0"]}, ("pass", ())),
        ({"a": [1, 2]}, {"a": "<2"}, ("fail", ("a", 1))),
        ({"a": 1}, {"a": [1]}, ("fail", ("a",))),
        ({}, {"=(a)": 1}, ("pass", ())),
        ({"a": 2}, {"=(a)": 1}, ("fail", ("a",))),
        ({"a": 1}, {"X(a)": "null"}, ("fail", ("a",))),
        ({"b": 1}, {"X(a)": "null"}, ("pass", ())),
        ({"a": 1, "b": 2}, {"(a)": 1, "b": 2}, ("pass", ())),
        ({"a": 1, "b": 3}, {"(a)": 1, "b": 2}, ("fail", ("b",))),
        ({"a": 5, "b": 3}, {"(a)": 1, "b": 2}, ("skip", ("a",))),
        ({"b": 3}, {"(a)": 1, "b": 2}, ("skip", ("a",))),
        (CONTAINERS, {"c": [{"(image)": "*:latest", "pull": "Always"}]}, ("pass", ())),
        (CONTAINERS, {"c": [{"(image)": "b:*", "pull": "Always"}]}, ("fail", ("c", 1, "pull"))),
        (CONTAINERS, {"c": [{"(image)": "z:*", "pull": "Always"}]}, ("skip", ("c", 0, "image"))),
        (CONTAINERS, {"^(c)": [{"image": "b:1"}]}, ("pass", ())),
        (CONTAINERS, {"^(c)": [{"image": "z:1"}]}, ("fail", ("c",))),
        ({}, {"^(c)": [{"image": "z:1"}]}, ("fail", ("c",))),
        (CONTAINERS, {"c": [{"<(image)": "a:*"}], "x": "?*"}, ("fail", ("x",))),
        (CONTAINERS, {"c": [{"<(image)": "z:*"}], "x": "?*"}, ("skip", ("c", 0, "image"))),
        ({"labels": {"app.x": "1"}}, {"labels": {"app.*": "1"}}, ("pass", ())),
        ({"labels": {"app.x": "1"}}, {"labels": {"X(app.*)": "1"}}, ("fail", ("labels", "app.x"))),
        ({"labels": {"b": "1"}}, {"labels": {"app.*": "1"}}, ("fail", ("labels", "app.*"))),
    ],
)
def test_maps_lists_and_anchors(value: Any, pattern: Any, expected: tuple[str, Any]) -> None:
    assert outcome(value, pattern) == expected


def test_nested_conditions_decide_about_their_peers() -> None:
    """The documentation's example: with the docker socket, a label is required."""
    pattern = {
        "metadata": {"labels": {"allow-docker": "true"}},
        "(spec)": {"(volumes)": [{"(hostPath)": {"path": "/var/run/docker.sock"}}]},
    }
    pod: dict[str, Any] = {
        "metadata": {"labels": {}},
        "spec": {"volumes": [{"hostPath": {"path": "/var/run/docker.sock"}}]},
    }
    assert outcome(pod, pattern)[0] == "fail"
    assert outcome({**pod, "spec": {"volumes": [{"emptyDir": {}}]}}, pattern)[0] == "skip"
    assert outcome({**pod, "metadata": {"labels": {"allow-docker": "true"}}}, pattern)[0] == "pass"


def test_a_reference_reads_a_value_of_the_pattern_itself() -> None:
    probes = {"livenessProbe": {"port": "$(<=./../../readinessProbe/port)"}, "readinessProbe": {"port": "3000"}}
    pattern = {"pattern": {"spec": {"=(containers)": [probes]}}}
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"] = [{"livenessProbe": {"port": 2000}, "readinessProbe": {"port": 3000}}]
    assert verdict(pattern, pod) == "pass"
    pod["spec"]["containers"][0]["livenessProbe"]["port"] = 4000
    assert verdict(pattern, pod) == "fail"


def test_the_message_has_its_variables_and_what_was_found() -> None:
    body = {
        "message": "{{ request.object.metadata.name }} is wrong.",
        "pattern": {"spec": {"containers": [{"image": "ghcr.io/*"}]}},
    }
    found = judged(rules_of(cluster_policy(body)), POD)
    assert found.path == ("spec", "containers", 1, "image")
    assert found.message == "web-1 is wrong: expected `ghcr.io/*`, found `nginx`"


def test_any_pattern_passes_with_one_and_blames_the_closest() -> None:
    good, bad = {"metadata": {"name": "web-*"}}, {"metadata": {"labels": {"app": "db"}}}
    assert verdict({"anyPattern": [bad, good]}) == "pass"
    found = judged(rules_of(cluster_policy({"anyPattern": [{"kind": "X"}, bad]})), POD)
    assert (found.status, found.path) == ("fail", ("metadata", "labels", "app"))
    assert verdict({"anyPattern": [{"metadata": {"(name)": "db"}}]}) == "skip"


def test_a_variable_without_a_value_in_a_pattern_is_an_error() -> None:
    assert verdict({"pattern": {"metadata": {"name": "{{ request.object.nowhere }}"}}}) == "error"


def test_the_adding_anchor_is_refused_with_its_place() -> None:
    found = problems_of(cluster_policy({"pattern": {"metadata": {"labels": {"+(app)": "x"}}}}))
    assert found == [
        "spec.rules.0.validate.pattern.metadata.labels.+(app): the anchor `+()` adds a value, which only mutate rules can; use `=()`"
    ]


TEXT = st.text("abc/.:", min_size=1, max_size=6)
PLAIN = st.recursive(
    TEXT | st.integers(1, 99) | st.booleans(),
    lambda below: (
        st.lists(below, min_size=1, max_size=1)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), below, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_an_object_matches_itself_as_a_pattern(value: Any) -> None:
    assert patterns.match({"a": value}, {"a": value}) is None


@given(PLAIN, st.text("def", min_size=1, max_size=3), PLAIN)
def test_more_fields_than_the_pattern_asks_for_do_no_harm(value: Any, key: str, more: Any) -> None:
    assert patterns.match({"a": value, key: more}, {"a": value}) is None
    assert patterns.match({"a": value}, {"a": value, f"X({key})": "null"}) is None
    assert patterns.match({"a": value, key: more}, {"a": value, f"X({key})": "null"}) is not None


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_mean_what_the_regular_expression_means(pattern: str, text: str) -> None:
    expected = re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None
    assert wildcards.matches(pattern, text) is expected
