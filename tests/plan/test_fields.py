"""Differences read like one: quantities, maps, lists of named things, secrets."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.plan.fields import Hidden, differences, masked, quantity

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "1", "500m"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "limits", "x", "a.b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def found(before: Any, after: Any, **more: Any) -> list[tuple[Any, ...]]:
    return [one[1:] for one in differences(before, after, **more)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), (1, "1"), ("1Ki", "1024"), ("1e3", "1000"), ("2E", "2000000000000000000"), ("0.5", "0.500")],
)
def test_a_quantity_is_a_number(text: str | int, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1KiB", "--1", True, None, "1e9999"])
def test_what_is_no_quantity(text: Any) -> None:
    assert quantity(text) is None


def test_quantities_are_compared_as_such_where_kubernetes_has_them() -> None:
    assert found({"limits": {"cpu": "500m"}}, {"limits": {"cpu": "0.5"}}) == []
    assert found({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}) == [
        ("limits.memory", "changed", "1Gi", "1G")
    ]
    labels = {"labels": {"storage": "1"}}, {"labels": {"storage": "1.0"}}
    assert found(*labels) == [("labels.storage", "changed", "1", "1.0")]
    assert found({"version": "500m"}, {"version": "0.5"}) == [("version", "changed", "500m", "0.5")]


def test_named_things_are_compared_by_name_wherever_they_stand() -> None:
    before = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    after = {"env": [{"name": "N", "value": "0"}, {"name": "A", "value": "1"}, {"name": "B", "value": "3"}]}
    assert found(before, after) == [
        ("env[B].value", "changed", "2", "3"),
        ("env[N]", "added", None, {"name": "N", "value": "0"}),
    ]
    assert found({"env": before["env"][::-1]}, before) == [("env (order)", "changed", ["B", "A"], ["A", "B"])]


def test_other_lists_are_compared_like_lines() -> None:
    assert found({"args": ["a", "b", "c"]}, {"args": ["b", "c", "d"]}) == [
        ("args[0]", "removed", "a", None),
        ("args[2]", "added", None, "d"),
    ]


def test_truth_is_no_number() -> None:
    assert found({"x": True}, {"x": 1}) == [("x", "changed", True, 1)]


def test_values_of_secrets_are_compared_and_never_shown() -> None:
    before = {"kind": "Secret", "data": {"a": "b25l", "b": "dHdv", "c": "x"}}
    after = {"kind": "Secret", "data": {"a": "dHdv", "b": "dHdv"}, "stringData": {"d": "four"}}
    assert found(before, after) == [
        ("data.a", "changed", "***", "***"),
        ("data.c", "removed", "***", None),
        ("stringData", "added", None, {"d": "***"}),
    ]


def test_what_looks_like_a_secret_is_masked_under_its_name() -> None:
    def secretive(name: str, value: str) -> bool:
        return name == "TOKEN" and value != ""

    before = {"env": [{"name": "TOKEN", "value": "one"}]}
    after = {"env": [{"name": "TOKEN", "value": "two"}]}
    assert found(before, after, secretive=secretive) == [("env[TOKEN].value", "changed", "***", "***")]
    assert masked(before, secretive) == {"env": [{"name": "TOKEN", "value": Hidden("one")}]}


def test_the_name_of_a_secret_is_none() -> None:
    asked: list[str] = []
    masked({"spec": {"secretName": "web-tls", "password": "x"}}, lambda name, _: bool(asked.append(name)))
    assert asked == ["", "password"]


@given(VALUES)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert found(value, value) == []


@given(VALUES, VALUES)
def test_what_differs_differs_in_both_directions(before: Any, after: Any) -> None:
    assert bool(found(before, after)) == bool(found(after, before))


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)), st.text(max_size=3), st.booleans())
def test_no_change_is_missed(before: dict[str, Any], key: str, value: bool) -> None:
    assert len(found(before, {**before, key: value})) == 1
