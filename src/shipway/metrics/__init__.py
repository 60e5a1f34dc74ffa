"""Metric sources. Each returns readings or a typed absence; none knows what a verdict is."""
