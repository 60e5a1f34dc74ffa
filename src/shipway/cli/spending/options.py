"""The bill, how it is shared out, and budgets, as they are written on the command line."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from shipway.cost.allocation import Sharing
from shipway.cost.money import Rule, exact
from shipway.facts.charging import Rules
from shipway.model.errors import BadInput
from shipway.model.quantities import Money, QuantityError, parse_money

Form = Literal["table", "csv", "focus"]


def rules(bill: str | None, shared: str | None, share: str, weights: Sequence[str]) -> Rules:
    """How charges come to the bill.

    Raises:
        BadInput: an option is wrong.
    """
    sharing = Sharing(one_of(share, Rule, "--share"), _weights(weights))
    return Rules(amount(bill, "--bill"), amount(shared, "--shared"), sharing)


def one_of(word: str, words: Any, option: str) -> Any:
    """``word``, one of the literal type ``words``.

    Raises:
        BadInput: it is not.
    """
    choices: tuple[str, ...] = get_args(words)
    if word not in choices:
        raise BadInput(f"expected one of {', '.join(choices)} for {option}, got `{word}`")
    return word


def amount(text: str | None, option: str) -> Money | None:
    """The amount, if one is given.

    Raises:
        BadInput: it is none.
    """
    try:
        return parse_money(text) if text else None
    except QuantityError as error:
        raise BadInput(f"{option}: {error}", hint="In a shell, put amounts in quotes: '$300'.") from error


def _weights(pairs: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair in pairs:
        app, _, number = pair.partition("=")
        try:
            found[app] = float(number)
            exact(found[app])
        except ValueError:
            found[app] = -1.0
        if found[app] < 0:
            raise BadInput(f"expected --weight APP=N with a number from 0 on, got `{pair}`")
    return found
