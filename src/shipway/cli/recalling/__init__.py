"""Verbs about what has happened: history, replay, report, journal."""
