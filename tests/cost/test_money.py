"""No cent is lost: amounts are exact, shares add up, currencies are not mixed, unknown is not nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cost.money import QUANTUM, Total, exact, one_currency, quantised, share_out, total
from shipway.model.errors import BadInput

AMOUNTS = st.decimals(-(10**6), 10**6, places=9)
WEIGHTS = st.floats(0, 1e9) | st.decimals(0, 10**9, places=4)


@given(AMOUNTS, st.dictionaries(st.text(max_size=3), WEIGHTS, min_size=1, max_size=20))
def test_shares_add_up_to_the_amount_and_each_is_within_a_step_of_its_part(
    amount: Decimal, weights: dict[str, float]
) -> None:
    shares = share_out(amount, weights)
    assert sum(shares.values()) == amount
    assert list(shares) == list(weights)
    whole = sum(map(exact, weights.values()))
    if whole:
        for key, share in shares.items():
            assert abs(share - amount * exact(weights[key]) / whole) <= 2 * QUANTUM
            assert share * amount >= 0


def test_the_largest_remainder_goes_first() -> None:
    assert share_out(Decimal("0.000000010"), {"a": 1, "b": 1, "c": 1}) == {
        "a": Decimal("4e-9"),
        "b": Decimal("3e-9"),
        "c": Decimal("3e-9"),
    }
    assert share_out(Decimal(1), {"a": 0, "b": 3}) == {"a": Decimal(0), "b": Decimal(1)}
    assert share_out(Decimal(1), {"a": 0, "b": 0}) == {"a": Decimal("0.5"), "b": Decimal("0.5")}
    assert share_out(Decimal(5), {}) == {}


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_none(weight: float) -> None:
    with pytest.raises(ValueError, match=r"negative|expected a number"):
        share_out(Decimal(1), {"a": weight, "b": 1.0})


def test_totals_say_what_is_missing_and_do_not_mix_currencies() -> None:
    known = Total("USD", Decimal(1), Decimal(2))
    missing = Total("USD", Decimal(0), Decimal(0), ("no price",), empty=True)
    both = total([known, missing, missing])
    assert (both.low, both.high, both.unknown, both.empty) == (1, 2, ("no price",), False)
    assert total([missing]).empty
    assert known.times(Decimal(730)).high == 1460
    with pytest.raises(BadInput, match="EUR and USD cannot be added"):
        total([known, Total("EUR", Decimal(1), Decimal(1))])
    assert one_currency(["", "GBP"]) == "GBP"
    assert quantised(Decimal("1.00000000051")) == Decimal("1.000000001")
