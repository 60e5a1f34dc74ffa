"""Money as people read it. Called by the tables of ``cli`` and the cards of ``web.report``."""

from datetime import UTC, datetime
from decimal import Decimal

from shipway.cost.allocation import Row
from shipway.cost.budget import BudgetState
from shipway.cost.money import Total

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


def money(amount: Decimal | float, currency: str) -> str:
    """``$1,234.50``; what would read as nothing, and is not, in two digits that count: ``$0.0023``."""
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(amount))
    size = f"{abs(exact):,.2f}" if exact == 0 or abs(exact) >= Decimal("0.1") else _small(abs(exact))
    sign = "-" if exact < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{size}" if symbol else f"{sign}{size} {currency}".rstrip()


def each(amount: Decimal, currency: str) -> str:
    """Of one request; what is less than a cent is told for a million of them."""
    return money(amount, currency) if abs(amount) >= Decimal("0.01") else f"{money(amount * 10**6, currency)} a million"


def _small(amount: Decimal) -> str:
    return f"{amount:.{1 - amount.adjusted()}f}"


def between(total: Total) -> str:
    """``$1.20``, ``$1.20 to $4.80``, ``at least $1.20`` or ``unknown``."""
    if total.empty:
        return "unknown"
    if total.unknown:
        return f"at least {money(total.low, total.currency)}"
    if total.low == total.high:
        return money(total.low, total.currency)
    return f"{money(total.low, total.currency)} to {money(total.high, total.currency)}"


def month(row: Row) -> str:
    """What 730 hours like those that were measured cost."""
    return "unknown" if row.month is None or row.unknown or not row.parts else money(row.month, row.currency)


def between_days(one: BudgetState) -> str:
    """The day on which a budget is exceeded, with the earliest and the latest."""
    days = [_day(at) for at in (one.earliest, one.exceeded, one.latest)]
    return f"{days[1]} ({days[0]} to {days[2]})" if one.earliest else "no day of this month"


def _day(end: float | None) -> str:
    """The day that ends then."""
    return "not this month" if end is None else datetime.fromtimestamp(end - 1, UTC).date().isoformat()
