"""Markdown fits a comment, whatever is in it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cost.estimate import Change
from shipway.cost.money import Total
from shipway.plan.changes import ObjectChange, PlaceChange, Plan
from shipway.plan.fields import Field
from shipway.plan.wording import LONGEST, NO_CHANGES, excerpts, markdown, text


def place(number: int, size: int) -> PlaceChange:
    fields = tuple(Field(f"spec.f{index}", "changed", index, "x" * 100) for index in range(size))
    return PlaceChange(
        "prod", "eu", f"app{number}", (ObjectChange("changed", "v1", "Service", "a", "a", fields=fields),)
    )


@pytest.mark.parametrize(("places", "size"), [(1, 1), (400, 3), (3, 5000)])
def test_a_comment_fits_and_says_what_was_left_out(places: int, size: int) -> None:
    plan = Plan(places=tuple(place(number, size) for number in range(places)))
    comment = markdown(plan)
    shown = comment.count("<details>")
    assert len(comment) <= 65_000
    assert comment.count("```") == 2 * shown
    assert shown > 0
    left = places - shown
    assert (f"{left} of {places} place" in comment) == bool(left)
    assert ("the end of the last place shown" in comment) == (comment.count("spec.f") < 2 * shown * size)
    assert text(plan).count("spec.f0") == places


def test_notes_that_do_not_fit_are_cut_too() -> None:
    plan = Plan(places=(place(0, 1),), platform=tuple(f"application-{number}" for number in range(9000)))
    comment = markdown(plan)
    assert len(comment) <= 65_000
    assert "Left out for length: part of the notes, 1 of 1 place;" in comment


def test_many_notes_leave_room_for_the_change() -> None:
    money = Total("USD", Decimal(1), Decimal(1))
    costs = tuple(Change(f"app{number}", "prod", "eu", None, money, Decimal(1), Decimal(1)) for number in range(100))
    plan = Plan(places=(place(0, 1),), costs=costs)
    assert "- app39 prod/eu: +1.00 USD\n- and 60 more" in markdown(plan)
    assert "spec.f0" in markdown(plan)
    assert "app99" in text(plan)


def test_nothing_is_said_so() -> None:
    assert text(Plan(places=())) == NO_CHANGES
    assert NO_CHANGES in markdown(Plan(places=()))


@given(st.text(max_size=600), st.text(max_size=600))
def test_values_are_one_line_and_short(before: str, after: str) -> None:
    for shown in excerpts(before, after):
        assert len(shown) <= LONGEST + 2
        assert all(one.isprintable() for one in shown)


def test_long_values_are_cut_to_what_differs() -> None:
    before, after = excerpts("a" * 500 + "b", "a" * 500 + "c")
    assert before.endswith('b"')
    assert after.endswith('c"')
