"""Promises about journeys through several services, of which each may fail. Used for reports; the rules are in ``render.slo``.

How failures of different services fall together is not in their counters, so the truth has bounds: at best all failures
meet in the same journeys, at worst none do. Independence lies between and is what the alerts take.
"""

import math
from collections.abc import Sequence

import msgspec

from shipway.slo.budget import Spending, Status, Unknown


class Composite(msgspec.Struct, frozen=True, tag="known", kw_only=True):
    """The share of journeys that fail, 0..1."""

    share: float
    """If services fail independently: 1 - (1 - a)(1 - b)…"""
    least: float
    """The worst service alone."""
    most: float
    """The sum, at most 1 (Boole's inequality)."""
    remaining: float | None
    """Of the journey's own budget, if services fail independently; None when nothing may fail and it did."""


def composite(members: Sequence[Status], objective: float) -> Composite | Unknown:
    """The journey through ``members``, of which ``objective`` (0..1) must succeed; unknown as soon as one of them is."""
    shares: list[float] = []
    for member in members:
        if not isinstance(member.spending, Spending):
            return Unknown(f"{member.service}: {member.spending.reason}")
        shares.append(member.spending.share)
    if not shares:
        return Unknown("the journey has no services")
    share, budget = 1 - math.prod(1 - one for one in shares), 1 - objective
    remaining = 1 - share / budget if budget > 0 else (1.0 if share == 0 else None)
    return Composite(share=share, least=max(shares), most=min(1.0, sum(shares)), remaining=remaining)
