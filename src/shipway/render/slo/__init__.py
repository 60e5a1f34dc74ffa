"""Service levels as plain data, and what others read of them: Prometheus rules, alerts and a Grafana dashboard.

    levels = of_application(application)
    groups = [group for level in levels for group in rules.groups(level)]

Called by whoever wraps rule groups into files or PrometheusRule objects. The arithmetic of error budgets is in
:mod:`shipway.slo`; nothing here fetches or stores.
"""
