"""Shipway: one spec file from laptop to production, rolled out by measured evidence."""

__version__ = "0.1.0"
