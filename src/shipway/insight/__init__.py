"""What measurements say about a service: forecasts, anomalies, delivery statistics, risk, impact.

Used by the command line and by ``plan``. Arithmetic only: whoever calls brings the numbers and the time.
"""
