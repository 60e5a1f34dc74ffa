"""Equality, order and keys of Rego values: laws that must hold for all of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.policy.rego.values import Set, Value, compare, equal, key_of, ordered, plain, to_json, value_of

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, -2.0]) | st.text("ab", max_size=2)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(Set)
        | st.lists(st.tuples(inner, inner), max_size=3).map(lambda pairs: {key_of(key): value for key, value in pairs})
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_order_and_equality_agree(one: Value, other: Value) -> None:
    assert equal(one, other) == (compare(one, other) == 0)
    assert compare(one, other) == -compare(other, one)


@given(VALUES, VALUES, VALUES)
def test_order_is_transitive(one: Value, other: Value, third: Value) -> None:
    low, middle, high = ordered([one, other, third])
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(VALUES, VALUES)
def test_equal_values_are_one_key(one: Value, other: Value) -> None:
    assert (key_of(one) == key_of(other)) == equal(one, other)
    assert len(Set([one, other])) == (1 if equal(one, other) else 2)
    assert equal(value_of(key_of(one)), one)


@given(VALUES)
def test_order_of_arrival_does_not_show(value: Value) -> None:
    if isinstance(value, Set):
        assert ordered(Set(reversed(list(value)))) == ordered(value)


@pytest.mark.parametrize(
    ("one", "other"), [(True, 1), (False, 0), (None, False), ("1", 1), ([1], [True]), ({"a": 0}, {"a": False})]
)
def test_kinds_are_kept_apart(one: Value, other: Value) -> None:
    assert not equal(one, other)
    assert len(Set([one, other])) == 2


def test_kinds_in_order() -> None:
    values = [None, False, True, -1, 2.5, "", "b", [], [1], {}, {"a": 1}, Set(), Set([1])]
    assert ordered(reversed(values)) == values


def test_json_of_what_json_has_not() -> None:
    value = {"set": Set([2, 1]), key_of(1): "number", key_of([1]): "array"}
    assert to_json(value) == {"set": [1, 2], "1": "number", "[1]": "array"}


def test_plain_takes_only_json() -> None:
    assert plain({"a": (1, {2: "b"})}) == {"a": [1, {"2": "b"}]}
    with pytest.raises(TypeError, match="object is not JSON data"):
        plain({"a": object()})
    assert math.isclose(plain(0.5), 0.5)
