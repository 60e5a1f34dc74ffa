"""Exact amounts, ranges of amounts, and the sharing out of an amount without losing any of it. Used by all of this room.

Amounts are decimals in steps of :data:`QUANTUM`, so that sums are exact and reconcile with the bill to the last digit.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Literal, TypeVar

import msgspec

from shipway.model.errors import BadInput

K = TypeVar("K", bound=Hashable)

QUANTUM = Decimal("1e-9")
"""A second of a small process costs about a millionth of a cent; this is ten times less."""
HOURS_PER_MONTH = Decimal(730)
"""8,760 hours of a year by twelve, as clouds price a month."""
_DIGITS = 50
"""Amounts up to a billion, in steps of a billionth, times weights: far from the limit, so that nothing is rounded twice."""

MOST = 1e18
"""Of anything that is measured: an exabyte, a billion cores for a lifetime."""

Rule = Literal["even", "proportional", "custom"]


class Unknown(msgspec.Struct, frozen=True):
    """There is an amount, and nobody can say how much."""

    reason: str


class Total(msgspec.Struct, frozen=True):
    """A sum that lies between two amounts, beside parts that are not known."""

    currency: str
    low: Decimal
    high: Decimal
    unknown: tuple[str, ...] = ()
    """Reasons of the parts that are missing: with any, the sum is *at least* ``low`` and has no upper end."""
    empty: bool = False
    """Whether no part is known at all."""

    def times(self, factor: Decimal) -> "Total":
        """The same for another period."""
        return msgspec.structs.replace(self, low=quantised(self.low * factor), high=quantised(self.high * factor))


def exact(number: float | Decimal) -> Decimal:
    """The decimal that people read when they see ``number``.

    Raises:
        ValueError: not a finite number.
    """
    found = number if isinstance(number, Decimal) else Decimal(repr(number))
    if not found.is_finite():
        raise ValueError(f"expected a number, got {number}")
    return found


def quantised(amount: Decimal) -> Decimal:
    """To the nearest step of :data:`QUANTUM`, ties to even."""
    with localcontext() as context:
        context.prec = _DIGITS
        return amount.quantize(QUANTUM)


def one_currency(currencies: Iterable[str], what: str = "amounts") -> str:
    """The currency of amounts that are to be added; empty for none.

    Raises:
        BadInput: there are several.
    """
    found = sorted({currency for currency in currencies if currency})
    if len(found) > 1:
        hint = "Ask for one environment or cluster at a time, or give prices in one currency."
        raise BadInput(f"{what} in {' and '.join(found)} cannot be added", hint=hint)
    return found[0] if found else ""


def total(parts: Iterable[Total]) -> Total:
    """The sum of sums.

    Raises:
        BadInput: they are in several currencies.
    """
    found = list(parts)
    currency = one_currency(part.currency for part in found)
    return Total(
        currency,
        sum((part.low for part in found), Decimal(0)),
        sum((part.high for part in found), Decimal(0)),
        tuple(dict.fromkeys(reason for part in found for reason in part.unknown)),
        all(part.empty for part in found),
    )


def share_out(amount: Decimal, weights: Mapping[K, Decimal | float]) -> dict[K, Decimal]:
    """``amount`` in proportion to ``weights``, in whole steps; the shares add up to it exactly.

    Every share is rounded towards zero and what remains goes, a step each, to those who lost most by that (the largest
    remainder), in the order of ``weights`` among equals. Nobody has any weight: all get the same. No weights: nothing.

    Raises:
        ValueError: a weight is negative or not a number.
    """
    given = {key: exact(weight) for key, weight in weights.items()}
    if any(weight < 0 for weight in given.values()):
        raise ValueError("weights must not be negative")
    if not given:
        return {}
    everything = sum(given.values(), Decimal(0))
    if everything == 0:
        given, everything = dict.fromkeys(given, Decimal(1)), Decimal(len(given))
    with localcontext() as context:
        context.prec = _DIGITS
        wanted = {key: amount * weight / everything for key, weight in given.items()}
        shares = {key: share.quantize(QUANTUM, rounding=ROUND_DOWN) for key, share in wanted.items()}
        left = amount - sum(shares.values(), Decimal(0))
        return _spread(left, shares, sorted(shares, key=lambda key: abs(shares[key]) - abs(wanted[key])))


def _spread(left: Decimal, shares: dict[K, Decimal], order: Sequence[K]) -> dict[K, Decimal]:
    """Whole steps one by one; what is smaller than a step, which an amount of ours never has, to the first."""
    step = QUANTUM.copy_sign(left)
    steps = int(left / step) if left else 0
    for place in range(steps):
        shares[order[place % len(order)]] += step
    shares[order[0]] += left - steps * step
    return shares


def is_amount(value: float) -> bool:
    """Whether a measured quantity can be paid for: a number, not negative, and not beyond all measure."""
    return math.isfinite(value) and 0 <= value <= MOST
