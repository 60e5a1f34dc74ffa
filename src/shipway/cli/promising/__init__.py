"""``shipway slo``: service levels, their budgets and rules."""
