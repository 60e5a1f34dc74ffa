"""What was probably meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.model.suggestions import closest, did_you_mean

FIELDS = ["archetype", "dependsOn", "dataClass", "image", "port", "ports"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("archetyp", "archetype"),
        ("depends_on", "dependsOn"),
        ("DEPENDSON", "dependsOn"),
        ("data-class", "dataClass"),
        ("prot", "port"),
        ("zebra", ""),
        ("", ""),
        ("x" * 10_000, ""),
    ],
)
def test_the_closest_option(word: str, meant: str) -> None:
    assert closest(word, FIELDS) == meant


def test_a_message_ends_with_the_suggestion_or_not_at_all() -> None:
    assert did_you_mean("imgae", FIELDS) == "; did you mean `image`?"
    assert did_you_mean("zebra", FIELDS) == ""


@given(st.text(max_size=100), st.lists(st.text(max_size=20)))
def test_a_suggestion_is_always_an_option(word: str, options: list[str]) -> None:
    assert closest(word, options) in ["", *options]
