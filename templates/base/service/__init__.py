"""The service. `python3 -m service` starts it; nothing needs to be installed."""
