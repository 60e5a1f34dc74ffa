"""Verbs that know: rightsize, forecast, dora, risk, impact, maturity."""
