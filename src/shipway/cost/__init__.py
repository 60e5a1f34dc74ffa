"""Money: what releases will cost (``estimate``), what they did cost (``allocation``), and what their budgets allow (``budget``).

Pure functions of plain data. Amounts are exact decimals of one currency; two currencies are an error and never a sum. What
is not known is an :class:`~shipway.cost.money.Unknown` with its reason and never 0.
"""
